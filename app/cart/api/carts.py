"""The cart's API: of who is logged in, and of guests."""

from __future__ import annotations

from functools import partial
from typing import Any

from flask import after_this_request
from flask.views import MethodView

from app.auth import visitor
from app.cart.api.shopper import current_shopper, find_shopper, open_to_shoppers
from app.cart.queries.carts import get_cart
from app.cart.schemas import carts as schemas
from app.cart.services import carts, items
from app.cart.services.carts import OpenedCart
from app.core.api import ApiBlueprint
from app.core.orm import utc_now
from app.core.rates import limited

blp = ApiBlueprint("cart", __name__, description="What a customer means to buy")


@blp.route("/cart")
class Cart(MethodView):
    """The cart."""

    @open_to_shoppers
    @blp.answers(200, schemas.CartSchema)
    @blp.alt_response(404, description="CART_NOT_FOUND: the Cart-Token opens none")
    def get(self) -> Any:
        """Get the cart, with prices and availability as they are now, and what has changed since."""
        return get_cart(current_shopper())

    @blp.takes_header(visitor.HEADER, visitor.AT_LOGIN, visitor.EXAMPLE)
    @blp.public
    @limited("cart")
    @blp.arguments(schemas.CartStart)
    @blp.answers(201, schemas.OpenedCartSchema, secret=True)
    @blp.alt_response(429, description="Too many from this address")
    def post(self, sent: dict[str, Any]) -> Any:
        """Get a cart to put things into.

        A guest gets a new one and, once, the token that opens it; so long as it is empty it is kept for a day. Who is
        logged in gets theirs, with what is in the guest's cart merged in; they need not call this, because their first
        item makes it.
        """
        opened = carts.start_cart(shopper=find_shopper(), now=utc_now())
        return _by_cookie(opened) if sent["cookie"] else opened

    @blp.unversioned
    @open_to_shoppers
    @blp.arguments(schemas.CartNote)
    @blp.answers(200, schemas.CartSchema)
    @blp.alt_response(404, description="CART_NOT_FOUND: the Cart-Token opens none")
    def patch(self, sent: dict[str, Any]) -> Any:
        """Write down what is to be said about the order."""
        return carts.set_note(shopper=current_shopper(), now=utc_now(), **sent)


@blp.route("/cart/seen")
class Seen(MethodView):
    """What the customer knows."""

    @open_to_shoppers
    @blp.answers(200, schemas.CartSchema)
    @blp.alt_response(404, description="CART_NOT_FOUND: the Cart-Token opens none")
    def post(self) -> Any:
        """Confirm the changes: the answer tells of them for the last time."""
        return carts.confirm_changes(shopper=current_shopper(), now=utc_now())


@blp.route("/cart/items")
class Items(MethodView):
    """What is in the cart."""

    @open_to_shoppers
    @blp.arguments(schemas.ItemAdd, example=schemas.ADD)
    @blp.answers(200, schemas.CartSchema)
    @blp.alt_response(404, description="PRODUCT_NOT_FOUND, or CART_NOT_FOUND: the Cart-Token opens none")
    def post(self, sent: dict[str, Any]) -> Any:
        """Put a product into the cart; what is there already adds up.

        Nothing is reserved by that. With an Idempotency-Key, a request that is sent twice adds once.
        """
        return items.add_item(shopper=current_shopper(), now=utc_now(), **sent)

    @blp.unversioned
    @open_to_shoppers
    @blp.answers(200, schemas.CartSchema)
    @blp.alt_response(404, description="CART_NOT_FOUND: the Cart-Token opens none")
    def delete(self) -> Any:
        """Take everything out of the cart."""
        return items.clear_cart(shopper=current_shopper(), now=utc_now())


@blp.route("/cart/items/<int:product_id>")
class Item(MethodView):
    """One product of the cart."""

    @blp.unversioned
    @open_to_shoppers
    @blp.arguments(schemas.ItemChange)
    @blp.answers(200, schemas.CartSchema)
    def patch(self, sent: dict[str, Any], product_id: int) -> Any:
        """Change how many there are to be."""
        return items.set_quantity(shopper=current_shopper(), now=utc_now(), product_id=product_id, **sent)

    @blp.unversioned
    @open_to_shoppers
    @blp.answers(200, schemas.CartSchema)
    def delete(self, product_id: int) -> Any:
        """Take a product out of the cart; adding it again undoes that."""
        return items.remove_item(shopper=current_shopper(), now=utc_now(), product_id=product_id)


def _by_cookie(opened: OpenedCart) -> OpenedCart:
    """The answer without a guest's token, which the browser keeps."""
    if opened.token is not None:
        after_this_request(partial(visitor.give_cookie, token=opened.token))
    return OpenedCart(None, opened.cart)
