"""Refunds: what goes back is set aside before any provider is asked, and never more than was captured.

Sending them is the outbox's affair (``sending_refunds``).
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

from sqlalchemy import insert, select, update

from app.core import audit, outbox
from app.core.errors import Invalid
from app.core.extensions import db
from app.core.money import Money
from app.core.orm import count_changed, table_of
from app.core.permissions import Principal
from app.core.transactions import in_transaction
from app.orders import attention
from app.orders.errors import NothingToRefund, RefundNotFailed, RefundNotFound, RefundTooLarge
from app.orders.models.fulfilment import OrderReturn
from app.orders.models.orders import Order, OrderLine
from app.orders.models.payments import Payment, PaymentStatus, Refund, RefundLine, RefundStatus
from app.orders.providers.registry import MANUAL
from app.orders.queries.payments import RefundRecord, refund_record
from app.orders.services import sales
from app.orders.services.moving import flag, lock_order, note
from app.orders.services.promises import review_promises
from app.orders.services.refund_parts import Share, all_left, cut, left_of, of_units, total_of
from app.orders.shares import NOTHING

SEND: Final = "send_refund"
"""The outbox kind that sends a refund to its provider."""
OUTSIDE: Final = "Given back in the payment provider's own dashboard."


@in_transaction
def claim(
    order: Order,
    *,
    units: Mapping[int, int] | None = None,
    amount: Money | None = None,
    reason: str,
    actor: Principal,
    now: datetime,
    shipping: bool = True,
) -> Refund | None:
    """Set aside what goes back of a locked order, and have it sent; None where nothing was paid, or nothing is left.

    ``units``: how many of which line were cancelled or came back, which count as such already; with ``shipping`` their
    share of the fee goes back, too. ``amount``: less than they were paid with. Without units it is money that goes back
    while the goods stay, of all lines alike; without both it is all that is left. Units of which nothing is left are
    facts of sales without any money. Raises RefundTooLarge, and Invalid for another currency.
    """
    payment = _captured(order.id)
    if payment is None:
        return None
    _require_currency(amount, payment)
    left = left_of(order.id)
    shares = all_left(left) if units is None else of_units(_lines_of(order.id), units, left, shipping=shipping)
    whole = total_of(shares)
    if whole == 0:
        sales.record_return(order, [share for share in shares if share.quantity], now=now)
        return None
    if amount is not None and amount.minor > whole:
        raise RefundTooLarge(Money(whole, payment.currency))
    if amount is not None:
        shares = cut(shares, amount.minor)
    return _claim(order, payment, shares, reason=reason, actor=actor, now=now)


@in_transaction
def claim_nothing(order: Order, *, units: Mapping[int, int], now: datetime) -> None:
    """Note that units of a locked order came back whose money is kept, as far as there is any of it.

    They stay sold (docs/metrics.md), but for those that cost nothing or whose money went back before.
    """
    shares = of_units(_lines_of(order.id), units, left_of(order.id), shipping=True)
    sales.record_return(order, [share for share in shares if share.parts.total == 0], now=now)


@in_transaction
def refund(
    *, actor: Principal, now: datetime, order_id: int, expected_version: int, amount: Money | None, reason: str
) -> RefundRecord:
    """Give money back while the goods stay: this much, or all that is left. Nothing is sent before it is set aside.

    ``expected_version`` is the order's, which counts up, so that a second click gives nothing back. Raises
    OrderNotFound, OrderChanged, NothingToRefund, RefundTooLarge, Invalid for another currency.
    """
    order = lock_order(order_id, version=expected_version)
    made = claim.joined(order, amount=amount, reason=reason, actor=actor, now=now)
    if made is None:
        raise NothingToRefund(order, "Nothing was paid for this order, or all of it went back.")
    _audit("refund.made", made, actor)
    return refund_record(made, order)


@in_transaction
def retry(*, actor: Principal, now: datetime, order_id: int, refund_id: int, by_hand: bool) -> RefundRecord:
    """Try a refund again that failed: a new one takes its place, and is sent with a key of its own.

    ``by_hand``: staff have paid it back themselves, and it counts as done. Raises OrderNotFound, RefundNotFound,
    RefundNotFailed, RefundTooLarge where the money went back in another way meanwhile.
    """
    order = lock_order(order_id)
    failed = db.session.scalar(
        select(Refund).where(Refund.id == refund_id, Refund.order_id == order_id), execution_options=_FRESH
    )
    if failed is None:
        raise RefundNotFound(f"Order {order.number} has no refund {refund_id}.")
    successor = db.session.scalar(select(Refund.id).where(Refund.retry_of_id == refund_id))
    if failed.status != RefundStatus.FAILED or successor is not None:
        raise RefundNotFailed(status=failed.status, retried_by=successor)
    payment = db.session.get_one(Payment, failed.payment_id)
    name = MANUAL if by_hand else payment.provider
    about: dict[str, Any] = {"reason": failed.reason, "provider": name, "retry_of_id": failed.id}
    made = _set_aside(order, payment, failed.amount_minor, actor=actor, now=now, **about)
    lines = select(*(column for column in _LINES.columns if column.name != "id")).where(_LINES.c.refund_id == refund_id)
    rows = [dict(row._mapping) | {"refund_id": made.id} for row in db.session.execute(lines)]  # noqa: SLF001  # its name
    db.session.execute(insert(_LINES), rows)
    moved = update(OrderReturn).where(OrderReturn.refund_id == refund_id).values(refund_id=made.id)
    count_changed(db.session(), moved)
    _calm_down(order, actor=actor, now=now)
    _audit("refund.retried", made, actor)
    return refund_record(made, order)


@in_transaction
def adopt(order: Order, payment: Payment, *, ref: str, amount: Money, actor: Principal, now: datetime) -> Refund:
    """Write down a refund of a locked order that somebody made at the provider: money that goes back, no units.

    It is set aside as any other, and nobody is asked to send it. Raises RefundTooLarge where less is left.
    """
    shares = cut(all_left(left_of(order.id)), amount.minor)
    about = {"reason": OUTSIDE, "provider": payment.provider, "made_at": payment.provider, "provider_ref": ref}
    about |= {"idempotency_key": f"outside-{payment.provider}-{sha256(ref.encode()).hexdigest()[:32]}"}
    made = _set_aside(order, payment, amount.minor, actor=actor, now=now, **about)
    db.session.execute(insert(_LINES), _rows(made, shares))
    _audit("refund.outside", made, actor)
    return made


def _claim(
    order: Order, payment: Payment, shares: Sequence[Share], *, reason: str, actor: Principal, now: datetime
) -> Refund:
    made = _set_aside(order, payment, total_of(shares), reason=reason, actor=actor, now=now, provider=payment.provider)
    db.session.execute(insert(_LINES), _rows(made, shares))
    return made


def _set_aside(order: Order, payment: Payment, total: int, *, actor: Principal, now: datetime, **values: Any) -> Refund:
    """Take the amount off what the payment may still give back, in one guarded statement, and write the refund."""
    claimed = (
        update(Payment)
        .where(Payment.id == payment.id, Payment.status == PaymentStatus.CAPTURED)
        .where(Payment.refunded_minor + total <= Payment.captured_minor)
        .values(refunded_minor=Payment.refunded_minor + total, updated_at=now)
    )
    if count_changed(db.session(), claimed) == 0:
        db.session.refresh(payment)
        raise RefundTooLarge(Money(payment.captured_minor - payment.refunded_minor, payment.currency))
    made = Refund(
        order_id=order.id,
        payment_id=payment.id,
        amount_minor=total,
        currency=payment.currency,
        created_at=now,
        updated_at=now,
        **({"idempotency_key": f"refund-{order.number}-{secrets.token_hex(8)}"} | values),
        **actor.attribution(),
    )
    db.session.add(made)
    db.session.flush()
    amount = str(Money(total, payment.currency))
    kind = "refund.begun" if made.made_at is None else "refund.outside"
    note(order, kind, actor=actor, now=now, details={"refund_id": made.id, "amount": amount}, public=True)
    if made.made_at is None:
        outbox.add(SEND, key=f"{SEND}:{made.id}", refund_id=made.id)
    return made


def _captured(order_id: int) -> Payment | None:
    found = select(Payment).where(Payment.order_id == order_id, Payment.status == PaymentStatus.CAPTURED)
    payment: Payment | None = db.session.scalar(found.with_for_update(), execution_options=_FRESH)
    return payment


def _lines_of(order_id: int) -> Sequence[OrderLine]:
    found = select(OrderLine).where(OrderLine.order_id == order_id).order_by(OrderLine.id)
    return db.session.scalars(found, execution_options=_FRESH).all()


def _require_currency(amount: Money | None, payment: Payment) -> None:
    if amount is not None and amount.currency != payment.currency:
        raise Invalid.field("/amount/currency", f"must be {payment.currency}, as the order was paid.")


def _calm_down(order: Order, *, actor: Principal, now: datetime) -> None:
    """Say that all is well again, once no refund of the order has failed without a successor."""
    successors = select(Refund.retry_of_id).where(Refund.order_id == order.id, Refund.retry_of_id.is_not(None))
    failed = select(Refund.id).where(Refund.order_id == order.id, Refund.status == RefundStatus.FAILED)
    still = db.session.scalar(failed.where(Refund.id.not_in(successors)).limit(1))
    if still is None and order.attention == attention.REFUND_FAILED:
        flag(order, None, actor=actor, now=now)
        review_promises(order, actor=actor, now=now)


def _audit(action: str, made: Refund, actor: Principal) -> None:
    amount = str(Money(made.amount_minor, made.currency))
    after = {"order_id": made.order_id, "amount": amount, "provider": made.provider, "retry_of": made.retry_of_id}
    audit.record(actor=actor, action=action, subject=("refund", made.id), after=after)


def _rows(made: Refund, shares: Sequence[Share]) -> list[dict[str, Any]]:
    return [_row(made.id, share) for share in shares if share.parts != NOTHING or share.quantity]


def _row(refund_id: int, share: Share) -> dict[str, Any]:
    parts = share.parts
    return {
        "refund_id": refund_id,
        "order_line_id": share.line_id,
        "quantity": share.quantity,
        "amount_minor": parts.total,
        "tax_minor": parts.tax,
        "shipping_minor": parts.shipping,
        "discount_minor": parts.discount,
        "gross_minor": parts.gross,
    }


_LINES: Final = table_of(RefundLine)
_FRESH: Final = {"populate_existing": True}
