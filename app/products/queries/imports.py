"""Reads of an import: the products that it is about, as plain rows with JSON left as text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from sqlalchemy import Text, select, type_coerce

from app.core.extensions import db
from app.products.models.categories import Category
from app.products.models.products import Product
from app.products.models.stock import Stock

_COLUMNS: Final = (
    Product.id, Product.asin, Product.name, Product.brand, Product.price_minor, Product.currency, Product.description,
    Product.is_active, Product.gtin, type_coerce(Product.attributes, Text).label("attributes"),
    type_coerce(Product.images, Text).label("images"), type_coerce(Product.categories, Text).label("categories"),
    Product.version, Product.deleted_at,
)  # fmt: skip


def find_by_asins(asins: Sequence[str], *, lock: bool = False) -> dict[str, Any]:
    """The products that have these ASINs, also deleted ones, by ASIN; with ``lock`` until the transaction ends."""
    wanted = select(*_COLUMNS).where(Product.asin.in_(asins)).order_by(Product.id)
    if lock:
        wanted = wanted.with_for_update()
    return {row.asin: row for row in db.session.execute(wanted)}


def find_ids(asins: Sequence[str]) -> dict[str, int]:
    """The ids of the products that have these ASINs."""
    found = db.session.execute(select(Product.asin, Product.id).where(Product.asin.in_(asins)))
    return {row.asin: row.id for row in found}


def find_thresholds(product_ids: Iterable[int]) -> dict[int, int | None]:
    """The low-stock thresholds of products."""
    wanted = select(Stock.product_id, Stock.low_stock_threshold).where(Stock.product_id.in_(product_ids))
    return {row.product_id: row.low_stock_threshold for row in db.session.execute(wanted)}


def category_names() -> list[tuple[int, int | None, str, str]]:
    """Every category as (id, parent_id, name, slug)."""
    rows = db.session.execute(select(Category.id, Category.parent_id, Category.name, Category.slug))
    return [(row.id, row.parent_id, row.name, row.slug) for row in rows]
