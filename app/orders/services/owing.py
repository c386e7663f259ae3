"""What an order that is not paid yet owes, and that it owes less for units that left it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from sqlalchemy import update

from app.core.extensions import db
from app.core.orm import count_changed
from app.core.permissions import Principal
from app.orders.models.orders import Order, OrderLine, PaymentState
from app.orders.models.payments import Payment, PaymentStatus
from app.orders.services.moving import move
from app.orders.shares import parts_of
from app.orders.transitions import Axis

_OPEN: Final = (PaymentStatus.CREATED, PaymentStatus.WAITING)


def value_of(lines: Iterable[OrderLine], counts: Mapping[int, int]) -> int:
    """What the next units of lines (``counts`` by line id) that leave the order are worth, in minor units."""
    value = 0
    for line in lines:
        gone, count = line.cancelled + line.returned, counts.get(line.id, 0)
        value += parts_of(line, gone, gone + count).total if count else 0
    return value


def owe_less(order: Order, *, actor: Principal, now: datetime) -> None:
    """Have the open payment of a locked order be of what it owes by now: its total less what was cancelled of it.

    Where that is nothing, the payment will never be made, and there is nothing to be paid (VOIDED).
    """
    owed = order.total_minor - order.cancelled_minor
    values: dict[str, Any] = {"amount_minor": owed}
    if owed == 0:
        values = {"status": PaymentStatus.CANCELLED, "active_order_id": None}
    mine = update(Payment).where(Payment.active_order_id == order.id, Payment.status.in_(_OPEN))
    count_changed(db.session(), mine.values(updated_at=now, **values))
    if owed == 0:
        move(order, Axis.PAYMENT, PaymentState.VOIDED, actor=actor, now=now)
