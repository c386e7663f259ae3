"""Placing an order: what is written when a draft, or an order that is new, becomes one that is bought.

For transactions of this package. An order is placed together with its payment's row, the end of its hold and of its
cart, and, where it is paid, its sales facts: all of it exists or nothing.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import func, insert, select

from app.cart.services.closing import close_cart
from app.core import audit
from app.core.extensions import db
from app.core.money import Money
from app.core.orm import table_of
from app.core.permissions import Principal
from app.core.transactions import connection
from app.orders.models.orders import Order, OrderLine, OrderState, PaymentState
from app.orders.models.payments import Payment, PaymentStatus
from app.orders.providers.registry import MANUAL, name_for
from app.orders.services import moving, sales
from app.orders.transitions import Axis

_ADD_PAYMENT: Final = insert(table_of(Payment))


def columns_of_placed(total_minor: int, *, now: datetime) -> dict[str, Any]:
    """The columns of ``Order`` that say that it is placed; one that costs nothing is paid with that."""
    is_paid = total_minor == 0
    return {
        "state": OrderState.PLACED,
        "payment_state": PaymentState.PAID if is_paid else PaymentState.UNPAID,
        "placed_at": now,
        "placed_on": sales.day_of(now),
        "paid_at": now if is_paid else None,
    }


def place(order: Order, lines: Sequence[OrderLine], *, actor: Principal, now: datetime) -> None:
    """Place a locked draft that staff collect the money for, or that costs nothing."""
    if order.total_minor == 0:
        moving.move(order, Axis.PAYMENT, PaymentState.PAID, actor=actor, now=now)
    moving.move(order, Axis.ORDER, OrderState.PLACED, actor=actor, now=now)
    record_placed(order, lines, attempt=next_attempt(order.id), actor=actor, now=now)


def place_paid(order: Order, lines: Sequence[OrderLine], *, actor: Principal, now: datetime) -> None:
    """Place a locked order whose payment was captured just now, and write its sales facts."""
    moving.move(order, Axis.ORDER, OrderState.PLACED, actor=actor, now=now)
    moving.move(order, Axis.PAYMENT, PaymentState.PAID, actor=actor, now=now)
    sales.record_sale(order, lines, now=now)
    finish(order, lines, actor=actor)


def record_placed(order: Order, lines: Sequence[OrderLine], *, attempt: int, actor: Principal, now: datetime) -> None:
    """Write what goes with an order that has just been placed and that no provider is asked about."""
    is_paid = order.total_minor == 0
    status = PaymentStatus.CAPTURED if is_paid else PaymentStatus.CREATED
    add_payment(order, attempt=attempt, provider=MANUAL, status=status, now=now, captured_at=now if is_paid else None)
    if is_paid:
        sales.record_sale(order, lines, now=now)
    finish(order, lines, actor=actor)


def finish(order: Order, lines: Sequence[OrderLine], action: str = "order.place", *, actor: Principal) -> None:
    """Close the cart of an order whose checkout has just ended, and note who ended it."""
    total = Money(order.total_minor, order.currency)
    what = {"total": str(total), "lines": len(lines), "payment_method": order.payment_method}
    audit.record(actor=actor, action=action, subject=("order", order.id), after=what)
    if order.cart_id is not None:
        # the cart is locked while an order is placed, but not while a provider is asked: more may be in it by now
        is_asked = name_for(order.payment_method) != MANUAL
        close_cart(order.cart_id, ordered={line.product_id: line.quantity for line in lines} if is_asked else None)


def add_payment(
    order: Order,
    *,
    attempt: int,
    provider: str,
    status: PaymentStatus,
    now: datetime,
    captured_at: datetime | None = None,
    **columns: Any,
) -> int:
    """Write the row of a payment of all that a locked order costs; its id.

    The key that the provider will know it by is ours alone: installations may share an account at a provider.
    """
    values = {
        "order_id": order.id,
        "active_order_id": order.id,
        "attempt": attempt,
        "provider": provider,
        "method": order.payment_method,
        "status": status,
        "amount_minor": order.total_minor,
        "currency": order.currency,
        "captured_minor": 0,
        "refunded_minor": 0,
        "idempotency_key": f"order-{order.number}-{attempt}-{secrets.token_hex(8)}",
        "captured_at": captured_at,
        "created_at": now,
        "updated_at": now,
    }
    (payment_id,) = connection().execute(_ADD_PAYMENT, values | columns).inserted_primary_key or (0,)
    return int(payment_id)


def next_attempt(order_id: int) -> int:
    """Which payment of a locked order the next one will be."""
    return 1 + (db.session.scalar(select(func.max(Payment.attempt)).where(Payment.order_id == order_id)) or 0)
