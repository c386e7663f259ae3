"""How an order's states change: the one place that does it, and that writes down who did it and when.

Building blocks for services that hold the order's lock. Whatever is shown with an order and changes is noted here, so
that the order's version counts up: it is what an ETag of the order is made of.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from sqlalchemy import exists, insert, select

from app.core import events
from app.core.extensions import db
from app.core.orm import table_of
from app.core.permissions import Principal
from app.core.running import settings
from app.core.transactions import connection
from app.orders.errors import IllegalMove, OrderChanged, OrderNotFound
from app.orders.events import OrderMoved, OrderReached
from app.orders.models.fulfilment import Shipment, ShipmentState
from app.orders.models.orders import FulfilmentState, Order, OrderEvent, OrderLine, OrderState, PaymentState, number_of
from app.orders.transitions import COLUMNS, SETTLED, TABLES, Axis

_TOLD: Final[dict[str, str]] = {
    f"{Axis.ORDER}:{OrderState.PLACED}": "placed",
    f"{Axis.PAYMENT}:{PaymentState.PAID}": "paid",
    f"{Axis.ORDER}:{OrderState.CANCELLED}": "cancelled",
}
"""Moves that others are told of. What can happen several times in one state (a shipment, a delivery, a return, a
refund) is told by who does it, with ``tell``."""
_REACHED: Final[dict[str, str]] = {
    f"{Axis.ORDER}:{OrderState.PLACED}": "placed",
    f"{Axis.PAYMENT}:{PaymentState.PAID}": "paid",
    f"{Axis.FULFILMENT}:{FulfilmentState.DELIVERED}": "delivered",
}
"""Moves by which an order comes to a step for the first time; none of these is left and come to again but PAID."""
_WAS_PAID: Final = frozenset({PaymentState.PARTIALLY_REFUNDED, PaymentState.REFUNDED})
"""From these it becomes PAID again where a bank sent a refund back: nobody has paid anything then."""
_ENDS: Final = frozenset({OrderState.COMPLETED, OrderState.CANCELLED, OrderState.EXPIRED})
_TOUCHED: Final = "orders_touched"
_INSERT_EVENT: Final = insert(table_of(OrderEvent))


def begin(order: Order, *, actor: Principal, now: datetime) -> None:
    """Write down where an order that was made just now begins on each axis, and tell who wants to know of it.

    So the events of an axis lead from nothing to where it is.
    """
    states = {axis: str(getattr(order, column)) for axis, column in COLUMNS.items()}
    rows = [
        _event(order, f"{axis}.state", before=None, after=state, actor=actor, now=now, details=None, public=True)
        for axis, state in states.items()
    ]
    connection().execute(_INSERT_EVENT, rows)
    reached = [_REACHED[key] for key in (f"{axis}:{state}" for axis, state in states.items()) if key in _REACHED]
    events.publish(OrderReached(order.id, order.cart_id, ("checkouts", *reached), now))
    for axis, state in states.items():
        what = _TOLD.get(f"{axis}:{state}")
        if what is not None:
            tell(order, what, now=now)


def lock_order(order_id: int, *, version: int | None = None) -> Order:
    """The order with its row locked until the transaction ends, as it is now.

    Raises OrderNotFound, and OrderChanged (412) where its version is not ``version``.
    """
    found = select(Order).where(Order.id == order_id).with_for_update().execution_options(populate_existing=True)
    order = db.session.scalar(found)
    if order is None:
        raise OrderNotFound(f"There is no order {number_of(order_id)}.")
    if version is not None and order.version != version:
        raise OrderChanged(f"Order {order.number} has changed since; its version is {order.version}.")
    return order


def require(axis: Axis, before: str, after: str) -> None:
    """Raise IllegalMove, which names what is allowed, unless ``after`` may follow ``before``."""
    allowed = TABLES[axis][before]
    if after not in allowed:
        raise IllegalMove(axis=axis, state=before, asked=after, allowed=allowed)


def move(
    order: Order,
    axis: Axis,
    after: str,
    *,
    actor: Principal,
    now: datetime,
    details: Mapping[str, Any] | None = None,
    public: bool = True,
) -> bool:
    """Give a locked order another state on one axis; False where it has that already, and nothing is done.

    Sets the times that go with it, counts the version up once in a transaction, writes the event, tells who wants to
    know, and completes an order of which that was the last thing missing. Raises IllegalMove (409).
    """
    column = COLUMNS[axis]
    before = getattr(order, column)
    if before == after:
        return False
    require(axis, before, after)
    setattr(order, column, str(after))
    _set_times(order, axis, before, after, now)
    _write(order, f"{axis}.state", before=before, after=after, actor=actor, now=now, details=details, public=public)
    if before not in _WAS_PAID:
        _tell_of_move(order, f"{axis}:{after}", now)
    if axis != Axis.ORDER:
        complete_if_done(order, actor=actor, now=now)
    return True


def note(
    order: Order,
    kind: str,
    *,
    actor: Principal,
    now: datetime,
    details: Mapping[str, Any] | None = None,
    public: bool,
    before: str | None = None,
    after: str | None = None,
) -> None:
    """Write down something that happened to a locked order and is no move (``shipment.shipped``, ``note.added``).

    ``details`` are for machines and people who may see the event: no secrets, and where it is public nothing that the
    customer may not know. ``before`` and ``after`` are short names, at most 32 characters.
    """
    _write(order, kind, before=before, after=after, actor=actor, now=now, details=details, public=public)


def flag(
    order: Order,
    reason: str | None,
    *,
    actor: Principal,
    now: datetime,
    details: Mapping[str, Any] | None = None,
) -> bool:
    """Ask staff to look at a locked order (``app.orders.attention``), or with None say that all is well.

    False where that is said already. Customers see nothing of it.
    """
    before = order.attention
    if before == reason:
        return False
    order.attention = reason
    _write(order, "attention", before=before, after=reason, actor=actor, now=now, details=details, public=False)
    if reason is not None:
        tell(order, "attention", now=now)
    return True


def tell(order: Order, what: str, *, now: datetime) -> None:
    """Publish OrderMoved, for what happens more than once in a state; of moves ``move`` does it."""
    events.publish(OrderMoved(order.id, what, now))


def complete_if_done(order: Order, *, actor: Principal, now: datetime) -> bool:
    """Complete a placed order of which nothing is to be paid, shipped or delivered any more; whether it was.

    ``move`` does it. Whoever delivers what leaves the state as it is (a part of it has come back) calls it.
    """
    if order.state != OrderState.PLACED or order.payment_state not in SETTLED or not _has_arrived(order):
        return False
    return move(order, Axis.ORDER, OrderState.COMPLETED, actor=actor, now=now)


def touch(order: Order, *, now: datetime) -> None:
    """Count the version of a locked order up, once in a transaction; ``move`` and ``note`` do it."""
    session = db.session()
    transaction, touched = session.info.get(_TOUCHED, (None, set()))
    if transaction is not session.get_transaction():
        touched = set()
        session.info[_TOUCHED] = (session.get_transaction(), touched)
    if order.id not in touched:
        touched.add(order.id)
        order.version += 1
        order.updated_at = now


def _tell_of_move(order: Order, key: str, now: datetime) -> None:
    if key in _REACHED:
        events.publish(OrderReached(order.id, order.cart_id, (_REACHED[key],), now))
    if key in _TOLD:
        tell(order, _TOLD[key], now=now)


def _has_arrived(order: Order) -> bool:
    if order.fulfilment_state in {FulfilmentState.DELIVERED, FulfilmentState.RETURNED}:
        return True
    if order.fulfilment_state != FulfilmentState.PARTIALLY_RETURNED:
        return False
    under_way = exists().where(Shipment.order_id == order.id, Shipment.state != ShipmentState.DELIVERED)
    to_ship = exists().where(
        OrderLine.order_id == order.id, OrderLine.shipped + OrderLine.cancelled < OrderLine.quantity
    )
    return not db.session.scalar(select(under_way | to_ship))


def _set_times(order: Order, axis: Axis, before: str, after: str, now: datetime) -> None:
    if axis == Axis.PAYMENT:
        if after == PaymentState.PAID and before not in _WAS_PAID:
            order.paid_at = now
        return
    if axis != Axis.ORDER:
        return
    order.ended_at = now if after in _ENDS else None
    if after == OrderState.PLACED and order.placed_at is None:
        order.placed_at = now
        order.placed_on = now.astimezone(settings().timezone).date()


def _write(
    order: Order,
    kind: str,
    *,
    before: str | None,
    after: str | None,
    actor: Principal,
    now: datetime,
    details: Mapping[str, Any] | None,
    public: bool,
) -> None:
    touch(order, now=now)
    event = _event(order, kind, before=before, after=after, actor=actor, now=now, details=details, public=public)
    connection().execute(_INSERT_EVENT, event)


def _event(
    order: Order,
    kind: str,
    *,
    before: str | None,
    after: str | None,
    actor: Principal,
    now: datetime,
    details: Mapping[str, Any] | None,
    public: bool,
) -> dict[str, Any]:
    return {
        "created_at": now,
        "order_id": order.id,
        "kind": kind,
        "before": before,
        "after": after,
        "is_public": public,
        "details": dict(details or {}),
        **actor.attribution(),
    }
