"""Reads of the product master."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Final

from sqlalchemy import select

from app.core.extensions import db
from app.products.errors import ProductNotFound
from app.products.models.products import Product

_CHUNK: Final = 1000


def get_product(product_id: int) -> Product:
    """A product; raises ProductNotFound also for a deleted one."""
    present = select(Product).where(Product.id == product_id, Product.deleted_at.is_(None))
    product = db.session.scalar(present)
    if product is None:
        raise ProductNotFound(f"There is no product {product_id}.")
    return product


def find_products_by_asins(asins: Iterable[str]) -> dict[str, int]:
    """The ids of the products that have these ASINs, by ASIN; unknown and deleted ones are absent."""
    found: dict[str, int] = {}
    remaining = iter(asins)
    while chunk := list(islice(remaining, _CHUNK)):
        part = select(Product.asin, Product.id).where(Product.asin.in_(chunk), Product.deleted_at.is_(None))
        found.update((row.asin, row.id) for row in db.session.execute(part))
    return found


def list_product_refs(
    *, brand: str | None = None, is_active: bool | None = None, after_id: int = 0, limit: int = 5000
) -> list[int]:
    """The ids of products that fit every filter given, ascending from behind ``after_id``, at most ``limit``."""
    wanted = select(Product.id).where(Product.deleted_at.is_(None), Product.id > after_id)
    if brand is not None:
        wanted = wanted.where(Product.brand == brand)
    if is_active is not None:
        wanted = wanted.where(Product.is_active.is_(is_active))
    return list(db.session.scalars(wanted.order_by(Product.id).limit(limit)))
