"""Carts as a whole: a guest's is made, a note is written, changes are confirmed."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select

from app.auth.visitor import hash_of_visitor
from app.cart.changes import Availability
from app.cart.models import Cart, CartItem, CartState
from app.cart.queries.carts import CartView, get_cart, read_cart
from app.cart.services.merging import merge_guest
from app.cart.services.opening import find_open_cart, open_cart, open_cart_of, touch
from app.cart.shopper import Shopper
from app.core.extensions import db
from app.core.transactions import in_transaction

TOKEN_BYTES: Final = 16
"""128 bits, which nobody guesses."""
KEEP_EMPTY: Final = timedelta(days=1)
"""How long a guest's cart is kept into which nothing is put; the first write gives it all its time."""


@dataclass(frozen=True, slots=True)
class OpenedCart:
    """A cart, and for a guest the token that opens it, which is kept nowhere."""

    token: str | None
    cart: CartView


@in_transaction
def start_cart(*, shopper: Shopper | None, now: datetime) -> OpenedCart:
    """A cart to put things into: for a guest a new one; for a person theirs, with what the guest's token opens.

    Raises CartNotFound for a person who is not active any more.
    """
    if shopper is not None and shopper.user_id is not None:
        if shopper.cart_token_hash is not None:
            merge_guest(user_id=shopper.user_id, token_hash=shopper.cart_token_hash, now=now)
        cart = open_cart_of(shopper.user_id, now=now)
        return OpenedCart(None, read_cart(cart.id))
    token = secrets.token_urlsafe(TOKEN_BYTES)
    cart = Cart(token_hash=hash_of_visitor(token), state=CartState.OPEN, expires_at=now + KEEP_EMPTY)
    db.session.add(cart)
    db.session.flush()
    return OpenedCart(token, read_cart(cart.id))


@in_transaction
def set_note(*, shopper: Shopper, now: datetime, note: str) -> CartView:
    """Write down what the customer wants to say about the order. Raises CartNotFound and CartClosed."""
    cart = open_cart(shopper, now=now)
    cart.note = note
    touch(cart, now=now)
    db.session.flush()
    return read_cart(cart.id)


@in_transaction
def confirm_changes(*, shopper: Shopper, now: datetime) -> CartView:
    """Note that the customer knows what the cart is like now; the answer tells once more what that was.

    Raises CartNotFound and CartClosed.
    """
    cart = find_open_cart(shopper, now=now)
    if cart is None:
        return get_cart(shopper)
    told = read_cart(cart.id)
    lines = {line.product_id: line for line in told.lines}
    for item in db.session.scalars(select(CartItem).where(CartItem.cart_id == cart.id).order_by(CartItem.id)):
        line = lines[item.product_id]
        item.seen_price_minor = line.unit_price
        item.seen_is_available = line.availability is Availability.AVAILABLE
    cart.merges = None
    touch(cart, now=now)
    return told
