"""What search has yet to learn: ids of products, written in the transaction that changes them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from flask import current_app
from sqlalchemy import exists, insert, select

from app.core.extensions import db
from app.core.many_rows import is_among
from app.core.orm import table_of
from app.core.queues import BACKGROUND, doorbell
from app.core.transactions import connection
from app.products.changes import DELETED
from app.products.events import ProductChange
from app.products.models.products import Product
from app.products.models.search import SearchQueue

DRAIN: Final = "drain_search"
"""The name of the message, and of what background workers do about it."""
_TEXTS: Final = frozenset({"name", "brand", DELETED})
"""Attributes that the tables of search have a copy of."""
_OF_SERVERS: Final = _TEXTS | {"asin", "gtin", "is_active", "price", "categories"}
"""Attributes that a search server has a copy of."""
_INSERT: Final = insert(table_of(SearchQueue))
_PRODUCT: Final = table_of(Product)
MANY: Final = 20


def add_changed(products: Sequence[ProductChange]) -> None:
    """Queue those products of which something changed that search has a copy of, in the open transaction."""
    copied = _OF_SERVERS if current_app.extensions["settings"].search.url else _TEXTS
    add(product.product_id for product in products if any(change.attribute in copied for change in product.changes))


def add(product_ids: Iterable[int]) -> None:
    """Have some products indexed again after the open transaction has committed, also new and deleted ones.

    One INSERT for all; nothing else, so that a write is not slowed by search: the dispatcher looks at the queue and
    rings for it. A product may be queued many times.
    """
    wanted = list(product_ids)
    if len(wanted) >= MANY:  # the database knows them: no row is sent for each
        found = select(_PRODUCT.c.id).where(is_among(_PRODUCT.c.id, wanted)).order_by(_PRODUCT.c.id)
        connection().execute(_INSERT.from_select(["product_id"], found))
    elif wanted:
        connection().execute(_INSERT, [{"product_id": product_id} for product_id in wanted])


IS_DUE: Final = exists(select(table_of(SearchQueue).c.id))
"""Whether something is queued."""


def ring_due() -> bool:
    """Ring for the background workers when something is queued and no message is under way; called by the dispatcher.

    Redis is asked outside of any transaction.
    """
    waiting = db.session.scalar(select(IS_DUE))
    db.session.rollback()
    if not waiting or doorbell().held([(BACKGROUND, DRAIN)])[0]:
        return False
    return doorbell().ring(BACKGROUND, DRAIN, [(DRAIN, ())])
