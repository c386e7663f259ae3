"""Stock that cannot be had: the expired holds of those products are ended, and if that does not help it is said.

The sweeper ends expired holds as well, but only every half minute; nobody is told that something is sold out while it
only lies in somebody's forgotten checkout.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, TypeVar

from sqlalchemy import select

from app.core.extensions import db
from app.core.orm import clock
from app.core.permissions import Principal, system
from app.core.transactions import in_transaction
from app.orders.errors import SoldOut
from app.orders.models.orders import REFERENCE, Hold, HoldState
from app.orders.services.checkout import holds
from app.orders.services.checkout.errors import Short
from app.orders.services.moving import lock_order
from app.products.models.stock import Allocation, Stock

MAX_RELEASED: Final = 50
"""Expired holds that one checkout ends before it tries again; the sweeper ends the others."""
R = TypeVar("R")


def with_stock(work: Callable[[], R], *, now: datetime, request_id: str | None) -> R:
    """Do work that may raise Short; where it does, end the expired holds in its way and do it once more.

    Raises SoldOut, which says of which products how much is there.
    """
    try:
        return work()
    except Short as short:
        missing = still_missing(short, request_id=request_id, now=now)
        if missing and not short.is_overtaken:
            raise SoldOut(missing) from short
    try:
        return work()
    except Short as short:
        raise SoldOut(_missing(short) or _shown(short, {})) from short


def still_missing(short: Short, *, request_id: str | None, now: datetime) -> list[dict[str, Any]]:
    """End expired holds of what could not be had, the oldest first and at most 50; what there is too little of then.

    It goes by the stock and not by what was ended here: the sweeper, or another customer, may have been first.
    """
    for order_id in _expired([line["product_id"] for line in short.lines]):
        expire.aside(order_id=order_id, actor=system(request_id), now=now)
    return _missing(short)


@in_transaction
def expire(*, order_id: int, actor: Principal, now: datetime) -> bool:
    """End a checkout whose hold has expired by the database's clock; False where it has not, or not any more."""
    order = lock_order(order_id)
    due = select(Hold.id).where(Hold.order_id == order_id, Hold.state == HoldState.HELD, Hold.expires_at <= clock())
    if db.session.scalar(due.with_for_update()) is None:
        return False
    return holds.let_go(order, HoldState.HELD, actor=actor, now=now)


def _expired(product_ids: Collection[int]) -> Sequence[int]:
    found = (
        select(Hold.order_id)
        .join(
            Allocation,
            (Allocation.reference_kind == REFERENCE) & (Allocation.reference_id == Hold.order_id),
        )
        .where(Hold.state == HoldState.HELD, Hold.expires_at <= clock(), Allocation.product_id.in_(product_ids))
        .group_by(Hold.order_id)
        .order_by(Hold.order_id)
        .limit(MAX_RELEASED)
    )
    order_ids = db.session.scalars(found).all()
    db.session.rollback()
    return order_ids


def _missing(short: Short) -> list[dict[str, Any]]:
    """Of which products there is too little, by the counters as they are now and what the draft itself holds."""
    free = _available([line["product_id"] for line in short.lines], short.order_id)
    return [each for each in _shown(short, free) if each["available"] < each["wanted"]]


def _available(product_ids: Collection[int], order_id: int | None) -> dict[int, int]:
    counters = select(Stock.product_id, Stock.on_hand, Stock.allocated).where(Stock.product_id.in_(product_ids))
    free = {row.product_id: row.on_hand - row.allocated for row in db.session.execute(counters)}
    if order_id is not None:
        own = select(Allocation.product_id, Allocation.quantity).where(
            Allocation.reference_kind == REFERENCE, Allocation.reference_id == order_id
        )
        for row in db.session.execute(own):
            free[row.product_id] = free.get(row.product_id, 0) + row.quantity
    db.session.rollback()
    return free


def _shown(short: Short, free: Mapping[int, int]) -> list[dict[str, Any]]:
    return [
        {
            "product_id": line["product_id"],
            "asin": line["asin"],
            "name": line["name"],
            "wanted": line["quantity"],
            "available": free.get(line["product_id"], 0),
        }
        for line in short.lines
    ]
