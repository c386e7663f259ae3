"""Checkouts that nobody finished are deleted, with the addresses in them: they never were orders that books need.

A payment that had been given up may still be captured, as long as its provider lets it: such a checkout becomes an
order again. Stripe voids what it has only authorised after seven days
(https://docs.stripe.com/payments/place-a-hold-on-a-payment-method), and tells us what happened for three days
(https://docs.stripe.com/webhooks#retries), so CHECKOUT_KEEP_DAYS is seven at least.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, delete, or_, select, true

from app.core.extensions import db
from app.core.orm import table_of
from app.core.running import settings
from app.core.transactions import connection, in_transaction
from app.orders.models.coupons import CouponUse
from app.orders.models.orders import Hold, HoldState, Order, OrderEvent, OrderLine, OrderLink, OrderState
from app.orders.models.payments import Payment, PaymentStatus, Refund
from app.orders.models.sales import Sale

PURGE: Final = "purge_checkouts"
"""The outbox kind that does it."""
CHUNK: Final = 200
MAX_CHUNKS: Final = 100
"""In one run: what is left is for the next one."""
_OVER: Final = (PaymentStatus.FAILED, PaymentStatus.CANCELLED)
_PARTS: Final = (OrderLine, Hold, OrderEvent, OrderLink, Payment)
"""What a checkout that was never paid consists of."""


def purge_checkouts(*, now: datetime) -> int:
    """Delete checkouts that expired CHECKOUT_KEEP_DAYS ago, some hundred a transaction; returns how many.

    Those of which money was taken, went back or may yet come stay, and so do those that staff are asked to look at.
    """
    before = now - timedelta(days=settings().checkout.keep_days)
    deleted, after = 0, 0
    for _ in range(MAX_CHUNKS):
        found = _find(before, after)
        if found:
            deleted += _purge(ids=found, before=before)
            after = found[-1]
        if len(found) < CHUNK:
            break
    return deleted


def _find(before: datetime, after: int) -> Sequence[int]:
    some = select(Order.id).where(_is_over(before), Order.id > after).order_by(Order.id).limit(CHUNK)
    ids = db.session.scalars(some).all()
    db.session.rollback()
    return ids


@in_transaction
def _purge(*, ids: Sequence[int], before: datetime) -> int:
    """Delete those of these checkouts that are over under their locks: somebody may have paid for one meanwhile."""
    session = db.session()
    mine = select(Order.id).where(Order.id.in_(ids), _is_over(before)).order_by(Order.id).with_for_update()
    locked = list(session.scalars(mine))
    kept = _needed(locked)
    gone = [order_id for order_id in locked if order_id not in kept]
    for part in _PARTS:
        table = table_of(part)  # past the session, which has events stay as they are
        connection().execute(delete(table).where(table.c.order_id.in_(gone)))
    connection().execute(delete(table_of(Order)).where(table_of(Order).c.id.in_(gone)))
    return len(gone)


def _is_over(before: datetime) -> ColumnElement[bool]:
    return and_(
        Order.state == OrderState.EXPIRED, Order.ended_at < before, Order.placed_at.is_(None), Order.attention.is_(None)
    )


def _needed(ids: Sequence[int]) -> set[int]:
    """Which of these have more to them than a checkout that came to nothing."""
    money = Payment.order_id, or_(Payment.status.not_in(_OVER), Payment.captured_minor > 0)
    held = Hold.order_id, Hold.state != HoldState.RELEASED
    facts: list[tuple[Any, Any]] = [(model.order_id, true()) for model in (Refund, Sale, CouponUse)]
    needed: set[int] = set()
    for column, condition in (money, held, *facts):
        needed.update(db.session.scalars(select(column).where(column.in_(ids), condition)))
    return needed
