"""Facts of orders that exist in no other table, and what they come to, added up the plain way."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from itertools import count as counting
from typing import Any, Final

import sqlalchemy as sa

from app.analytics.models.recommendations import BoughtPair, BoughtProduct
from app.analytics.rules.recommendations import WINDOW_DAYS
from app.core.extensions import db
from app.core.transactions import in_transaction
from app.orders.models.sales import Sale
from app.orders.services.sales import day_of
from app.products.models.products import Product

_NUMBERS: Final = counting(1)


@in_transaction
def sell(order_id: int | None, units: Mapping[int, int], *, at: datetime) -> None:
    """A fact of each product of an order: negative units came back."""
    amounts = ("gross", "discount", "tax", "shipping", "net", "total")
    known = {row.id: row.asin for row in db.session.execute(sa.select(Product.id, Product.asin))}
    for product_id, quantity in units.items():
        db.session.add(
            Sale(
                unique_key=f"test:{next(_NUMBERS)}",
                kind="sale" if quantity > 0 else "refund",
                sold_at=at,
                sold_on=day_of(at),
                order_id=order_id,
                product_id=product_id,
                asin=known.get(product_id, f"B{product_id:09d}"),
                name="Lamp",
                quantity=quantity,
                currency="USD",
                **{f"{name}_minor": 0 for name in amounts},
            )
        )


def counted() -> tuple[dict[int, int], dict[tuple[int, int], int]]:
    """In how many orders each product and each pair is, as the tables say."""
    products: dict[int, int] = {row.product_id: row.orders for row in _all(BoughtProduct) if row.orders}
    return products, {(row.product_id, row.other_id): row.orders for row in _all(BoughtPair) if row.orders}


def added_up(*, today: datetime) -> tuple[dict[int, int], dict[tuple[int, int], int]]:
    """The same from the facts themselves."""
    units: dict[int, Counter[int]] = defaultdict(Counter)
    oldest = day_of(today) - timedelta(days=WINDOW_DAYS)
    for fact in _all(Sale):
        if fact.order_id is not None:
            units[fact.order_id][fact.product_id] += fact.quantity
    begun: dict[int, Any] = {}
    for fact in _all(Sale):
        begun[fact.order_id] = min(begun.get(fact.order_id, fact.sold_on), fact.sold_on)
    products, pairs = Counter[int](), Counter[tuple[int, int]]()
    for order_id, of_order in units.items():
        bought = [product_id for product_id, quantity in of_order.items() if quantity > 0]
        if begun[order_id] >= oldest:
            products.update(bought)
            pairs.update((one, other) for one in bought for other in bought if one != other)
    return dict(products), dict(pairs)


def _all(model: Any) -> Iterable[Any]:
    found = db.session.scalars(sa.select(model), execution_options={"populate_existing": True}).all()
    db.session.rollback()
    return found
