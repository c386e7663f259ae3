"""Whether rollups say what the facts that are counted come to; each look is one statement, so sales may go on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, Table, func, literal_column, or_, select, union_all

from app.analytics.models.sales_rollups import HOURS_KEPT, SalesHour
from app.analytics.queries.sales_figures import hour_of
from app.analytics.queries.sales_sources import (
    COUNTED,
    DAY,
    LEADS,
    ONE,
    ORDERED,
    SALE,
    SOURCES,
    UNCOUNTED,
    Dimension,
    fact_sums,
    joined,
    key_of_facts,
    summed,
)
from app.analytics.rules.periods import Period
from app.analytics.rules.sales_figures import ORDER_SUMS, SUMS, month_of
from app.core.extensions import db
from app.core.orm import table_of

HOUR: Final = table_of(SalesHour)
_HOURS_AT_ONCE: Final = timedelta(days=1)
_ROWS_AT_ONCE: Final = 2_000
MOST: Final = 100
"""Differences of one rollup that are told."""


@dataclass(frozen=True, slots=True)
class Drift:
    """A row of a rollup that says something else than the facts, or is missing, or has no facts."""

    table: str
    key: tuple[Any, ...]
    differences: dict[str, int]
    """What the rollup has too much of, by column."""


def covered() -> Period | None:
    """The days that there are facts or sums of; None without any."""
    columns = [SALE.c.sold_on, DAY.c.sold_on, *(SOURCES[each].day.c.sold_on for each in Dimension)]
    ends = [db.session.execute(select(func.min(column), func.max(column))).one() for column in columns]
    firsts = [first for first, _ in ends if first is not None]
    lasts = [last for _, last in ends if last is not None]
    months = [SOURCES[each].month.c.month_on for each in Dimension]
    for first, last in (db.session.execute(select(func.min(at), func.max(at))).one() for at in months):
        firsts += [] if first is None else [first]
        lasts += [] if last is None else [last]
    return Period(min(firsts), max(lasts)) if firsts else None


def count_uncounted() -> int:
    """How many facts wait to be counted; they are in all figures nevertheless."""
    return db.session.scalar(select(func.count()).select_from(SALE).where(UNCOUNTED)) or 0


def drifts_of_days(period: Period) -> Iterator[Drift]:
    """Where the rollups of these days differ from the facts."""
    within = SALE.c.sold_on.between(period.first_on, period.last_on)
    yield from _differences(DAY, [SALE.c.sold_on], fact_sums(whole_shop=True), _facts(None, within), period)
    for dimension in Dimension:
        keys = [SALE.c.sold_on, key_of_facts(dimension, counted=True)]
        yield from _differences(
            SOURCES[dimension].day, keys, fact_sums(whole_shop=False), _facts(dimension, within), period
        )


def drifts_of_month(month_on: date) -> Iterator[Drift]:
    """Where the rollups of a month differ from those of its days."""
    for dimension in Dimension:
        source = SOURCES[dimension]
        day, month = source.day, source.month
        keys = ("currency", "kind")
        kept = select(month.c[source.key].label("of"), *(month.c[name] for name in (*keys, *SUMS)))
        kept = kept.where(month.c.month_on == month_on)
        days = select(day.c[source.key].label("of"), *(day.c[name] for name in keys), *_negative(day, SUMS))
        days = days.where(day.c.sold_on >= month_on, day.c.sold_on < _next_month(month_on))
        both = union_all(kept, days.group_by(day.c[source.key], day.c.currency, day.c.kind)).subquery()
        for of, *found in db.session.execute(_unequal(both, ("of", *keys), SUMS)):
            yield _drift(month.name, (month_on, of, *found[:2]), SUMS, found[2:])


def hours_kept(now: datetime) -> list[tuple[datetime, datetime]]:
    """The stretches of about a day that the hours which are kept are compared in."""
    first, beyond = hour_of(now - HOURS_KEPT) + timedelta(hours=1), now + timedelta(days=2)
    begins = [first]
    while begins[-1] + _HOURS_AT_ONCE < beyond:
        begins.append(hour_of(begins[-1] + _HOURS_AT_ONCE))
    return list(zip(begins, [*begins[1:], beyond], strict=True))


def drifts_of_hours(begin: datetime, end: datetime) -> Iterator[Drift]:
    """Where the rollups of these hours differ from the facts; the zone knows where hours begin, databases do not."""
    names = (*SUMS, *ORDER_SUMS)
    kept = select(
        HOUR.c.sold_from, HOUR.c.currency, HOUR.c.kind, *(HOUR.c[name] for name in names), literal_column("1")
    )
    columns = [ONE, *(SALE.c[name] for name in SUMS[1:]), LEADS, ORDERED]
    facts = select(SALE.c.sold_at, SALE.c.currency, SALE.c.kind, *columns, literal_column("-1"))
    facts = facts.where(COUNTED, SALE.c.sold_at >= begin, SALE.c.sold_at < end)
    both = union_all(kept.where(HOUR.c.sold_from >= begin, HOUR.c.sold_from < end), facts)
    found: dict[tuple[Any, ...], list[int]] = defaultdict(lambda: [0] * len(names))
    for at, currency, kind, *values, sign in db.session.execute(both.execution_options(yield_per=_ROWS_AT_ONCE)):
        sums = found[hour_of(at), currency, kind]
        for place, value in enumerate(values):
            sums[place] += sign * value
    yield from (_drift(HOUR.name, key, names, sums) for key, sums in sorted(found.items()) if any(sums))


def months_of(period: Period) -> list[date]:
    """The first days of the months that a period touches."""
    months, at = [], month_of(period.first_on)
    while at <= period.last_on:
        months.append(at)
        at = _next_month(at)
    return months


def _facts(dimension: Dimension | None, within: ColumnElement[bool]) -> Any:
    def of(columns: Sequence[ColumnElement[Any]]) -> Select[Any]:
        return joined(select(*columns), dimension, counted=True).where(COUNTED, within)

    return of


def _differences(
    table: Table, keys: Sequence[ColumnElement[Any]], sums: Sequence[ColumnElement[int]], facts: Any, period: Period
) -> Iterator[Drift]:
    names = SUMS + ORDER_SUMS if "orders" in table.c else SUMS
    own = [column.name for column in table.primary_key]
    kept = select(*(table.c[name] for name in (*own, *names)))
    kept = kept.where(table.c.sold_on.between(period.first_on, period.last_on))
    groups = [*keys, SALE.c.currency, SALE.c.kind]
    added = facts([*groups, *((-each).label(name) for each, name in zip(_plain(sums), names, strict=True))])
    both = union_all(kept, added.group_by(*groups)).subquery()
    for row in db.session.execute(_unequal(both, own, names)):
        yield _drift(table.name, tuple(row[: len(own)]), names, row[len(own) :])


def _plain(sums: Sequence[ColumnElement[int]]) -> list[ColumnElement[int]]:
    return [getattr(each, "element", each) for each in sums]


def _negative(table: Table, names: Sequence[str]) -> list[ColumnElement[int]]:
    return [(-summed(table.c[name])).label(name) for name in names]


def _unequal(both: Any, keys: Sequence[str], names: Sequence[str]) -> Select[Any]:
    sums = [summed(both.c[name]) for name in names]
    wanted = select(*(both.c[name] for name in keys), *sums).group_by(*(both.c[name] for name in keys))
    return wanted.having(or_(*(each != 0 for each in sums))).limit(MOST)


def _drift(table: str, key: tuple[Any, ...], names: Sequence[str], values: Sequence[int]) -> Drift:
    return Drift(table, key, {name: value for name, value in zip(names, values, strict=True) if value})


def _next_month(month_on: date) -> date:
    return date(month_on.year + month_on.month // 12, month_on.month % 12 + 1, 1)
