"""Reading sums of sales in one statement: rollups, and with them the facts that are not counted yet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final, Literal

from sqlalchemy import ColumnElement, FromClause, Select, bindparam, literal_column, select, union_all
from sqlalchemy.sql import CompoundSelect

from app.analytics.queries.limited import rows_within
from app.analytics.queries.sales_sources import (
    COUNTED,
    DAY,
    SALE,
    SOURCES,
    UNCOUNTED,
    Dimension,
    columns_of_facts,
    fact_sums,
    facts_within,
    joined,
    key_of_facts,
    rollup_sums,
    split_sums,
)
from app.analytics.rules.periods import Period
from app.analytics.rules.sales_figures import NOTHING, ORDER_SUMS, SUMS, Filters, Pair, added, month_of
from app.core.extensions import db
from app.orders.models.sales import SaleKind

_ALL: Final[ColumnElement[int]] = literal_column("0")
Each = Literal["all", "day", "key"]
"""One sum of everything, one of every day, or one of every category, brand or product."""
Found = dict[tuple[Any, str], Pair]
"""Sums of sales and of refunds by what they are of (a day, a key, 0 for everything) and the currency."""


class Span(StrEnum):
    """A part of a period, and the rollup it is read from."""

    PERIOD = "period"
    HEAD = "head"
    MONTHS = "months"
    TAIL = "tail"


def read_sums(
    period: Period,
    filters: Filters,
    *,
    each: Each = "all",
    by: Dimension | None = None,
    keys: Sequence[Any] | None = None,
) -> Found:
    """The sums of a period, exact as of now. With ``each`` = key those of a dimension, all of them or only ``keys``.

    What several dimensions, or two categories, decide is in no rollup and is summed up from facts: raises TakesTooLong.
    """
    within = _dimensions_of(filters)
    dimensions = within if by is None else within | {by}
    values: dict[str, Any] = {"currency": filters.currency, **{f"only_{at}": key for at, key in _keys_of(filters)}}
    shape = (each, by, frozenset(within), keys is not None, filters.currency is not None)
    if keys is not None:
        values["keys"] = list(keys)
    if len(dimensions) > 1 or (by is Dimension.CATEGORY and by in within):
        values |= _days(Span.PERIOD, period)
        return _collected(rows_within(_of_facts(*shape), values), each)
    spans = spans_of(period) if each == "key" else {Span.PERIOD: period}
    for span, part in spans.items():
        values |= _days(span, part)
    values |= _days(Span.PERIOD, period)
    return _collected(db.session.execute(_of_rollups(*shape, tuple(spans)), values), each)


def _dimensions_of(filters: Filters) -> set[Dimension]:
    return {dimension for dimension, _ in _keys_of(filters)}


def _keys_of(filters: Filters) -> list[tuple[Dimension, Any]]:
    named = [
        (Dimension.CATEGORY, filters.category_id),
        (Dimension.BRAND, filters.brand),
        (Dimension.PRODUCT, filters.asin),
    ]
    return [(dimension, key) for dimension, key in named if key is not None]


def _days(span: Span, part: Period) -> dict[str, date]:
    return {f"{span}_first": part.first_on, f"{span}_last": part.last_on}


def spans_of(period: Period) -> dict[Span, Period]:
    """A period as days before whole months, these months, and the days behind them."""
    first = period.first_on if period.first_on.day == 1 else _next_month(period.first_on)
    beyond = month_of(period.last_on + timedelta(days=1))
    if first >= beyond:
        return {Span.PERIOD: period}
    spans = {Span.MONTHS: Period(first, beyond - timedelta(days=1))}
    if period.first_on < first:
        spans[Span.HEAD] = Period(period.first_on, first - timedelta(days=1))
    if period.last_on >= beyond:
        spans[Span.TAIL] = Period(beyond, period.last_on)
    return spans


def _next_month(day: date) -> date:
    return month_of(month_of(day) + timedelta(days=32))


def _collected(rows: Iterable[Any], each: Each) -> Found:
    found: Found = {}
    for of, currency, pair in _split(rows) if each == "day" else _by_kind(rows):
        known = found.get((of, currency))
        found[of, currency] = pair if known is None else added((known, pair))
    return found


def _by_kind(rows: Iterable[Any]) -> Iterator[tuple[Any, str, Pair]]:
    for of, currency, kind, *sums in rows:
        yield of, currency, (sums, NOTHING) if kind == SaleKind.SALE.value else (NOTHING, sums)


def _split(rows: Iterable[Any]) -> Iterator[tuple[Any, str, Pair]]:
    """Rows of ``split_sums``; what figures do not need of refunds is nothing."""
    for of, currency, *sold, quantity, tax, shipping, net in rows:
        yield of, currency, (sold, (0, quantity, 0, 0, tax, shipping, net, 0, 0))


def _between(column: ColumnElement[Any], span: Span) -> ColumnElement[bool]:
    return column.between(bindparam(f"{span}_first"), bindparam(f"{span}_last"))


@lru_cache(maxsize=512)
def _of_rollups(
    each: Each,
    by: Dimension | None,
    within: frozenset[Dimension],
    has_keys: bool,
    has_currency: bool,
    spans: tuple[Span, ...],
) -> CompoundSelect[Any]:
    dimension = by or next(iter(within), None)
    parts = [_of_rollup(each, dimension, bool(within), has_keys, has_currency, span) for span in spans]
    return union_all(*parts, _facts(each, by, within, has_keys, has_currency, counted=False))


def _of_rollup(
    each: Each, dimension: Dimension | None, is_one: bool, has_keys: bool, has_currency: bool, span: Span
) -> Select[Any]:
    """The sums of one rollup."""
    table: FromClause = DAY
    key: ColumnElement[Any] = _ALL
    if dimension is not None:
        source = SOURCES[dimension]
        table = source.month if span is Span.MONTHS else source.day
        key = table.c[source.key]
    day = table.c["month_on" if span is Span.MONTHS else "sold_on"]
    of = {"all": _ALL, "day": day, "key": key}[each]
    conditions = [_between(day, span)]
    conditions += [key == bindparam(f"only_{dimension}")] if is_one else []
    conditions += [key.in_(bindparam("keys", expanding=True))] if has_keys else []
    conditions += [table.c.currency == bindparam("currency")] if has_currency else []
    whole_shop = dimension is None
    if each == "day":
        columns = {name: table.c[name] for name in (SUMS + ORDER_SUMS if whole_shop else SUMS)}
        split = select(of.label("part"), table.c.currency, *split_sums(table.c.kind, columns))
        return split.where(*conditions).group_by(of, table.c.currency)
    wanted = select(of.label("part"), table.c.currency, table.c.kind, *rollup_sums(table, whole_shop=whole_shop))
    groups = [table.c.currency, table.c.kind] if of is _ALL else [of, table.c.currency, table.c.kind]
    return wanted.where(*conditions).group_by(*groups)


@lru_cache(maxsize=512)
def _of_facts(
    each: Each, by: Dimension | None, within: frozenset[Dimension], has_keys: bool, has_currency: bool
) -> CompoundSelect[Any]:
    shape = (each, by, within, has_keys, has_currency)
    return union_all(_facts(*shape, counted=True), _facts(*shape, counted=False))


def _facts(
    each: Each, by: Dimension | None, within: frozenset[Dimension], has_keys: bool, has_currency: bool, *, counted: bool
) -> Select[Any]:
    """The sums of facts, of those that are counted or of the others."""
    key = _ALL if by is None else key_of_facts(by, counted=counted)
    of = {"all": _ALL, "day": SALE.c.sold_on, "key": key}[each]
    conditions = [COUNTED if counted else UNCOUNTED, _between(SALE.c.sold_on, Span.PERIOD)]
    conditions += [facts_within(dimension) for dimension in sorted(within)]
    conditions += [key.in_(bindparam("keys", expanding=True))] if has_keys else []
    conditions += [SALE.c.currency == bindparam("currency")] if has_currency else []
    whole_shop = by is None and not within
    if each == "day":
        split = split_sums(SALE.c.kind, columns_of_facts(whole_shop=whole_shop))
        some = joined(select(of.label("part"), SALE.c.currency, *split), by, counted=counted)
        return some.where(*conditions).group_by(of, SALE.c.currency)
    wanted = select(of.label("part"), SALE.c.currency, SALE.c.kind, *fact_sums(whole_shop=whole_shop))
    wanted = joined(wanted, by, counted=counted).where(*conditions)
    return wanted.group_by(*([SALE.c.currency, SALE.c.kind] if of is _ALL else [of, SALE.c.currency, SALE.c.kind]))
