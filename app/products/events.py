"""What happens to products that other domains may have to act on; published inside the transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app.products.changes import Change


@dataclass(frozen=True, slots=True)
class ProductDeleted:
    """A product was deleted; its row and its history stay."""

    product_id: int
    asin: str


@dataclass(frozen=True, slots=True)
class ProductChange:
    """What changed of one product."""

    product_id: int
    asin: str
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class ProductsChanged:
    """Products of the master were added, changed, deleted or brought back; at most some hundred at once."""

    products: Sequence[ProductChange]
    source: str
    operation_id: int | None


@dataclass(frozen=True, slots=True)
class StockLow:
    """What is left of a product has fallen to its threshold; once per crossing."""

    product_id: int
    asin: str
    name: str
    available: int
    threshold: int


@dataclass(frozen=True, slots=True)
class AllocationReleased:
    """Stock that was promised to somebody was taken away from them, because there is less than was thought."""

    product_id: int
    reference_kind: str
    reference_id: int
    quantity: int
