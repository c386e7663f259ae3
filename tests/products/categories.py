"""A small tree and products for tests of categories."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event, select

from app.core.extensions import db
from app.core.money import Money
from app.core.orm import utc_now
from app.core.permissions import system
from app.core.transactions import in_transaction
from app.products.models.categories import Category, ProductCategory
from app.products.models.products import Product
from app.products.services.categories import create_category
from app.products.services.membership_audit import Wrong, audit_memberships
from app.products.services.memberships import put_products, share_tree
from app.products.services.products import create_product

PRICE = Money.parse("10.00", "USD")


def add_category(name: str, parent_id: int | None = None, **more: Any) -> int:
    return create_category(actor=system(), now=utc_now(), name=name, parent_id=parent_id, **more).id


def add_chain(*names: str) -> list[int]:
    """Categories each below the one before."""
    ids: list[int] = []
    for name in names:
        ids.append(add_category(name, ids[-1] if ids else None))
    return ids


def add_product(number: int, *category_ids: int) -> int:
    product = create_product(actor=system(), now=utc_now(), asin=f"B{number:09}", name=f"Thing {number}", price=PRICE)
    if category_ids:
        put({product.id: category_ids})
    return product.id


@in_transaction
def put(wanted: dict[int, Sequence[int]]) -> None:
    """Put products into categories, the way every writer does."""
    placing = share_tree({id_ for ids in wanted.values() for id_ in ids})
    checked = {product_id: placing.check(list(ids)) for product_id, ids in wanted.items()}
    products = select(Product).where(Product.id.in_(checked)).order_by(Product.id).with_for_update()
    for product in db.session.scalars(products):
        product.categories = checked[product.id]
    db.session.flush()
    put_products(checked, placing)


def found_in(category_id: int) -> list[int]:
    """The products of a category and of those below it."""
    rows = select(ProductCategory.product_id).where(ProductCategory.category_id == category_id)
    return list(db.session.scalars(rows.order_by(ProductCategory.product_id)))


def order_of(parent_id: int | None) -> list[str]:
    """The names of the categories with this parent, in their order."""
    rows = select(Category.name).where(Category.parent_id == parent_id)
    return list(db.session.scalars(rows.order_by(Category.position, Category.id)))


def wrongs(*, repair: bool = False) -> list[Wrong]:
    """What the audit finds."""
    chunks = audit_memberships(actor=system(), now=utc_now(), repair=repair)
    return [finding for _, found in chunks for finding in found]


@contextmanager
def statements() -> Iterator[list[str]]:
    """The statements that the database gets in this block."""
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        seen.append(statement)

    event.listen(db.engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(db.engine, "before_cursor_execute", note)
