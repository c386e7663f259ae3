"""Refusals of the cart."""

from __future__ import annotations

from app.core.errors import NotFound


class CartNotFound(NotFound):
    """There is no such cart, or it is somebody else's."""

    code = "CART_NOT_FOUND"
