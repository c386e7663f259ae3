"""Payments that staff collect themselves: recording that an invoice was paid, or the cash handed over."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import select

from app.core import audit
from app.core.errors import Invalid
from app.core.extensions import db
from app.core.money import Money
from app.core.permissions import Principal
from app.core.transactions import in_transaction
from app.orders.errors import AmountNotDue, NothingToPay
from app.orders.models.orders import OrderLine, PaymentState
from app.orders.models.payments import Payment, PaymentStatus
from app.orders.providers.registry import MANUAL
from app.orders.queries.payments import PaymentRecord, payment_record
from app.orders.services import sales
from app.orders.services.moving import lock_order, move
from app.orders.shares import parts_of
from app.orders.transitions import Axis

_OPEN: Final = (PaymentStatus.CREATED, PaymentStatus.WAITING)


@in_transaction
def record_payment(
    *,
    actor: Principal,
    now: datetime,
    order_id: int,
    expected_version: int,
    amount: Money,
    reference: str | None = None,
) -> PaymentRecord:
    """Record that a placed order was paid to us, as a whole: what is due for what was neither cancelled nor returned.

    The sales facts are written with it. ``expected_version`` is the order's, which counts up. ``reference`` is what a
    bank or a receipt calls it. Raises OrderNotFound, OrderChanged, NothingToPay (it is paid, over, or paid at a
    provider), AmountNotDue, Invalid for another currency.
    """
    order = lock_order(order_id, version=expected_version)
    payment = db.session.scalar(
        select(Payment).where(Payment.active_order_id == order_id, Payment.provider == MANUAL).with_for_update(),
        execution_options=_FRESH,
    )
    lines = db.session.scalars(
        select(OrderLine).where(OrderLine.order_id == order_id).order_by(OrderLine.position), execution_options=_FRESH
    ).all()
    due = Money(_due(lines), order.currency)
    if payment is None or payment.status not in _OPEN or due.minor == 0:
        raise NothingToPay(order)
    if amount.currency != due.currency:
        raise Invalid.field("/amount/currency", f"must be {due.currency}, as the order is.")
    if amount != due:
        raise AmountNotDue(due)
    payment.status, payment.captured_at, payment.reference = PaymentStatus.CAPTURED, now, reference
    payment.amount_minor = payment.captured_minor = due.minor
    sales.record_sale(order, lines, now=now)
    move(order, Axis.PAYMENT, PaymentState.PAID, actor=actor, now=now)
    after = {"order_id": order_id, "amount": str(due), "method": payment.method, "reference": reference}
    audit.record(actor=actor, action="payment.recorded", subject=("payment", payment.id), after=after)
    return payment_record(payment, order)


def _due(lines: Sequence[OrderLine]) -> int:
    """What is due for units that were neither cancelled nor returned: the sum of their sales facts."""
    return sum(parts_of(line, line.cancelled + line.returned, line.quantity).total for line in lines)


_FRESH: Final = {"populate_existing": True}
