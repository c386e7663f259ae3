"""Figures of sales as charts: net amounts, in the shop's currency, or in the first one where there are none in that."""

from __future__ import annotations

from datetime import date
from typing import Any, cast

from app.analytics.charts.item import chart_item
from app.analytics.charts.sales_days import DaySales, sales_by_day
from app.analytics.charts.sales_ranks import CategorySales, ProductSales, sales_by_category, top_products
from app.analytics.queries.sales_analytics import Analytics, Compared, Part, analyse
from app.analytics.queries.sales_figures import Grouping
from app.analytics.queries.sales_sources import Dimension
from app.analytics.rules.sales_figures import Figures
from app.core.running import settings


def chart_of_parts(found: Analytics) -> dict[str, Any]:
    """Bars by time beside the period before where that was asked for, or bars of what sold best."""
    currency = _currency_of(found.totals)
    parts = [part for part in found.parts if part.figures.currency == currency]
    if found.group_by in set(Grouping):
        before = [part for part in found.parts_before or [] if part.figures.currency == currency]
        days = [_of_day(part) for part in parts]
        return chart_item(
            sales_by_day(days, currency=currency, previous=[_of_day(part) for part in before], group=found.group_by)
        )
    if found.group_by == Dimension.PRODUCT:
        return chart_item(top_products([_of_product(part) for part in parts], currency=currency))
    return chart_item(
        sales_by_category([_of_name(part, found.group_by) for part in parts], currency=currency, what=found.group_by)
    )


def chart_of_comparison(found: Compared) -> dict[str, Any]:
    """The days of a period beside those of the period before."""
    currency = _currency_of([each.now for each in found.currencies])
    days = analyse(found.period, found.filters, group_by=Grouping.DAY.value, compare=True, measure="net", limit=1)
    now, before = (
        [_of_day(part) for part in parts or [] if part.figures.currency == currency]
        for parts in (days.parts, days.parts_before)
    )
    return chart_item(sales_by_day(now, currency=currency, previous=before))


def _currency_of(totals: list[Figures]) -> str:
    own = settings().currency
    known = [figures.currency for figures in totals]
    return own if own in known or not known else known[0]


def _of_day(part: Part) -> DaySales:
    return DaySales(cast(date, part.first_on), part.figures.net_minor, part.figures.orders)


def _before(part: Part) -> int | None:
    return None if part.compared is None else part.compared.before.net_minor


def _of_product(part: Part) -> ProductSales:
    key = part.key or ""
    return ProductSales(key, part.name or key, part.figures.net_minor, part.figures.units, _before(part))


def _of_name(part: Part, what: str) -> CategorySales:
    name = part.name or (f"{what.capitalize()} {part.key}" if part.key else f"No {what}")
    return CategorySales(name, part.figures.net_minor, part.figures.units, _before(part))
