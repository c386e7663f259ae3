"""What orders keep of a person: all of it for themselves, and its end.

The books stay: what was sold, for how much, when and to which country. So do the keyed hashes by which a coupon knows
who has used it. Orders that somebody made as a guest belong to whoever has their links, not to an account with the
same address.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import and_, delete, exists, or_, select, update

from app.cart.services.privacy import delete_carts
from app.core.extensions import db
from app.core.orm import count_changed, table_of, utc_now
from app.core.permissions import system
from app.core.transactions import connection
from app.orders.addresses import FIELDS
from app.orders.errors import OrdersUnderWay
from app.orders.models.fulfilment import OrderReturn, OrderReturnLine, Shipment, ShipmentLine
from app.orders.models.orders import (
    Hold,
    HoldState,
    Order,
    OrderEvent,
    OrderLine,
    OrderLink,
    OrderState,
    number_of,
)
from app.orders.models.payments import Payment, ProviderEvent, Refund, RefundStatus
from app.orders.queries.orders_timeline import WORDS
from app.orders.services.moving import note
from app.orders.services.notes import ADDED

ERASED_EMAIL: Final = "erased@invalid"
"""Nobody can be written to there (RFC 2606); mails about such an order are not sent."""
_ERASED_NAME: Final = "Erased user"
_BATCH: Final = 200
_EVENT: Final = table_of(OrderEvent)


def export_person(user_id: int) -> list[dict[str, Any]]:
    """A person's orders, oldest first, as plain JSON values; drafts and what expired included."""
    return [exported for ids in _batches(user_id) for exported in _export(ids)]


def erase_person(user_id: int) -> None:
    """Take a person out of their orders, in the open transaction.

    Raises OrdersUnderWay while goods have to be sent to them, or while a payment of theirs is under way.
    """
    waiting = db.session.scalars(_under_way(user_id).limit(20)).all()
    if waiting:
        raise OrdersUnderWay([number_of(order_id) for order_id in waiting])
    for ids in _batches(user_id):
        # a guest's, too, who logged in and then ordered: its token opens the order, and it has a note of its own
        made_of = select(Order.cart_id).where(Order.id.in_(ids), Order.cart_id.is_not(None))
        delete_carts(list(db.session.scalars(made_of)))
        orders = select(Order).where(Order.id.in_(ids)).order_by(Order.id).with_for_update()
        for order in db.session.scalars(orders.execution_options(populate_existing=True)):
            _erase(order)
        _erase_beside(ids)
        db.session.flush()


def _under_way(user_id: int) -> Any:
    """Ids of the orders for which somebody's address is still needed."""
    to_ship = exists().where(
        OrderLine.order_id == Order.id, OrderLine.quantity > OrderLine.shipped + OrderLine.cancelled
    )
    in_payment = exists().where(Hold.order_id == Order.id, Hold.state == HoldState.PAYING)
    is_needed = or_(and_(Order.state == OrderState.PLACED, to_ship), in_payment)
    return select(Order.id).where(Order.user_id == user_id, is_needed).order_by(Order.id)


def _batches(user_id: int) -> Iterator[list[int]]:
    """The ids of a person's orders, some at a time."""
    after = 0
    while True:
        some = select(Order.id).where(Order.user_id == user_id, Order.id > after).order_by(Order.id).limit(_BATCH)
        ids = list(db.session.scalars(some))
        if not ids:
            return
        yield ids
        after = ids[-1]


def _erase(order: Order) -> None:
    note(order, "customer.erased", actor=system(), now=utc_now(), public=False)
    order.email, order.note, order.user_id = ERASED_EMAIL, "", None
    order.shipping_address = _erased(order.shipping_address)
    order.billing_address = _erased(order.billing_address)


def _erased(address: dict[str, Any]) -> dict[str, Any]:
    """What the books need of an address: the country that was sold to."""
    nothing: dict[str, Any] = dict.fromkeys(FIELDS)
    return nothing | {"name": _ERASED_NAME, "line1": "", "city": "", "country": address["country"]}


def _erase_beside(order_ids: list[int]) -> None:
    """Erase what lies beside orders: their links, what was paid with, and what providers told us of who paid."""
    session = db.session()
    session.execute(delete(OrderLink).where(OrderLink.order_id.in_(order_ids)))
    refs = select(Payment.provider_ref).where(Payment.order_id.in_(order_ids), Payment.provider_ref.is_not(None))
    known = list(session.scalars(refs))
    count_changed(session, update(Payment).where(Payment.order_id.in_(order_ids)).values(source_ref=None))
    handled = ProviderEvent.payment_ref.in_(known), ProviderEvent.handled_at.is_not(None)
    count_changed(session, update(ProviderEvent).where(*handled).values(body="{}"))
    _erase_words(order_ids)


def _erase_words(order_ids: list[int]) -> None:
    """Erase what people wrote about orders: notes, and reasons of cancellations, returns and refunds.

    That it was written stays, and who did it. It goes past the session, which has events stay as they are.
    """
    session = db.session()
    done = Refund.order_id.in_(order_ids), Refund.status != RefundStatus.CLAIMED  # a claimed one is sent as it is
    count_changed(session, update(Refund).where(*done).values(reason="", updated_at=Refund.updated_at))
    returns = update(OrderReturn).where(OrderReturn.order_id.in_(order_ids))
    count_changed(session, returns.values(reason="", updated_at=OrderReturn.updated_at))
    rows = session.execute(select(OrderEvent.id, OrderEvent.details).where(OrderEvent.order_id.in_(order_ids))).all()
    for row in rows:
        kept = {name: value for name, value in row.details.items() if name not in WORDS}
        if kept != row.details:
            connection().execute(update(_EVENT).where(_EVENT.c.id == row.id).values(details=kept))


_PARTS: Final[dict[str, tuple[Any, set[str]]]] = {
    "lines": (OrderLine, set()),
    "payments": (Payment, {"active_order_id", "idempotency_key", "source_ref", "provider_ref", "reference"}),
    "refunds": (Refund, {"idempotency_key", "provider_ref", "actor_kind", "actor_id", "request_id"}),
    "shipments": (Shipment, {"actor_kind", "actor_id", "request_id"}),
    "returns": (OrderReturn, {"actor_kind", "actor_id", "request_id"}),
    "links_in_mails": (OrderLink, {"token_hash"}),
}
"""What belongs to an order, without secrets and without who of the shop's people did it."""


def _export(order_ids: list[int]) -> Iterator[dict[str, Any]]:
    orders = db.session.scalars(select(Order).where(Order.id.in_(order_ids)).order_by(Order.id)).all()
    parts = {name: _rows(model, model.order_id.in_(order_ids), but) for name, (model, but) in _PARTS.items()}
    in_parcels = _contents(ShipmentLine, ShipmentLine.shipment_id, parts["shipments"])
    came_back = _contents(OrderReturnLine, OrderReturnLine.order_return_id, parts["returns"])
    theirs = or_(OrderEvent.is_public.is_(True), OrderEvent.kind == ADDED)
    of_orders = and_(OrderEvent.order_id.in_(order_ids), theirs)
    events = _rows(OrderEvent, of_orders, {"actor_kind", "actor_id", "request_id", "is_public"})
    for order in orders:
        found = {name: rows[order.id] for name, rows in (parts | {"events": events}).items()}
        for shipment in found["shipments"]:
            shipment["lines"] = in_parcels[shipment["id"]]
        for each in found["returns"]:
            each["lines"] = came_back[each["id"]]
        own = _plain(order, {"user_id", "recipient_key", "postal_key", "attention"})
        yield own | {"number": order.number} | found


def _rows(model: Any, condition: Any, but: set[str]) -> dict[int, list[dict[str, Any]]]:
    """Rows as JSON values by the order they belong to."""
    found: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for row in db.session.scalars(select(model).where(condition).order_by(model.id)):
        found[row.order_id].append(_plain(row, but | {"order_id"}))
    return found


def _contents(model: Any, key: Any, holders: dict[int, list[dict[str, Any]]]) -> dict[int, list[dict[str, Any]]]:
    """What is in parcels and returns, by their ids."""
    ids = [each["id"] for rows in holders.values() for each in rows]
    found: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for row in db.session.scalars(select(model).where(key.in_(ids)).order_by(model.id)):
        found[getattr(row, key.key)].append(_plain(row, {"id", key.key}))
    return found


def _plain(row: Any, but: set[str]) -> dict[str, Any]:
    values = {column.key: getattr(row, column.key) for column in row.__table__.columns if column.key not in but}
    return {key: value.isoformat() if isinstance(value, date | datetime) else value for key, value in values.items()}
