"""An order's states and sums, as others are told of them: nobody's name, address or email."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select

from app.core.extensions import db
from app.core.fields import utc_text
from app.core.money import decimal_text
from app.orders.models.orders import Order
from app.orders.models.payments import Payment, Refund, RefundStatus


def describe_order(order_id: int) -> dict[str, Any]:
    """The states of an order and what it costs, as JSON values; in a transaction as they are by now in it."""
    db.session.flush()
    order = db.session.get_one(Order, order_id)
    captured = select(func.sum(Payment.captured_minor)).where(Payment.order_id == order_id)
    refunded = select(func.sum(Refund.amount_minor)).where(Refund.order_id == order_id)
    back = refunded.where(Refund.status == RefundStatus.SUCCEEDED)
    amounts = {
        "total": order.total_minor,
        "cancelled": order.cancelled_minor,
        "captured": int(db.session.scalar(captured) or 0),
        "refunded": int(db.session.scalar(back) or 0),
    }
    return {
        "number": order.number,
        "version": order.version,
        "state": order.state,
        "payment_state": order.payment_state,
        "fulfilment_state": order.fulfilment_state,
        "attention": order.attention,
        "payment_method": order.payment_method,
        "currency": order.currency,
        **{name: decimal_text(minor, order.currency) for name, minor in amounts.items()},
        "placed_at": order.placed_at and utc_text(order.placed_at),
    }
