"""What was done at a provider without us: refunds made in its dashboard, and disputes of customers with their banks.

Both are looked up when a notice says that there may be some, and written down once, under the order's lock.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import or_, select

from app.core import audit
from app.core.extensions import db
from app.core.money import Money
from app.core.permissions import system
from app.core.transactions import in_transaction
from app.orders import attention
from app.orders.models.orders import Order, OrderEvent
from app.orders.models.payments import Payment, Refund, RefundStatus
from app.orders.providers.port import Answer, Dispute, DisputeState, ProviderState, ProviderUnreachable
from app.orders.providers.registry import reachable
from app.orders.services import refunds
from app.orders.services.moving import flag, lock_order, note
from app.orders.services.promises import review_promises
from app.orders.services.sending_refunds import record_answer

DISPUTE: Final = "payment.disputed"
"""The kind of event that says how far a dispute is."""
_FRESH: Final = {"populate_existing": True}


def record_refunds(*, provider: str, order_id: int, payment_id: int, ref: str, now: datetime) -> int:
    """Write down the refunds of a payment that were made at its provider and not here; how many are new.

    No money is moved. Raises ProviderUnreachable, also while a refund of ours is under way that leaves no room for one
    of them: the provider will refuse ours.
    """
    found = reachable(provider).refunds_of(ref)
    return sum(
        _record(order_id=order_id, payment_id=payment_id, answer=answer, now=now)
        for answer in reversed(found)
        if answer.state != ProviderState.FAILED
    )


def record_disputes(*, provider: str, order_id: int, ref: str, now: datetime) -> int:
    """Write down how far the disputes of a payment are, and ask staff to look at its order; how many have moved.

    Nothing is booked: what a provider takes away, and its fees, are between it and the shop. Raises
    ProviderUnreachable.
    """
    found = reachable(provider).disputes_of(ref)
    return sum(_move(order_id=order_id, dispute=dispute, now=now) for dispute in reversed(found))


@in_transaction
def _record(*, order_id: int, payment_id: int, answer: Answer, now: datetime) -> bool:
    order, actor = lock_order(order_id), system()
    payment = db.session.get_one(Payment, payment_id, with_for_update=True, populate_existing=True)
    ref, amount = str(answer.ref), Money(answer.captured_minor, str(answer.currency))
    if _is_known(payment.provider, answer):
        return False
    left = Money(payment.captured_minor - payment.refunded_minor, payment.currency)
    if amount.currency != left.currency or amount.minor > left.minor:
        _require_nothing_under_way(payment.id)
        details = {"refund": ref, "given_back": str(amount), "left": str(left)}
        flag(order, attention.PAYMENT_MISMATCH, actor=actor, now=now, details=details)
        return False
    made = refunds.adopt.joined(order, payment, ref=ref, amount=amount, actor=actor, now=now)
    record_answer.joined(actor=actor, now=now, order_id=order_id, refund_id=made.id, answer=answer)
    return True


def _is_known(provider: str, answer: Answer) -> bool:
    """Whether a refund is one of ours, or was written down before."""
    same = Refund.provider_ref == answer.ref, Refund.idempotency_key == (answer.key or "")
    return db.session.scalar(select(Refund.id).where(Refund.provider == provider, or_(*same)).limit(1)) is not None


def _require_nothing_under_way(payment_id: int) -> None:
    under_way = select(Refund.id).where(Refund.payment_id == payment_id, Refund.status == RefundStatus.CLAIMED)
    if db.session.scalar(under_way.limit(1)) is not None:
        raise ProviderUnreachable("A refund of ours is under way; the payment is looked at again when it has ended.")


@in_transaction
def _move(*, order_id: int, dispute: Dispute, now: datetime) -> bool:
    order, actor = lock_order(order_id), system()
    before = _states_of(order_id)
    if before.get(dispute.ref) == dispute.state:
        return False
    was = before.get(dispute.ref)
    about = {"dispute": dispute.ref, "amount": str(dispute.amount), "reason": dispute.reason}
    note(order, DISPUTE, actor=actor, now=now, details=about, public=False, before=was, after=dispute.state)
    after = about | {"state": dispute.state}
    audit.record(actor=actor, action="order.disputed", subject=("order", order_id), before={"state": was}, after=after)
    _show(order, before | {dispute.ref: dispute.state}, dispute, now=now)
    return True


def _show(order: Order, states: dict[str, str], dispute: Dispute, *, now: datetime) -> None:
    """Ask staff to look at an order whose payment is disputed, until no dispute of it is open any more."""
    actor, details = system(), {"dispute": dispute.ref}
    if dispute.state == DisputeState.OPEN:
        flag(order, attention.DISPUTED, actor=actor, now=now, details=details)
    elif dispute.state == DisputeState.LOST:
        flag(order, attention.DISPUTE_LOST, actor=actor, now=now, details=details)
    elif order.attention == attention.DISPUTED and DisputeState.OPEN not in states.values():
        flag(order, None, actor=actor, now=now, details=details)
        review_promises(order, actor=actor, now=now)


def _states_of(order_id: int) -> dict[str, str]:
    """How far each dispute of an order was when it was last looked at, by its id at the provider."""
    told = select(OrderEvent.details, OrderEvent.after).where(OrderEvent.order_id == order_id)
    rows = db.session.execute(told.where(OrderEvent.kind == DISPUTE).order_by(OrderEvent.id)).all()
    return {row.details["dispute"]: str(row.after) for row in rows}
