"""Orders that staff have looked at: what they were asked to look at is dealt with."""

from __future__ import annotations

from datetime import datetime

from app.core import audit
from app.core.extensions import db
from app.core.permissions import Principal
from app.core.transactions import in_transaction
from app.orders.queries.orders import OrderRecord, read_order
from app.orders.services.moving import flag, lock_order


@in_transaction
def dismiss(*, actor: Principal, now: datetime, order_id: int, expected_version: int) -> OrderRecord:
    """Say that all is well with an order again; where nobody was asked to look at it, nothing changes.

    ``expected_version`` is the order's, so that a reason which came up meanwhile is not put away unseen. Raises
    OrderNotFound, OrderChanged.
    """
    order = lock_order(order_id, version=expected_version)
    before = {"attention": order.attention}
    if flag(order, None, actor=actor, now=now):
        audit.record(actor=actor, action="order.attended", subject=("order", order_id), before=before)
        db.session.flush()
    return read_order(order_id)
