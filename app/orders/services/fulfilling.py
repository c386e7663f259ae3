"""How far the goods of an order are, by its lines and its shipments."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import exists, select

from app.core.extensions import db
from app.core.permissions import Principal
from app.orders.models.fulfilment import Shipment, ShipmentState
from app.orders.models.orders import Order, OrderLine
from app.orders.services.moving import complete_if_done, move
from app.orders.transitions import Axis, fulfilment_of


def move_goods(order: Order, *, actor: Principal, now: datetime) -> bool:
    """Give a locked order the state of fulfilment that its lines and shipments are in; whether that is another one.

    Whoever ships, delivers, takes back or cancels units calls it afterwards. An order that is done by it is completed.
    """
    db.session.flush()
    counters = select(OrderLine.quantity, OrderLine.cancelled, OrderLine.shipped, OrderLine.returned)
    lines = db.session.execute(counters.where(OrderLine.order_id == order.id)).all()
    under_way = exists().where(Shipment.order_id == order.id, Shipment.state != ShipmentState.DELIVERED)
    after = fulfilment_of(lines, delivered=not db.session.scalar(select(under_way)))
    is_moved = move(order, Axis.FULFILMENT, after, actor=actor, now=now)
    if not is_moved:
        complete_if_done(order, actor=actor, now=now)
    return is_moved
