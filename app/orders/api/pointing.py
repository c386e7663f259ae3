"""Refusals of services point at what the request has: a checkout names its goods by a cart, a quote by its query."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from typing import Any, Final

from app.cart.errors import CartNotFound
from app.core.errors import FieldError, Refusal

CART: Final = "/cart_id"
_ITEMS: Final = "/items"


def points_at_cart(place: str) -> Callable[[Any], Any]:
    """Have what is wrong with the goods said of ``cart_id``, and everything said of where the request has it.

    Stands below all other decorators.
    """

    def decorate(view: Any) -> Any:
        @wraps(view)
        def pointing(*args: Any, **kwargs: Any) -> Any:
            try:
                return view(*args, **kwargs)
            except Refusal as refusal:
                found = refusal.errors
                if isinstance(refusal, CartNotFound) and not found:
                    found = (FieldError(CART, refusal.detail),)
                refusal.errors = tuple(
                    replace(error, pointer=CART if error.pointer == _ITEMS else error.pointer, place=place)
                    for error in found
                )
                raise

        return pointing

    return decorate
