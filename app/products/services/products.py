"""Writes of single products. Every change of an attribute leaves a row of history in the same transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import bindparam, select

from app.core import audit
from app.core.errors import Invalid
from app.core.extensions import db
from app.core.money import Money
from app.core.orm import table_of
from app.core.permissions import Principal
from app.core.transactions import connection, in_transaction
from app.products.attributes import AttributesRefused, merge
from app.products.changes import ATTRIBUTES, CREATED, Change, as_text
from app.products.errors import AsinTaken, ProductChanged, ProductNotDeleted, ProductNotFound
from app.products.models.products import Product, Source
from app.products.services import editing
from app.products.services.memberships import UNPLACED, Placing, put_products, share_tree
from app.products.services.recording import record_changes

_PRODUCT: Final = table_of(Product)
_BY_ASIN: Final = (
    select(_PRODUCT.c.id, _PRODUCT.c.deleted_at).where(_PRODUCT.c.asin == bindparam("asin")).with_for_update()
)


@in_transaction
def create_product(
    *,
    actor: Principal,
    now: datetime,
    asin: str,
    name: str,
    price: Money,
    brand: str | None = None,
    description: str = "",
    is_active: bool = True,
    gtin: str | None = None,
    attributes: Mapping[str, Any] | None = None,
    images: Sequence[str] = (),
    categories: Sequence[int] = (),
) -> Product:
    """Add a product. One that was deleted with the same ASIN comes back with its id and its history.

    Raises AsinTaken, and Invalid for categories that do not exist.
    """
    placing = share_tree(categories) if categories else UNPLACED
    values: dict[str, Any] = {
        "asin": asin, "name": name, "price": price, "brand": brand, "description": description, "is_active": is_active,
        "gtin": gtin, "attributes": dict(attributes or {}), "images": list(images),
        "categories": placing.check(categories),
    }  # fmt: skip
    known = connection().execute(_BY_ASIN, {"asin": asin}).first()
    if known is None:
        product, changes = editing.add(values, now), [CREATED]
        put_products({product.id: product.categories}, placing, new=True)
    elif known.deleted_at is None:
        raise AsinTaken.at("/asin", f"Product {known.id} has the ASIN {asin}.")
    else:
        product = db.session.get_one(Product, known.id, populate_existing=True)
        changes = editing.revive(product, values, now)
        editing.flush(asin)
        _put(product, changes, placing)
    record_changes([editing.changed(product, changes)], actor=actor, now=now, source=Source.API)
    audit.record(
        actor=actor,
        action="product.create",
        subject=("product", product.id),
        after={name: as_text(value) for name, value in values.items()},
    )
    return product


@in_transaction
def update_product(
    *, actor: Principal, now: datetime, product_id: int, expected_version: int, **values: Any
) -> Product:
    """Give a product new ``values``: any of what ``create_product`` takes.

    The version counts up when at least one differs. Raises ProductNotFound, ProductChanged when the product's version
    is not ``expected_version``, AsinTaken, and Invalid for categories that do not exist.
    """
    placing = _place(values)
    product = _get_for_change(product_id, expected_version)
    _change(product, values, placing, actor, now)
    return product


@in_transaction
def patch_product(*, actor: Principal, now: datetime, product_id: int, expected_version: int, **values: Any) -> Product:
    """Change what ``values`` names, as ``update_product`` does; ``attributes`` are merged into those there are.

    In them None takes one away; None instead of them takes all away. Raises Invalid, too, where they are too many then.
    """
    placing = _place(values)
    product = _get_for_change(product_id, expected_version)
    if values.get("attributes") is not None:
        values["attributes"] = _merged(product.attributes, values["attributes"])
    elif "attributes" in values:
        values["attributes"] = {}
    _change(product, values, placing, actor, now)
    return product


@in_transaction
def delete_product(*, actor: Principal, now: datetime, product_id: int, expected_version: int) -> None:
    """Delete a product: it is in no list any more, its history stays; publishes ProductDeleted.

    Raises ProductNotFound, ProductChanged, StockAllocated when some of it is promised to somebody.
    """
    product = _get_for_change(product_id, expected_version)
    changes = editing.delete(product, now)
    db.session.flush()
    record_changes([editing.changed(product, changes)], actor=actor, now=now, source=Source.API)
    audit.record(
        actor=actor,
        action="product.delete",
        subject=("product", product.id),
        before={name: as_text(getattr(product, name)) for name in ATTRIBUTES},
    )


@in_transaction
def restore_product(*, actor: Principal, now: datetime, product_id: int) -> Product:
    """Bring a deleted product back as it was; it needs no version, because nobody can have changed it since.

    Raises ProductNotFound, ProductNotDeleted.
    """
    product = db.session.scalar(select(Product).where(Product.id == product_id).with_for_update())
    if product is None:
        raise ProductNotFound(f"There is no product {product_id}.")
    if product.deleted_at is None:
        raise ProductNotDeleted(f"Product {product_id} is not deleted.")
    changes = editing.revive(product, {}, now)
    db.session.flush()
    record_changes([editing.changed(product, changes)], actor=actor, now=now, source=Source.API)
    _audit(actor, "product.restore", product, changes)
    return product


def _get_for_change(product_id: int, expected_version: int) -> Product:
    present = select(Product).where(Product.id == product_id, Product.deleted_at.is_(None)).with_for_update()
    product = db.session.scalar(present)
    if product is None:
        raise ProductNotFound(f"There is no product {product_id}.")
    if product.version != expected_version:
        raise ProductChanged(f"The product has version {product.version}; this was based on {expected_version}.")
    return product


def _place(values: dict[str, Any]) -> Placing:
    """Take the tree where ``values`` name categories, and put these as a product keeps them."""
    if "categories" not in values:
        return UNPLACED
    placing = share_tree(values["categories"])
    values["categories"] = placing.check(values["categories"])
    return placing


def _put(product: Product, changes: Sequence[Change], placing: Placing) -> None:
    """Write the rows that go with the categories, where they changed."""
    if any(change.attribute == "categories" for change in changes):
        if placing is UNPLACED:  # what came back was in some: the tree after the product, which may have to be repeated
            placing = share_tree(())
        put_products({product.id: product.categories}, placing)


def _change(product: Product, values: Mapping[str, Any], placing: Placing, actor: Principal, now: datetime) -> None:
    changes = editing.apply(product, values, now)
    if changes:
        editing.flush(values.get("asin", product.asin))
        _put(product, changes, placing)
        record_changes([editing.changed(product, changes)], actor=actor, now=now, source=Source.API)
        _audit(actor, "product.update", product, changes)


def _audit(actor: Principal, action: str, product: Product, changes: Sequence[Change]) -> None:
    audit.record(
        actor=actor,
        action=action,
        subject=("product", product.id),
        before={change.attribute: change.previous for change in changes},
        after={change.attribute: change.current for change in changes},
    )


def _merged(before: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return merge(before, patch)
    except AttributesRefused as refused:
        detail = f"With those it has, {' '.join(refused.problems['_schema'])}"
        raise Invalid.field("/attributes", detail) from refused
