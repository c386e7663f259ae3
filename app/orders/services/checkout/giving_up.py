"""Money that was captured and for which nothing can be delivered: it is written down, and all of it goes back.

For transactions of this package. What was captured and what goes back are both facts of their day; staff see the order.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from app.core.extensions import db
from app.core.permissions import Principal
from app.orders.attention import PAYMENT_MISMATCH, UNFULFILLABLE
from app.orders.models.orders import FulfilmentState, Order, OrderLine, OrderState, PaymentState
from app.orders.services import moving, refunds, sales
from app.orders.services.checkout import placing
from app.orders.transitions import Axis

REASON: Final = "It was paid when its stock was gone."


def cancel_and_refund(order: Order, lines: Sequence[OrderLine], *, actor: Principal, now: datetime) -> None:
    """End a locked checkout that was paid when its stock was gone: CANCELLED, and all of the money goes back."""
    moving.move(order, Axis.PAYMENT, PaymentState.PAID, actor=actor, now=now)
    sales.record_sale(order, lines, now=now)
    for line in lines:
        line.cancelled = line.quantity
    order.cancelled_minor = order.total_minor
    moving.move(order, Axis.ORDER, OrderState.CANCELLED, actor=actor, now=now, details={"reason": REASON})
    moving.move(order, Axis.FULFILMENT, FulfilmentState.VOIDED, actor=actor, now=now)
    moving.flag(order, UNFULFILLABLE, actor=actor, now=now)
    db.session.flush()
    units = {line.id: line.quantity for line in lines}
    refunds.claim.joined(order, units=units, reason=REASON, actor=actor, now=now)
    placing.finish(order, lines, "order.cancel", actor=actor)


def show_surplus(order: Order, about: dict[str, Any], *, actor: Principal, now: datetime) -> None:
    """Show staff a payment that pays for nothing, though its provider had said that it never would be captured.

    Its order is paid in another way by now, has ended, or costs something else.
    """
    moving.flag(order, PAYMENT_MISMATCH, actor=actor, now=now, details=about)
