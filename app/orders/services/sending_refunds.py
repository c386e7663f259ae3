"""Sending refunds to their providers, and what their answers mean; however often it is done, money goes back once."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import func, select, update

from app.core.extensions import db
from app.core.money import Money
from app.core.orm import count_changed
from app.core.permissions import Principal, system
from app.core.transactions import in_transaction
from app.orders import attention
from app.orders.models.orders import Order
from app.orders.models.payments import Payment, Refund, RefundStatus
from app.orders.providers.port import Answer, ProviderRefused, ProviderState, ProviderUnreachable
from app.orders.providers.registry import reachable
from app.orders.services import mails, sales
from app.orders.services.moving import flag, lock_order, move, note, tell
from app.orders.transitions import Axis, payment_state_of

CHECK_AFTER: Final = timedelta(minutes=10)
"""How old a refund is when the provider is asked without having told us: its notice, or our call, got lost."""
_BATCH: Final = 20
"""Refunds that one run asks about: each may take as long as the provider's time limit."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Asked:
    """A refund as the provider is asked about it."""

    order_id: int
    status: str
    provider: str
    ref: str | None
    payment_ref: str
    amount: Money
    key: str


def send_refund(*, refund_id: int, now: datetime) -> None:
    """Ask the provider to give back what was set aside, and record what it says; safe to repeat.

    Raises ProviderUnreachable: then it is asked again later, with the same key.
    """
    asked = _asked(refund_id)
    if asked is None or asked.status != RefundStatus.CLAIMED:
        return
    at = reachable(asked.provider)
    try:
        answer = at.refund(ref=asked.payment_ref, amount=asked.amount, key=asked.key)
    except ProviderRefused as refused:
        log.warning("refund %d is refused: %s", refund_id, refused.code)
        answer = Answer(ref=None, state=ProviderState.FAILED, error_code=refused.code)
    record_answer(actor=system(), now=now, order_id=asked.order_id, refund_id=refund_id, answer=answer)


def look_up_refund(*, refund_id: int, now: datetime) -> None:
    """Ask the provider how far a refund is that it knows of, also one that had succeeded, and record what it says."""
    asked = _asked(refund_id)
    if asked is None or asked.ref is None or asked.status == RefundStatus.FAILED:
        return
    try:
        answer = reachable(asked.provider).look_up_refund(asked.ref)
    except ProviderRefused as refused:
        log.warning("the provider does not know refund %d: %s", refund_id, refused.code)
        return
    record_answer(actor=system(), now=now, order_id=asked.order_id, refund_id=refund_id, answer=answer)


def check_refunds(*, now: datetime) -> None:
    """Ask for refunds that are under way for long, twenty at a time; the oldest look is repeated first."""
    late = (
        select(Refund.id, Refund.provider_ref)
        .where(Refund.status == RefundStatus.CLAIMED, Refund.updated_at < now - CHECK_AFTER)
        .order_by(Refund.updated_at, Refund.id)
        .limit(_BATCH)
    )
    rows = db.session.execute(late).all()
    db.session.rollback()
    for refund_id, ref in rows:
        try:
            (send_refund if ref is None else look_up_refund)(refund_id=refund_id, now=now)
        except ProviderUnreachable as error:
            log.warning("the provider does not say how far refund %d is: %s", refund_id, error)
            return
        _looked_at(refund_id=refund_id, now=now)


@in_transaction
def record_answer(*, actor: Principal, now: datetime, order_id: int, refund_id: int, answer: Answer) -> None:
    """Record what the provider says of a refund, under the order's lock; saying it twice changes nothing.

    Succeeded it is a sales fact of this day; failed, also after it had succeeded, its claim is given back and staff
    are asked to look at it.
    """
    order = lock_order(order_id)
    found = select(Refund).where(Refund.id == refund_id).with_for_update()
    refund = db.session.scalars(found, execution_options={"populate_existing": True}).one()
    if (
        refund.status == RefundStatus.CLAIMED
        and answer.state != ProviderState.FAILED
        and not _is_as_asked(refund, answer)
    ):
        details = {"refund_id": refund.id, "given_back": f"{answer.captured_minor} minor units of {answer.currency}"}
        flag(order, attention.PAYMENT_MISMATCH, actor=actor, now=now, details=details)
        return
    if refund.status == RefundStatus.CLAIMED:
        refund.provider_ref = answer.ref or refund.provider_ref
        if answer.state == ProviderState.CAPTURED:
            _succeed(order, refund, actor=actor, now=now)
    if refund.status != RefundStatus.FAILED and answer.state == ProviderState.FAILED:
        _fail(order, refund, answer, actor=actor, now=now)


def _succeed(order: Order, refund: Refund, *, actor: Principal, now: datetime) -> None:
    refund.status, refund.ended_at, refund.updated_at = RefundStatus.SUCCEEDED, now, now
    db.session.flush()
    sales.record_refund(refund, now=now)
    _note(order, "refund.succeeded", refund, actor=actor, now=now)
    _move_money(order, refund, actor=actor, now=now)
    tell(order, "refunded", now=now)
    mails.request_refunded(refund.id)


def _fail(order: Order, refund: Refund, answer: Answer, *, actor: Principal, now: datetime) -> None:
    had_succeeded = refund.status == RefundStatus.SUCCEEDED
    refund.status, refund.error_code = RefundStatus.FAILED, answer.error_code
    refund.ended_at, refund.updated_at = now, now
    db.session.flush()
    given_back = (
        update(Payment)
        .where(Payment.id == refund.payment_id)
        .values(refunded_minor=Payment.refunded_minor - refund.amount_minor, updated_at=now)
    )
    count_changed(db.session(), given_back)
    _note(order, "refund.failed", refund, actor=actor, now=now, reason=answer.error_code)
    if had_succeeded:
        sales.undo_refund(refund, now=now)
        _move_money(order, refund, actor=actor, now=now)
    flag(order, attention.REFUND_FAILED, actor=actor, now=now, details={"refund_id": refund.id})


def _move_money(order: Order, refund: Refund, *, actor: Principal, now: datetime) -> None:
    succeeded = select(func.coalesce(func.sum(Refund.amount_minor), 0)).where(
        Refund.payment_id == refund.payment_id, Refund.status == RefundStatus.SUCCEEDED
    )
    captured = select(Payment.captured_minor).where(Payment.id == refund.payment_id)
    after = payment_state_of(
        captured_minor=db.session.scalars(captured).one(), refunded_minor=int(db.session.scalars(succeeded).one())
    )
    move(order, Axis.PAYMENT, after, actor=actor, now=now)


def _note(
    order: Order, kind: str, refund: Refund, *, actor: Principal, now: datetime, reason: str | None = None
) -> None:
    amount = str(Money(refund.amount_minor, refund.currency))
    details = {"refund_id": refund.id, "amount": amount} | ({"reason": reason} if reason else {})
    note(order, kind, actor=actor, now=now, details=details, public=reason is None)


def _is_as_asked(refund: Refund, answer: Answer) -> bool:
    return (answer.captured_minor, answer.currency) == (refund.amount_minor, refund.currency)


def _asked(refund_id: int) -> _Asked | None:
    found = (
        select(Refund, Payment.provider_ref, Payment.idempotency_key)
        .join(Payment, Payment.id == Refund.payment_id)
        .where(Refund.id == refund_id)
    )
    row = db.session.execute(found, execution_options={"populate_existing": True}).one_or_none()
    if row is None:
        return None
    refund, payment_ref, payment_key = row
    asked = _Asked(
        order_id=refund.order_id,
        status=refund.status,
        provider=refund.provider,
        ref=refund.provider_ref,
        payment_ref=payment_ref or payment_key,
        amount=Money(refund.amount_minor, refund.currency),
        key=refund.idempotency_key,
    )
    db.session.rollback()  # a provider may take its time: nothing is held meanwhile
    return asked


@in_transaction
def _looked_at(*, refund_id: int, now: datetime) -> None:
    """Put a refund that is still under way behind the others."""
    looked_at = update(Refund).where(Refund.id == refund_id, Refund.status == RefundStatus.CLAIMED)
    count_changed(db.session(), looked_at.values(updated_at=now))
