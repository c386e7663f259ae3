"""What happens to products that other domains may have to act on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ProductDeleted:
    """A product was deleted; its row and its history stay."""

    product_id: int
    asin: str
