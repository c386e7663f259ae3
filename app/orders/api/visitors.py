"""Who asks for an order: its customer, a guest with the token of their cart, or whoever holds the link of a mail."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from functools import wraps
from typing import Any, Final

from flask import g, request

from app.cart.api.shopper import current_shopper, find_shopper, open_to_shoppers
from app.core.api import ApiBlueprint
from app.core.orm import utc_now
from app.orders.errors import OrderNotFound
from app.orders.queries.links import linked_order
from app.orders.queries.owning import find_order, find_own_order, no_order

View = Callable[..., Any]

ORDER_TOKEN: Final = "Order-Token"  # noqa: S105  # the name of a header
with_cart_token = ApiBlueprint.takes_header("Cart-Token", "The token of a guest's cart", "m1m3h9d3nWc6m0xkT9Aq3w")
with_order_token = ApiBlueprint.takes_header(
    ORDER_TOKEN, "The last part of the address that a mail has; shows the order, without whose it is", "kU2m9h9d3nWc6m0"
)


def open_to_holders(view: View) -> View:
    """Let in who shops (``open_to_shoppers``) and who holds the link of an order; 401 for everybody else."""
    shoppers_only = open_to_shoppers(view)

    @wraps(shoppers_only)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        token = request.headers.get(ORDER_TOKEN, "").strip()
        if not token:
            return shoppers_only(*args, **kwargs)
        find_shopper()
        g.linked_order = linked_order(token, now=utc_now())
        return view(*args, **kwargs)

    guarded._apidoc = deepcopy(shoppers_only._apidoc)  # type: ignore[attr-defined]  # noqa: SLF001  # flask-smorest's own mark
    return guarded


def own_order(number: str) -> int:
    """The id of the order with this number, if it is the shopper's; raises OrderNotFound for all others alike."""
    return find_own_order(number, current_shopper())


def visible_order(number: str) -> tuple[int, bool]:
    """The id of the order with this number, and whether only a link shows it; raises OrderNotFound likewise."""
    shopper = find_shopper()
    if shopper is not None:
        try:
            return find_own_order(number, shopper), False
        except OrderNotFound:
            if "linked_order" not in g:
                raise
    if g.linked_order != find_order(number):
        raise no_order(number)
    return g.linked_order, True
