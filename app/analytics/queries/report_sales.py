"""The sales figures of reports: what the API of sales answers, as rows (docs/metrics.md)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, Final

from app.analytics.queries.sales_analytics import shares_of
from app.analytics.queries.sales_figures import Grouping, comparison, series
from app.analytics.queries.sales_narrowing import answered
from app.analytics.queries.sales_shares import MAX_SHARES
from app.analytics.queries.sales_sources import Dimension
from app.analytics.rules.periods import Period
from app.analytics.rules.sales_figures import FIGURES, Comparison, Figures, Filters, Share

Rows = Iterator[Mapping[str, Any]]


def by_time(grouping: Grouping, period: Period, filters: Mapping[str, Any]) -> Rows:
    """A row for every day, week or month and currency, also for those without sales. Raises PeriodTooWide."""
    for point in answered(lambda some: series(some, grouping, Filters(**filters)), period):
        yield {"from": point.period.first_on, "to": point.period.last_on, **_cells(point.figures)}


def by_dimension(dimension: Dimension, period: Period, filters: Mapping[str, Any]) -> Rows:
    """A row for each category at the top, brand or product, the best MAX_SHARES, beside the period before.

    Raises PeriodTooWide.
    """
    kept = Filters(**filters)
    for share in answered(lambda some: shares_of(dimension, some, kept, limit=MAX_SHARES, compare=True), period):
        yield {
            "key": share.key,
            "name": _name(share, dimension),
            **_cells(share.figures),
            **(_before(share.compared) if share.compared else {}),
        }


def compared(period: Period, filters: Mapping[str, Any]) -> Rows:
    """A row for each currency: the main figures beside those of the period before. Raises PeriodTooWide."""
    for each in answered(lambda some: comparison(some, Filters(**filters)), period):
        yield _cells(each.now) | _before(each)


DAYS: Final = partial(by_time, Grouping.DAY)
WEEKS: Final = partial(by_time, Grouping.WEEK)
MONTHS: Final = partial(by_time, Grouping.MONTH)
CATEGORIES: Final = partial(by_dimension, Dimension.CATEGORY)
BRANDS: Final = partial(by_dimension, Dimension.BRAND)
PRODUCTS: Final = partial(by_dimension, Dimension.PRODUCT)


def _name(share: Share, dimension: Dimension) -> str | None:
    if dimension is Dimension.BRAND:
        return share.key or "No brand"
    return share.name or ("No category" if dimension is Dimension.CATEGORY and not share.key else None)


def _before(compared: Comparison | None) -> dict[str, Any]:
    if compared is None:
        return {}
    before = {f"{name}_before": value for name, value in _cells(compared.before).items()}
    return before | {f"{name.removesuffix('_minor')}_growth": value for name, value in compared.growth.items()}


def _cells(figures: Figures) -> dict[str, Any]:
    values = {name.removesuffix("_minor"): getattr(figures, name) for name in FIGURES}
    return {"currency": figures.currency, **values}
