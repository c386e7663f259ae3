"""Reads of products that were deleted."""

from __future__ import annotations

from sqlalchemy import select

from app.core.pagination import Page, fetch_page
from app.products.models.products import Product


def list_deleted(*, limit: int, cursor: str | None = None) -> Page[Product]:
    """Products that were deleted and not brought back, those that were deleted last first."""
    wanted = select(Product).where(Product.deleted_at.is_not(None))
    return fetch_page(wanted, keys=[(Product.deleted_at, True), (Product.id, True)], limit=limit, cursor=cursor)
