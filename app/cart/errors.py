"""Refusals of the cart."""

from __future__ import annotations

from app.cart.models import MAX_LINES, MAX_QUANTITY, CartState
from app.core.errors import Conflict, FieldError, NotFound


class CartNotFound(NotFound):
    """There is no such cart, or it is somebody else's."""

    code = "CART_NOT_FOUND"


class CartItemNotFound(NotFound):
    """The product is not in the shopper's cart, whatever is in those of others."""

    code = "CART_ITEM_NOT_FOUND"


class CartClosed(Conflict):
    """The cart has become an order and takes nothing more; ``facts["state"]`` is what it is."""

    code = "CART_CLOSED"

    def __init__(self, state: str = CartState.ORDERED) -> None:
        super().__init__("This cart has become an order. POST /api/v1/cart gives you a new one.")
        self.facts = {"state": state}


class CartFull(Conflict):
    """The cart has as many lines as it may."""

    code = "CART_FULL"

    def __init__(self, pointer: str) -> None:
        detail = f"The cart has {MAX_LINES} products already; take one out first."
        super().__init__(detail, errors=(FieldError(pointer, detail),))
        self.facts = {"max_lines": MAX_LINES}


class TooManyOfOne(Conflict):
    """There would be more of a product in the cart than there may be; ``facts`` say how many there are."""

    code = "TOO_MANY_OF_ONE"

    def __init__(self, *, present: int, added: int) -> None:
        detail = f"{present} are in the cart; with {added} more it would be more than {MAX_QUANTITY}."
        super().__init__(detail, errors=(FieldError("/quantity", detail),))
        self.facts = {"quantity": present, "max_quantity": MAX_QUANTITY}


class ProductNotSold(Conflict):
    """The product is there, and cannot be bought."""

    code = "PRODUCT_NOT_SOLD"
