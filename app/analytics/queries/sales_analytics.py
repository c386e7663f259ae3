"""Answers of the API of sales figures: totals, parts, and the period before, together."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from app.analytics.queries.sales_figures import Grouping, comparison, series, totals
from app.analytics.queries.sales_shares import by_category, top_brands, top_products
from app.analytics.queries.sales_sources import Dimension
from app.analytics.rules.periods import Period
from app.analytics.rules.sales_figures import Comparison, Figures, Filters, Point, Share


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a period, or a category, brand or product of it."""

    figures: Figures
    first_on: date | None = None
    last_on: date | None = None
    key: str | None = None
    name: str | None = None
    product_id: int | None = None


@dataclass(frozen=True, slots=True)
class Compared:
    """Two periods side by side."""

    period: Period
    before: Period
    filters: Filters
    currencies: list[Comparison]


@dataclass(frozen=True, slots=True)
class Analytics:
    """The figures of a period and of its parts."""

    period: Period
    group_by: str
    totals: list[Figures]
    parts: list[Part]
    comparison: Compared | None = None
    parts_before: list[Part] | None = None


def analyse(period: Period, filters: Filters, *, group_by: str, compare: bool, measure: str, limit: int) -> Analytics:
    """The figures of a period, of its parts, and with ``compare`` of the period before. Raises PeriodTooWide."""
    compared = compared_with_before(period, filters) if compare else None
    if group_by in set(Grouping):
        grouping = Grouping(group_by)
        parts = _of_points(series(period, grouping, filters))
        before = _of_points(series(period.before(), grouping, filters)) if compare else None
        return Analytics(period, group_by, totals(period, filters), parts, compared, before)
    shares = shares_of(Dimension(group_by), period, filters, measure=measure, limit=limit)
    return Analytics(period, group_by, totals(period, filters), shares, compared)


def compared_with_before(period: Period, filters: Filters) -> Compared:
    """A period beside the equally long one before it. Raises PeriodTooWide."""
    return Compared(period, period.before(), filters, comparison(period, filters))


def shares_of(
    dimension: Dimension,
    period: Period,
    filters: Filters,
    *,
    measure: str,
    limit: int,
    parent_id: int | None = None,
) -> list[Part]:
    """What sold best: categories below ``parent_id``, brands or products. Raises PeriodTooWide."""
    if dimension is Dimension.CATEGORY:
        return _of_shares(by_category(period, filters, parent_id=parent_id, measure=measure, limit=limit))
    top = top_products if dimension is Dimension.PRODUCT else top_brands
    return _of_shares(top(period, measure, limit, filters))


def cut(
    dimension: Dimension, period: Period, filters: Filters, *, measure: str, limit: int, parent_id: int | None = None
) -> Analytics:
    """What sold best, beside the totals. Raises PeriodTooWide."""
    shares = shares_of(dimension, period, filters, measure=measure, limit=limit, parent_id=parent_id)
    return Analytics(period, dimension.value, totals(period, filters), shares)


def _of_points(points: list[Point]) -> list[Part]:
    return [Part(point.figures, point.period.first_on, point.period.last_on) for point in points]


def _of_shares(shares: list[Share]) -> list[Part]:
    return [Part(each.figures, key=each.key, name=each.name, product_id=each.product_id) for each in shares]
