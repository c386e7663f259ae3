"""What a checkout does with a cart: it locks it, and closes it once it has become an order."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from sqlalchemy import insert, select, update

from app.cart.errors import CartNotFound
from app.cart.models import Cart, CartItem, CartState
from app.cart.queries.guests import IS_OVER, is_gone
from app.cart.services.opening import begin, open_cart_of
from app.cart.shopper import Shopper
from app.core.extensions import db
from app.core.orm import clock, count_changed, database_now

_ITEM: Final = (
    CartItem.product_id,
    CartItem.quantity,
    CartItem.added_at,
    CartItem.seen_price_minor,
    CartItem.seen_is_available,
)
KEEP_CLOSED_DAYS: Final = 30
"""For how long a cart is kept that is no longer open: a guest's token opens the order for so long."""


@dataclass(frozen=True, slots=True)
class LockedItem:
    """How many of a product are in the cart."""

    product_id: int
    quantity: int


@dataclass(frozen=True, slots=True)
class LockedCart:
    """A cart whose row is locked until the transaction ends; its items stand in the order they were put in."""

    id: int
    user_id: int | None
    """None for a guest's."""
    state: CartState
    """OPEN, or ORDERED: then it is sent again, and its order is there."""
    version: int
    note: str
    items: tuple[LockedItem, ...]


def lock_cart(cart_id: int, shopper: Shopper) -> LockedCart:
    """Lock a cart in the open transaction, and read it; whoever changes it waits until that has ended.

    Raises CartNotFound for one that is not the shopper's, and for a guest's whose contents went into another cart or
    whose time is over.
    """
    return _read(cart_id, shopper, is_locked=True)


def look_at_cart(cart_id: int, shopper: Shopper) -> LockedCart:
    """The same without a lock, for who only wants to know what it would cost."""
    return _read(cart_id, shopper, is_locked=False)


def close_cart(cart_id: int, *, ordered: Mapping[int, int] | None = None) -> bool:
    """Close a cart that has become an order, in the open transaction; False where it is closed already, or gone.

    ``ordered`` are the quantities of the order by product id, for who did not hold the cart's lock all the time: what a
    person has put in beyond them, while a provider was asked, goes into a new cart. A guest's token opens this one.
    """
    open_one = update(Cart).where(Cart.id == cart_id, Cart.state == CartState.OPEN)
    closed = open_one.values(
        state=CartState.ORDERED,
        open_user_id=None,
        version=Cart.version + 1,
        expires_at=clock(KEEP_CLOSED_DAYS * 86400),
    )
    if count_changed(db.session(), closed) == 0:
        return False
    if ordered is not None:
        _carry_over(cart_id, ordered)
    return True


def _carry_over(cart_id: int, ordered: Mapping[int, int]) -> None:
    session = db.session()
    user_id = session.scalar(select(Cart.user_id).where(Cart.id == cart_id))
    items = session.execute(select(*_ITEM).where(CartItem.cart_id == cart_id).order_by(CartItem.id)).all()
    rest = [(row, row.quantity - ordered.get(row.product_id, 0)) for row in items]
    if user_id is None or all(quantity <= 0 for _, quantity in rest):
        return
    with suppress(CartNotFound):  # of somebody who may not log in any more
        now = database_now(session)
        into = open_cart_of(user_id, now=now)
        begin(into, now=now)
        more = [dict(row._mapping) | {"quantity": quantity} for row, quantity in rest if quantity > 0]  # noqa: SLF001  # SQLAlchemy's name for it is public
        session.execute(insert(CartItem), [row | {"cart_id": into.id} for row in more])


def _read(cart_id: int, shopper: Shopper, *, is_locked: bool) -> LockedCart:
    read = select(Cart.id, Cart.user_id, Cart.token_hash, Cart.state, Cart.version, Cart.note, IS_OVER)
    read = read.where(Cart.id == cart_id)
    row = db.session.execute(read.with_for_update() if is_locked else read).one_or_none()
    if row is None or not shopper.owns(user_id=row.user_id, token_hash=row.token_hash) or row.state == CartState.MERGED:
        raise CartNotFound(f"There is no cart {cart_id}.")
    if row.user_id is None and row.is_over and is_gone(cart_id):
        raise CartNotFound(f"There is no cart {cart_id} any more.")
    of_cart = select(CartItem.product_id, CartItem.quantity).where(CartItem.cart_id == cart_id).order_by(CartItem.id)
    items = tuple(LockedItem(item.product_id, item.quantity) for item in db.session.execute(of_cart))
    return LockedCart(row.id, row.user_id, CartState(row.state), row.version, row.note, items)
