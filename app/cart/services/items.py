"""What is put into a cart, and taken out again. Stock is read, and nothing of it is held: that is for checkout."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, func, select

from app.cart import checkouts
from app.cart.changes import Availability, Offer
from app.cart.errors import CartFull, CartItemNotFound, ProductNotSold, TooManyOfOne
from app.cart.models import MAX_LINES, MAX_QUANTITY, Cart, CartItem
from app.cart.queries.carts import CartView, find_offer, get_cart, read_cart
from app.cart.services.opening import begin, find_open_cart, open_cart, touch
from app.cart.shopper import Shopper
from app.core.errors import FieldError
from app.core.extensions import db
from app.core.orm import count_changed
from app.core.transactions import in_transaction
from app.products.errors import ProductNotFound
from app.products.models.products import Product


@in_transaction
def add_item(
    *, shopper: Shopper, now: datetime, quantity: int, product_id: int | None = None, asin: str | None = None
) -> CartView:
    """Put a product into the shopper's cart, by its id or its ASIN; what is there already adds up.

    Raises ProductNotFound and ProductNotSold, which name the field; CartFull and TooManyOfOne at the limits;
    CartNotFound and CartClosed as ``open_cart`` does.
    """
    offer = _require_sold(product_id, asin)
    cart = open_cart(shopper, now=now)
    item = _find_item(cart, offer.product_id)
    if item is None:
        _require_room(cart, "/asin" if product_id is None else "/product_id")
        begin(cart, now=now)
        item = CartItem(cart_id=cart.id, product_id=offer.product_id, quantity=quantity, added_at=now)
    elif item.quantity + quantity > MAX_QUANTITY:
        raise TooManyOfOne(present=item.quantity, added=quantity)
    else:
        item.quantity += quantity
    return _saved(cart, item, offer, now)


@in_transaction
def set_quantity(*, shopper: Shopper, now: datetime, product_id: int, quantity: int) -> CartView:
    """Change how many of a product are in the shopper's cart; also of one that is not sold any more.

    Raises CartItemNotFound for a product that is not in it, and CartNotFound and CartClosed as ``open_cart`` does.
    """
    cart = find_open_cart(shopper, now=now)
    item = None if cart is None else _find_item(cart, product_id)
    offer = find_offer(Product.id == product_id)
    if cart is None or item is None or offer is None:
        raise _not_inside(product_id)
    item.quantity = quantity
    return _saved(cart, item, offer, now)


@in_transaction
def remove_item(*, shopper: Shopper, now: datetime, product_id: int) -> CartView:
    """Take a product out of the shopper's cart; adding it again undoes that. Raises what ``set_quantity`` does."""
    cart = find_open_cart(shopper, now=now)
    if cart is None or not _delete(cart, product_id):
        raise _not_inside(product_id)
    touch(cart, now=now)
    db.session.flush()
    return read_cart(cart.id)


@in_transaction
def clear_cart(*, shopper: Shopper, now: datetime) -> CartView:
    """Take everything out of the shopper's cart; the note stays. Raises CartNotFound and CartClosed."""
    cart = find_open_cart(shopper, now=now)
    if cart is None:
        return get_cart(shopper)
    _delete(cart)
    touch(cart, now=now)
    db.session.flush()
    return read_cart(cart.id)


def _require_sold(product_id: int | None, asin: str | None) -> Offer:
    pointer, named = ("/asin", f"ASIN {asin}") if product_id is None else ("/product_id", f"id {product_id}")
    offer = find_offer(Product.asin == asin if product_id is None else Product.id == product_id)
    gone = f"There is no product with the {named}."
    if offer is None or not offer.is_there:
        raise ProductNotFound(gone, errors=(FieldError(pointer, gone),))
    if not offer.is_sold:
        # nobody learns by numbers what is yet to be sold: what it is called is not said
        raise ProductNotSold.at(pointer, f"The product with the {named} is not sold at present.")
    return offer


def _find_item(cart: Cart, product_id: int) -> CartItem | None:
    of_product = select(CartItem).where(CartItem.cart_id == cart.id, CartItem.product_id == product_id)
    found: CartItem | None = db.session.scalar(of_product)
    return found


def _require_room(cart: Cart, pointer: str) -> None:
    lines = db.session.scalar(select(func.count()).where(CartItem.cart_id == cart.id)) or 0
    if lines >= MAX_LINES:
        raise CartFull(pointer)


def _saved(cart: Cart, item: CartItem, offer: Offer, now: datetime) -> CartView:
    """Note what the customer is told about this line now; what changed about the others stays to be told."""
    item.seen_price_minor = offer.price_minor
    item.seen_is_available = _is_enough(cart, offer, item.quantity)
    db.session.add(item)
    touch(cart, now=now)
    db.session.flush()
    return read_cart(cart.id)


def _is_enough(cart: Cart, offer: Offer, quantity: int) -> bool:
    if offer.is_sold and offer.available < quantity:
        offer = offer.to_holder(checkouts.held_for(cart.id).get(offer.product_id, 0))
    return offer.availability(quantity) is Availability.AVAILABLE


def _delete(cart: Cart, product_id: int | None = None) -> bool:
    items = delete(CartItem).where(CartItem.cart_id == cart.id)
    if product_id is not None:
        items = items.where(CartItem.product_id == product_id)
    return count_changed(db.session(), items) > 0


def _not_inside(product_id: int) -> CartItemNotFound:
    return CartItemNotFound(f"Product {product_id} is not in your cart.")
