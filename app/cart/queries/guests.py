"""Which cart a guest's token opens."""

from __future__ import annotations

from sqlalchemy import select

from app.cart.models import Cart, CartState
from app.core.extensions import db


def find_guest_cart(token_hash: str) -> int | None:
    """The id of the cart that a token opens, open or ordered; None for an unknown token and for a merged cart."""
    opened = select(Cart.id).where(Cart.token_hash == token_hash, Cart.state != CartState.MERGED)
    return db.session.scalar(opened)
