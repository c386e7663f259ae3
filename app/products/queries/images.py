"""Reads of products' pictures."""

from __future__ import annotations

from sqlalchemy import select

from app.core.extensions import db
from app.products.errors import ImageNotFound, ProductNotFound
from app.products.models.products import Product


def find_image_url(product_id: int, position: int) -> str:
    """Where the picture at a position (the first is 0) of a product is; raises ProductNotFound, ImageNotFound."""
    present = select(Product.images).where(Product.id == product_id, Product.deleted_at.is_(None))
    images: list[str] | None = db.session.scalar(present)
    if images is None:
        raise ProductNotFound(f"There is no product {product_id}.")
    if position >= len(images):
        raise ImageNotFound(f"Product {product_id} has {len(images)} images; the first is number 0.")
    return images[position]
