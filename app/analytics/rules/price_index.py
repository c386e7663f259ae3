"""The price index: how a storefront's prices stand against ours, product by product and altogether.

The index of a storefront is 100 times the geometric mean of their price divided by ours, over the products that both
have in the same currency: an unweighted Jevons index (ILO and others, Consumer Price Index Manual: Concepts and
Methods, 2020, chapter 8). Below 100 the storefront is cheaper than we are. The geometric mean is the one that says the
same whichever side is asked: ours against theirs is 100 x 100 divided by it.
"""

from __future__ import annotations

import math
from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from typing import Final

STALE_DAYS: Final = 7
STALE_AFTER: Final = timedelta(days=STALE_DAYS)
"""A price that nobody has seen for so long does not count any more."""
_BILLION: Final = 1_000_000_000


class Comparison(StrEnum):
    """What becomes of a product that a storefront has shown a price of; the first that fits."""

    STALE = "STALE"
    """Its price was last seen too long ago."""
    OTHER_CURRENCY = "OTHER_CURRENCY"
    """Prices of two currencies are not converted, and so not compared."""
    FREE = "FREE"
    """One of the prices is 0: there is no ratio."""
    COMPARED = "COMPARED"


def compare(*, currency: str, their_currency: str, our_minor: int, their_minor: int, age: timedelta) -> Comparison:
    """Whether a storefront's price, seen so long ago, is compared with ours."""
    if age > STALE_AFTER:
        return Comparison.STALE
    if currency != their_currency:
        return Comparison.OTHER_CURRENCY
    return Comparison.COMPARED if our_minor > 0 and their_minor > 0 else Comparison.FREE


def log_ratio(their_minor: int, our_minor: int) -> int:
    """The natural logarithm of their price divided by ours, in billionths.

    A whole number, so that sums are exact and the same in whatever order they are made, by whatever database. It is 0
    for equal prices only.
    """
    return round(math.log(their_minor / our_minor) * _BILLION) or (their_minor > our_minor) - (their_minor < our_minor)


def index_of(log_sum: int, compared: int) -> Decimal | None:
    """The index of so many products by the sum of their ``log_ratio``, with two decimals; None of no product."""
    if compared == 0:
        return None
    mean = (Decimal(log_sum) / compared / _BILLION).exp()
    return (100 * mean).quantize(Decimal("0.01"), ROUND_HALF_UP)


def percent(part: int, whole: int) -> Decimal | None:
    """A part of a whole in percent, with one decimal; None of nothing."""
    return (Decimal(part) * 100 / whole).quantize(Decimal("0.1"), ROUND_HALF_UP) if whole else None
