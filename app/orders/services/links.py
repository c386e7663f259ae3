"""Links in mails that show one order to whoever holds them, for a while; only their hashes are kept."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete, select

from app.core.extensions import db
from app.core.transactions import in_transaction
from app.orders.models.orders import OrderLink
from app.orders.queries.links import hash_of

LIFETIME: Final = timedelta(days=90)
_BYTES: Final = 16
_BATCH: Final = 5000


@in_transaction
def make_link(*, order_id: int, now: datetime) -> str:
    """Make the token of a link that is about to be sent to who ordered; returns it, and it is in that mail only.

    It has 128 bits and works for 90 days, for reading.
    """
    token = secrets.token_urlsafe(_BYTES)
    db.session.add(OrderLink(order_id=order_id, token_hash=hash_of(token), created_at=now, expires_at=now + LIFETIME))
    return token


def void_links(order_id: int) -> None:
    """Make all links of an order useless, in the open transaction: its mails went to somebody else."""
    db.session.execute(delete(OrderLink).where(OrderLink.order_id == order_id))


def purge_links(*, now: datetime) -> int:
    """Delete links that have expired, some thousands in a transaction; returns how many."""
    deleted = 0
    while part := _purge_some(now=now):
        deleted += part
    return deleted


@in_transaction
def _purge_some(*, now: datetime) -> int:
    expired = select(OrderLink.id).where(OrderLink.expires_at <= now).order_by(OrderLink.expires_at).limit(_BATCH)
    ids = list(db.session.scalars(expired))
    if ids:
        db.session.execute(delete(OrderLink).where(OrderLink.id.in_(ids)))
    return len(ids)
