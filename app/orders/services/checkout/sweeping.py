"""What a checkout leaves behind that nobody comes back to: stock and coupons are free again, payments find their end.

Runs every half minute. A checkout that was never paid is ended. Where somebody may have been charged the provider is
asked to cancel first; stock is let go only when it has confirmed that, and what was captured becomes an order.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Final

from sqlalchemy import select, update
from sqlalchemy.exc import OperationalError

from app.core.extensions import db
from app.core.orm import clock as database_clock
from app.core.orm import count_changed, database_now
from app.core.permissions import system
from app.core.transactions import in_transaction
from app.orders.models.orders import Hold, HoldState
from app.orders.models.payments import Payment
from app.orders.providers.port import ProviderState, ProviderUnreachable
from app.orders.services.checkout.paying import end_payment
from app.orders.services.checkout.stocking import expire

SWEEP_HOLDS: Final = "sweep_holds"
MAX_HELD: Final = 500
"""Holds that one run ends; the others are for the next."""
MAX_PAYING: Final = 20
"""Payments that one run asks a provider about: each may take as long as the provider's time limit."""
AGAIN_S: Final = 60
"""When a payment is looked at again whose provider did not answer, or could not end it."""

log = logging.getLogger(__name__)


def sweep_holds(*, clock: Callable[[], datetime]) -> None:
    """End what has expired, a bounded number of holds at once; safe to run beside itself.

    One that cannot be ended keeps none of the others waiting. A provider that does not answer is not asked about the
    rest, which the next runs do: a run must not take as long as all their time limits together.
    """
    actor = system()
    for order_id in _due(HoldState.HELD, MAX_HELD):
        with _whatever_happens(order_id):
            expire(order_id=order_id, actor=actor, now=clock())
    for order_id in _due(HoldState.PAYING, MAX_PAYING):
        with _whatever_happens(order_id):
            if not _end(order_id, clock):
                return


@contextmanager
def _whatever_happens(order_id: int) -> Iterator[None]:
    """Go on with the next order, unless it is the database that fails."""
    try:
        yield
    except OperationalError:
        raise
    except Exception:
        log.exception("the hold of order %d cannot be ended", order_id)


def _due(state: HoldState, limit: int) -> list[int]:
    due = select(Hold.order_id).where(Hold.state == state, Hold.expires_at <= database_clock())
    found = list(db.session.scalars(due.order_by(Hold.expires_at, Hold.id).limit(limit)))
    db.session.rollback()
    return found


def _end(order_id: int, clock: Callable[[], datetime]) -> bool:
    """End the payment that holds an order's stock, or look at it again later; False where nobody answers."""
    payment_id = db.session.scalar(select(Payment.id).where(Payment.active_order_id == order_id))
    db.session.rollback()
    if payment_id is None or not postpone(order_id=order_id):
        return True
    try:
        answer = end_payment(order_id=order_id, payment_id=payment_id, actor=system(), clock=clock)
    except ProviderUnreachable as error:
        log.warning("a payment of order %d cannot be ended: %s", order_id, error)
        return False
    if answer.state == ProviderState.WAITING:
        log.info("a bank is at a payment of order %d; it is looked at again", order_id)
    return True


@in_transaction
def postpone(*, order_id: int) -> bool:
    """Claim an expired hold for this sweeper for a while; False where another one has it, or it has ended."""
    session = db.session()
    now = database_now(session)
    mine = update(Hold).where(Hold.order_id == order_id, Hold.state == HoldState.PAYING, Hold.expires_at <= now)
    return count_changed(session, mine.values(expires_at=database_now(session, plus_s=AGAIN_S))) == 1
