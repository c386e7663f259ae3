"""Products with stock for the tests, and what their tables say."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import sqlalchemy as sa

from app.core import events
from app.core.extensions import db
from app.core.money import Money
from app.core.orm import utc_now
from app.core.permissions import Principal
from app.products.models.stock import Allocation, MovementKind, Stock, StockMovement
from app.products.services.allocations import allocate
from app.products.services.ledger import Reference
from app.products.services.products import create_product
from app.products.services.stock import change_stock, set_threshold

ACTOR: Final = Principal(kind="user", id=7, name="Ada", permissions=frozenset(), request_id="r-1", user_id=7)


TABLES: Final[Any] = (Stock.__table__, StockMovement.__table__, Allocation.__table__)


def make_product(number: int = 1, *, on_hand: int = 0, threshold: int | None = None) -> int:
    """A product with something on its shelf; its id."""
    product = create_product(
        actor=ACTOR, now=utc_now(), asin=f"B{number:09d}", name=f"Lamp {number}", price=Money.parse("1.00", "USD")
    )
    product_id = product.id
    if on_hand:
        receive(product_id, on_hand)
    if threshold is not None:
        set_threshold(actor=ACTOR, now=utc_now(), product_id=product_id, threshold=threshold)
    return product_id


def receive(product_id: int, delta: int) -> None:
    change_stock(actor=ACTOR, now=utc_now(), product_id=product_id, kind=MovementKind.RECEIVED, delta=delta)


def adjust(product_id: int, delta: int, **options: Any) -> None:
    kind = MovementKind.ADJUSTED
    change_stock(actor=ACTOR, now=utc_now(), product_id=product_id, kind=kind, delta=delta, reason="broken", **options)


def order(number: int) -> Reference:
    return Reference("order", number, f"Order {number}")


def buy(number: int, items: dict[int, int]) -> None:
    allocate(actor=ACTOR, now=utc_now(), reference=order(number), items=items)


def counters(product_id: int) -> tuple[int, int]:
    """on_hand and allocated."""
    db.session.rollback()
    row = db.session.execute(sa.select(Stock.on_hand, Stock.allocated).where(Stock.product_id == product_id)).one()
    return row.on_hand, row.allocated


def is_low(product_id: int) -> bool:
    db.session.rollback()
    return bool(db.session.scalar(sa.select(Stock.is_low).where(Stock.product_id == product_id)))


def ledger(product_id: int) -> list[tuple[str, int, int]]:
    """Kind and deltas of every movement, oldest first."""
    db.session.rollback()
    rows = sa.select(StockMovement).where(StockMovement.product_id == product_id).order_by(StockMovement.id)
    return [(row.kind, row.on_hand_delta, row.allocated_delta) for row in db.session.scalars(rows)]


def held(product_id: int) -> dict[int, int]:
    """What each order holds, by its number."""
    db.session.rollback()
    rows = sa.select(Allocation).where(Allocation.product_id == product_id).order_by(Allocation.id)
    return {row.reference_id: row.quantity for row in db.session.scalars(rows)}


def assert_adds_up(*product_ids: int) -> None:
    """Fail unless counters are the sums of ledger and allocations, and nothing is promised that is not there."""
    for product_id in product_ids:
        on_hand, allocated = counters(product_id)
        moved = ledger(product_id)
        assert (on_hand, allocated) == (sum(row[1] for row in moved), sum(row[2] for row in moved))
        assert allocated == sum(held(product_id).values())
        assert 0 <= allocated <= on_hand


def everything() -> list[Any]:
    """All that says something about stock, to compare before and after."""
    db.session.rollback()
    return [
        [tuple(row) for row in db.session.execute(sa.select(*table.columns).order_by(*table.primary_key))]
        for table in TABLES
    ]


@contextmanager
def heard(kind: type[Any]) -> Iterator[list[Any]]:
    """The events of a kind that are published meanwhile."""
    found: list[Any] = []
    kept = events._subscribers
    events._subscribers = defaultdict(list, {other: list(handlers) for other, handlers in kept.items()})
    events.subscribe(kind, found.append)
    try:
        yield found
    finally:
        events._subscribers = kept
