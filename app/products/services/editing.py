"""Changing rows of the product master in the open transaction; who calls this writes the history as well."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError

from app.core import events
from app.core.errors import Invalid
from app.core.extensions import db
from app.core.orm import table_of
from app.core.transactions import connection
from app.products.changes import DELETED, Change, as_text, decide_changes
from app.products.errors import AsinTaken
from app.products.events import ProductChange, ProductDeleted
from app.products.models.products import Product
from app.products.models.stock import Stock
from app.products.services.allocations import require_unheld

_INSERT: Final = insert(table_of(Product))
_INSERT_STOCK: Final = insert(table_of(Stock))


def add(values: Mapping[str, Any], now: datetime) -> Product:
    """A product that was written with these values just now, and its stock; raises AsinTaken.

    It is no part of the session, which would take as long to write it as all the rest of a creation takes.
    """
    _check_price(values)
    row = {name: value for name, value in values.items() if name != "price"}
    row |= {"price_minor": values["price"].minor, "currency": values["price"].currency, "version": 1}
    row |= {"created_at": now, "updated_at": now}
    try:
        (id_,) = connection().execute(_INSERT, row).inserted_primary_key or (0,)
    except IntegrityError as error:
        raise AsinTaken.at("/asin", f"Another product has the ASIN {values['asin']}.") from error
    connection().execute(_INSERT_STOCK, {"product_id": id_, "updated_at": now})
    return Product(id=id_, **row)


def apply(product: Product, values: Mapping[str, Any], now: datetime) -> list[Change]:
    """Give a locked row new values; what changed by that. The version counts up when something did."""
    _check_price(values)
    changes = decide_changes({name: getattr(product, name) for name in values}, values)
    if changes:
        for name, value in values.items():
            setattr(product, name, value)
        _touch(product, now)
    return changes


def revive(product: Product, values: Mapping[str, Any], now: datetime) -> list[Change]:
    """Bring a locked row that is deleted back, with new values."""
    product.deleted_at = None
    _touch(product, now)
    return [Change(DELETED, as_text(True), as_text(False)), *apply(product, values, now)]


def delete(product: Product, now: datetime) -> list[Change]:
    """Mark a locked row as deleted and publish ProductDeleted; raises StockAllocated when somebody holds some of it."""
    require_unheld(product)
    product.deleted_at = now
    _touch(product, now)
    events.publish(ProductDeleted(product.id, product.asin))
    return [Change(DELETED, as_text(False), as_text(True))]


def changed(product: Product, changes: Sequence[Change]) -> ProductChange:
    """The changes of a row that has been written, as the history takes them."""
    return ProductChange(product.id, product.asin, tuple(changes))


def flush(asin: str) -> None:
    """Write now, so that an ASIN which somebody else took a moment ago is refused by name; raises AsinTaken."""
    try:
        db.session.flush()
    except IntegrityError as error:
        raise AsinTaken.at("/asin", f"Another product has the ASIN {asin}.") from error


def _touch(product: Product, now: datetime) -> None:
    product.version += 1
    product.updated_at = now


def _check_price(values: Mapping[str, Any]) -> None:
    if "price" in values and values["price"].minor < 0:
        raise Invalid.field("/price", "must not be negative.")
