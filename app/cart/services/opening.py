"""Carts that are written to: found, made where somebody has none yet, locked, and touched."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import select

from app.auth.models import User
from app.cart.errors import CartClosed, CartNotFound
from app.cart.events import CartBegun
from app.cart.models import Cart, CartState
from app.cart.queries.guests import is_gone
from app.cart.shopper import Shopper
from app.core import events
from app.core.extensions import db
from app.core.running import settings

_TRIES: Final = 5
"""A cart that is found and then is another's is one that was closed between two statements."""


def open_cart(shopper: Shopper, *, now: datetime) -> Cart:
    """The shopper's open cart, locked until the transaction ends; a person's first one is made.

    Raises CartNotFound for a guest's token that opens nothing, and CartClosed for one whose cart became an order.
    """
    if shopper.user_id is not None:
        return open_cart_of(shopper.user_id, now=now)
    cart = _locked(Cart.token_hash, shopper.cart_token_hash)
    if cart is None or cart.state == CartState.MERGED or is_gone(cart.id):
        raise CartNotFound("This Cart-Token opens no cart (any more). POST /api/v1/cart gives you a new one.")
    if cart.state != CartState.OPEN:
        raise CartClosed(cart.state)
    return cart


def find_open_cart(shopper: Shopper, *, now: datetime) -> Cart | None:
    """The same, but None for a person who has none yet: for what makes no sense in an empty cart."""
    if shopper.user_id is None:
        return open_cart(shopper, now=now)
    return _locked(Cart.open_user_id, shopper.user_id)


def open_cart_of(user_id: int, *, now: datetime) -> Cart:
    """The open cart of a person, locked; made where there is none.

    The person's own row is locked before one is made, as every login does: of two first writes the second finds what
    the first has made. Raises CartNotFound for somebody who is not active (any more).
    """
    cart = _locked(Cart.open_user_id, user_id)
    if cart is not None:
        return cart
    active = select(User.id).where(User.id == user_id, User.is_active.is_(True))
    if db.session.scalar(active.with_for_update()) is None:
        raise CartNotFound("This access belongs to nobody who is active.")
    cart = _locked(Cart.open_user_id, user_id)
    if cart is None:
        cart = Cart(user_id=user_id, open_user_id=user_id, state=CartState.OPEN, version=1, expires_at=now)
        touch(cart, now=now)
        db.session.add(cart)
        db.session.flush()
    return cart


def touch(cart: Cart, *, now: datetime) -> None:
    """Note that a cart was changed just now: a new version, and all the time that an abandoned cart has."""
    configured = settings().checkout
    days = configured.guest_cart_days if cart.user_id is None else configured.user_cart_days
    cart.version += 1
    cart.expires_at = now + timedelta(days=days)


def begin(cart: Cart, *, now: datetime) -> None:
    """Note that something is put into a locked cart, and tell who counts carts where it is the first."""
    if cart.begun_at is None:
        cart.begun_at = now
        events.publish(CartBegun(cart.id, now))


def _locked(column: Any, value: Any) -> Cart | None:
    """The cart with this value in a unique column, locked by its id.

    Who locks it by another index holds that entry of it, too, and waits for the row: MariaDB then undoes the checkout
    that has the row and is about to change the entry.
    """
    for _ in range(_TRIES):
        cart_id = db.session.scalar(select(Cart.id).where(column == value))
        if cart_id is None:
            break
        found = db.session.get(Cart, cart_id, with_for_update=True, populate_existing=True)
        if found is not None and getattr(found, column.key) == value:
            return found
    return None
