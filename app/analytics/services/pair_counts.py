"""How many orders have a product, and two of them: kept by adding differences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import Table, delete
from sqlalchemy.dialects import mysql, postgresql, sqlite

from app.analytics.models.recommendations import BoughtBasket, BoughtPair, BoughtProduct
from app.analytics.rules.recommendations import pairs_of
from app.core.many_rows import upsert
from app.core.orm import table_of
from app.core.transactions import connection

_BASKET: Final = table_of(BoughtBasket)
_PRODUCT: Final = table_of(BoughtProduct)
_PAIR: Final = table_of(BoughtPair)


@dataclass(frozen=True, slots=True)
class Counted:
    """An order: the products that were counted of it (None: it was not), and those that are to be; none is no order."""

    order_id: int
    before: Sequence[int] | None
    paid_on: date | None
    products: list[int]


def count(orders: Collection[Counted]) -> None:
    """Bring baskets and counts to what these orders have, and mark the products of what changed.

    Belongs into a transaction that has the lock; raises NoTransaction.
    """
    changed = [order for order in orders if (order.before or []) != order.products]
    if not changed:
        return
    products, pairs = Counter[int](), Counter[tuple[int, int]]()
    for order in changed:
        before = order.before or []
        products.update(order.products)
        products.subtract(before)
        pairs.update(pairs_of(order.products))
        pairs.subtract(pairs_of(before))
    _keep_baskets(changed)
    touched = {each for order in changed for each in (*order.products, *(order.before or []))}
    _add(_PRODUCT, [{"product_id": one, "orders": products[one], "is_stale": True} for one in sorted(touched)])
    _add(_PAIR, [
        {"product_id": one, "other_id": other, "orders": orders}
        for (one, other), orders in sorted(pairs.items()) if orders
    ])  # fmt: skip


def _keep_baskets(orders: Collection[Counted]) -> None:
    kept = [order for order in orders if order.products]
    gone = [order.order_id for order in orders if not order.products]
    if kept:
        rows = [{"order_id": each.order_id, "paid_on": each.paid_on, "products": each.products} for each in kept]
        upsert(connection(), _BASKET, rows)
    if gone:
        connection().execute(delete(_BASKET).where(_BASKET.c.order_id.in_(gone)))


def _add(table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Add to the orders of rows, which are made where they are missing; all else is set."""
    if rows:
        connection().execute(_add_to(table, connection().dialect.name, tuple(rows[0])), list(rows))


@lru_cache
def _add_to(table: Table, dialect: str, names: tuple[str, ...]) -> Any:
    keys = {column.name for column in table.primary_key}
    sums = table.c.orders
    if dialect in {"mysql", "mariadb"}:
        new = mysql.insert(table).inline()
        values = {name: new.inserted[name] for name in names if name not in keys}
        return new.on_duplicate_key_update(values | {"orders": sums + new.inserted.orders})
    added = (sqlite if dialect == "sqlite" else postgresql).insert(table).inline()
    values = {name: added.excluded[name] for name in names if name not in keys}
    return added.on_conflict_do_update(
        index_elements=list(table.primary_key), set_=values | {"orders": sums + added.excluded.orders}
    )
