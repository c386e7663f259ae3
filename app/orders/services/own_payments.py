"""A customer's own payment: how far it is, what their browser needs to go on, and looking it up at the provider."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from app.core.permissions import Principal
from app.orders.errors import PaymentUnknown
from app.orders.models.payments import PaymentStatus
from app.orders.providers.port import Answer, ProviderRefused, ProviderUnreachable
from app.orders.providers.registry import MANUAL
from app.orders.queries.payments import newest_payment
from app.orders.services import charging
from app.orders.services.checkout.settling import settle

_OPEN: Final = frozenset({PaymentStatus.CREATED, PaymentStatus.WAITING})


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnPayment:
    """A payment as its customer sees it; the client secret comes live from the provider and is never stored."""

    status: str
    method: str
    amount_minor: int
    currency: str
    error_code: str | None = None
    client_secret: str | None = None
    redirect_url: str | None = None


def show_payment(order_id: int) -> OwnPayment:
    """How far the payment of an order is; while it is open with what the provider says of it just now.

    Raises PaymentNotFound, PaymentUnknown while the provider does not answer.
    """
    payment_id, shown = _read(order_id)
    if payment_id is None:
        return shown
    try:
        answer = charging.peek(payment_id)
    except (ProviderUnreachable, ProviderRefused) as error:
        raise _unknown() from error
    return shown if answer is None else _with(shown, answer)


def refresh_payment(*, order_id: int, actor: Principal, now: datetime) -> OwnPayment:
    """Look up an open payment at its provider, write down what it says, and show it; safe to repeat.

    Where its first answer was lost, the same is asked again with the same key. Raises PaymentNotFound, PaymentUnknown.
    """
    payment_id, shown = _read(order_id)
    if payment_id is None:
        return shown
    try:
        answer = charging.charge(payment_id)
    except (ProviderUnreachable, ProviderRefused) as error:
        raise _unknown() from error
    settle(order_id=order_id, payment_id=payment_id, answer=answer, actor=actor, now=now, aside=True)
    return _with(_read(order_id)[1], answer)


def _read(order_id: int) -> tuple[int | None, OwnPayment]:
    """The payment as we know it, and its id where there is something to ask a provider about."""
    payment = newest_payment(order_id)
    is_open = payment.status in _OPEN and payment.provider != MANUAL
    shown = OwnPayment(
        status=payment.status,
        method=payment.method,
        amount_minor=payment.amount_minor,
        currency=payment.currency,
        error_code=payment.error_code,
    )
    return payment.id if is_open else None, shown


def _with(shown: OwnPayment, answer: Answer) -> OwnPayment:
    return replace(
        shown,
        error_code=answer.error_code or shown.error_code,
        client_secret=answer.client_secret,
        redirect_url=answer.redirect_url,
    )


def _unknown() -> PaymentUnknown:
    return PaymentUnknown("The payment provider does not answer; ask again in a moment.")
