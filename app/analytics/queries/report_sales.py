"""The sales figures of reports: sums of facts by day, week, month, product and brand (docs/metrics.md)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import date, timedelta
from typing import Any, Final

from sqlalchemy import case, func, select

from app.analytics.rules.periods import Period
from app.analytics.rules.report_tables import MAX_ROWS
from app.core.extensions import db
from app.core.orm import table_of
from app.orders.models.sales import Sale, SaleKind

_SALE: Final = table_of(Sale)
_SUMS: Final = ("quantity", "gross_minor", "discount_minor", "net_minor", "total_minor")
Rows = Iterator[Mapping[str, Any]]


def by_day(period: Period, filters: Mapping[str, Any]) -> Rows:
    """Sums of each day and currency that has sales, the first day first."""
    yield from _grouped(period, filters, _SALE.c.sold_on, order=_SALE.c.sold_on)


def by_week(period: Period, filters: Mapping[str, Any]) -> Rows:
    """Sums of each week, called by its Monday."""
    yield from _folded(by_day(period, filters), lambda day: day - timedelta(days=day.weekday()))


def by_month(period: Period, filters: Mapping[str, Any]) -> Rows:
    """Sums of each month, called by its first day."""
    yield from _folded(by_day(period, filters), lambda day: day.replace(day=1))


def by_product(period: Period, filters: Mapping[str, Any]) -> Rows:
    """Sums of each product, that with the highest net revenue first."""
    for row in _grouped(period, filters, _SALE.c.asin, named=func.max(_SALE.c.name)):
        yield {"asin": row["key"], "name": row["named"], **row}


def by_brand(period: Period, filters: Mapping[str, Any]) -> Rows:
    """Sums of each brand, that with the highest net revenue first."""
    for row in _grouped(period, filters, _SALE.c.brand):
        yield {"brand": row["key"], **row}


def _grouped(period: Period, filters: Mapping[str, Any], key: Any, *, order: Any = None, named: Any = None) -> Rows:
    sums = [func.sum(_SALE.c[name]).label(name) for name in _SUMS]
    orders = func.count(case((_SALE.c.kind == SaleKind.SALE, _SALE.c.order_id)).distinct()).label("orders")
    wanted = select(
        key.label("key"), _SALE.c.currency, orders, *sums, *([] if named is None else [named.label("named")])
    )
    wanted = wanted.where(_SALE.c.sold_on.between(period.first_on, period.last_on))
    wanted = wanted.where(*(_SALE.c[name] == value for name, value in filters.items()))
    first = func.sum(_SALE.c.net_minor).desc() if order is None else order
    wanted = wanted.group_by(key, _SALE.c.currency).order_by(first, key, _SALE.c.currency).limit(MAX_ROWS + 1)
    for row in db.session.execute(wanted):
        yield row._asdict() | {name: int(row._mapping[name] or 0) for name in (*_SUMS, "orders")} | _units(row)  # noqa: SLF001


def _units(row: Any) -> dict[str, int]:
    return {"units": int(row.quantity or 0)}


def _folded(days: Rows, begins: Callable[[date], date]) -> Rows:
    found: dict[tuple[date, str], dict[str, Any]] = {}
    for row in days:
        key = (begins(row["key"]), row["currency"])
        into = found.setdefault(
            key, {"key": key[0], "currency": key[1], **dict.fromkeys((*_SUMS, "orders", "units"), 0)}
        )
        for name in (*_SUMS, "orders", "units"):
            into[name] += row[name]
    yield from (found[key] for key in sorted(found))
