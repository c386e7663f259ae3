"""Keeping the demand of every product and the order of stock, so that insights need not look at all of them.

Every minute, by the timetable: what all sales of a window come to is compared with what they came to when they were
counted. A new day, or sales that were imported into an earlier one, make another sum; only then each product is
counted again. Stock and prices of all products are compared with what is kept, and what differs is put right.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from hashlib import sha256
from typing import Any, Final

from sqlalchemy import RowMapping, Select, bindparam, delete, func, insert, or_, select, update

from app.analytics.models.stock_outlook import WINDOWS
from app.analytics.queries.product_units import demand_by_asin
from app.analytics.queries.sales_figures import totals
from app.analytics.queries.stock_measures import AVAILABLE, NEVER, PRODUCT, STOCK, VALUE, cover
from app.analytics.queries.stock_outlook import OUTLOOK, WINDOW
from app.analytics.rules.periods import Period
from app.core.extensions import db
from app.core.many_rows import upsert
from app.core.orm import count_changed
from app.core.transactions import connection, in_transaction
from app.orders.services.sales import day_of

KEEP: Final = "keep_stock_outlook"
COUNT_EVERY: Final = timedelta(minutes=10)
"""How soon the same day is counted again, which an import of earlier sales would ask for all the time."""
_PRODUCTS: Final = 2_000
"""Of one transaction."""
_ASINS: Final = 500
Demand = Mapping[str, Any]
_NONE: Final[Demand] = {name: 0 for days in WINDOWS for name in (f"units_{days}", f"squares_{days}")}


def keep_stock_outlook(*, now: datetime) -> int:
    """Bring what is kept up to date; returns how many rows were written. Two at once write the same."""
    last_on = day_of(now) - timedelta(days=1)
    stamps = {days: _stamp(Period(last_on - timedelta(days=days - 1), last_on)) for days in WINDOWS}
    known = {row.days: row for row in db.session.execute(select(WINDOW))}
    db.session.rollback()
    due = [days for days, stamp in stamps.items() if _is_due(known.get(days), last_on, stamp, now)]
    written = _count(due, last_on, now) if due else 0
    written += _put_right(last_on, now)
    _note(last_on=last_on, stamps=stamps, counted=due, now=now)
    return written


def _stamp(period: Period) -> str:
    """What the sales of a period come to; no two counts of the same sales differ in it."""
    sums = [(each.currency, each.lines, each.units, each.units_returned, each.total_minor) for each in totals(period)]
    return sha256(repr(sums).encode()).hexdigest()


def _is_due(known: Any, last_on: date, stamp: str, now: datetime) -> bool:
    if known is None or known.last_on != last_on:
        return True
    return bool(known.stamp != stamp and now - known.counted_at >= COUNT_EVERY)


def _count(windows: Sequence[int], last_on: date, now: datetime) -> int:
    """Count what was sold of every product, some thousand at a time while the database sums up the others."""
    written = 0
    sums = demand_by_asin(windows, last_on)
    with db.engine.connect().execution_options(stream_results=True, max_row_buffer=_PRODUCTS) as opened:
        for some in opened.execute(sums).mappings().partitions(_PRODUCTS):
            written += _write_sold(windows=windows, sold=_by_asin(some), now=now)
    for first, last in _ranges():
        written += _write_unsold(windows=windows, first=first, last=last, now=now)
    return written


def _by_asin(rows: Iterable[RowMapping]) -> dict[str, Demand]:
    return {row["asin"]: dict(row) for row in rows}


@in_transaction
def _write_sold(*, windows: Sequence[int], sold: Mapping[str, Demand], now: datetime) -> int:
    wanted = select(PRODUCT.c.id, PRODUCT.c.asin).where(PRODUCT.c.asin.in_(list(sold)), PRODUCT.c.deleted_at.is_(None))
    asins = {row.id: row.asin for row in connection().execute(wanted)}
    return _write(asins, windows, sold, now)


@in_transaction
def _write_unsold(*, windows: Sequence[int], first: int, last: int, now: datetime) -> int:
    """Say of products that this count did not meet that nothing of them was sold."""
    unmet = OUTLOOK.c.product_id.between(first, last) & OUTLOOK.c.days.in_(windows) & (OUTLOOK.c.counted_at < now)
    nothing = {"units": 0, "squares": 0.0, "cover": NEVER, "counted_at": now}
    return count_changed(db.session(), update(OUTLOOK).where(unmet).values(nothing))


def _write(asins: Mapping[int, str], windows: Iterable[int], sold: Mapping[str, Demand], now: datetime) -> int:
    """Write the rows of some products: what was sold of them, and where that puts their stock now."""
    rows = []
    stock = select(STOCK.c.product_id, VALUE.label("value"), AVAILABLE.label("available"))
    stock = stock.join(PRODUCT, PRODUCT.c.id == STOCK.c.product_id).where(STOCK.c.product_id.in_(list(asins)))
    for row in connection().execute(stock.order_by(STOCK.c.product_id)):
        asin = asins[row.product_id]
        demand = sold.get(asin, _NONE)
        for days in sorted(windows):
            units = int(demand[f"units_{days}"])
            lasts = row.available * days * 1000 // units if units > 0 else NEVER
            about = {"product_id": row.product_id, "days": days, "asin": asin, "cover": lasts, "value": row.value}
            rows.append(about | {"units": units, "squares": float(demand[f"squares_{days}"]), "counted_at": now})
    if rows:
        upsert(connection(), OUTLOOK, rows)
    return len(rows)


def _put_right(last_on: date, now: datetime) -> int:
    """Add products that are new, forget those that are gone, and put right whose stock or price is another one."""
    written = 0
    for first, last in _ranges():
        new, moved = _differing(first, last)
        gone = db.session.scalars(_deleted(first, last)).all()
        db.session.rollback()
        ids = sorted(new)
        for at in range(0, len(ids), _ASINS):
            written += _add(asins={id_: new[id_] for id_ in ids[at : at + _ASINS]}, last_on=last_on, now=now)
        if moved:
            written += _move(rows=moved)
        if gone:
            written += _forget(ids=gone)
    return written


def _ranges() -> Iterator[tuple[int, int]]:
    """All ids of products, some thousand at a time."""
    lowest, highest = db.session.execute(select(func.min(PRODUCT.c.id), func.max(PRODUCT.c.id))).one()
    db.session.rollback()
    for first in range(lowest or 1, (highest or 0) + 1, _PRODUCTS):
        yield first, first + _PRODUCTS - 1


def _differing(first: int, last: int) -> tuple[dict[int, str], list[dict[str, Any]]]:
    """The ASINs of products that are not kept as they are called, and where others stand now."""
    lasts = cover(OUTLOOK.c.units, OUTLOOK.c.days)
    is_new = or_(OUTLOOK.c.days.is_(None), OUTLOOK.c.asin != PRODUCT.c.asin)
    wanted = (
        select(
            PRODUCT.c.id,
            PRODUCT.c.asin,
            OUTLOOK.c.days,
            OUTLOOK.c.asin.label("kept"),
            lasts.label("cover"),
            VALUE.label("value"),
        )
        .join(STOCK, STOCK.c.product_id == PRODUCT.c.id)
        .outerjoin(OUTLOOK, OUTLOOK.c.product_id == PRODUCT.c.id)
        .where(PRODUCT.c.id.between(first, last), PRODUCT.c.deleted_at.is_(None))
        .where(or_(is_new, OUTLOOK.c.cover != lasts, OUTLOOK.c.value != VALUE))
    )
    new, moved = {}, []
    for id_, asin, days, kept, lasting, value in db.session.execute(wanted):
        if kept == asin:
            moved.append({"of_product": id_, "of_days": days, "cover": lasting, "value": value})
        else:
            new[id_] = asin
    return new, moved


@in_transaction
def _add(*, asins: Mapping[int, str], last_on: date, now: datetime) -> int:
    """Begin to keep some products, or keep them under another ASIN."""
    found = connection().execute(demand_by_asin(WINDOWS, last_on, asins=list(asins.values())))
    return _write(asins, WINDOWS, _by_asin(found.mappings()), now)


@in_transaction
def _move(*, rows: Sequence[dict[str, Any]]) -> int:
    here = (OUTLOOK.c.product_id == bindparam("of_product"), OUTLOOK.c.days == bindparam("of_days"))
    connection().execute(update(OUTLOOK).where(*here), list(rows))
    return len(rows)


def _deleted(first: int, last: int) -> Select[Any]:
    """The ids of products that are still kept."""
    kept = select(PRODUCT.c.id).join(OUTLOOK, OUTLOOK.c.product_id == PRODUCT.c.id).distinct()
    return kept.where(PRODUCT.c.id.between(first, last), PRODUCT.c.deleted_at.is_not(None))


@in_transaction
def _forget(*, ids: Sequence[int]) -> int:
    return count_changed(db.session(), delete(OUTLOOK).where(OUTLOOK.c.product_id.in_(ids)))


@in_transaction
def _note(*, last_on: date, stamps: Mapping[int, str], counted: Sequence[int], now: datetime) -> None:
    """Say until when what is kept is whole."""
    for days, stamp in stamps.items():
        if days in counted:
            connection().execute(delete(WINDOW).where(WINDOW.c.days == days))
            about = {"last_on": last_on, "stamp": stamp, "counted_at": now, "as_of": now}
            connection().execute(insert(WINDOW).values(days=days, **about))
        else:
            same = (WINDOW.c.days == days, WINDOW.c.last_on == last_on, WINDOW.c.stamp == stamp)
            connection().execute(update(WINDOW).where(*same).values(as_of=now))
