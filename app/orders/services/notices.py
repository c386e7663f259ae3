"""What providers tell us by webhook: stored as it came, then handled once, whatever order it comes in.

A notice is only a reason to ask: what happened is what the provider says when it is looked up, so that late, doubled
and disordered notices all end in the same state.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Executable, delete, select, update
from sqlalchemy.exc import IntegrityError

from app.core import outbox
from app.core.extensions import db
from app.core.orm import count_changed
from app.core.permissions import system
from app.core.transactions import in_transaction
from app.orders import attention
from app.orders.errors import NoticeRefused, ProviderNotFound
from app.orders.models.payments import Payment, ProviderEvent, Refund, RefundStatus
from app.orders.providers.port import Answer, Notice, NoticeForged, ProviderRefused, ProviderState
from app.orders.providers.registry import provider, reachable
from app.orders.services import charging, outside
from app.orders.services.checkout.settling import settle
from app.orders.services.moving import flag, lock_order
from app.orders.services.sending_refunds import look_up_refund

HANDLE: Final = "handle_notice"
"""The outbox kind that handles one."""
KEPT_FOR: Final = timedelta(days=90)
MAX_REFUNDS: Final = 100
"""Of one payment, the newest, that one notice makes us ask about."""
_PURGED_AT_ONCE: Final = 1000

log = logging.getLogger(__name__)


def receive(*, name: str, body: bytes, headers: Mapping[str, str], now: datetime) -> None:
    """Store a webhook, once, and have it handled; nothing is believed yet.

    Raises ProviderNotFound, and NoticeRefused for one that the provider did not send, or more than five minutes ago.
    """
    try:
        notice = provider(name).read_notice(body, headers)
    except LookupError:
        raise ProviderNotFound(f"No provider {name[:32]!r} is configured.") from None
    except NoticeForged as forged:
        raise NoticeRefused(str(forged)) from None
    try:
        _store(name=name, notice=notice, now=now)
    except IntegrityError:
        log.info("notice %s of %s came again", notice.event_id, name)


def handle_notice(*, notice_id: int, now: datetime) -> None:
    """Ask the provider about what a notice is about, and write down what it says; safe to repeat.

    Raises ProviderUnreachable: then it is handled later.
    """
    event = db.session.get(ProviderEvent, notice_id, populate_existing=True)
    if event is None or event.handled_at is not None:
        return
    name, kind, ref = event.provider, event.kind, event.payment_ref
    db.session.rollback()  # a provider may take its time: nothing is held meanwhile
    outcome = "Nothing of ours." if ref is None else _handled(name, kind, ref, now)
    _finish(notice_id=notice_id, outcome=outcome, now=now)


@in_transaction
def purge_notices(*, now: datetime) -> int:
    """Delete notices that came more than 90 days ago, a thousand at a time; returns how many."""
    old = select(ProviderEvent.id).where(ProviderEvent.received_at < now - KEPT_FOR)
    ids = list(db.session.scalars(old.order_by(ProviderEvent.received_at).limit(_PURGED_AT_ONCE)))
    if not ids:
        return 0
    return count_changed(db.session(), delete(ProviderEvent).where(ProviderEvent.id.in_(ids)))


@in_transaction
def _store(*, name: str, notice: Notice, now: datetime) -> None:
    event = ProviderEvent(
        provider=name,
        event_id=notice.event_id,
        kind=notice.kind,
        payment_ref=notice.payment_ref,
        body=notice.body,
        received_at=now,
    )
    db.session.add(event)
    db.session.flush()
    outbox.add(HANDLE, key=f"{HANDLE}:{event.id}", notice_id=event.id)


def _handled(name: str, kind: str, ref: str, now: datetime) -> str:
    """Write down how far the payment is, and its refunds where it is about one; what came of it, for staff."""
    try:
        payment = _known(name, ref)
        if payment is None:
            asked = reachable(name).look_up(ref)
            payment = _begun(name, asked.key)
            if payment is None:
                return _unknown(asked)
        if payment.ref not in {None, ref}:
            return _second(payment, ref, now)
        answer = charging.look_up(payment.id, ref=ref)
    except ProviderRefused as refused:
        return f"The provider does not know it: {refused.code}."
    settle(order_id=payment.order_id, payment_id=payment.id, answer=answer, actor=system(), now=now)
    outcome = f"The payment was {payment.status}; the provider says {answer.state}."
    if "dispute" in kind:
        moved = outside.record_disputes(provider=name, order_id=payment.order_id, ref=ref, now=now)
        return f"{outcome} Of its disputes {moved} had moved."
    if "refund" not in kind:
        return outcome
    for refund_id in _refunds_of(payment.id):
        look_up_refund(refund_id=refund_id, now=now)
    made = outside.record_refunds(provider=name, order_id=payment.order_id, payment_id=payment.id, ref=ref, now=now)
    return f"{outcome} Its refunds were looked up; {made} made at the provider are new."


def _unknown(answer: Answer) -> str:
    """What is said of a payment that is in none of our books; one that was begun by us and captured is an error."""
    if answer.key is None or answer.state != ProviderState.CAPTURED:
        return "About a payment that is not ours."
    log.error("payment %s (%s) was captured, and its checkout is not here any more", answer.ref, answer.key)
    return "It was captured, and its checkout is not here (any more): give it back at the provider."


def _second(payment: _Known, ref: str, now: datetime) -> str:
    """What Stripe's keys rule out: two payments by one key of ours. Staff have to give one of them back."""
    _flag(order_id=payment.order_id, ref=ref, now=now)
    return f"Payment {payment.id} is another one at the provider: look whether both were captured."


@dataclass(frozen=True, slots=True)
class _Known:
    """A payment of ours."""

    id: int
    order_id: int
    status: str
    ref: str | None


_COLUMNS: Final = (Payment.id, Payment.order_id, Payment.status, Payment.provider_ref)


def _known(name: str, ref: str) -> _Known | None:
    """The payment that has this id at the provider."""
    return _read(select(*_COLUMNS).where(Payment.provider == name, Payment.provider_ref == ref))


def _begun(name: str, key: str | None) -> _Known | None:
    """The payment that was begun with this key of ours, and whose first answer has not come, or was lost."""
    return _read(select(*_COLUMNS).where(Payment.provider == name, Payment.idempotency_key == key)) if key else None


def _read(found: Executable) -> _Known | None:
    row = db.session.execute(found).one_or_none()
    db.session.rollback()  # what is read next is newer
    return None if row is None else _Known(*row)


def _refunds_of(payment_id: int) -> list[int]:
    known = select(Refund.id).where(Refund.payment_id == payment_id, Refund.status != RefundStatus.FAILED)
    found = list(db.session.scalars(known.order_by(Refund.id.desc()).limit(MAX_REFUNDS)))
    db.session.rollback()
    return found


@in_transaction
def _flag(*, order_id: int, ref: str, now: datetime) -> None:
    flag(lock_order(order_id), attention.PAYMENT_MISMATCH, actor=system(), now=now, details={"second": ref})


@in_transaction
def _finish(*, notice_id: int, outcome: str, now: datetime) -> None:
    mine = update(ProviderEvent).where(ProviderEvent.id == notice_id, ProviderEvent.handled_at.is_(None))
    count_changed(db.session(), mine.values(handled_at=now, outcome=outcome[:200]))
