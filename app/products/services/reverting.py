"""Taking back single changes of the product master, from their rows in the update history."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from sqlalchemy import select

from app.core import audit
from app.core.errors import Invalid
from app.core.extensions import db
from app.core.permissions import Principal
from app.core.transactions import in_transaction
from app.products.changes import DELETED, THRESHOLD, Change, as_text, from_text
from app.products.errors import CategoriesGone, NotRevertible, ProductIsDeleted, ValueMovedOn
from app.products.models.products import Product, ProductUpdate, Source
from app.products.queries.updates import get_update
from app.products.services import editing
from app.products.services.ledger import lock
from app.products.services.memberships import put_products, share_tree
from app.products.services.recording import record_changes
from app.products.services.stock import write_thresholds


@in_transaction
def revert_update(*, actor: Principal, now: datetime, update_id: int) -> ProductUpdate:
    """Give an attribute the value back that it had before a change; returns the new row of the history.

    Taking back a deletion restores the product, taking back a restoration deletes it. Raises UpdateNotFound;
    NotRevertible for what the farm saw and for the creation of a product; ProductIsDeleted; ValueMovedOn when the
    product no longer has the value that the change gave it; AsinTaken; CategoriesGone; StockAllocated, when the product
    would be deleted; PermissionMissing for a threshold to who may not write stock.
    """
    update = get_update(update_id)
    _check_revertible(update)
    if update.attribute == THRESHOLD:
        actor.require("stock:write")
    product, changes = _KINDS.get(update.attribute, _value)(update, now)
    reverts = {(product.id, update.attribute): update.id}
    record_changes([editing.changed(product, changes)], actor=actor, now=now, source=Source.REVERT, reverts=reverts)
    audit.record(
        actor=actor,
        action="product.revert",
        subject=("product", product.id),
        before={change.attribute: change.previous for change in changes},
        after={change.attribute: change.current for change in changes},
    )
    made = select(ProductUpdate).where(ProductUpdate.product_id == product.id, ProductUpdate.reverts_id == update.id)
    return db.session.scalars(made.order_by(ProductUpdate.id.desc()).limit(1)).one()


def _check_revertible(update: ProductUpdate) -> None:
    if update.source == Source.FARM and update.observed_id is None:
        raise NotRevertible("This is what the farm saw on a storefront; the product was not changed by it.")
    if update.attribute == DELETED and update.previous_attribute is None:
        raise NotRevertible("This is the creation of the product; delete it instead.")


def _deletion(update: ProductUpdate, now: datetime) -> tuple[Product, list[Change]]:
    product = _locked(update)
    _check_present(update, as_text(product.deleted_at is not None))
    changes = editing.delete(product, now) if product.deleted_at is None else editing.revive(product, {}, now)
    db.session.flush()
    return product, changes


def _value(update: ProductUpdate, now: datetime) -> tuple[Product, list[Change]]:
    product = _present(update)
    before = from_text(update.attribute, update.previous_attribute)
    if update.attribute == "price" and before.currency != product.currency:
        raise NotRevertible(f"The price was in {before.currency}, the shop's are in {product.currency}.")
    changes = editing.apply(product, {update.attribute: before}, now)
    editing.flush(product.asin)
    return product, changes


def _categories(update: ProductUpdate, now: datetime) -> tuple[Product, list[Change]]:
    before = from_text(update.attribute, update.previous_attribute)
    placing = share_tree(before)
    product = _present(update)
    try:
        ids = placing.check(before)
    except Invalid as refused:
        raise CategoriesGone(" ".join(error.detail for error in refused.errors)) from refused
    changes = editing.apply(product, {update.attribute: ids}, now)
    db.session.flush()
    put_products({product.id: ids}, placing)
    return product, changes


def _threshold(update: ProductUpdate, now: datetime) -> tuple[Product, list[Change]]:
    product = _locked(update)
    _check_not_deleted(product)
    has = lock([product.id])[product.id].low_stock_threshold
    _check_present(update, as_text(has))
    before = update.previous_attribute
    write_thresholds({product.id: None if before is None else int(before)}, now)
    return product, [Change(THRESHOLD, as_text(has), before)]


_KINDS: Final[dict[str, Callable[[ProductUpdate, datetime], tuple[Product, list[Change]]]]] = {
    DELETED: _deletion,
    "categories": _categories,
    THRESHOLD: _threshold,
}
"""Attributes that are more than a column of the product."""


def _present(update: ProductUpdate) -> Product:
    product = _locked(update)
    _check_not_deleted(product)
    _check_present(update, as_text(getattr(product, update.attribute)))
    return product


def _check_not_deleted(product: Product) -> None:
    if product.deleted_at is not None:
        raise ProductIsDeleted(f"Product {product.id} is deleted; restore it first.")


def _locked(update: ProductUpdate) -> Product:
    return db.session.scalars(select(Product).where(Product.id == update.product_id).with_for_update()).one()


def _check_present(update: ProductUpdate, has: Any) -> None:
    if has != update.current_attribute:
        raise ValueMovedOn(update.attribute, has=has, given=update.current_attribute)
