"""Taking products that were deleted out of a category that is about to go, so that they can still be restored."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import select

from app.core.extensions import db
from app.core.permissions import Principal
from app.products.changes import Change, as_text
from app.products.events import ProductChange
from app.products.models.categories import ProductCategory
from app.products.models.products import Product, Source
from app.products.queries.categories import find_paths
from app.products.services.memberships import Placing, put_products
from app.products.services.recording import record_changes

_CHUNK: Final = 500


def take_out_deleted(category_id: int, *, actor: Principal, now: datetime) -> bool:
    """Take every deleted product out of a category with nothing below it, with history; needs the tree alone.

    False as soon as one is met that is not deleted; then the open transaction is to be given up.
    """
    inside = select(ProductCategory.product_id).where(ProductCategory.category_id == category_id)
    while ids := list(db.session.scalars(inside.order_by(ProductCategory.product_id).limit(_CHUNK))):
        members = select(Product).where(Product.id.in_(ids)).order_by(Product.id).with_for_update()
        products = list(db.session.scalars(members))
        if any(product.deleted_at is None for product in products):
            return False
        _take_out(products, category_id, actor=actor, now=now)
        db.session.expire_all()
    return True


def _take_out(products: list[Product], category_id: int, *, actor: Principal, now: datetime) -> None:
    changed = []
    for product in products:
        left = [id_ for id_ in product.categories if id_ != category_id]
        change = Change("categories", as_text(product.categories), as_text(left))
        product.categories = left
        product.version += 1
        product.updated_at = now
        changed.append(ProductChange(product.id, product.asin, (change,)))
    db.session.flush()
    placing = Placing(find_paths({id_ for product in products for id_ in product.categories}))
    put_products({product.id: product.categories for product in products}, placing)
    record_changes(changed, actor=actor, now=now, source=Source.API)
