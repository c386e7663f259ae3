"""The sales figures of reports: what the API of sales answers, as rows (docs/metrics.md)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, Final

from app.analytics.queries.sales_analytics import Part, shares_of
from app.analytics.queries.sales_figures import Grouping, comparison, series
from app.analytics.queries.sales_shares import MAX_SHARES
from app.analytics.queries.sales_sources import Dimension
from app.analytics.rules.periods import Period
from app.analytics.rules.sales_figures import FIGURES, Figures, Filters

Rows = Iterator[Mapping[str, Any]]


def by_time(grouping: Grouping, period: Period, filters: Mapping[str, Any]) -> Rows:
    """A row for every day, week or month and currency, also for those without sales. Raises PeriodTooWide."""
    for point in series(period, grouping, Filters(**filters)):
        yield {"from": point.period.first_on, "to": point.period.last_on, **_cells(point.figures)}


def by_dimension(dimension: Dimension, period: Period, filters: Mapping[str, Any]) -> Rows:
    """A row for each category at the top, brand or product, the best MAX_SHARES. Raises PeriodTooWide."""
    for part in shares_of(dimension, period, Filters(**filters), measure="net", limit=MAX_SHARES):
        yield {"key": part.key, "name": _name(part, dimension), **_cells(part.figures)}


def compared(period: Period, filters: Mapping[str, Any]) -> Rows:
    """A row for each currency: the main figures beside those of the period before. Raises PeriodTooWide."""
    for each in comparison(period, Filters(**filters)):
        before = {f"{name}_before": value for name, value in _cells(each.before).items()}
        growth = {f"{name.removesuffix('_minor')}_growth": value for name, value in each.growth.items()}
        yield _cells(each.now) | before | growth


DAYS: Final = partial(by_time, Grouping.DAY)
WEEKS: Final = partial(by_time, Grouping.WEEK)
MONTHS: Final = partial(by_time, Grouping.MONTH)
CATEGORIES: Final = partial(by_dimension, Dimension.CATEGORY)
BRANDS: Final = partial(by_dimension, Dimension.BRAND)
PRODUCTS: Final = partial(by_dimension, Dimension.PRODUCT)


def _name(part: Part, dimension: Dimension) -> str | None:
    if dimension is Dimension.BRAND:
        return part.key or "No brand"
    return part.name or ("No category" if dimension is Dimension.CATEGORY and not part.key else None)


def _cells(figures: Figures) -> dict[str, Any]:
    values = {name.removesuffix("_minor"): getattr(figures, name) for name in FIGURES}
    return {"currency": figures.currency, **values}
