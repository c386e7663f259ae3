"""Price bands: a few ranges with round ends that hold about as many products each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

BANDS: Final = 6


@dataclass(frozen=True, slots=True)
class Band:
    """How many products cost from ``price_min`` to ``price_max``, both included, in minor units; None is no end."""

    price_min: int | None
    price_max: int | None
    currency: str
    count: int


def make_bands(prices: Mapping[int, int], currency: str) -> list[Band]:
    """Bands over prices with their numbers of products: at most BANDS, none of them empty.

    Their ends are 1, 2 or 5 with zeros, next to where the products would divide evenly.
    """
    total = sum(prices.values())
    ends: set[int] = set()
    seen, parts = 0, 1
    for price in sorted(prices):
        seen += prices[price]
        if parts < BANDS and seen * BANDS >= total * parts:
            ends.add(_round(price))
            parts = seen * BANDS // total + 1
    bounds = [None, *sorted(ends), None]
    bands = [
        Band(low, None if high is None else high - 1, currency, _between(prices, low, high))
        for low, high in pairwise(bounds)
    ]
    return [band for band in bands if band.count]


def _between(prices: Mapping[int, int], low: int | None, high: int | None) -> int:
    return sum(
        count for price, count in prices.items() if (low is None or price >= low) and (high is None or price < high)
    )


def _round(price: int) -> int:
    """The nearest of 1, 2, 5, 10, 20, 50, ..."""
    power = 10 ** (len(str(max(price, 1))) - 1)
    ends: tuple[int, ...] = (power, 2 * power, 5 * power, 10 * power)
    return min(ends, key=lambda end: abs(end - price))
