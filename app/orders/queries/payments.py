"""Reads of payments, refunds and providers' notices."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Final

from sqlalchemy import select

from app.core.extensions import db
from app.core.orm import table_of
from app.core.pagination import Page, fetch_page
from app.orders.errors import PaymentNotFound, ProviderEventNotFound, RefundNotFound
from app.orders.models.orders import Order, OrderLine, number_of
from app.orders.models.payments import Payment, ProviderEvent, Refund, RefundLine
from app.orders.queries.owning import no_order

_PAYMENT_COLUMNS: Final = [column.name for column in table_of(Payment).columns]
_REFUND_COLUMNS: Final = [column.name for column in table_of(Refund).columns]


class PaymentRecord(SimpleNamespace):
    """A payment, as schemas show it, and its ``order``."""


class RefundRecord(SimpleNamespace):
    """A refund with its ``lines``, as schemas show it, and its ``order``."""


def list_payments(order_id: int, *, limit: int, cursor: str | None = None) -> Page[PaymentRecord]:
    """The payments of an order, newest first; raises OrderNotFound."""
    order = _order(order_id)
    found = select(Payment).where(Payment.order_id == order_id)
    page = fetch_page(found, keys=[(Payment.id, True)], limit=limit, cursor=cursor)
    return Page([payment_record(payment, order) for payment in page.items], page.next_cursor)


def payment_record(payment: Payment, order: Order) -> PaymentRecord:
    """A payment with the order it belongs to, as both are now; in the transaction that changed it as well."""
    return PaymentRecord(**{name: getattr(payment, name) for name in _PAYMENT_COLUMNS}, order=order)


def list_refunds(order_id: int, *, limit: int, cursor: str | None = None) -> Page[RefundRecord]:
    """The refunds of an order, newest first; raises OrderNotFound."""
    order = _order(order_id)
    found = select(Refund).where(Refund.order_id == order_id)
    page = fetch_page(found, keys=[(Refund.id, True)], limit=limit, cursor=cursor)
    return Page(_with_lines(order, page.items), page.next_cursor)


def get_refund(order_id: int, refund_id: int) -> RefundRecord:
    """One refund of an order; raises RefundNotFound, also where there is no such order."""
    refund = db.session.scalar(
        select(Refund).where(Refund.id == refund_id, Refund.order_id == order_id),
        execution_options={"populate_existing": True},
    )
    if refund is None:
        raise RefundNotFound(f"Order {number_of(order_id)} has no refund {refund_id}.")
    return refund_record(refund, _order(order_id))


def refund_record(refund: Refund, order: Order) -> RefundRecord:
    """A refund with its lines and its order; in the transaction that made it, once that is flushed."""
    return _with_lines(order, [refund])[0]


def newest_payment(order_id: int) -> Payment:
    """The payment of an order that counts: the one that is open or captured, else the last one.

    Raises PaymentNotFound for an order that nobody has begun to pay.
    """
    mine = select(Payment).where(Payment.order_id == order_id)
    newest = mine.order_by(Payment.active_order_id.is_(None), Payment.id.desc()).limit(1)
    payment = db.session.scalar(newest, execution_options={"populate_existing": True})
    if payment is None:
        raise PaymentNotFound(f"Nobody has begun to pay order {number_of(order_id)}.")
    return payment


def list_events(
    *, provider: str | None, is_handled: bool | None, payment_ref: str | None, limit: int, cursor: str | None
) -> Page[ProviderEvent]:
    """What providers told us in the last 90 days, newest first; those that fit every filter."""
    found = select(ProviderEvent)
    if provider is not None:
        found = found.where(ProviderEvent.provider == provider)
    if is_handled is not None:
        found = found.where(ProviderEvent.handled_at.is_not(None) if is_handled else ProviderEvent.handled_at.is_(None))
    if payment_ref is not None:
        found = found.where(ProviderEvent.payment_ref == payment_ref)
    return fetch_page(found, keys=[(ProviderEvent.id, True)], limit=limit, cursor=cursor)


def get_event(event_id: int) -> ProviderEvent:
    """One notice, with what it said; raises ProviderEventNotFound."""
    event = db.session.get(ProviderEvent, event_id, populate_existing=True)
    if event is None:
        raise ProviderEventNotFound(f"There is no notice {event_id}; they are kept for 90 days.")
    return event


def _order(order_id: int) -> Order:
    order = db.session.scalar(select(Order).where(Order.id == order_id), execution_options={"populate_existing": True})
    if order is None:
        raise no_order(number_of(order_id))
    return order


def _with_lines(order: Order, refunds: Sequence[Refund]) -> list[RefundRecord]:
    found = (
        select(
            RefundLine.refund_id,
            RefundLine.order_line_id.label("line_id"),
            OrderLine.asin,
            RefundLine.quantity,
            RefundLine.amount_minor,
        )
        .join(OrderLine, OrderLine.id == RefundLine.order_line_id)
        .where(RefundLine.refund_id.in_([refund.id for refund in refunds]))
        .order_by(OrderLine.position)
    )
    lines = defaultdict(list)
    currencies = {refund.id: refund.currency for refund in refunds}
    for row in db.session.execute(found) if refunds else ():
        shown = row._mapping  # noqa: SLF001  # a Row's public way to be a mapping
        lines[row.refund_id].append(SimpleNamespace(**shown, currency=currencies[row.refund_id]))
    return [
        RefundRecord(
            **{name: getattr(refund, name) for name in _REFUND_COLUMNS},
            order=order,
            lines=lines[refund.id],
        )
        for refund in refunds
    ]
