"""The one writer of stock: rows of the ledger, then the counters, in the open transaction.

The rows are inserted first and the counters are the last statement, because a counter of a popular product is what
everybody waits for. A change of a counter is one UPDATE that states what must hold (compare-and-set); only where it
meets no row, because something does not fit or the threshold is crossed, the row is locked and looked at. Products go
in ascending order, so that two orders of the same ones never wait for each other crosswise.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NoReturn

from sqlalchemy import Table, Update, and_, bindparam, case, exists, false, insert, or_, select, true, update
from sqlalchemy.exc import IntegrityError

from app.core.extensions import db
from app.core.orm import count_changed
from app.core.permissions import Principal
from app.products.errors import (
    OutOfStock,
    ProductNotFound,
    StockAllocated,
    StockChanged,
    StockInconsistent,
    StockOutOfRange,
)
from app.products.models.products import Product
from app.products.models.stock import MAX_QUANTITY, MovementKind, Stock, StockMovement
from app.products.queries.stock import as_numbers, counters, newest_allocations
from app.products.services import low_stock

MAX_PRODUCTS: Final = 500
"""Of one transaction: it holds the counters of all of them."""


@dataclass(frozen=True, slots=True)
class Reference:
    """For whom stock is held or moved: a kind and an id (``order``, 5), and what people call it."""

    kind: str
    id: int
    label: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """One row of the ledger to be: by how much each counter of a product changes, and why."""

    product_id: int
    kind: MovementKind
    on_hand: int = 0
    allocated: int = 0
    reason: str | None = None
    reference: Reference | None = None


@dataclass(slots=True)
class _Sum:
    """What all movements of one product come to."""

    on_hand: int = 0
    allocated: int = 0


Sums = dict[int, "_Sum"]


def post(
    movements: Sequence[Movement],
    *,
    actor: Principal,
    now: datetime,
    base: int | None = None,
    also_deleted: bool = False,
    operation_id: int | None = None,
) -> None:
    """Write movements to the ledger and then change the counters by them, in the open transaction.

    With ``base`` on_hand must be that number before; deleted products are refused unless ``also_deleted``. A product
    that becomes low by it is told of (StockLow). Raises, after which the transaction must be given up: ProductNotFound,
    OutOfStock, StockChanged, StockAllocated, StockOutOfRange, StockInconsistent.
    """
    sums = write(movements, actor=actor, now=now, operation_id=operation_id)
    count(sums, now=now, base=base, also_deleted=also_deleted)


def write(movements: Sequence[Movement], *, actor: Principal, now: datetime, operation_id: int | None = None) -> Sums:
    """The first half of ``post``: the rows of the ledger; returns what ``count`` has to be given."""
    common = {"created_at": now, "operation_id": operation_id, **actor.attribution()}
    rows: list[dict[str, Any]] = []
    sums: Sums = {}
    for movement in sorted(movements, key=lambda each: each.product_id):
        rows.append(_row(movement) | common)
        total = sums.setdefault(movement.product_id, _Sum())
        total.on_hand += movement.on_hand
        total.allocated += movement.allocated
    if len(sums) > MAX_PRODUCTS:
        raise ValueError(f"more than {MAX_PRODUCTS} products in one transaction")
    try:
        db.session.execute(insert(StockMovement), rows)
    except IntegrityError as error:  # the one foreign key
        raise ProductNotFound(f"There is no product {', '.join(map(str, sums))}.") from error
    return sums


def count(sums: Sums, *, now: datetime, base: int | None = None, also_deleted: bool = False) -> None:
    """The second half of ``post``: the counters."""
    for product_id, total in sums.items():
        _count(product_id, total, now=now, base=base, also_deleted=also_deleted)


def correct(movement: Movement, *, allocated: int, actor: Principal, now: datetime) -> None:
    """Write a row that makes the ledger explain the counters, and set what is allocated; under ``lock``, alerts nobody.

    The one movement by which what is on hand does not change: it was so before, and the ledger did not know.
    """
    write([movement], actor=actor, now=now)
    is_low = and_(Stock.low_stock_threshold.is_not(None), Stock.on_hand - allocated <= Stock.low_stock_threshold)
    values = {"allocated": allocated, "is_low": case((is_low, true()), else_=false()), "updated_at": now}
    count_changed(db.session(), update(Stock).where(Stock.product_id == movement.product_id).values(values))


def lock(product_ids: Iterable[int]) -> dict[int, Any]:
    """Lock the counters of some products for a transaction that has to look before it writes; the rows by id.

    Who only writes needs none of it. The products come before the counters, as they do where the ledger is written.
    """
    ids = sorted(product_ids)
    products = select(Product.id).where(Product.id.in_(ids)).order_by(Product.id)
    db.session.execute(products.with_for_update(read=True)).all()
    rows = counters(*ids).order_by(Stock.product_id).with_for_update()
    return {row.product_id: row for row in db.session.execute(rows)}


def _row(movement: Movement) -> dict[str, Any]:
    reference = movement.reference
    return {
        "product_id": movement.product_id,
        "kind": movement.kind,
        "on_hand_delta": movement.on_hand,
        "allocated_delta": movement.allocated,
        "reason": movement.reason,
        "reference_kind": reference and reference.kind,
        "reference_id": reference and reference.id,
    }


_STOCK: Final[Table] = Stock.__table__  # type: ignore[assignment]  # a plain table, whose statements the ORM leaves alone
_ON_HAND: Final = _STOCK.c.on_hand + bindparam("on_hand_delta", type_=_STOCK.c.on_hand.type)
_ALLOCATED: Final = _STOCK.c.allocated + bindparam("allocated_delta", type_=_STOCK.c.allocated.type)
_LOW: Final = and_(_STOCK.c.low_stock_threshold.is_not(None), _STOCK.c.low_stock_threshold >= _ON_HAND - _ALLOCATED)
_NOT_LOW: Final = or_(_STOCK.c.low_stock_threshold.is_(None), _STOCK.c.low_stock_threshold < _ON_HAND - _ALLOCATED)
_IS_PRESENT: Final = exists().where(Product.id == _STOCK.c.product_id, Product.deleted_at.is_(None))
_FITTING: Final = (
    update(_STOCK)
    .where(_STOCK.c.product_id == bindparam("of_product"))
    .where(_ALLOCATED >= 0, _ON_HAND >= _ALLOCATED, _ON_HAND <= MAX_QUANTITY)
    .values(on_hand=_ON_HAND, allocated=_ALLOCATED, updated_at=bindparam("at"))
)
_STEADY: Final = _FITTING.where(
    or_(and_(_STOCK.c.is_low.is_(False), _NOT_LOW), and_(_STOCK.c.is_low.is_(True), _LOW)),
)
"""Changes the counters where everything fits and the product stays as low, or not, as it is."""


def _count(product_id: int, total: _Sum, *, now: datetime, base: int | None, also_deleted: bool) -> None:
    values = {
        "of_product": product_id,
        "on_hand_delta": total.on_hand,
        "allocated_delta": total.allocated,
        "at": now,
    }
    if _met(_guarded(_STEADY, base, also_deleted=also_deleted), values):
        return
    row = db.session.execute(counters(product_id).with_for_update()).one_or_none()
    product = db.session.execute(
        select(Product.asin, Product.name, Product.deleted_at).where(Product.id == product_id)
    ).one_or_none()
    if row is None or product is None or (product.deleted_at is not None and not also_deleted):
        raise ProductNotFound(f"There is no product {product_id}.")
    available = row.on_hand + total.on_hand - row.allocated - total.allocated
    is_low = row.low_stock_threshold is not None and available <= row.low_stock_threshold
    turned = _guarded(_FITTING, base, also_deleted=also_deleted).values(is_low=is_low)
    if not _met(turned, values):
        _refuse(row, product, total, base)
    if is_low and not row.is_low and row.low_stock_threshold is not None:
        low_stock.tell(
            product_id=product_id,
            asin=product.asin,
            name=product.name,
            available=available,
            threshold=row.low_stock_threshold,
            now=now,
        )


def _guarded(statement: Update, base: int | None, *, also_deleted: bool) -> Update:
    if not also_deleted:
        statement = statement.where(_IS_PRESENT)
    return statement if base is None else statement.where(_STOCK.c.on_hand == base)


def _met(statement: Update, values: dict[str, Any]) -> bool:
    return count_changed(db.session(), statement, values) == 1


def _refuse(row: Any, product: Any, total: _Sum, base: int | None) -> NoReturn:
    present = as_numbers(row)
    named = f"{product.asin} ({product.name})"
    on_hand, allocated = row.on_hand + total.on_hand, row.allocated + total.allocated
    if base is not None and row.on_hand != base:
        raise StockChanged(
            f"{row.on_hand} of {named} are on hand now; the count was based on {base}. Look at it again.", stock=present
        )
    if not 0 <= on_hand <= MAX_QUANTITY:
        raise StockOutOfRange(
            f"{row.on_hand} of {named} are on hand; a change by {total.on_hand} would make it {on_hand}, "
            f"which is not within 0 and {MAX_QUANTITY}.",
            stock=present,
        )
    if allocated < 0 or total.allocated == total.on_hand == 0 or on_hand >= allocated:
        raise StockInconsistent(f"The counters of {named} contradict what is allocated of it.", stock=present)
    if total.allocated > 0:
        raise OutOfStock(
            f"{present['available']} of {named} are available; {total.allocated} were asked for.", stock=present
        )
    raise StockAllocated(
        f"{row.allocated} of {named} are promised; with {on_hand} on hand {allocated - on_hand} would be missing. "
        'Cancel some of it first, or send "shortfall": "release" to take it away from the newest.',
        stock=present,
        shortfall=allocated - on_hand,
        allocations=newest_allocations(row.product_id),
    )
