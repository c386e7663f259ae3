"""Which cart a guest's token opens."""

from __future__ import annotations

from typing import Final

from sqlalchemy import select

from app.cart import checkouts
from app.cart.models import Cart, CartState
from app.core.extensions import db
from app.core.orm import clock

IS_OVER: Final = (Cart.expires_at <= clock()).label("is_over")
"""Whether the time of a cart is over by the database's clock: it is deleted within the hour."""


def find_guest_cart(token_hash: str) -> int | None:
    """The id of the cart that a token opens, open or ordered; None for an unknown token, a merged and a gone cart."""
    opened = select(Cart.id, IS_OVER).where(Cart.token_hash == token_hash, Cart.state != CartState.MERGED)
    row = db.session.execute(opened).one_or_none()
    return None if row is None or (row.is_over and is_gone(row.id)) else row.id


def is_gone(cart_id: int) -> bool:
    """Whether a guest's cart counts as deleted because its time is over, and no checkout of it is under way."""
    over = db.session.scalar(select(IS_OVER).where(Cart.id == cart_id))
    return bool(over) and not checkouts.unfinished([cart_id])
