"""Writes of the product master. Every change of an attribute leaves a row of history in the same transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from app.core import audit, events
from app.core.errors import Invalid
from app.core.extensions import db
from app.core.money import Money
from app.core.permissions import Principal
from app.core.transactions import in_transaction
from app.products.changes import ATTRIBUTES, CREATED, DELETED, Change, as_text, decide_changes
from app.products.errors import AsinTaken, ProductChanged, ProductNotFound
from app.products.events import ProductChange, ProductDeleted
from app.products.models.products import Product, ProductUpdate, Source
from app.products.models.stock import Stock
from app.products.services.recording import record_changes


@dataclass(frozen=True, slots=True)
class ImportCounts:
    """What became of the rows of an import."""

    new: int = 0
    changed: int = 0
    unchanged: int = 0

    def __add__(self, other: ImportCounts) -> ImportCounts:
        return ImportCounts(self.new + other.new, self.changed + other.changed, self.unchanged + other.unchanged)


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
) -> Product:
    """Add a product. One that was deleted with the same ASIN comes back with its id and its history.

    Raises AsinTaken.
    """
    values: dict[str, Any] = {
        "asin": asin, "name": name, "price": price, "brand": brand, "description": description, "is_active": is_active
    }  # fmt: skip
    product = db.session.scalar(select(Product).where(Product.asin == asin).with_for_update())
    if product is None:
        product = _add(values, now)
        changes = [CREATED]
    elif product.deleted_at is None:
        raise AsinTaken.at("/asin", f"Product {product.id} has the ASIN {asin}.")
    else:
        changes = _revive(product, values, now)
    _flush(asin)
    if CREATED in changes:
        db.session.add(Stock(product_id=product.id, updated_at=now))
    record_changes([_changed(product, changes)], actor=actor, now=now, source=Source.API)
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
    """Give a product new ``values`` (any of asin, name, price, brand, description, is_active).

    The version counts up when at least one differs. Raises ProductNotFound, ProductChanged when the product's version
    is not ``expected_version``, AsinTaken.
    """
    product = _get_for_change(product_id, expected_version)
    changes = _apply(product, values, now)
    if changes:
        _flush(values.get("asin", product.asin))
        record_changes([_changed(product, changes)], actor=actor, now=now, source=Source.API)
        audit.record(
            actor=actor,
            action="product.update",
            subject=("product", product.id),
            before={change.attribute: change.previous for change in changes},
            after={change.attribute: change.current for change in changes},
        )
    return product


@in_transaction
def delete_product(*, actor: Principal, now: datetime, product_id: int, expected_version: int) -> None:
    """Delete a product: it is in no list any more, its history stays; publishes ProductDeleted.

    Raises ProductNotFound, ProductChanged.
    """
    product = _get_for_change(product_id, expected_version)
    product.deleted_at = product.updated_at = now
    product.version += 1
    db.session.flush()
    deleted = Change(DELETED, as_text(False), as_text(True))
    record_changes([_changed(product, [deleted])], actor=actor, now=now, source=Source.API)
    audit.record(
        actor=actor,
        action="product.delete",
        subject=("product", product.id),
        before={name: as_text(getattr(product, name)) for name in ATTRIBUTES},
    )
    events.publish(ProductDeleted(product.id, product.asin))


@in_transaction
def import_products(*, actor: Principal, now: datetime, rows: Sequence[Mapping[str, Any]]) -> ImportCounts:
    """Add or change one product per row, by ASIN, in one transaction; deleted ones come back.

    A row has asin, name, price, brand and description, checked; no ASIN twice. At most some hundred rows: the
    transaction locks the products it changes.
    """
    asins = [row["asin"] for row in rows]
    present = select(Product).where(Product.asin.in_(asins)).order_by(Product.id).with_for_update()
    known = {product.asin: product for product in db.session.scalars(present)}
    counts, added, changed = ImportCounts(), [], []
    for row in rows:
        product = known.get(row["asin"])
        if product is None:
            added.append(_add(row, now))
            counts += ImportCounts(new=1)
        elif product.deleted_at is not None:
            changed.append(_changed(product, _revive(product, row, now)))
            counts += ImportCounts(new=1)
        else:
            changed.append(_changed(product, _apply(product, row, now)))
            counts += ImportCounts(changed=1) if changed[-1].changes else ImportCounts(unchanged=1)
    _flush("that the import adds")
    db.session.add_all(Stock(product_id=product.id, updated_at=now) for product in added)
    changed += [_changed(product, [CREATED]) for product in added]
    record_changes(changed, actor=actor, now=now, source=Source.IMPORT)
    audit.record(
        actor=actor,
        action="product.import",
        subject=("product", None),
        after={"new": counts.new, "changed": counts.changed, "unchanged": counts.unchanged},
    )
    return counts


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
) -> None:
    """Note that the farm saw an attribute change on a storefront; the product master keeps its own value.

    Meant for ``record_observed_change.joined(...)`` in the transaction that ends the task: a task notes an attribute
    once, which the database enforces.
    """
    db.session.add(
        ProductUpdate(
            product_id=product_id,
            asin=asin,
            attribute=attribute,
            previous_attribute=previous,
            current_attribute=current,
            source=Source.FARM,
            storefront_id=storefront_id,
            job_id=job_id,
            task_id=task_id,
            created_at=now,
            updated_at=now,
            **actor.attribution(),
        )
    )


def _get_for_change(product_id: int, expected_version: int) -> Product:
    present = select(Product).where(Product.id == product_id, Product.deleted_at.is_(None)).with_for_update()
    product = db.session.scalar(present)
    if product is None:
        raise ProductNotFound(f"There is no product {product_id}.")
    if product.version != expected_version:
        raise ProductChanged(f"The product has version {product.version}; this was based on {expected_version}.")
    return product


def _add(values: Mapping[str, Any], now: datetime) -> Product:
    _check_price(values)
    product = Product(**values, created_at=now, updated_at=now)
    db.session.add(product)
    return product


def _apply(product: Product, values: Mapping[str, Any], now: datetime) -> list[Change]:
    """Give a product new values; what changed by that."""
    _check_price(values)
    changes = decide_changes({name: getattr(product, name) for name in values}, values)
    if changes:
        for name, value in values.items():
            setattr(product, name, value)
        product.version += 1
        product.updated_at = now
    return changes


def _revive(product: Product, values: Mapping[str, Any], now: datetime) -> list[Change]:
    product.deleted_at = None
    product.updated_at = now
    product.version += 1
    return [Change(DELETED, as_text(True), as_text(False)), *_apply(product, values, now)]


def _changed(product: Product, changes: Sequence[Change]) -> ProductChange:
    return ProductChange(product.id, product.asin, tuple(changes))


def _check_price(values: Mapping[str, Any]) -> None:
    if "price" in values and values["price"].minor < 0:
        raise Invalid.field("/price", "must not be negative.")


def _flush(asin: str) -> None:
    """Write now, so that an ASIN which somebody else took a moment ago is refused by name."""
    try:
        db.session.flush()
    except IntegrityError as error:
        raise AsinTaken.at("/asin", f"Another product has the ASIN {asin}.") from error
