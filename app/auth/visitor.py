"""What somebody brings who has not logged in: the token that a guest's cart was given, in a header or in a cookie."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Final

from flask import Response, request

from app.core.running import settings

HEADER: Final = "Cart-Token"
EXAMPLE: Final = "kJ8x0vQm3nT5pWzR7yLbAg"
AT_LOGIN: Final = "A guest's: what is in that cart goes into the one of who logs in"
_KEPT_FOR: Final = timedelta(days=365)
"""By the browser; the cart itself may be gone long before."""


def visitor_hash() -> str | None:
    """SHA-256 of the guest's token that this request brings, as it is stored; None where it brings none."""
    token = _in_header() or request.cookies.get(_cookie(), "")
    return hash_of_visitor(token) if token else None


def is_by_cookie() -> bool:
    """Whether a browser brought the token by itself, so that a change needs a CSRF token as well."""
    return not _in_header()


def hash_of_visitor(token: str) -> str:
    """A guest's token as it is stored."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def give_cookie(response: Response, token: str) -> Response:
    """Let the browser keep the token, where no script reads it; logins and pages then know the guest's cart."""
    response.set_cookie(_cookie(), token, max_age=_KEPT_FOR, secure=settings().is_https, httponly=True, samesite="Lax")
    return response


def _in_header() -> str:
    return request.headers.get(HEADER, "").strip()


def _cookie() -> str:
    return "__Host-cartwright-cart" if settings().is_https else "cartwright-cart"
