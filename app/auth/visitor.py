"""What somebody brings who has not logged in: the token that a guest's cart was given."""

from __future__ import annotations

import hashlib
from typing import Final

from flask import request

HEADER: Final = "Cart-Token"


def visitor_hash() -> str | None:
    """SHA-256 of the guest's token that this request brings, as it is stored; None where it brings none."""
    token = request.headers.get(HEADER, "").strip()
    return hash_of_visitor(token) if token else None


def hash_of_visitor(token: str) -> str:
    """A guest's token as it is stored."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
