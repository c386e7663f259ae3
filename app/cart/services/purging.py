"""Carts that nobody touches any more are deleted."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete, select, update

from app.cart import checkouts
from app.cart.models import Cart, CartItem
from app.core.extensions import db
from app.core.transactions import in_transaction

CHUNK: Final = 500
MAX_CHUNKS: Final = 100
"""In one run: what is left is for the next one."""
PUT_OFF: Final = timedelta(days=1)
"""For how long a cart is left alone that is in checkout when its time is over."""


def purge_carts(*, now: datetime) -> int:
    """Delete carts whose time is over, whatever became of them, some hundred a transaction; returns how many.

    One whose checkout is not finished stays: the payment may yet come.
    """
    deleted = 0
    for _ in range(MAX_CHUNKS):
        looked_at, gone = _purge_some(now=now)
        deleted += gone
        if looked_at < CHUNK:
            break
    return deleted


@in_transaction
def _purge_some(*, now: datetime) -> tuple[int, int]:
    """How many carts were looked at, and how many of them are gone."""
    session = db.session()
    over = select(Cart.id).where(Cart.expires_at < now).order_by(Cart.expires_at, Cart.id).limit(CHUNK)
    found = list(session.scalars(over))
    # locked in ascending order, and looked at again: somebody may have touched one meanwhile
    rows = select(Cart.id, Cart.expires_at).where(Cart.id.in_(found)).order_by(Cart.id).with_for_update()
    ids = [row.id for row in session.execute(rows) if row.expires_at < now] if found else []
    kept = checkouts.unfinished(ids)
    gone = [cart_id for cart_id in ids if cart_id not in kept]
    if kept:
        session.execute(update(Cart).where(Cart.id.in_(kept)).values(expires_at=now + PUT_OFF))
    if gone:
        session.execute(delete(CartItem).where(CartItem.cart_id.in_(gone)))
        session.execute(delete(Cart).where(Cart.id.in_(gone)))
    return len(found), len(gone)
