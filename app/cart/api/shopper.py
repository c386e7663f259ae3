"""Who shops, by what the request brings: a login, or a guest's ``Cart-Token``."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from functools import wraps
from typing import Any

from flask import current_app, g, request

from app.auth.visitor import is_by_cookie, visitor_hash
from app.cart.queries.guests import find_guest_cart
from app.cart.shopper import Shopper
from app.core.errors import Unauthenticated
from app.core.extensions import SAFE, csrf
from app.core.permissions import NotForKeys, Principal

View = Callable[..., Any]


def open_to_shoppers(view: View) -> View:
    """Let in who is logged in, and guests with a Cart-Token; 401 for everybody else, 403 for API keys.

    Stands where ``@blp.public`` would, above ``@blp.arguments`` and ``@blp.answers``: from here on ``g.principal`` is
    the guest, so that an Idempotency-Key is theirs and not that of everybody at the same network address.
    """

    @wraps(view)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        current_shopper()
        return view(*args, **kwargs)

    guarded.access = "shopper"  # type: ignore[attr-defined]
    document = deepcopy(getattr(view, "_apidoc", {}))
    document.setdefault("manual_doc", {})["security"] = [{"bearer": []}, {"session": []}, {"cart": []}]
    guarded._apidoc = document  # type: ignore[attr-defined]  # noqa: SLF001  # flask-smorest's own mark
    return guarded


def current_shopper() -> Shopper:
    """Who shops; raises Unauthenticated where the request brings neither a login nor a Cart-Token.

    Somebody who is logged in is that person; their Cart-Token still opens the order that a guest's cart became. Raises
    SecondFactorMissing for who must set one up first, and NotForKeys.
    """
    shopper = find_shopper()
    if shopper is None:
        raise Unauthenticated("Log in, or send the Cart-Token that POST /api/v1/cart answered.")
    return shopper


def find_shopper() -> Shopper | None:
    """Who shops, or None for somebody who has yet to get a cart; looked up once a request.

    An API key shops for nobody: none of its permissions says that it may buy for its owner and read their addresses.
    Raises NotForKeys for it, and SecondFactorMissing.
    """
    known: Shopper | None = g.get("shopper")
    if known is not None and known.principal is g.get("principal"):  # which every request begins without
        return known
    token_hash = visitor_hash()
    principal = _authenticated()
    if principal is None and token_hash is None:
        return None
    cart_id = None if token_hash is None else find_guest_cart(token_hash)
    if principal is None:
        if is_by_cookie() and request.method not in SAFE:
            csrf.protect()
        principal = g.principal = _guest(cart_id)
    if principal.kind == "key":
        raise NotForKeys(
            "Carts and orders of one's own are for people; orders for customers are made by the order desk."
        )
    principal.require_complete_login()
    shopper = g.shopper = Shopper(principal, principal.user_id, token_hash, cart_id)
    return shopper


def _authenticated() -> Principal | None:
    if "principal" not in g:
        g.principal = current_app.extensions["authenticate"]()
    principal: Principal | None = g.principal
    return principal


def _guest(cart_id: int | None) -> Principal:
    return Principal(
        kind="guest",
        id=cart_id,
        name="guest",
        permissions=frozenset(),
        request_id=g.get("request_id"),
        address=request.remote_addr,
    )
