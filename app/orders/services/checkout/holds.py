"""Whose stock a checkout holds, until when, and how it is let go; every step of a hold is a compare-and-set.

For transactions that have locked the order. Expiry is by the database's clock, the one that all machines share.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import insert, select, update

from app.core.extensions import db
from app.core.orm import count_changed, database_now, table_of
from app.core.permissions import Principal
from app.core.running import settings
from app.core.transactions import connection
from app.orders.models.orders import Hold, HoldState, Order, OrderState, PaymentState
from app.orders.services.coupons.claiming import give_back
from app.orders.services.moving import move
from app.orders.services.promises import reference_of, review_promises
from app.orders.transitions import Axis
from app.products.services import allocations

_HOLD = table_of(Hold)


def add_hold(order_id: int, state: HoldState, *, expires_at: datetime, now: datetime) -> None:
    """Write the hold of an order that is new."""
    values = {"order_id": order_id, "state": state, "expires_at": expires_at, "created_at": now, "updated_at": now}
    connection().execute(insert(_HOLD), values)


def hold_of(order_id: int) -> HoldState | None:
    """How far the hold of an order is, its row locked; None for an order that came from no checkout."""
    state = db.session.scalar(select(Hold.state).where(Hold.order_id == order_id).with_for_update())
    return None if state is None else HoldState(state)


def change_hold(
    order_id: int, before: Collection[HoldState], after: HoldState, *, now: datetime, expires_at: datetime | None = None
) -> bool:
    """Take a hold from one of these states to another one; False where it is in none of them (any more)."""
    changed = update(Hold).where(Hold.order_id == order_id, Hold.state.in_(before))
    values = {"state": after, "updated_at": now} | ({} if expires_at is None else {"expires_at": expires_at})
    return count_changed(db.session(), changed.values(values)) == 1


def held_until() -> datetime:
    """Until when stock is held that a checkout holds from now on."""
    return database_now(db.session(), plus_s=settings().checkout.hold_s)


def paying_until() -> datetime:
    """The same where somebody may be charged from now on: longer than two calls of the provider can take."""
    configured = settings()
    return database_now(db.session(), plus_s=configured.checkout.hold_s + 2 * configured.payments.timeout_s)


def let_go(order: Order, before: HoldState, *, actor: Principal, now: datetime) -> bool:
    """End a locked checkout that will not be paid: its stock and its coupon are free again, and it is EXPIRED.

    False, and nothing is done, where its hold is not in the state ``before`` (any more).
    """
    if not change_hold(order.id, [before], HoldState.RELEASED, now=now):
        return False
    move(order, Axis.PAYMENT, PaymentState.VOIDED, actor=actor, now=now)
    move(order, Axis.ORDER, OrderState.EXPIRED, actor=actor, now=now)
    review_promises(order, actor=actor, now=now)
    if order.coupon_code is not None:
        give_back.joined(order_id=order.id)
    db.session.flush()
    allocations.release.joined(actor=actor, now=now, reference=reference_of(order))
    return True
