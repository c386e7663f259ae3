"""Counting what is bought together, order by order.

Sales are read in the order of their time, from a while before where the last run ended, because a transaction may
commit later than one that began after it. What is counted of an order is kept (``bought_basket``), and only the
difference from that is counted again: so each order counts once, however often it is looked at, and what is given back
or cancelled after payment counts no more. One counts at a time, by a lock on the row of ``recommendation_state``.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from sqlalchemy import Table, delete, func, or_, select

from app.analytics.models.recommendations import (
    BoughtBasket,
    BoughtPair,
    BoughtProduct,
    Recommendation,
)
from app.analytics.rules.recommendations import BASKET, WINDOW_DAYS
from app.analytics.services.counting_state import lock, make_state, read_state
from app.analytics.services.pair_counts import Counted, count
from app.analytics.services.recommending import refresh
from app.core.orm import table_of
from app.core.transactions import connection, in_transaction
from app.orders.models.sales import Sale
from app.orders.services.sales import day_of

COUNT_S: Final = 30.0
"""How long one message of the outbox counts, so that others have their turn."""
OVERLAP: Final = timedelta(minutes=15)
"""Longer than a transaction takes and clocks of machines differ."""
FACTS: Final = 2_000
"""Sales that one transaction looks at; their pairs are a hundred thousand at most."""
_AGED: Final = 200
_EMPTIED: Final = 5_000
_BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)

_SALE: Final = table_of(Sale)
_BASKET: Final = table_of(BoughtBasket)
_PRODUCT: Final = table_of(BoughtProduct)
_PAIR: Final = table_of(BoughtPair)
_RECOMMENDED: Final = table_of(Recommendation)

Clock = Callable[[], datetime]
Progress = Callable[[int], object]


@dataclass(frozen=True, slots=True)
class _Place:
    """Behind which sale the next ones are."""

    sold_at: datetime
    sale_id: int
    facts: int


def recommend(*, clock: Clock, seconds: float = COUNT_S, progress: Progress = lambda _facts: None) -> bool:
    """Count what was paid since the last time, and bring recommendations to it; whether all was done in ``seconds``.

    Safe to call at any time and by many at once: they take turns and do nothing twice. ``progress`` gets how many
    sales were looked at.
    """
    until = time.monotonic() + seconds
    make_state()
    return (
        _repeat(_empty_part, until)
        and _count_sales(clock, until, progress)
        and _repeat(lambda: _forget_old(today=day_of(clock())), until)
        and _repeat(refresh, until)
    )


def recommend_all(*, clock: Clock, anew: bool = False, progress: Progress = lambda _facts: None) -> None:
    """Do all there is to do; ``anew``: forget what was counted and count everything again.

    What is recommended stays until there is something newer. Interrupted, it is done by the runs that come anyway.
    """
    make_state()
    if anew:
        _begin_anew()
    recommend(clock=clock, seconds=math.inf, progress=progress)
    if anew:
        _forget_strays()


def _repeat(part: Callable[[], int], until: float) -> bool:
    """Do a part until nothing is left, or the time is up; whether nothing is left."""
    while part():
        if time.monotonic() > until:
            return False
    return True


def _count_sales(clock: Clock, until: float, progress: Progress) -> bool:
    state = read_state()
    place = _Place(_BEGINNING if state.sold_at is None else state.sold_at - OVERLAP, 0, 0)
    while True:
        found = _count_part(after=place, round_no=state.round_no, now=clock())
        if found is None:
            return True
        progress(found.facts)
        if time.monotonic() > until:
            return False
        place = found


@in_transaction
def _count_part(*, after: _Place, round_no: int, now: datetime) -> _Place | None:
    """Count the orders of the next sales; None behind the last one, and where counting began anew meanwhile."""
    state = lock()
    facts = connection().execute(_next_facts(after)).all()
    if state.is_emptying or state.round_no != round_no or not facts:
        return None
    oldest = day_of(now) - timedelta(days=WINDOW_DAYS)
    _count_orders({fact.order_id for fact in facts if fact.order_id is not None}, oldest)
    place = _Place(facts[-1].sold_at, facts[-1].id, len(facts))
    state.sold_at = max(state.sold_at or _BEGINNING, min(place.sold_at, now))
    return place


def _next_facts(after: _Place) -> Any:
    beyond = or_(_SALE.c.sold_at > after.sold_at, _SALE.c.id > after.sale_id)
    wanted = select(_SALE.c.id, _SALE.c.sold_at, _SALE.c.order_id).where(_SALE.c.sold_at >= after.sold_at, beyond)
    return wanted.order_by(_SALE.c.sold_at, _SALE.c.id).limit(FACTS)


def _count_orders(order_ids: Collection[int], oldest: date) -> None:
    """Count what orders have now instead of what was counted of them before."""
    if not order_ids:
        return
    baskets = _read_baskets(order_ids, oldest)
    known = connection().execute(select(_BASKET).where(_BASKET.c.order_id.in_(order_ids)).with_for_update())
    counted = {row.order_id: row.products for row in known}
    count([Counted(each, counted.get(each), *baskets.get(each, (None, []))) for each in sorted(order_ids)])


def _read_baskets(order_ids: Collection[int], oldest: date) -> dict[int, tuple[date, list[int]]]:
    """The day and the products of orders that were paid and not all given back, by order."""
    kept = func.sum(_SALE.c.quantity)
    wanted = (
        select(_SALE.c.order_id, _SALE.c.product_id, kept.label("units"), func.min(_SALE.c.sold_on).label("paid_on"))
        .where(_SALE.c.order_id.in_(order_ids), _SALE.c.product_id.is_not(None))
        .group_by(_SALE.c.order_id, _SALE.c.product_id)
        .order_by(_SALE.c.order_id, _SALE.c.product_id)
    )
    found: dict[int, tuple[date, list[int]]] = {}
    for row in connection().execute(wanted):
        if row.units > 0 and row.paid_on >= oldest:
            products = found.setdefault(row.order_id, (row.paid_on, []))[1]
            if len(products) < BASKET:
                products.append(row.product_id)
    return found


@in_transaction
def _forget_old(*, today: date) -> int:
    """Let orders count no more that were paid too long ago; how many they were."""
    lock()
    oldest = today - timedelta(days=WINDOW_DAYS)
    old = select(_BASKET.c.order_id, _BASKET.c.products).where(_BASKET.c.paid_on < oldest)
    rows = connection().execute(old.order_by(_BASKET.c.paid_on, _BASKET.c.order_id).limit(_AGED)).all()
    count([Counted(row.order_id, row.products, None, []) for row in rows])
    return len(rows)


@in_transaction
def _begin_anew() -> None:
    state = lock()
    state.round_no, state.sold_at, state.is_emptying = state.round_no + 1, None, True


@in_transaction
def _empty_part() -> int:
    """Forget some of what was counted, where counting is to begin anew; how many rows."""
    state = lock()
    if not state.is_emptying:
        return 0
    found = sum(_empty_next(table) for table in (_PAIR, _PRODUCT, _BASKET))
    state.is_emptying = found > 0
    return found


def _empty_next(table: Table) -> int:
    """Delete what the first keys of a table have; how many rows."""
    key = next(iter(table.primary_key))
    last = connection().scalar(select(key).order_by(key).limit(1).offset(_EMPTIED - 1))
    return connection().execute(delete(table) if last is None else delete(table).where(key <= last)).rowcount


@in_transaction
def _forget_strays() -> None:
    """Show nothing any more of products that are in no order that counts."""
    counted = select(_PRODUCT.c.product_id).where(_PRODUCT.c.product_id == _RECOMMENDED.c.product_id)
    connection().execute(delete(_RECOMMENDED).where(~counted.exists()))
