"""What ends a transaction of a checkout for another one to begin; none of these ever reaches whoever asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


class Short(Exception):
    """Stock of these lines could not be had; ``order_id`` is the draft that may hold some of it, where there is one.

    ``is_overtaken``: not because there is too little, but because others changed what it is about at the same moment.
    """

    def __init__(self, lines: Sequence[Mapping[str, Any]], order_id: int | None, *, is_overtaken: bool = False) -> None:
        super().__init__("stock could not be had")
        self.lines = lines
        self.order_id = order_id
        self.is_overtaken = is_overtaken


class Running(Exception):
    """A payment for the cart is under way; ``is_same`` where it is for just what is wanted now."""

    def __init__(self, *, order_id: int, payment_id: int, is_same: bool) -> None:
        super().__init__("a payment is under way")
        self.order_id = order_id
        self.payment_id = payment_id
        self.is_same = is_same


class Overtaken(Exception):
    """Somebody else has changed the checkout meanwhile: look at it again."""
