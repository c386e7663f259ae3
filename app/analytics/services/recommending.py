"""Choosing what is recommended with a product from what was counted."""

from __future__ import annotations

from collections.abc import Sequence
from heapq import nlargest
from itertools import groupby
from operator import attrgetter
from typing import Any, Final

from sqlalchemy import and_, delete, func, insert, or_, select, true, update

from app.analytics.models.recommendations import BoughtPair, BoughtProduct, Recommendation
from app.analytics.rules.recommendations import KEPT, LEAST_ORDERS, PAIRS_KEPT, affinity
from app.analytics.services.counting_state import lock
from app.core.orm import table_of
from app.core.transactions import connection, in_transaction

BATCH: Final = 50
"""Products of one transaction."""
_PRODUCT: Final = table_of(BoughtProduct)
_OTHER: Final = _PRODUCT.alias("other")
_PAIR: Final = table_of(BoughtPair)
_RECOMMENDED: Final = table_of(Recommendation)


@in_transaction
def refresh() -> int:
    """Choose anew what goes with the next products of which something else was counted; how many these are.

    Pairs beyond those that are kept are dropped on the way, those of fewest orders first: counted again, such a pair
    begins at 0 (lossy counting, Manku and Motwani, VLDB 2002), so counts are never too high.
    """
    lock()
    stale = select(_PRODUCT.c.product_id).where(_PRODUCT.c.is_stale == true())
    ids = connection().scalars(stale.order_by(_PRODUCT.c.product_id).limit(BATCH)).all()
    if ids:
        _drop_pairs(ids)
        _choose(ids)
        connection().execute(delete(_PRODUCT).where(_PRODUCT.c.product_id.in_(ids), _PRODUCT.c.orders <= 0))
        connection().execute(update(_PRODUCT).where(_PRODUCT.c.product_id.in_(ids)).values(is_stale=False))
    return len(ids)


def _choose(ids: Sequence[int]) -> None:
    wanted = (
        select(_PAIR.c.product_id, _PAIR.c.other_id, _PAIR.c.orders.label("together"), _PRODUCT.c.orders)
        .add_columns(_OTHER.c.orders.label("other_orders"))
        .join(_PRODUCT, _PRODUCT.c.product_id == _PAIR.c.product_id)
        .join(_OTHER, _OTHER.c.product_id == _PAIR.c.other_id)
        .where(_PAIR.c.product_id.in_(ids), _PAIR.c.orders >= LEAST_ORDERS)
        .order_by(_PAIR.c.product_id)
    )
    rows: list[dict[str, Any]] = []
    for product_id, pairs in groupby(connection().execute(wanted), attrgetter("product_id")):
        scored = ((affinity(each.together, each.orders, each.other_orders), each.other_id) for each in pairs)
        rows += [
            {"product_id": product_id, "other_id": other_id, "score_ppm": score}
            for score, other_id in nlargest(KEPT, scored)
        ]
    connection().execute(delete(_RECOMMENDED).where(_RECOMMENDED.c.product_id.in_(ids)))
    if rows:
        connection().execute(insert(_RECOMMENDED), rows)


def _drop_pairs(ids: Sequence[int]) -> None:
    """Drop pairs that no order has any more, and of products with very many those of fewest orders."""
    connection().execute(delete(_PAIR).where(_PAIR.c.product_id.in_(ids), _PAIR.c.orders <= 0))
    many = select(_PAIR.c.product_id).where(_PAIR.c.product_id.in_(ids)).group_by(_PAIR.c.product_id)
    for product_id in connection().scalars(many.having(func.count() > PAIRS_KEPT)).all():
        own = _PAIR.c.product_id == product_id
        ranked = select(_PAIR.c.orders, _PAIR.c.other_id).where(own).order_by(_PAIR.c.orders.desc(), _PAIR.c.other_id)
        last = connection().execute(ranked.offset(PAIRS_KEPT - 1).limit(1)).one()
        behind = and_(_PAIR.c.orders == last.orders, _PAIR.c.other_id > last.other_id)
        connection().execute(delete(_PAIR).where(own, or_(_PAIR.c.orders < last.orders, behind)))
