"""What staff write down about an order: for each other, or for the customer as well."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from app.core import audit
from app.core.extensions import db
from app.core.permissions import Principal
from app.core.transactions import in_transaction
from app.orders.queries.orders import OrderRecord, read_order
from app.orders.services.moving import lock_order, note

ADDED: Final = "note.added"
MAX_TEXT: Final = 2000


@in_transaction
def add_note(*, actor: Principal, now: datetime, order_id: int, text: str, is_public: bool) -> OrderRecord:
    """Add a note to an order's history, where it stays; with ``is_public`` the customer reads it too.

    Raises OrderNotFound.
    """
    order = lock_order(order_id)
    note(order, ADDED, actor=actor, now=now, details={"text": text}, public=is_public)
    audit.record(actor=actor, action="order.note", subject=("order", order_id), after={"is_public": is_public})
    db.session.flush()
    return read_order(order_id)
