"""The update history: the one place that writes what changed in the product master, and tells who must know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Final

from sqlalchemy import insert

from app.core import events
from app.core.extensions import db
from app.core.orm import table_of
from app.core.permissions import Principal
from app.products.cache import forget_products
from app.products.events import ProductChange, ProductsChanged
from app.products.models.products import ProductUpdate, Source
from app.products.search import queue

NOTHING: Final[Mapping[tuple[int, str], int]] = MappingProxyType({})


_INSERT: Final = insert(table_of(ProductUpdate))


def record_changes(
    products: Sequence[ProductChange],
    *,
    actor: Principal,
    now: datetime,
    source: Source,
    operation_id: int | None = None,
    reverts: Mapping[tuple[int, str], int] = NOTHING,
) -> None:
    """Write a row of history for every change of every product, in the open transaction, and publish ProductsChanged.

    ``reverts`` are the rows of the history that are taken back, by product and attribute. What search has a copy of is
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
    rows = [
        {
            "product_id": product.product_id,
            "asin": product.asin,
            "attribute": change.attribute,
            "previous_attribute": change.previous,
            "current_attribute": change.current,
            "reverts_id": reverts.get((product.product_id, change.attribute)),
            **common,
        }
        for product in changed
        for change in product.changes
    ]
    db.session.connection().execute(_INSERT, rows)
    queue.add_changed(changed)
    forget_products(product.product_id for product in changed)
    events.publish(ProductsChanged(changed, source, operation_id))
