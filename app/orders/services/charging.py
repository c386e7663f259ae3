"""What the provider of a payment is asked, outside of any transaction, and whether its answer is what we asked for.

Nothing is stored here: what an answer means for the order is ``settle``'s affair. Each call ends the session's open
read, so that no connection is held while a provider takes its time.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select

from app.core.extensions import db
from app.core.money import Money
from app.core.orm import utc_now
from app.core.permissions import system
from app.core.transactions import in_transaction
from app.orders import attention
from app.orders.errors import PaymentNotFound
from app.orders.models.orders import number_of
from app.orders.models.payments import Payment
from app.orders.providers.port import Answer, Charge, Provider, ProviderRefused, ProviderState, ProviderUnreachable
from app.orders.providers.registry import reachable
from app.orders.services.moving import flag, lock_order

KEY_LIFETIME: Final = timedelta(hours=23)
"""For how long a request may be sent again with its key: Stripe keeps keys for 24 hours at least."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Asked:
    """A payment as the provider is asked about it."""

    order_id: int
    provider: str
    ref: str | None
    created_at: datetime
    is_of_source: bool
    """Whether we said what is paid with; else the customer says so at the provider, and may try several cards."""
    charge: Charge


def charge_for(payment: Payment) -> Charge:
    """What is asked of the provider for a payment: the same whenever it is asked."""
    return Charge(
        key=payment.idempotency_key,
        amount=Money(payment.amount_minor, payment.currency),
        order_number=number_of(payment.order_id),
        method=payment.method,
        source_ref=payment.source_ref,
        return_url=payment.return_url,
    )


def charge(payment_id: int) -> Answer:
    """Begin a payment, or go on with it where that was interrupted; however often it is called it is charged once.

    What the provider refuses is an answer, too (FAILED). After KEY_LIFETIME nothing is begun any more: what was begun
    then is found, else the answer is CANCELLED. Raises ProviderUnreachable, and then it may have been charged.
    """
    asked = _asked(payment_id)
    if asked.ref is not None:
        return look_up(payment_id)
    if utc_now() - asked.created_at >= KEY_LIFETIME:
        return _examined(asked, lambda at: _found(at, asked.charge.key))
    try:
        return _examined(asked, lambda at: at.charge(asked.charge))
    except ProviderRefused as refused:
        log.warning("payment %d is refused: %s", payment_id, refused.code)
        return Answer(ref=None, state=ProviderState.FAILED, error_code=refused.code)


def look_up(payment_id: int, *, ref: str | None = None) -> Answer:
    """How far a payment is by now; ``ref`` is the provider's id of it where we have not written that down yet.

    A card of which we said that it is to be charged, and that its bank then refused, is FAILED: nobody can pay by it
    any more. Customers who chose their card at the provider may still take another one there. Raises
    ProviderUnreachable.
    """
    asked = _asked(payment_id)
    known = asked.ref or ref
    if known is None:
        raise ProviderUnreachable("The provider's id of the payment is not known.")
    answer = _examined(asked, lambda at: at.look_up(known))
    if answer.error_code is None or not asked.is_of_source:
        return answer
    if answer.state == ProviderState.WAITING:
        answer = replace(_examined(asked, lambda at: at.cancel(known)), error_code=answer.error_code)
    return replace(answer, state=ProviderState.FAILED) if answer.state == ProviderState.CANCELLED else answer


def peek(payment_id: int) -> Answer | None:
    """What the provider says of a payment, for its customer; changes nothing there, and None where it knows nothing.

    Raises ProviderUnreachable.
    """
    asked = _asked(payment_id)
    if asked.ref is None:
        return None
    ref = asked.ref
    return _examined(asked, lambda at: at.look_up(ref))


def cancel(payment_id: int) -> Answer:
    """End a payment that is not captured, also one of which the provider's id is not known yet.

    CANCELLED (or FAILED) once it is sure that nothing will be charged; CAPTURED where it came too late; WAITING where
    it cannot be ended now. Raises ProviderUnreachable.
    """
    asked = _asked(payment_id)
    ref = asked.ref
    if ref is None:
        known = charge(payment_id)
        if known.state != ProviderState.WAITING or known.ref is None:
            return known
        ref = known.ref
    return _examined(asked, lambda at: at.cancel(ref))


def _found(at: Provider, key: str) -> Answer:
    try:
        return at.find(key) or Answer(ref=None, state=ProviderState.CANCELLED, key=key)
    except ProviderRefused as refused:  # it may be there all the same
        raise ProviderUnreachable(f"cannot be searched for: {refused.code}") from None


def _examined(asked: _Asked, question: Callable[[Provider], Answer]) -> Answer:
    """The provider's answer; one that captured something else is WAITING, and staff are asked to look at it."""
    answer = question(reachable(asked.provider))
    if _is_as_asked(asked.charge, answer):
        return answer
    log.error("order %s: %s was captured, not %s", asked.charge.order_number, _captured(answer), asked.charge.amount)
    _flag.aside(order_id=asked.order_id, asked=str(asked.charge.amount), captured=_captured(answer), now=utc_now())
    return Answer(ref=answer.ref, state=ProviderState.WAITING, key=answer.key)


def _is_as_asked(charge: Charge, answer: Answer) -> bool:
    if answer.state != ProviderState.CAPTURED:
        return True
    return (answer.captured_minor, answer.currency) == (charge.amount.minor, charge.amount.currency)


def _captured(answer: Answer) -> str:
    return f"{answer.captured_minor} minor units of {answer.currency}"


@in_transaction
def _flag(*, order_id: int, asked: str, captured: str, now: datetime) -> None:
    details = {"asked": asked, "captured": captured}
    flag(lock_order(order_id), attention.PAYMENT_MISMATCH, actor=system(), now=now, details=details)


def _asked(payment_id: int) -> _Asked:
    payment = db.session.scalar(
        select(Payment).where(Payment.id == payment_id), execution_options={"populate_existing": True}
    )
    if payment is None:
        raise PaymentNotFound(f"There is no payment {payment_id}.")
    asked = _Asked(
        order_id=payment.order_id,
        provider=payment.provider,
        ref=payment.provider_ref,
        created_at=payment.created_at,
        is_of_source=payment.source_ref is not None,
        charge=charge_for(payment),
    )
    db.session.rollback()  # a provider may take its time: nothing is held meanwhile
    return asked
