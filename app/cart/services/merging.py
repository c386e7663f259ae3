"""What a guest has put into a cart goes into the person's own when they log in."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import delete, exists, select

from app.auth.events import LoggedIn
from app.cart import checkouts
from app.cart.models import MAX_LINES, MAX_NOTE, MAX_QUANTITY, Cart, CartItem, CartState
from app.cart.services.closing import KEEP_CLOSED_DAYS
from app.cart.services.opening import open_cart_of, touch
from app.core.extensions import db
from app.core.fields import utc_text
from app.core.orm import clock
from app.products.models.products import Product

MAX_TOLD: Final = 5
"""Merges that a cart still tells of."""


def merge_at_login(event: LoggedIn) -> None:
    """Merge the cart of the guest who has just logged in, in the transaction of the login."""
    if event.visitor is not None:
        merge_guest(user_id=event.user_id, token_hash=event.visitor, now=event.now)


def merge_guest(*, user_id: int, token_hash: str, now: datetime) -> bool:
    """Move what the guest's cart holds into the person's, in the open transaction; False where nothing was moved.

    Quantities are summed. What goes beyond the limits of a cart stays out, and the cart says so until it is confirmed.
    A cart that became an order, or is in checkout, stays as it is: its token opens that order.
    """
    guest_id = db.session.scalar(
        select(Cart.id)
        .where(Cart.token_hash == token_hash, Cart.state == CartState.OPEN, Cart.expires_at > clock())
        .where(exists().where(CartItem.cart_id == Cart.id))
    )
    if guest_id is None:
        return False
    guest, own = _lock_both(guest_id, user_id, now)
    if guest is None or guest.state != CartState.OPEN or checkouts.unfinished([guest.id]):
        return False
    told = _move(guest, own)
    own.merges = [*(own.merges or []), {"at": utc_text(now), **told}][-MAX_TOLD:]
    own.begun_at = own.begun_at or guest.begun_at
    own.note = _both_notes(own.note, guest.note)
    touch(own, now=now)
    guest.state, guest.note = CartState.MERGED, ""
    guest.version += 1
    guest.expires_at = now + timedelta(days=KEEP_CLOSED_DAYS)
    return True


def _lock_both(guest_id: int, user_id: int, now: datetime) -> tuple[Cart | None, Cart]:
    """The guest's cart and the person's, locked in ascending order like all rows; theirs is made if need be."""
    own_id = db.session.scalar(select(Cart.id).where(Cart.open_user_id == user_id)) or open_cart_of(user_id, now=now).id
    both = select(Cart).where(Cart.id.in_((guest_id, own_id))).order_by(Cart.id).with_for_update()
    carts = {cart.id: cart for cart in db.session.scalars(both.execution_options(populate_existing=True))}
    own = carts.get(own_id)
    if own is None or own.state != CartState.OPEN:  # it became an order a moment ago
        own = open_cart_of(user_id, now=now)
    return carts.get(guest_id), own


def _move(guest: Cart, own: Cart) -> dict[str, Any]:
    """Move the items; what is to be told of it."""
    present = {item.product_id: item for item in _items(own)}
    coming = _items(guest)
    capped, left_out = [], []
    for item in coming:
        there = present.get(item.product_id)
        if there is not None:
            total = there.quantity + item.quantity
            there.quantity = min(total, MAX_QUANTITY)
            if total > MAX_QUANTITY:
                capped.append((item.product_id, total, MAX_QUANTITY))
        elif len(present) < MAX_LINES:
            item.cart_id = own.id
            present[item.product_id] = item
        else:
            left_out.append((item.product_id, item.quantity, 0))
    db.session.flush()
    db.session.execute(delete(CartItem).where(CartItem.cart_id == guest.id))
    return {"lines": len(coming), "short": _named([*capped, *left_out])}


def _both_notes(own: str, guest: str) -> str:
    """Both notes where there is room for them, else the person's own."""
    both = "\n".join(dict.fromkeys(note for note in (own, guest) if note))
    return both if len(both) <= MAX_NOTE else own


def _items(cart: Cart) -> list[CartItem]:
    return list(db.session.scalars(select(CartItem).where(CartItem.cart_id == cart.id).order_by(CartItem.id)))


def _named(short: list[tuple[int, int, int]]) -> list[dict[str, Any]]:
    """What found no room: how many were wanted, and how many of those are in the cart."""
    ids = [product_id for product_id, _, _ in short]
    named = select(Product.id, Product.asin, Product.name).where(Product.id.in_(ids))
    products = {row.id: row for row in db.session.execute(named)} if ids else {}
    return [
        {
            "product_id": product_id,
            "asin": products[product_id].asin,
            "name": products[product_id].name,
            "wanted": wanted,
            "kept": kept,
        }
        for product_id, wanted, kept in short
    ]
