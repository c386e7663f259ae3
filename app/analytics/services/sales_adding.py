"""Adding facts to the rollups, or taking them out again; for who has the lock of the rollups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from operator import add, neg
from typing import Any, Final

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import mysql, postgresql, sqlite

from app.analytics.models.sales_rollups import NO_BRAND, SalesHour
from app.analytics.queries.sales_figures import hour_of
from app.analytics.queries.sales_sources import DAY, LEADS, ORDERED, SALE, SOURCES, Dimension
from app.analytics.rules.sales_figures import ORDER_SUMS, SUMS, month_of
from app.core.orm import table_of
from app.core.transactions import connection

HOUR: Final = table_of(SalesHour)
COLUMNS: Final = (
    SALE.c.id, SALE.c.product_id, SALE.c.category_group_id, SALE.c.sold_on, SALE.c.sold_at, SALE.c.asin, SALE.c.brand,
    SALE.c.currency, SALE.c.kind, *(SALE.c[name] for name in SUMS[1:]), LEADS.label("orders"),
    ORDERED.label("ordered_minor"),
)  # fmt: skip
"""What of a fact is counted, as ``add_facts`` takes it."""
_Sums = dict[tuple[Any, ...], tuple[int, ...]]
_ROWS_AT_ONCE: Final = 1_000


def add_facts(
    facts: Sequence[Any], groups: Mapping[int, Sequence[int]], *, hours_from: datetime, sign: int = 1
) -> None:
    """Add rows of COLUMNS to every rollup, or with the sign -1 take them out.

    ``groups`` are the categories by ``category_group_id``. Of hours only those from ``hours_from`` on are kept. Rows
    are written in the order of their keys. Raises NoTransaction.
    """
    for table, sums in _deltas(facts, groups, hours_from).items():
        if sign < 0:
            sums = {key: tuple(map(neg, values)) for key, values in sums.items()}  # noqa: PLW2901
        _add(connection(), table, sums)


def _deltas(facts: Sequence[Any], groups: Mapping[int, Sequence[int]], hours_from: datetime) -> dict[Table, _Sums]:
    days: _Sums = {}
    hours: _Sums = {}
    cut: dict[Dimension, _Sums] = {dimension: {} for dimension in Dimension}
    of_groups: _Sums = {}
    for fact in facts:
        _, _, group, sold_on, sold_at, asin, brand, currency, kind, *values, orders, ordered = fact
        sums = (1, *values)
        all_sums = (*sums, int(orders), int(ordered))
        _count(days, (sold_on, currency, kind), all_sums)
        if sold_at >= hours_from:
            _count(hours, (hour_of(sold_at), currency, kind), all_sums)
        _count(cut[Dimension.PRODUCT], (sold_on, asin, currency, kind), sums)
        _count(cut[Dimension.BRAND], (sold_on, brand or NO_BRAND, currency, kind), sums)
        _count(of_groups, (sold_on, group, currency, kind), sums)
    for (sold_on, group, currency, kind), sums in of_groups.items():
        for category_id in groups[group]:
            _count(cut[Dimension.CATEGORY], (sold_on, category_id, currency, kind), sums)
    found = {DAY: days, HOUR: hours}
    for dimension, sums_of in cut.items():
        found[SOURCES[dimension].day] = sums_of
        found[SOURCES[dimension].month] = _by_month(sums_of)
    return found


def _by_month(days: _Sums) -> _Sums:
    months: _Sums = {}
    for (sold_on, *key), sums in days.items():
        _count(months, (month_of(sold_on), *key), sums)
    return months


def _count(into: _Sums, key: tuple[Any, ...], sums: tuple[int, ...]) -> None:
    known = into.get(key)
    into[key] = sums if known is None else tuple(map(add, known, sums))


def _add(connection: Connection, table: Table, sums: _Sums) -> None:
    names = [*(column.name for column in table.primary_key), *SUMS]
    if "orders" in table.c:
        names += ORDER_SUMS
    rows = [dict(zip(names, (*key, *values), strict=True)) for key, values in sorted(sums.items())]
    statement = _adding_to(table, connection.dialect.name)
    for at in range(0, len(rows), _ROWS_AT_ONCE):
        connection.execute(statement, rows[at : at + _ROWS_AT_ONCE])


@lru_cache(maxsize=64)
def _adding_to(table: Table, dialect: str) -> Any:
    """Insert a row, or add it to the one that is there."""
    names = [column.name for column in table.columns if not column.primary_key]
    if dialect in {"mysql", "mariadb"}:
        new = mysql.insert(table).inline()
        return new.on_duplicate_key_update({name: table.c[name] + new.inserted[name] for name in names})
    added = (sqlite if dialect == "sqlite" else postgresql).insert(table).inline()
    values = {name: table.c[name] + added.excluded[name] for name in names}
    return added.on_conflict_do_update(index_elements=list(table.primary_key), set_=values)
