"""Answers of the API of sales figures: totals, parts, and the period before, together.

What takes too long is refused with PeriodTooWide, which names a narrower period that is answered.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date

from app.analytics.queries.sales_figures import Grouping, comparison, series, totals
from app.analytics.queries.sales_narrowing import answered
from app.analytics.queries.sales_shares import beside_before, by_category, top_brands, top_products
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
    compared: Comparison | None = None
    """Beside the period before, of a category, brand or product; None where nobody asked."""


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
    if group_by in set(Grouping):
        return answered(lambda some: _in_time(some, filters, Grouping(group_by), compare=compare), period)
    dimension = Dimension(group_by)

    def ask(some: Period) -> Analytics:
        found = _cut(dimension, some, filters, measure=measure, limit=limit, compare=compare)
        return replace(found, comparison=_compared(some, filters)) if compare else found

    return answered(ask, period)


def compared_with_before(period: Period, filters: Filters) -> Compared:
    """A period beside the equally long one before it. Raises PeriodTooWide."""
    return answered(lambda some: _compared(some, filters), period)


def cut(
    dimension: Dimension,
    period: Period,
    filters: Filters,
    *,
    measure: str,
    limit: int,
    compare: bool = False,
    parent_id: int | None = None,
) -> Analytics:
    """What sold best, beside the totals, and with ``compare`` each beside the period before. Raises PeriodTooWide."""
    return answered(
        lambda some: _cut(dimension, some, filters, measure=measure, limit=limit, compare=compare, parent_id=parent_id),
        period,
    )


def shares_of(
    dimension: Dimension,
    period: Period,
    filters: Filters,
    *,
    measure: str = "net",
    limit: int,
    compare: bool = False,
    parent_id: int | None = None,
) -> list[Share]:
    """What sold best: categories below ``parent_id``, brands or products; with ``compare`` beside the period before.

    Raises PeriodTooWide.
    """
    if dimension is Dimension.CATEGORY:
        found = by_category(period, filters, parent_id=parent_id, measure=measure, limit=limit)
    else:
        found = (top_products if dimension is Dimension.PRODUCT else top_brands)(period, measure, limit, filters)
    return beside_before(found, dimension, period, filters, parent_id=parent_id) if compare else found


def _in_time(period: Period, filters: Filters, grouping: Grouping, *, compare: bool) -> Analytics:
    parts = _of_points(series(period, grouping, filters))
    before = _of_points(series(period.before(), grouping, filters)) if compare else None
    compared = _compared(period, filters) if compare else None
    return Analytics(period, grouping.value, totals(period, filters), parts, compared, before)


def _cut(
    dimension: Dimension,
    period: Period,
    filters: Filters,
    *,
    measure: str,
    limit: int,
    compare: bool,
    parent_id: int | None = None,
) -> Analytics:
    shares = shares_of(dimension, period, filters, measure=measure, limit=limit, compare=compare, parent_id=parent_id)
    return Analytics(period, dimension.value, totals(period, filters), _of_shares(shares))


def _compared(period: Period, filters: Filters) -> Compared:
    return Compared(period, period.before(), filters, comparison(period, filters))


def _of_points(points: list[Point]) -> list[Part]:
    return [Part(point.figures, point.period.first_on, point.period.last_on) for point in points]


def _of_shares(shares: list[Share]) -> list[Part]:
    return [
        Part(each.figures, key=each.key, name=each.name, product_id=each.product_id, compared=each.compared)
        for each in shares
    ]
