"""FINALIZE, the last phase of a checkout: what a provider says of a payment becomes the state of its order.

Safe to repeat and to race: whoever hears of it first (the customer's own request, a webhook, the sweeper) writes it
down, all others find it done. Money that was captured ends in an order or goes back, never neither: where the stock has
been given free meanwhile it is allocated again, and where there is none left all of the money is claimed for a refund
in the transaction that writes the payment down.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any, Final

from sqlalchemy import select, update

from app.core.extensions import db
from app.core.orm import count_changed
from app.core.permissions import Principal
from app.core.transactions import in_transaction
from app.orders.errors import CouponNotUsable, OrderNotFound, UnknownCoupon
from app.orders.models.orders import HoldState, Order, OrderState, PaymentState
from app.orders.models.payments import Payment, PaymentStatus
from app.orders.providers.port import Answer, ProviderState
from app.orders.services.checkout import drafting, giving_up, holds, late
from app.orders.services.checkout.errors import Short
from app.orders.services.checkout.placing import place_paid
from app.orders.services.checkout.stocking import still_missing
from app.orders.services.checkout.wanted import CheckedOut
from app.orders.services.moving import lock_order, move, touch
from app.orders.transitions import Axis

OPEN: Final = frozenset({PaymentStatus.CREATED, PaymentStatus.WAITING})
"""Payments of which it is not known yet how they end."""
TRIES: Final = 3


def settle(
    *, order_id: int, payment_id: int, answer: Answer, actor: Principal, now: datetime, aside: bool = False
) -> CheckedOut:
    """Write down what the provider says of a payment, once; the order as it is then, with its lines.

    What was captured is the payment's amount in its currency: ``charging`` lets nothing else through.

    CAPTURED places the order, or claims a refund of all where its stock cannot be had any more; FAILED gives the
    customer time to pay in another way; WAITING leaves everything as it is; CANCELLED lets the stock go. With ``aside``
    it is not the work of the request. Raises OrderNotFound.
    """
    run = _settle.aside if aside else _settle.tried
    gives_up = False
    for _ in range(TRIES):
        try:
            return run(order_id=order_id, payment_id=payment_id, answer=answer, actor=actor, now=now, gives_up=gives_up)
        except Short as short:
            gives_up = bool(still_missing(short, request_id=actor.request_id, now=now))
        except (CouponNotUsable, UnknownCoupon):
            continue  # somebody used up what was left of it a moment ago; it is looked at again
    return run(order_id=order_id, payment_id=payment_id, answer=answer, actor=actor, now=now, gives_up=True)


@in_transaction
def _settle(
    *, order_id: int, payment_id: int, answer: Answer, actor: Principal, now: datetime, gives_up: bool
) -> CheckedOut:
    order = lock_order(order_id)
    payment = _lock_payment(payment_id, order_id)
    match answer.state:
        case ProviderState.CAPTURED:
            _capture(order, payment, answer, gives_up=gives_up, actor=actor, now=now)
        case ProviderState.FAILED:
            _fail(order, payment, answer, actor=actor, now=now)
        case ProviderState.CANCELLED:
            _end(order, payment, answer, actor=actor, now=now)
        case ProviderState.WAITING:
            if _change(payment, [PaymentStatus.CREATED], answer, now=now, status=PaymentStatus.WAITING):
                touch(order, now=now)
    return CheckedOut(order, drafting.read_lines(order_id))


def _capture(
    order: Order,
    payment: Any,
    answer: Answer,
    *,
    gives_up: bool,
    actor: Principal,
    now: datetime,
) -> None:
    """Write down that a payment was captured, and do what was paid for, or give the money back."""
    if payment.status == PaymentStatus.CAPTURED:
        return
    if not _is_for(order, payment):
        captured = {"payment_id": payment.id, "captured_minor": answer.captured_minor}
        giving_up.show_surplus(order, captured, actor=actor, now=now)
        return
    values = {
        "status": PaymentStatus.CAPTURED,
        "captured_minor": payment.amount_minor,
        "captured_at": now,
        "active_order_id": order.id,
        "error_code": None,
    }
    _change(payment, frozenset(PaymentStatus) - {PaymentStatus.CAPTURED}, answer, now=now, **values)
    lines = drafting.read_lines(order.id)
    if holds.change_hold(order.id, [HoldState.PAYING, HoldState.HELD], HoldState.CONSUMED, now=now):
        place_paid(order, lines, actor=actor, now=now)
    elif gives_up:
        giving_up.cancel_and_refund(order, lines, actor=actor, now=now)
    else:
        late.place_late(order, lines, actor=actor, now=now)


def _is_for(order: Order, payment: Any) -> bool:
    """Whether this payment pays for the order as it is: whole, not paid otherwise, and not over yet."""
    if order.state not in {OrderState.DRAFT, OrderState.EXPIRED} or payment.amount_minor != order.total_minor:
        return False
    return payment.active_order_id is not None or not _is_paid_otherwise(order.id)


def _fail(order: Order, payment: Any, answer: Answer, *, actor: Principal, now: datetime) -> None:
    """Write down that nothing was paid, and give the customer as much time again as a new checkout has."""
    values = {"status": PaymentStatus.FAILED, "active_order_id": None, "error_code": _short(answer.error_code)}
    if not _change(payment, OPEN, answer, now=now, **values):
        return
    touch(order, now=now)
    if holds.change_hold(order.id, [HoldState.PAYING], HoldState.HELD, now=now, expires_at=holds.held_until()):
        details = {"reason": values["error_code"]}
        move(order, Axis.PAYMENT, PaymentState.UNPAID, actor=actor, now=now, details=details)


def _end(order: Order, payment: Any, answer: Answer, *, actor: Principal, now: datetime) -> None:
    """Write down that this payment will never be; what it held is free again."""
    values = {"status": PaymentStatus.CANCELLED, "active_order_id": None}
    if _change(payment, OPEN | {PaymentStatus.FAILED}, answer, now=now, **values):
        touch(order, now=now)
        if payment.active_order_id:
            holds.let_go(order, HoldState.PAYING, actor=actor, now=now)


def _lock_payment(payment_id: int, order_id: int) -> Any:
    columns = (Payment.id, Payment.status, Payment.active_order_id, Payment.amount_minor, Payment.provider_ref)
    found = select(*columns).where(Payment.id == payment_id, Payment.order_id == order_id)
    payment = db.session.execute(found.with_for_update()).one_or_none()
    if payment is None:
        raise OrderNotFound(f"The order {order_id} has no payment {payment_id}.")
    return payment


def _change(payment: Any, before: Collection[PaymentStatus], answer: Answer, *, now: datetime, **values: Any) -> bool:
    """Take a payment from one of these states to another one; False where it is in none of them (any more)."""
    if payment.provider_ref is None and answer.ref is not None:
        values["provider_ref"] = answer.ref
    changed = update(Payment).where(Payment.id == payment.id, Payment.status.in_(before))
    return count_changed(db.session(), changed.values(updated_at=now, **values)) == 1


def _is_paid_otherwise(order_id: int) -> bool:
    """Whether another payment of this order is open or captured."""
    return db.session.scalar(select(Payment.id).where(Payment.active_order_id == order_id)) is not None


def _short(code: str | None) -> str | None:
    return None if code is None else code[:64]
