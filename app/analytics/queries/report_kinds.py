"""The kinds of reports: who may see the figures, what columns they have, and which query gives them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from app.analytics.errors import ReportKindNotFound
from app.analytics.queries import report_farm as farm
from app.analytics.queries import report_prices as prices
from app.analytics.queries import report_sales as sales
from app.analytics.queries import report_stock as stock
from app.analytics.rules.periods import Period
from app.analytics.rules.report_tables import Column, Table, table_of
from app.auth.queries.access import Holder, list_holders

Read = Callable[[Period, Mapping[str, Any]], Iterable[Mapping[str, Any]]]


@dataclass(frozen=True, slots=True)
class ReportKind:
    """One kind of report: a line in KINDS, and a function that gives rows."""

    label: str
    permission: str
    """Who may read the figures, wherever they are shown or sent."""
    columns: tuple[Column, ...]
    read: Read
    filters: tuple[str, ...]
    chart: str
    """How it is drawn: a name of ``app.analytics.charts.of_reports.CHARTS``."""


_FIGURES: Final = (
    Column("currency", "Currency"),
    Column("net", "Net revenue", "money"),
    Column("orders", "Orders", "whole"),
    Column("units", "Units", "whole"),
    Column("average_order", "Average order", "money"),
    Column("gross", "Gross", "money"),
    Column("discount", "Discounts", "money"),
    Column("refund", "Refunds", "money"),
    Column("units_returned", "Units returned", "whole"),
    Column("shipping", "Shipping", "money"),
    Column("tax", "Tax", "money"),
    Column("total", "Paid", "money"),
)
_WHEN: Final = (Column("from", "From", "day"), Column("to", "To", "day"))
_PARTS: Final = (
    *(column for column in _FIGURES if column.name not in {"orders", "average_order"}),
    Column("net_before", "Net before", "money"),
    Column("net_growth", "Net growth %", "percent"),
    Column("units_before", "Units before", "whole"),
    Column("units_growth", "Units growth %", "percent"),
)
"""Of categories, brands and products no orders are counted: one may have lines of several."""
_COMPARED: Final = (
    Column("currency", "Currency"),
    Column("net", "Net revenue", "money"),
    Column("net_before", "Net before", "money"),
    Column("net_growth", "Net growth %", "percent"),
    Column("orders", "Orders", "whole"),
    Column("orders_before", "Orders before", "whole"),
    Column("orders_growth", "Orders growth %", "percent"),
    Column("units", "Units", "whole"),
    Column("units_before", "Units before", "whole"),
    Column("units_growth", "Units growth %", "percent"),
    Column("average_order", "Average order", "money"),
    Column("average_order_before", "Average order before", "money"),
)
_INDEX: Final = (
    Column("day", "Day", "day"),
    Column("storefront", "Storefront"),
    Column("index", "Price index", "decimal"),
    Column("products", "Products", "whole"),
    Column("compared", "Compared", "whole"),
    Column("cheaper", "Cheaper than ours", "whole"),
    Column("dearer", "Dearer than ours", "whole"),
    Column("coverage_percent", "Compared %", "percent"),
)


_TASKS: Final = (
    Column("day", "Day", "day"),
    Column("tasks", "Tasks", "whole"),
    Column("succeeded", "Succeeded", "whole"),
    Column("refused", "Refused", "whole"),
    Column("failed", "Failed", "whole"),
    Column("skipped", "Skipped", "whole"),
    Column("cancelled", "Cancelled", "whole"),
    Column("success_rate", "Success %", "percent"),
)
_CODES: Final = (
    Column("code", "Code"),
    Column("outcome", "Outcome"),
    Column("tasks", "Tasks", "whole"),
    Column("share", "Share %", "percent"),
    Column("retries", "Retries", "whole"),
)
_STAGES: Final = (
    Column("stage", "Stage"),
    Column("count", "Visits", "whole"),
    Column("p50_ms", "Median ms", "whole"),
    Column("p90_ms", "p90 ms", "whole"),
    Column("p95_ms", "p95 ms", "whole"),
    Column("p99_ms", "p99 ms", "whole"),
)
_STOCK: Final = (
    Column("asin", "ASIN"),
    Column("name", "Product"),
    Column("available", "Available", "whole"),
    Column("units_sold", "Units sold", "whole"),
    Column("days_of_cover", "Days of cover", "decimal"),
    Column("last_sold_on", "Last sold", "day"),
    Column("currency", "Currency"),
    Column("value", "Value", "money"),
    Column("reorder_point", "Reorder point", "whole"),
    Column("order_quantity", "To order", "whole"),
)


def _named(label: str) -> tuple[Column, ...]:
    return Column("key", label), Column("name", "Name")


KINDS: Final[dict[str, ReportKind]] = {
    "sales_by_day": ReportKind(
        "Sales by day", "sales:read", _WHEN[:1] + _FIGURES, sales.DAYS, ("currency", "category_id", "brand", "asin"),
        "sales_by_day",
    ),
    "sales_by_week": ReportKind(
        "Sales by week", "sales:read", _WHEN + _FIGURES, sales.WEEKS, ("currency", "category_id", "brand", "asin"),
        "sales_by_week",
    ),
    "sales_by_month": ReportKind(
        "Sales by month", "sales:read", _WHEN + _FIGURES, sales.MONTHS, ("currency", "category_id", "brand", "asin"),
        "sales_by_month",
    ),
    "sales_by_category": ReportKind(
        "Sales by category", "sales:read", _named("Category") + _PARTS, sales.CATEGORIES, ("currency",),
        "sales_by_category",
    ),
    "sales_by_product": ReportKind(
        "Sales by product", "sales:read", _named("ASIN") + _PARTS, sales.PRODUCTS, ("currency", "category_id", "brand"),
        "top_products",
    ),
    "sales_by_brand": ReportKind(
        "Sales by brand", "sales:read", (Column("name", "Brand"), *_PARTS), sales.BRANDS, ("currency", "category_id"),
        "sales_by_brand",
    ),
    "sales_comparison": ReportKind(
        "Sales and the period before", "sales:read", _COMPARED, sales.compared,
        ("currency", "category_id", "brand", "asin"), "sales_comparison",
    ),
    "farm_throughput": ReportKind(
        "Farm: tasks by day", "jobs:read", _TASKS, farm.by_day, ("storefront",), "farm_throughput"
    ),
    "farm_outcomes": ReportKind(
        "Farm: outcomes by code", "jobs:read", _CODES, farm.by_code, ("storefront",), "farm_outcomes"
    ),
    "farm_latency": ReportKind(
        "Farm: how long visits take", "jobs:read", _STAGES, farm.latencies, ("storefront",), "farm_latency"
    ),
    "stock_reorder": ReportKind(
        "Stock to buy again", "stock:read", _STOCK, stock.to_reorder, ("brand",), "stock_cover"
    ),
    "stock_dead": ReportKind("Stock that nobody buys", "stock:read", _STOCK, stock.dead, ("brand",), "stock_value"),
    "price_index": ReportKind("Price index", "jobs:read", _INDEX, prices.by_day, ("storefront",), "price_index"),
}  # fmt: skip


def list_kinds() -> list[dict[str, Any]]:
    """Every kind with what a client has to know of it."""
    names = ("label", "permission", "filters", "columns")
    return [{"name": name} | {each: getattr(kind, each) for each in names} for name, kind in KINDS.items()]


def list_readers(kind: str) -> list[Holder]:
    """The first 1,000 people, by id, whom reports of a kind may be sent to; raises ReportKindNotFound."""
    if kind not in KINDS:
        raise ReportKindNotFound("There is no such kind of report.")
    may = {holder.user_id for holder in list_holders("reports:read")}
    return [holder for holder in list_holders(KINDS[kind].permission) if holder.user_id in may]


def read_figures(kind: str, period: Period, filters: Mapping[str, Any]) -> Table:
    """The figures of a kind over a period; raises what its query refuses."""
    found = KINDS[kind]
    return table_of(found.columns, found.read(period, filters))
