"""What makes one product worth showing beside another: formulas, and what is kept of them."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final

MOST_SHOWN: Final = 20
"""How many products one answer has at most."""
KEPT: Final = 30
"""How many are kept of each product; some of them may be sold out when they are asked for."""
PAIRS_KEPT: Final = 500
"""Of how many other products it is counted how often they were bought with one product."""
BASKET: Final = 50
"""Products of one order whose pairs are counted."""
LEAST_ORDERS: Final = 2
"""One order with both is chance."""
WINDOW_DAYS: Final = 730
"""Orders that were paid longer ago count no more."""
DEMAND_DAYS: Final = 90
"""Of how many days the best sellers are."""
RANKED: Final = 50
"""How many best sellers are known of a category, a brand and the shop."""

_MILLION: Final = 1_000_000
_SHRINKAGE: Final = 10
_CATEGORIES, _BRAND, _PRICE = Decimal("0.6"), Decimal("0.15"), Decimal("0.25")


class Kind(StrEnum):
    """What is asked for."""

    BOUGHT_TOGETHER = "bought_together"
    SIMILAR = "similar"


class Reason(StrEnum):
    """Why a product is recommended."""

    BOUGHT_TOGETHER = "bought_together"
    SIMILAR = "similar"
    CATEGORY = "best_seller_of_category"
    BRAND = "best_seller_of_brand"
    SHOP = "best_seller_of_shop"


@dataclass(frozen=True, slots=True)
class Traits:
    """What products are compared by: the categories they were put into, brand, price in minor units."""

    categories: frozenset[int]
    brand: str | None
    price_minor: int
    currency: str


def pairs_of(products: Collection[int]) -> Iterable[tuple[int, int]]:
    """Every product of an order with every other, in both directions."""
    return ((one, other) for one in products for other in products if one != other)


def affinity(together: int, orders: int, other_orders: int) -> int:
    """How much two products belong together, in millionths of 1, from the orders that have both, one and the other.

    The cosine of two products as sets of orders (Linden, Smith and York, Amazon.com Recommendations: Item-to-Item
    Collaborative Filtering, IEEE Internet Computing 7(1), 2003), together / sqrt(orders * other_orders), times
    together / (together + 10), by which few orders say little (the shrinkage of Koren and Bell, Advances in
    Collaborative Filtering, Recommender Systems Handbook, 2011). Counts may be low where pairs were dropped; the answer
    is between 0 and a million.
    """
    if together <= 0 or orders <= 0 or other_orders <= 0:
        return 0
    cosine = min(1.0, together / math.sqrt(orders * other_orders))
    return round(_MILLION * cosine * together / (together + _SHRINKAGE))


def likeness(one: Traits, other: Traits) -> Decimal:
    """How alike two products are, 0 to 1: 0.6 x categories + 0.15 x brand + 0.25 x price; weights are our own.

    Categories by Jaccard's index (those of both / those of either), brand 1 where it is the same, price the lower one /
    the higher one, 0 in two currencies. Products with neither a category nor the brand in common are not alike: 0.
    """
    common = len(one.categories & other.categories)
    is_of_brand = one.brand is not None and one.brand == other.brand
    if not common and not is_of_brand:
        return Decimal(0)
    shared = Decimal(common) / len(one.categories | other.categories) if common else Decimal(0)
    return _CATEGORIES * shared + _BRAND * is_of_brand + _PRICE * _nearness(one, other)


def _nearness(one: Traits, other: Traits) -> Decimal:
    lower, higher = sorted((one.price_minor, other.price_minor))
    if one.currency != other.currency:
        return Decimal(0)
    return Decimal(lower) / higher if higher else Decimal(1)


def category_scope(category_id: int) -> str:
    """The name of a category among the lists of best sellers."""
    return f"category:{category_id}"


def brand_scope(brand: str) -> str:
    """The name of a brand among them."""
    return f"brand:{brand}"


SHOP_SCOPE: Final = "shop"
