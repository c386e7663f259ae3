"""Finding the order that a link in a mail shows."""

from __future__ import annotations

import hashlib
import re
from datetime import datetime
from typing import Final

from sqlalchemy import select

from app.core.extensions import db
from app.orders.errors import LinkNotValid
from app.orders.models.orders import OrderLink

_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{22}", re.ASCII)
"""128 bits in base64url."""


def hash_of(token: str) -> str:
    """What is stored of a link's token: whoever reads the table cannot open an order by it."""
    return hashlib.sha256(token.encode()).hexdigest()


def linked_order(token: str, *, now: datetime) -> int:
    """The id of the order that this token shows; raises LinkNotValid, which never says why."""
    found: int | None = None
    if _TOKEN.fullmatch(token):
        known = select(OrderLink.order_id).where(OrderLink.token_hash == hash_of(token), OrderLink.expires_at > now)
        found = db.session.scalar(known)
    if found is None:
        raise LinkNotValid("The link is not valid (any more), or was not copied as a whole.")
    return found
