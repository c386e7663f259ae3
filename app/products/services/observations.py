"""What the farm sees of products: rows of the update history, and the product that follows its storefront."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sqlalchemy import exists, select

from app.core.extensions import db
from app.core.permissions import Principal, for_job
from app.core.transactions import in_transaction
from app.products.changes import from_text
from app.products.models.products import MAX_BRAND, MAX_NAME, Product, ProductUpdate, Source
from app.products.queries.updates import get_update
from app.products.services import editing
from app.products.services.recording import record_changes

_ACTIVE: Final = {"IN_STOCK": True, "LIMITED": True, "OUT_OF_STOCK": False, "DISCONTINUED": False}
"""What an availability says of whether a product is active; others say nothing."""
_LONGEST: Final = {"name": MAX_NAME, "brand": MAX_BRAND}


@in_transaction
def record_observed_change(
    *,
    actor: Principal,
    now: datetime,
    product_id: int,
    asin: str,
    attribute: str,
    previous: str | None,
    current: str | None,
    storefront_id: int,
    job_id: int,
    task_id: int,
    is_flapping: bool = False,
) -> int:
    """Note that the farm saw an attribute change on a storefront; the product master keeps its own value. Its id.

    So neither search nor caches of products hear of it. Meant for ``record_observed_change.joined(...)`` in the
    transaction that ends the task: a task notes an attribute once, which the database enforces.
    """
    row = ProductUpdate(
        product_id=product_id,
        asin=asin,
        attribute=attribute,
        previous_attribute=previous,
        current_attribute=current,
        source=Source.FARM,
        storefront_id=storefront_id,
        job_id=job_id,
        task_id=task_id,
        is_flapping=is_flapping,
        created_at=now,
        updated_at=now,
        **actor.attribution(),
    )
    db.session.add(row)
    db.session.flush()
    return row.id


@in_transaction
def follow_observed_change(*, now: datetime, update_id: int) -> bool:
    """Give a product what the farm saw on the storefront that it follows, which a row of the history says.

    Whether it did: not where the product is deleted, people have changed that attribute since, a later sight is there
    already, or the value does not fit the product. What is seen again is done once. Raises UpdateNotFound.
    """
    seen = get_update(update_id)
    present = select(Product).where(Product.id == seen.product_id, Product.deleted_at.is_(None))
    product = db.session.scalar(present.with_for_update())
    if product is None:
        return False
    values = _followed(product, seen)
    if not values or _is_outdated(seen, next(iter(values))):
        return False
    changes = editing.apply(product, values, now)
    if changes:
        editing.flush(product.asin)
        origin = {(product.id, change.attribute): seen.id for change in changes}
        actor = for_job(seen.job_id or 0)
        record_changes([editing.changed(product, changes)], actor=actor, now=now, source=Source.FARM, observed=origin)
    return bool(changes)


def _followed(product: Product, seen: ProductUpdate) -> dict[str, Any]:
    """The product's attribute with the value that was seen; nothing where it has none for that."""
    value = seen.current_attribute
    if seen.source != Source.FARM or seen.observed_id is not None or value is None:
        return {}
    if seen.attribute == "price":
        price = from_text("price", value)
        return {"price": price} if price.currency == product.currency else {}
    if seen.attribute == "availability":
        is_active = _ACTIVE.get(value)
        may = is_active is False or (is_active is True and _was_closed_by_farm(product))
        return {"is_active": is_active} if may else {}
    return {seen.attribute: value} if 0 < len(value) <= _LONGEST.get(seen.attribute, 0) else {}


def _was_closed_by_farm(product: Product) -> bool:
    """Whether it was a storefront, and no person, that a product is not active for."""
    last = select(ProductUpdate.source).where(
        ProductUpdate.product_id == product.id, ProductUpdate.attribute == "is_active", ProductUpdate.is_of_master()
    )
    return db.session.scalar(last.order_by(ProductUpdate.id.desc()).limit(1)) == Source.FARM


def _is_outdated(seen: ProductUpdate, attribute: str) -> bool:
    """Whether the attribute was changed after it was seen: rows of one product are in the order of its lock."""
    of_product = select(ProductUpdate.id).where(
        ProductUpdate.product_id == seen.product_id, ProductUpdate.attribute == attribute, ProductUpdate.id > seen.id
    )
    by_people = of_product.where(ProductUpdate.source != Source.FARM)
    by_farm = of_product.where(ProductUpdate.observed_id >= seen.id)
    return bool(db.session.scalar(select(exists(by_people.union_all(by_farm).subquery().select()))))
