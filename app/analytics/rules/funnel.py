"""The steps from a cart to goods that have arrived."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Final

from app.analytics.rules.price_index import percent


class Step(StrEnum):
    """What is counted, in the order in which it happens; each once for a cart or its order, on the day it happens."""

    CARTS = "carts"
    """The first product was put into a cart."""
    CHECKOUTS = "checkouts"
    """An order was made of a cart, whether or not it came to anything."""
    PLACED = "placed"
    PAID = "paid"
    DELIVERED = "delivered"
    """All of it that was not cancelled has arrived."""


STEPS: Final = tuple(Step)


@dataclass(frozen=True, slots=True)
class StepShare:
    """How many came to a step, in percent of those who came to the one before, and of carts; None of nothing."""

    step: Step
    count: int
    of_previous_percent: str | None
    of_carts_percent: str | None


def shares(counts: Mapping[str, int]) -> list[StepShare]:
    """The steps with what came of the ones before."""
    first = StepShare(Step.CARTS, counts[Step.CARTS], None, _percent(counts[Step.CARTS], counts[Step.CARTS]))
    later = [
        StepShare(
            step, counts[step], _percent(counts[step], counts[before]), _percent(counts[step], counts[Step.CARTS])
        )
        for before, step in pairwise(STEPS)
    ]
    return [first, *later]


def conversion(counts: Mapping[str, int]) -> str | None:
    """Orders that were paid in percent of the carts that were begun; None without carts."""
    return _percent(counts[Step.PAID], counts[Step.CARTS])


def _percent(part: int, whole: int) -> str | None:
    found = percent(part, whole)
    return None if found is None else str(found)
