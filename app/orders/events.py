"""What happens to orders that other domains may have to act on; published inside the transaction."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class OrderMoved:
    """Something of an order that others are told of.

    ``what`` is ``placed``, ``paid``, ``shipped``, ``delivered``, ``cancelled``, ``returned``, ``refunded`` or
    ``attention``.
    """

    order_id: int
    what: str
    at: datetime


@dataclass(frozen=True, slots=True)
class ImportedSalesUndone:
    """Facts that came with an import are about to be deleted: those of the operation up to an id."""

    operation_id: int
    last_id: int


@dataclass(frozen=True, slots=True)
class OrderReached:
    """An order came to these steps for the first time; unlike ``OrderMoved`` also those that nobody is told of.

    ``steps`` are some of ``checkouts`` (it was made), ``placed``, ``paid`` and ``delivered`` (all that was not
    cancelled has arrived).
    """

    order_id: int
    cart_id: int | None
    """The cart it was made of."""
    steps: tuple[str, ...]
    at: datetime
