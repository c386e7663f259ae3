"""What answers about products depend on, and how they are forgotten when it changes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from app.core import kept

LIST: Final = "products"
"""All lists of products."""


def of_list() -> tuple[str, ...]:
    """What a list of products depends on."""
    return (LIST,)


def of_product(product_id: int) -> tuple[str, ...]:
    """What one product's answer depends on."""
    return (f"product:{product_id}",)


def forget_products(product_ids: Iterable[int]) -> None:
    """Once the open transaction has committed, forget what was kept of these products, and all lists."""
    kept.forget([LIST, *(name for product_id in product_ids for name in of_product(product_id))])


def forget_lists() -> None:
    """The same of all lists alone, for what is no part of a product but decides about lists, such as categories."""
    kept.forget([LIST])
