"""Carts that nobody touches any more are deleted."""

from __future__ import annotations

from collections.abc import Sequence
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
        found = _find(now)
        if found:
            deleted += _purge(ids=found, now=now)
        if len(found) < CHUNK:
            break
    return deleted


def _find(now: datetime) -> Sequence[int]:
    over = select(Cart.id).where(Cart.expires_at < now).order_by(Cart.expires_at, Cart.id).limit(CHUNK)
    ids = db.session.scalars(over).all()
    db.session.rollback()
    return ids


@in_transaction
def _purge(*, ids: Sequence[int], now: datetime) -> int:
    """Delete those of these carts whose time is over under their locks: somebody may have touched one meanwhile."""
    session = db.session()
    over = select(Cart.id).where(Cart.id.in_(ids), Cart.expires_at < now).order_by(Cart.id).with_for_update()
    locked = list(session.scalars(over))
    kept = checkouts.unfinished(locked)
    gone = [cart_id for cart_id in locked if cart_id not in kept]
    if kept:
        session.execute(update(Cart).where(Cart.id.in_(kept)).values(expires_at=now + PUT_OFF))
    if gone:
        session.execute(delete(CartItem).where(CartItem.cart_id.in_(gone)))
        session.execute(delete(Cart).where(Cart.id.in_(gone)))
    return len(gone)
