"""The kinds of reports: who may see the figures, what columns they have, and which query gives them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from app.analytics.errors import ReportKindNotFound
from app.analytics.queries import report_sales as sales
from app.analytics.rules.periods import Period
from app.analytics.rules.report_tables import Column, Table, table_of
from app.auth.queries.access import Holder, list_holders

Read = Callable[[Period, Mapping[str, Any]], Iterable[Mapping[str, Any]]]

_SUMS: Final = (
    Column("currency", "Currency"),
    Column("orders", "Orders", "whole"),
    Column("units", "Units", "whole"),
    Column("gross_minor", "Gross", "money"),
    Column("discount_minor", "Discounts", "money"),
    Column("net_minor", "Net revenue", "money"),
    Column("total_minor", "Paid", "money"),
)


@dataclass(frozen=True, slots=True)
class ReportKind:
    """One kind of report."""

    label: str
    permission: str
    """Who may read the figures, wherever they are shown or sent."""
    columns: tuple[Column, ...]
    read: Read
    filters: tuple[str, ...] = ()
    chart: tuple[str, str, str] | None = None
    """How it is drawn (``line`` or ``bars``), over which column, and which column is drawn."""


KINDS: Final[dict[str, ReportKind]] = {
    "sales_by_day": ReportKind(
        "Sales by day", "sales:read", (Column("key", "Day", "day"), *_SUMS), sales.by_day,
        ("brand", "product_id"), ("line", "key", "net_minor"),
    ),
    "sales_by_week": ReportKind(
        "Sales by week", "sales:read", (Column("key", "Week from", "day"), *_SUMS), sales.by_week,
        ("brand", "product_id"), ("bars", "key", "net_minor"),
    ),
    "sales_by_month": ReportKind(
        "Sales by month", "sales:read", (Column("key", "Month from", "day"), *_SUMS), sales.by_month,
        ("brand", "product_id"), ("bars", "key", "net_minor"),
    ),
    "sales_by_product": ReportKind(
        "Sales by product", "sales:read", (Column("asin", "ASIN"), Column("name", "Product"), *_SUMS),
        sales.by_product, ("brand",), ("bars", "name", "net_minor"),
    ),
    "sales_by_brand": ReportKind(
        "Sales by brand", "sales:read", (Column("brand", "Brand"), *_SUMS), sales.by_brand,
        (), ("bars", "brand", "net_minor"),
    ),
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
