"""The update history: the one place that writes what changed in the product master, and tells who must know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from sqlalchemy import insert, literal, select

from app.core import events
from app.core.many_rows import driver_instant, insert_rows, is_among
from app.core.orm import table_of
from app.core.permissions import Principal
from app.core.transactions import connection
from app.products.cache import forget_products
from app.products.changes import CREATED
from app.products.events import ProductChange, ProductsChanged
from app.products.models.products import Product, ProductUpdate, Source
from app.products.search import queue

NOTHING: Final[Mapping[tuple[int, str], int]] = MappingProxyType({})


_HISTORY: Final = table_of(ProductUpdate)
_PRODUCT: Final = table_of(Product)
_INSERT: Final = insert(_HISTORY)
_ADDED: Final = (CREATED,)
_OWN: Final = (
    "product_id",
    "asin",
    "attribute",
    "previous_attribute",
    "current_attribute",
    "reverts_id",
    "observed_id",
)
MANY: Final = 20
"""From so many on, products that were just added are noted without sending a row for each."""


def record_changes(
    products: Sequence[ProductChange],
    *,
    actor: Principal,
    now: datetime,
    source: Source,
    operation_id: int | None = None,
    reverts: Mapping[tuple[int, str], int] = NOTHING,
    observed: Mapping[tuple[int, str], int] = NOTHING,
) -> None:
    """Write a row of history for every change of every product, in the open transaction, and publish ProductsChanged.

    ``reverts`` are the rows of the history that are taken back, ``observed`` those that say where the farm saw the new
    value, by product and attribute. What search has a copy of is
    queued for it. At most some hundred products at once; those without changes leave no trace.
    """
    changed = [product for product in products if product.changes]
    if not changed:
        return
    common = {
        "source": source,
        "operation_id": operation_id,
        "created_at": now,
        "updated_at": now,
        **actor.attribution(),
    }
    added = [product.product_id for product in changed if product.changes == _ADDED]
    if len(added) >= MANY:
        _record_added(added, common)
    rows = [
        (
            product.product_id,
            product.asin,
            change.attribute,
            change.previous,
            change.current,
            reverts.get((product.product_id, change.attribute)),
            observed.get((product.product_id, change.attribute)),
        )
        for product in changed
        for change in product.changes
        if product.changes != _ADDED or len(added) < MANY
    ]
    _insert(rows, common)
    queue.add_changed(changed)
    forget_products(product.product_id for product in changed)
    events.publish(ProductsChanged(changed, source, operation_id))


def _record_added(product_ids: Sequence[int], common: Mapping[str, Any]) -> None:
    """Note that products were added by one statement that the database fills in: they are many, and all alike."""
    given = {"attribute": CREATED.attribute, "current_attribute": CREATED.current, **common}
    stated = {name: value for name, value in given.items() if value is not None}
    columns = [literal(value, _HISTORY.c[name].type) for name, value in stated.items()]
    added = select(_PRODUCT.c.id, _PRODUCT.c.asin, *columns).where(is_among(_PRODUCT.c.id, product_ids))
    statement = insert(_HISTORY).from_select(["product_id", "asin", *stated], added.order_by(_PRODUCT.c.id))
    connection().execute(statement)


def _insert(rows: Sequence[tuple[Any, ...]], common: Mapping[str, Any]) -> None:
    if len(rows) >= MANY:
        instant = driver_instant(connection(), common["created_at"])
        alike = tuple(
            {**common, "source": str(common["source"]), "created_at": instant, "updated_at": instant}.values()
        )
        insert_rows(connection(), _HISTORY, (*_OWN, *common), [(*row, *alike) for row in rows])
    elif rows:
        connection().execute(_INSERT, [{**dict(zip(_OWN, row, strict=True)), **common} for row in rows])
