"""Making the rollups of sales anew from the facts, some days in one transaction, while sales go on.

Only facts that are counted are summed up, under the lock of the rollups: what is recorded meanwhile is not counted yet,
and is counted as ever afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Date, Table, delete, insert, literal, select

from app.analytics.models.sales_rollups import HOURS_KEPT
from app.analytics.queries.sales_drift import covered, months_of
from app.analytics.queries.sales_figures import hour_of
from app.analytics.queries.sales_sources import (
    COUNTED,
    DAY,
    LEADS,
    ORDERED,
    SALE,
    SOURCES,
    Dimension,
    fact_sums,
    joined,
    key_of_facts,
    rollup_sums,
)
from app.analytics.rules.periods import Period
from app.analytics.rules.sales_figures import ORDER_SUMS, SUMS, month_of
from app.analytics.services.sales_adding import HOUR
from app.analytics.services.sales_folding import fold_sales
from app.analytics.services.sales_locking import lock_rollups
from app.core.extensions import db
from app.core.running import settings
from app.core.transactions import connection, in_transaction

DAYS_AT_ONCE: Final = 3
_ROWS_AT_ONCE: Final = 2_000


def rebuild(
    period: Period | None = None, *, days_at_once: int = DAYS_AT_ONCE, progress: Callable[[int], object] | None = None
) -> int:
    """Make the rollups of a period anew, by itself of all days there are; returns how many days.

    ``progress`` is called with the number of days after each step. Figures stay exact while it goes on, except those
    that were wrong before.
    """
    fold_sales()
    wanted = period or covered()
    db.session.rollback()
    if wanted is None:
        return 0
    for part in _parts(wanted, days_at_once):
        rebuild_days(period=part)
        if progress is not None:
            progress(part.days)
    for month_on in months_of(wanted):
        rebuild_month(month_on=month_on)
    return wanted.days


@in_transaction
def rebuild_days(*, period: Period) -> None:
    """Make the sums of these days anew, and those of their hours that are kept."""
    now = lock_rollups()
    within = SALE.c.sold_on.between(period.first_on, period.last_on)
    _replace_days(DAY, None, period, within)
    for dimension in Dimension:
        _replace_days(SOURCES[dimension].day, dimension, period, within)
    begin, end = period.instants(settings().timezone)
    begin = max(begin, hour_of(now - HOURS_KEPT) + timedelta(hours=1))
    if begin < end:
        connection().execute(delete(HOUR).where(HOUR.c.sold_from >= begin, HOUR.c.sold_from < end))
        _insert_hours(begin, end)


@in_transaction
def rebuild_month(*, month_on: date) -> None:
    """Make the sums of a month anew from those of its days."""
    lock_rollups()
    beyond = month_of(month_on + timedelta(days=32))
    for dimension in Dimension:
        source = SOURCES[dimension]
        day, month = source.day, source.month
        keys = [day.c[source.key], day.c.currency, day.c.kind]
        connection().execute(delete(month).where(month.c.month_on == month_on))
        sums = select(literal(month_on, Date()), *keys, *rollup_sums(day, whole_shop=False))
        sums = sums.where(day.c.sold_on >= month_on, day.c.sold_on < beyond).group_by(*keys)
        names = ["month_on", source.key, "currency", "kind", *SUMS]
        connection().execute(insert(month).from_select(names, sums))


def _parts(period: Period, days: int) -> Iterator[Period]:
    first = period.first_on
    while first <= period.last_on:
        last = min(first + timedelta(days=days - 1), period.last_on)
        yield Period(first, last)
        first = last + timedelta(days=1)


def _replace_days(table: Table, dimension: Dimension | None, period: Period, within: ColumnElement[bool]) -> None:
    connection().execute(delete(table).where(table.c.sold_on.between(period.first_on, period.last_on)))
    key = [] if dimension is None else [key_of_facts(dimension, counted=True)]
    groups = [SALE.c.sold_on, *key, SALE.c.currency, SALE.c.kind]
    whole_shop = dimension is None
    sums = joined(select(*groups, *fact_sums(whole_shop=whole_shop)), dimension, counted=True)
    names = [column.name for column in table.primary_key] + [*SUMS, *(ORDER_SUMS if whole_shop else ())]
    connection().execute(insert(table).from_select(names, sums.where(COUNTED, within).group_by(*groups)))


def _insert_hours(begin: datetime, end: datetime) -> None:
    """The hours between two instants, from fact to fact: where hours begin is known to the zone, not to databases."""
    columns = [SALE.c.sold_at, SALE.c.currency, SALE.c.kind, *(SALE.c[name] for name in SUMS[1:]), LEADS, ORDERED]
    facts = select(*columns).where(COUNTED, SALE.c.sold_at >= begin, SALE.c.sold_at < end).order_by(SALE.c.sold_at)
    sums: dict[tuple[Any, ...], list[int]] = {}
    for sold_at, currency, kind, *values in connection().execute(facts.execution_options(yield_per=_ROWS_AT_ONCE)):
        found = sums.setdefault((hour_of(sold_at), currency, kind), [0] * (len(values) + 1))
        for at, value in enumerate((1, *values)):
            found[at] += value
    names = ("sold_from", "currency", "kind", *SUMS, *ORDER_SUMS)
    rows = [dict(zip(names, (*key, *values), strict=True)) for key, values in sorted(sums.items())]
    if rows:
        connection().execute(insert(HOUR), rows)
