"""Shipments that have arrived."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select, update

from app.core import audit
from app.core.extensions import db
from app.core.orm import count_changed
from app.core.permissions import Principal
from app.core.transactions import in_transaction
from app.orders.errors import NothingShipped
from app.orders.models.fulfilment import Shipment, ShipmentState
from app.orders.models.orders import Order
from app.orders.queries.shipments import ShipmentRecord, get_shipment
from app.orders.services.fulfilling import move_goods
from app.orders.services.moving import lock_order, note, tell


@in_transaction
def deliver(*, actor: Principal, now: datetime, order_id: int, shipment_id: int) -> ShipmentRecord:
    """Note that a shipment has arrived; one that has already stays as it is.

    Raises OrderNotFound, ShipmentNotFound.
    """
    order = lock_order(order_id)
    record = get_shipment(order_id, shipment_id)
    if record.shipment.state != ShipmentState.DELIVERED:
        _deliver(order, [shipment_id], actor=actor, now=now)
        db.session.refresh(record.shipment)
    return record


@in_transaction
def deliver_all(*, actor: Principal, now: datetime, order_id: int) -> Order:
    """Note that all shipments of an order have arrived; those that have already stay as they are.

    Raises OrderNotFound, and NothingShipped where there are none.
    """
    order = lock_order(order_id)
    rows = db.session.execute(select(Shipment.id, Shipment.state).where(Shipment.order_id == order_id)).all()
    if not rows:
        raise NothingShipped(order, f"Nothing of order {order.number} was shipped yet.")
    under_way = sorted(row.id for row in rows if row.state != ShipmentState.DELIVERED)
    if under_way:
        _deliver(order, under_way, actor=actor, now=now)
    return order


def _deliver(order: Order, shipment_ids: list[int], *, actor: Principal, now: datetime) -> None:
    """Note that these shipments of a locked order, which were under way, have arrived."""
    values = {"state": ShipmentState.DELIVERED, "delivered_at": now, "updated_at": now, "version": Shipment.version + 1}
    count_changed(db.session(), update(Shipment).where(Shipment.id.in_(shipment_ids)).values(values))
    for shipment_id in shipment_ids:
        note(order, "shipment.delivered", actor=actor, now=now, details={"shipment": shipment_id}, public=True)
    move_goods(order, actor=actor, now=now)
    after = {"shipments": shipment_ids}
    audit.record(actor=actor, action="order.deliver", subject=("order", order.id), after=after)
    tell(order, "delivered", now=now)
