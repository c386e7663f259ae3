"""Reads of carts: a cart is one statement however many lines it has, with prices and stock as they are now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, func, select

from app.cart import checkouts
from app.cart.changes import Availability, Change, Item, Line, Offer, line_of
from app.cart.errors import CartNotFound
from app.cart.models import Cart, CartItem, CartState
from app.cart.shopper import Shopper
from app.core.extensions import db
from app.core.running import settings
from app.products.models.products import Product
from app.products.models.stock import Stock

_OFFERED: Final = (
    Product.id.label("product_id"),
    Product.asin,
    Product.name,
    Product.brand,
    Product.price_minor,
    Product.currency,
    Product.is_active,
    Product.deleted_at,
    func.coalesce(Stock.on_hand - Stock.allocated, 0).label("available"),
)
_ITEM: Final = (CartItem.quantity, CartItem.added_at, CartItem.seen_price_minor, CartItem.seen_is_available)
_CART: Final = (Cart.id, Cart.state, Cart.version, Cart.note, Cart.merges, Cart.updated_at, Cart.expires_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class CartView:
    """A cart with its lines as they are now; amounts in minor units."""

    id: int | None
    """None for somebody who has put nothing into one yet."""
    state: str
    version: int
    note: str
    currency: str
    lines: tuple[Line, ...]
    merges: list[dict[str, Any]]
    updated_at: datetime | None
    expires_at: datetime | None

    @property
    def subtotal(self) -> int:
        """Of the lines of which there are any to be bought; without discount, shipping and tax, which checkout adds."""
        return sum(line.subtotal for line in self.lines if line.is_counted)

    @property
    def quantity(self) -> int:
        """Units of all lines."""
        return sum(line.quantity for line in self.lines)

    @property
    def changes(self) -> list[Change]:
        """What is no longer as the customer last saw it, of all lines."""
        return [change for line in self.lines for change in line.changes]

    @property
    def is_ready(self) -> bool:
        """Whether all of it could be bought as it is."""
        return bool(self.lines) and all(line.availability is Availability.AVAILABLE for line in self.lines)


def get_cart(shopper: Shopper) -> CartView:
    """The cart of a shopper: of a person the open one, empty where there is none yet; of a guest that of the token.

    Raises CartNotFound for a guest's token that opens nothing.
    """
    if shopper.user_id is not None:
        return _find(Cart.open_user_id == shopper.user_id) or _nothing()
    found = None if shopper.guest_cart_id is None else _find(Cart.id == shopper.guest_cart_id)
    if found is None:
        raise CartNotFound("This Cart-Token opens no cart (any more). POST /api/v1/cart gives you a new one.")
    return found


def read_cart(cart_id: int) -> CartView:
    """A cart that is there, by its id."""
    found = _find(Cart.id == cart_id)
    if found is None:
        raise CartNotFound(f"There is no cart {cart_id}.")
    return found


def find_offer(condition: ColumnElement[bool]) -> Offer | None:
    """The product that a condition is true of as it is offered now, also a deleted one; nothing is held for anybody."""
    row = db.session.execute(_from_products().where(condition)).one_or_none()
    return None if row is None else _offer(row)


def _from_products() -> Select[*tuple[Any, ...]]:
    return select(*_OFFERED).outerjoin(Stock, Stock.product_id == Product.id)


def _find(condition: ColumnElement[bool]) -> CartView | None:
    rows = db.session.execute(
        select(*_CART, *_ITEM, *_OFFERED)
        .select_from(Cart)
        .outerjoin(CartItem, CartItem.cart_id == Cart.id)
        .outerjoin(Product, Product.id == CartItem.product_id)
        .outerjoin(Stock, Stock.product_id == Product.id)
        .where(condition)
        .order_by(CartItem.id)
    ).all()
    if not rows:
        return None
    cart, full = rows[0], [row for row in rows if row.product_id is not None]
    return CartView(
        id=cart.id,
        state=cart.state,
        version=cart.version,
        note=cart.note,
        currency=settings().currency,
        lines=_lines(cart.id, full),
        merges=cart.merges or [],
        updated_at=cart.updated_at,
        expires_at=cart.expires_at,
    )


def _lines(cart_id: int, rows: list[Any]) -> tuple[Line, ...]:
    pairs = [(_item(row), _offer(row)) for row in rows]
    if any(offer.is_sold and offer.available < item.quantity for item, offer in pairs):
        held = checkouts.held_for(cart_id)
        pairs = [(item, offer.to_holder(held.get(offer.product_id, 0))) for item, offer in pairs]
    return tuple(line_of(item, offer) for item, offer in pairs)


def _item(row: Any) -> Item:
    return Item(
        product_id=row.product_id,
        quantity=row.quantity,
        added_at=row.added_at,
        seen_price_minor=row.seen_price_minor,
        seen_is_available=row.seen_is_available,
    )


def _offer(row: Any) -> Offer:
    return Offer(
        product_id=row.product_id,
        asin=row.asin,
        name=row.name,
        brand=row.brand,
        price_minor=row.price_minor,
        currency=row.currency,
        is_there=row.deleted_at is None,
        is_sold=row.deleted_at is None and row.is_active and row.currency == settings().currency,
        available=row.available,
    )


def _nothing() -> CartView:
    return CartView(
        id=None,
        state=CartState.OPEN,
        version=0,
        note="",
        currency=settings().currency,
        lines=(),
        merges=[],
        updated_at=None,
        expires_at=None,
    )
