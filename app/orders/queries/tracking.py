"""What whoever holds the link of a mail sees of an order: what was bought, how far it is, where the parcels are.

Nobody's name, address or email: a mail may be forwarded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import select

from app.core.extensions import db
from app.orders.errors import OrderNotFound
from app.orders.models.orders import Order, OrderLine
from app.orders.queries.shipments import ShipmentRecord, list_shipments

SHOWN_SHIPMENTS: Final = 50
"""The newest ones; an order of more parcels is followed by its mails."""


@dataclass(frozen=True, slots=True)
class Tracked:
    """An order as it is shown by its link."""

    order: Order
    lines: list[Any]
    shipments: list[ShipmentRecord]


def follow_order(order_id: int) -> Tracked:
    """An order with its lines and its newest shipments; raises OrderNotFound."""
    order = db.session.get(Order, order_id)
    if order is None:
        raise OrderNotFound("There is no order with this number.")
    lines = select(OrderLine).where(OrderLine.order_id == order_id).order_by(OrderLine.position)
    shipments = list_shipments(order_id, limit=SHOWN_SHIPMENTS)
    return Tracked(order, list(db.session.scalars(lines)), shipments.items)
