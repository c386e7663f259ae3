"""Proof that stock adds up: what the ledger and the allocations come to against the counters, and its repair."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, func, or_, select

from app.core import audit
from app.core.extensions import db
from app.core.permissions import Principal
from app.core.transactions import in_transaction
from app.products.models.products import Product
from app.products.models.stock import Allocation, MovementKind, Stock, StockMovement
from app.products.queries.stock import Rows
from app.products.services.ledger import Movement, correct, lock

CHUNK: Final = 5000
"""Products that one statement adds up."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A product whose stock does not add up: what the counters say, what the ledger comes to, what is promised."""

    product_id: int
    asin: str
    on_hand: int
    allocated: int
    ledger_on_hand: int
    ledger_allocated: int
    promised: int

    @property
    def is_repairable(self) -> bool:
        """Whether what is promised is on the shelf; else somebody has to count, and decide who goes without."""
        return self.promised <= self.on_hand


def count_stock() -> int:
    """How many products there are to look at."""
    found = db.session.scalar(select(func.count()).select_from(Stock))
    db.session.rollback()
    return found or 0


def audit_stock() -> Iterator[tuple[int, list[Difference]]]:
    """Add up all products, some thousand at a time: how many were looked at, and those that do not add up.

    Each part is one statement and so one moment: stock that moves meanwhile makes no difference. Nothing is locked.
    """
    after = 0
    while True:
        part = select(Stock.product_id).where(Stock.product_id > after).order_by(Stock.product_id).limit(CHUNK)
        ids = part.subquery()
        count, last = db.session.execute(select(func.count(), func.max(ids.c.product_id))).one()
        if not count:
            return
        rows, differ = _compare(after + 1, last)
        found = [_difference(row) for row in db.session.execute(rows.where(differ).order_by(Stock.product_id))]
        db.session.rollback()
        yield count, found
        after = last


@in_transaction
def repair_stock(*, actor: Principal, now: datetime, product_id: int) -> Difference | None:
    """Make one product add up by a row of the ledger (adjusted, "audit"); the difference that was repaired, or None.

    What lies on the shelf stays as the counter says, because that is what people count and sell, and the ledger is made
    to explain it. What is allocated becomes what the allocations come to, because each of them is somebody's: stock
    that is promised to nobody could never be shipped. None also where more is promised than there is on hand.
    """
    lock([product_id])
    rows, differ = _compare(product_id, product_id)
    row = db.session.execute(rows.where(differ)).one_or_none()
    found = None if row is None else _difference(row)
    if found is None or not found.is_repairable:
        return None
    movement = Movement(
        product_id=product_id,
        kind=MovementKind.ADJUSTED,
        on_hand=found.on_hand - found.ledger_on_hand,
        allocated=found.promised - found.ledger_allocated,
        reason="audit",
    )
    correct(movement, allocated=found.promised, actor=actor, now=now)
    audit.record(
        actor=actor,
        action="stock.repair",
        subject=("product", product_id),
        before={"allocated": found.allocated, "ledger": [found.ledger_on_hand, found.ledger_allocated]},
        after={"allocated": found.promised, "ledger": [found.on_hand, found.promised]},
    )
    return found


def _compare(first: int, last: int) -> tuple[Rows, ColumnElement[bool]]:
    """Counters beside sums of the products from ``first`` to ``last``, and what is true where they differ."""
    ledger = (
        select(
            StockMovement.product_id,
            func.sum(StockMovement.on_hand_delta).label("on_hand"),
            func.sum(StockMovement.allocated_delta).label("allocated"),
        )
        .where(StockMovement.product_id.between(first, last))
        .group_by(StockMovement.product_id)
        .subquery()
    )
    promises = (
        select(Allocation.product_id, func.sum(Allocation.quantity).label("quantity"))
        .where(Allocation.product_id.between(first, last))
        .group_by(Allocation.product_id)
        .subquery()
    )
    on_hand, allocated = func.coalesce(ledger.c.on_hand, 0), func.coalesce(ledger.c.allocated, 0)
    promised = func.coalesce(promises.c.quantity, 0)
    rows = (
        select(Stock.product_id, Product.asin, Stock.on_hand, Stock.allocated, on_hand, allocated, promised)
        .join(Product, Product.id == Stock.product_id)
        .outerjoin(ledger, ledger.c.product_id == Stock.product_id)
        .outerjoin(promises, promises.c.product_id == Stock.product_id)
        .where(Stock.product_id.between(first, last))
    )
    return rows, or_(Stock.on_hand != on_hand, Stock.allocated != allocated, Stock.allocated != promised)


def _difference(row: Any) -> Difference:
    product_id, asin, *numbers = row
    return Difference(product_id, asin, *(int(number) for number in numbers))  # MariaDB sums to decimals
