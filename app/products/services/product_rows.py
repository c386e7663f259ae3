"""Writing many rows of products in few statements; for imports and whatever else changes hundreds at once.

Rows are plain values by column (VALUES), JSON as the text that is stored. History, search and events are the caller's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    BindParameter,
    Table,
    Text,
    bindparam,
    insert,
    literal,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from app.core.extensions import db
from app.core.many_rows import driver_instant, insert_rows, is_among
from app.core.orm import JsonText
from app.products.models.products import Product
from app.products.models.stock import Stock
from app.products.queries import imports as queries

VALUES: Final = (
    "name", "brand", "price_minor", "currency", "description", "is_active", "gtin", "attributes", "images", "categories"
)  # fmt: skip
DEFAULTS: Final[dict[str, Any]] = {
    "brand": None, "description": "", "is_active": True, "gtin": None, "attributes": "{}", "images": "[]",
    "categories": "[]",
}  # fmt: skip
_PRODUCT: Final[Table] = Product.__table__  # type: ignore[assignment]  # the plain tables: nothing of the ORM is needed
_STOCK: Final[Table] = Stock.__table__  # type: ignore[assignment]


class AsinsTaken(Exception):
    """Somebody added one of the products a moment ago; the transaction must be given up."""


def insert_products(
    rows: Sequence[Mapping[str, Any]], now: datetime, *, thresholds: Mapping[str, int | None]
) -> dict[str, int]:
    """Add products with their stock in the open transaction; returns their ids by ASIN.

    A row has asin, name, price_minor, currency and any other of VALUES. That none of them is on hand is no crossing of
    its threshold (by ASIN). Raises AsinsTaken.
    """
    if not rows:
        return {}
    connection = db.session.connection()
    instant = driver_instant(connection, now)
    made = [
        (row["asin"], *[row[name] if name in row else DEFAULTS[name] for name in VALUES], instant, instant, 1)
        for row in rows
    ]
    try:
        insert_rows(connection, _PRODUCT, ("asin", *VALUES, "created_at", "updated_at", "version"), made)
    except IntegrityError as error:
        raise AsinsTaken from error
    ids = queries.find_ids([row["asin"] for row in rows])
    _insert_stock(ids, thresholds, now)
    return ids


def _insert_stock(ids: Mapping[str, int], thresholds: Mapping[str, int | None], now: datetime) -> None:
    """Stock of nothing for each product: one statement, and one more for each different threshold."""
    by_threshold: dict[int | None, list[int]] = {}
    for asin, id_ in ids.items():
        by_threshold.setdefault(thresholds.get(asin), []).append(id_)
    for threshold, product_ids in by_threshold.items():
        named: dict[str, Any] = {"on_hand": 0, "allocated": 0, "is_low": threshold is not None, "updated_at": now}
        named |= {} if threshold is None else {"low_stock_threshold": threshold}
        columns = [literal(value, _STOCK.c[name].type) for name, value in named.items()]
        wanted = select(_PRODUCT.c.id, *columns).where(is_among(_PRODUCT.c.id, product_ids)).order_by(_PRODUCT.c.id)
        db.session.connection().execute(insert(_STOCK).from_select(["product_id", *named], wanted))


def update_products(rows: Sequence[Mapping[str, Any]], now: datetime) -> None:
    """Give locked products new values in the open transaction; who was deleted is back.

    A row has id, asin, the version that it had, and all of VALUES.
    """
    if not rows:
        return
    connection = db.session.connection()
    if connection.dialect.name in {"mysql", "mariadb"}:
        instant = driver_instant(connection, now)
        made = [
            (row["id"], row["asin"], *[row[name] for name in VALUES], instant, instant, row["version"] + 1)
            for row in rows
        ]
        names = ("id", "asin", *VALUES, "created_at", "updated_at", "version")
        insert_rows(connection, _PRODUCT, names, made, behind=_INSTEAD)
        return
    named = [
        {f"new_{name}": row[name] for name in VALUES}
        | {"of_product": row["id"], "next_version": row["version"] + 1, "new_updated_at": now}
        for row in rows
    ]
    connection.execute(_UPDATE, named)


def _bind(name: str) -> BindParameter[Any]:
    """A value as it is: JSON is text already."""
    kind = Text() if isinstance(_PRODUCT.c[name].type, JsonText) else _PRODUCT.c[name].type
    return bindparam(f"new_{name}", type_=kind)


_UPDATE: Final = (
    update(_PRODUCT)
    .where(_PRODUCT.c.id == bindparam("of_product"))
    .values(
        {name: _bind(name) for name in (*VALUES, "updated_at")}
        | {"version": bindparam("next_version"), "deleted_at": None}
    )
)
_INSTEAD: Final = (
    "ON DUPLICATE KEY UPDATE "
    + ", ".join(f"{name} = VALUES({name})" for name in (*VALUES, "updated_at", "version"))
    + ", deleted_at = NULL"
)
"""Makes one statement of all rows: MySQL's drivers send UPDATEs one by one, which is a round trip for every row.

The rows are there and locked, so it never inserts; when they were created is not among what it sets.
"""
