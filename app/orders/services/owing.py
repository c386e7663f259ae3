"""What an order that is not paid yet owes, and that it owes less for units that left it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from sqlalchemy import update

from app.core.extensions import db
from app.core.orm import count_changed
from app.orders.models.orders import Order, OrderLine
from app.orders.models.payments import Payment, PaymentStatus
from app.orders.shares import parts_of

_OPEN: Final = (PaymentStatus.CREATED, PaymentStatus.WAITING)


def value_of(lines: Iterable[OrderLine], counts: Mapping[int, int]) -> int:
    """What the next units of lines (``counts`` by line id) that leave the order are worth, in minor units."""
    value = 0
    for line in lines:
        gone, count = line.cancelled + line.returned, counts.get(line.id, 0)
        value += parts_of(line, gone, gone + count).total if count else 0
    return value


def lower_payment(order: Order, *, now: datetime) -> None:
    """Have the open payment of a locked order be of what it owes now (total less cancelled)."""
    values = {"amount_minor": order.total_minor - order.cancelled_minor, "updated_at": now}
    count_changed(db.session(), _open_payment(order).values(values))


def end_payment(order: Order, *, now: datetime) -> None:
    """End the open payment of a locked order that owes nothing any more: it will never be made."""
    values = {"status": PaymentStatus.CANCELLED, "active_order_id": None, "updated_at": now}
    count_changed(db.session(), _open_payment(order).values(values))


def _open_payment(order: Order) -> Any:
    return update(Payment).where(Payment.active_order_id == order.id, Payment.status.in_(_OPEN))
