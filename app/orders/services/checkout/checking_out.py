"""A customer's checkout from beginning to end: PREPARE, PAYMENT and FINALIZE, each on its own side of a commit.

Whatever it is interrupted by, the same cart sent again goes on where it stopped: a cart is one order, and an order is
paid once. All transactions but the last one are aside of the request's Idempotency-Key, which is so completed together
with what it stands for.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Final

from app.core.permissions import Principal
from app.orders.errors import PaymentDeclined, PaymentUnknown
from app.orders.models.orders import Order, OrderState
from app.orders.providers.port import ProviderState, ProviderUnreachable
from app.orders.providers.registry import MANUAL, name_for
from app.orders.services.checkout.errors import Overtaken, Running
from app.orders.services.checkout.methods import require_offered
from app.orders.services.checkout.paying import end_payment, pay, start_payment
from app.orders.services.checkout.preparing import prepare
from app.orders.services.checkout.stocking import with_stock
from app.orders.services.checkout.wanted import CheckedOut, Wanted

TRIES: Final = 4


def check_out(*, wanted: Wanted, clock: Callable[[], datetime]) -> CheckedOut:
    """Order what is in a cart; the order is PLACED, or DRAFT where the customer still has to pay at the provider.

    Raises Invalid for a way to pay that is not offered, what ``prepare`` raises, SoldOut, PaymentDeclined (nothing was
    charged, and the stock stays held), and PaymentUnknown: the same checkout sent again finds out.
    """
    require_offered(wanted.particulars.method)
    actor = wanted.shopper.principal
    for _ in range(TRIES):
        with suppress(Overtaken):
            done = _tried(wanted, actor, clock)
            if done is not None:
                return done
    raise PaymentUnknown("This cart is being checked out by another request; try again.")


def _tried(wanted: Wanted, actor: Principal, clock: Callable[[], datetime]) -> CheckedOut | None:
    """One way through the phases; None where a payment of something else had to be ended first."""
    try:
        done = _prepared(wanted, clock())
    except Running as running:
        if running.is_same:
            return _paid(running.order_id, running.payment_id, actor, clock)
        _end(running, actor, clock)
        return None
    if done.order.state != OrderState.DRAFT:
        return done
    payment_id = _started(wanted, done.order, clock())
    return _paid(done.order.id, payment_id, actor, clock)


def _prepared(wanted: Wanted, now: datetime) -> CheckedOut:
    is_last = name_for(wanted.particulars.method) == MANUAL
    run = prepare.tried if is_last else prepare.aside
    request_id = wanted.shopper.principal.request_id
    return with_stock(lambda: run(wanted=wanted, now=now), now=now, request_id=request_id)


def _started(wanted: Wanted, order: Order, now: datetime) -> int:
    return start_payment.aside(
        order_id=order.id,
        version=order.version,
        source=wanted.source,
        return_url=wanted.return_url,
        actor=wanted.shopper.principal,
        now=now,
    )


def _paid(order_id: int, payment_id: int, actor: Principal, clock: Callable[[], datetime]) -> CheckedOut:
    try:
        done, answer = pay(order_id=order_id, payment_id=payment_id, actor=actor, clock=clock)
    except ProviderUnreachable as error:
        raise PaymentUnknown("The payment provider does not answer; send the same again to find out.") from error
    if done.order.state == OrderState.EXPIRED:
        raise Overtaken  # it had been ended meanwhile: begin anew
    if done.order.state == OrderState.DRAFT and answer.state != ProviderState.WAITING:
        raise PaymentDeclined(reason=answer.error_code, order_number=done.order.number)
    return done


def _end(running: Running, actor: Principal, clock: Callable[[], datetime]) -> None:
    """End the payment of what was wanted before, so that something else can be paid; raises PaymentUnknown."""
    try:
        answer = end_payment(order_id=running.order_id, payment_id=running.payment_id, actor=actor, clock=clock)
    except ProviderUnreachable as error:
        raise PaymentUnknown("The payment provider does not answer, and an earlier payment runs; try again.") from error
    if answer.state == ProviderState.WAITING:
        raise PaymentUnknown("A bank is at an earlier payment of this cart; try again in a while.")
