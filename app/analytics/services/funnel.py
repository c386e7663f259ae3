"""Counting how many carts become orders, where it happens: carts and unfinished checkouts are deleted after a while.

A mark is a row of its own in the transaction of the cart or the order; the timetable adds marks to their days.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import date, datetime
from typing import Final

from sqlalchemy import delete, insert, select

from app.analytics.models.funnel import FunnelDay, FunnelMark
from app.analytics.rules.funnel import Step
from app.cart.events import CartBegun
from app.core.extensions import db
from app.core.orm import count_changed, table_of
from app.core.transactions import connection, in_transaction
from app.orders.events import OrderReached
from app.orders.services.sales import day_of

CHUNK: Final = 2_000
_AT_A_TIME_S: Final = 20.0
"""How long one call works; the next one goes on."""
_INSERT: Final = insert(table_of(FunnelMark))


def count_cart(event: CartBegun) -> None:
    """Note that a cart was begun, in the open transaction."""
    _mark([Step.CARTS], event.at)


def count_order(event: OrderReached) -> None:
    """Note how far the order of a cart has come; orders that staff place for customers have no cart."""
    if event.cart_id is not None:
        _mark([Step(step) for step in event.steps], event.at)


def fold_funnel() -> int:
    """Add marks to their days; returns how many, of very many some."""
    done, until = 0, time.monotonic() + _AT_A_TIME_S
    while time.monotonic() < until:
        count = _fold_some()
        done += count
        if count < CHUNK:
            break
    return done


def _mark(steps: Sequence[Step], at: datetime) -> None:
    day = day_of(at)
    connection().execute(_INSERT, [{"step": str(step), "day": day} for step in steps])


@in_transaction
def _fold_some() -> int:
    session = db.session()
    next_ones = select(FunnelMark.id, FunnelMark.step, FunnelMark.day).order_by(FunnelMark.id).limit(CHUNK)
    marks = session.execute(next_ones.with_for_update()).all()
    counts: dict[date, Counter[str]] = defaultdict(Counter)
    for mark in marks:
        counts[mark.day][mark.step] += 1
    for day in sorted(counts):
        row = session.get(FunnelDay, day, with_for_update=True)
        if row is None:
            row = FunnelDay(day=day, **dict.fromkeys(Step, 0))
            session.add(row)
        for step, count in counts[day].items():
            setattr(row, step, getattr(row, step) + count)
    session.flush()
    if marks:
        count_changed(session, delete(FunnelMark).where(FunnelMark.id.in_([mark.id for mark in marks])))
    return len(marks)
