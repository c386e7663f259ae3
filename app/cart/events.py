"""What happens to carts that other domains want to know; published inside the transaction."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class CartBegun:
    """The first product was put into a cart; once for each cart, also when it is emptied and filled again."""

    cart_id: int
    at: datetime
