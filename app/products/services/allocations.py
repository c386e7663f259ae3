"""Stock that is promised to somebody: allocated, released, shipped and taken back.

Building blocks for who sells: ``allocate.joined(...)`` in the transaction that makes an order. Each takes several
products at once and is whole or not at all. Rows of who holds what come before the counters, products in ascending
order. Nothing here is in the audit trail: what a person does to an order, the order's own service notes.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from app.core import events
from app.core.extensions import db
from app.core.orm import count_changed
from app.core.permissions import Principal
from app.core.transactions import in_transaction
from app.products.errors import AlreadyAllocated, NotAllocated, NotShipped, StockAllocated
from app.products.events import AllocationReleased
from app.products.models.products import Product
from app.products.models.stock import MAX_QUANTITY, Allocation, MovementKind, StockMovement
from app.products.queries.stock import Rows, as_numbers, counters, newest_allocations
from app.products.services.ledger import MAX_PRODUCTS, Movement, Reference, count, lock, post, write

MAX_RELEASED: Final = 1000
"""Allocations that one change of a count takes away."""
_TRIES: Final = 5


@in_transaction
def allocate(*, actor: Principal, now: datetime, reference: Reference, items: Mapping[int, int]) -> None:
    """Promise stock to a reference: ``items`` are quantities above 0 by product id, at most 500.

    Safe to repeat: what the reference holds already is not allocated again. Raises OutOfStock, which names the product
    and what is available, ProductNotFound, AlreadyAllocated when the reference holds another quantity; ValueError for
    quantities that are none.
    """
    _check(items)
    held = {row.product_id: row.quantity for row in db.session.execute(_of(reference))}
    wanted = {product_id: items[product_id] for product_id in sorted(items) if product_id not in held}
    for product_id, quantity in held.items():
        if items.get(product_id, quantity) != quantity:
            raise AlreadyAllocated(f"{reference.label} holds {quantity} of product {product_id} already.")
    if not wanted:
        return
    rows = [_allocation(reference, product_id, quantity, now) for product_id, quantity in wanted.items()]
    movements = [
        Movement(product_id=product_id, kind=MovementKind.ALLOCATED, allocated=quantity, reference=reference)
        for product_id, quantity in wanted.items()
    ]
    sums = write(movements, actor=actor, now=now)
    _insert(reference, rows)
    count(sums, now=now)


@in_transaction
def release(
    *, actor: Principal, now: datetime, reference: Reference, items: Mapping[int, int] | None = None
) -> dict[int, int]:
    """Give back what a reference holds: all of it, or up to these quantities by product id.

    What it does not hold (any more) is passed over, so that cancelling twice changes nothing. Returns the quantities
    that were released.
    """
    taken = _take(reference, items)
    _post_taken(MovementKind.RELEASED, taken, reference, actor=actor, now=now)
    return taken


@in_transaction
def adjust(
    *, actor: Principal, now: datetime, reference: Reference, items: Mapping[int, int], is_new: bool = False
) -> dict[int, int]:
    """Let a reference hold exactly ``items`` (at most 500), whatever it held before; none: nothing any more.

    Only differences are moved, so what it holds already is never in its own way. With ``is_new`` the reference is one
    that cannot hold anything yet. Returns by how much each product changed. Raises OutOfStock, which names the product
    and what is available besides, ProductNotFound, and AlreadyAllocated where others change the same reference.
    """
    if items:
        _check(items)
    rows = {} if is_new else {row.product_id: row for row in db.session.execute(_of(reference))}
    held = {product_id: row.quantity for product_id, row in rows.items()}
    changes = {
        product_id: items.get(product_id, 0) - held.get(product_id, 0)
        for product_id in sorted({*items, *held})
        if items.get(product_id, 0) != held.get(product_id, 0)
    }
    if not changes:
        return {}
    movements = [
        Movement(
            product_id=product_id,
            kind=MovementKind.ALLOCATED if change > 0 else MovementKind.RELEASED,
            allocated=change,
            reference=reference,
        )
        for product_id, change in changes.items()
    ]
    sums = write(movements, actor=actor, now=now)
    new = [_allocation(reference, each, changes[each], now) for each in changes if each not in held]
    if new:
        _insert(reference, new)
    for product_id in changes:
        if product_id in held and not _replace(rows[product_id].id, held[product_id], items.get(product_id, 0)):
            raise AlreadyAllocated(f"What {reference.label} holds is being changed by another request.")
    for product_id, change in changes.items():  # in ascending order, those that grow and those that shrink alike
        count({product_id: sums[product_id]}, now=now, also_deleted=change < 0)
    return changes


@in_transaction
def ship(
    *, actor: Principal, now: datetime, reference: Reference, items: Mapping[int, int] | None = None
) -> dict[int, int]:
    """Take what a reference holds from the shelves: all of it, or exactly these quantities by product id.

    Returns the quantities that were shipped; a second shipment of all is empty. Raises NotAllocated when the reference
    holds less than is to be shipped.
    """
    taken = _take(reference, items)
    held = {product_id: taken.get(product_id, 0) for product_id in items or {}}
    short = {product_id: held[product_id] for product_id, count in (items or {}).items() if held[product_id] != count}
    if items and short:
        named = ", ".join(f"{count} of product {product_id}" for product_id, count in short.items())
        wanted = ", ".join(str(items[product_id]) for product_id in short)
        raise NotAllocated(f"{reference.label} holds {named}; {wanted} cannot be shipped.", held=short)
    _post_taken(MovementKind.SHIPPED, taken, reference, actor=actor, now=now)
    return taken


@in_transaction
def take_back(
    *, actor: Principal, now: datetime, reference: Reference, items: Mapping[int, int], reason: str | None = None
) -> None:
    """Put back on the shelves what was shipped to a reference, also of products that were deleted meanwhile.

    Raises NotShipped for more than was shipped to it and has not come back yet.
    """
    _check(items)
    lock(items)  # before the ledger is read: two returns of the same thing are one
    outside = _outside(reference)
    for product_id, quantity in items.items():
        if outside.get(product_id, 0) < quantity:
            raise NotShipped(
                f"{outside.get(product_id, 0)} of product {product_id} were shipped to {reference.label} and have not "
                f"come back; {quantity} cannot be taken back."
            )
    movements = [
        Movement(
            product_id=product_id, kind=MovementKind.RETURNED, on_hand=quantity, reason=reason, reference=reference
        )
        for product_id, quantity in items.items()
    ]
    post(movements, actor=actor, now=now, also_deleted=True)


def require_unheld(product: Product) -> None:
    """Raise StockAllocated for a product that somebody holds: it cannot be deleted.

    For a transaction that has locked the product's row, for which every allocation in flight waits or is waited for.
    What only lies on the shelf is no reason: it stays in the books, and is there again when the product comes back.
    """
    row = db.session.execute(counters(product.id)).one_or_none()
    if row is not None and row.allocated:
        raise StockAllocated(
            f"{row.allocated} of {product.asin} ({product.name}) are promised; ship them or cancel that first.",
            stock=as_numbers(row),
            shortfall=row.allocated,
            allocations=newest_allocations(product.id),
        )


def release_newest(product_id: int, quantity: int) -> list[Movement]:
    """Take ``quantity`` of a product away from those who were promised it last, the last of them partly.

    For a transaction that has locked the counters. Publishes AllocationReleased for each; the movements are for the
    caller to post. Raises StockAllocated when more than 1,000 would be hit.
    """
    newest = db.session.execute(
        select(Allocation.id, Allocation.quantity, Allocation.reference_kind, Allocation.reference_id, Allocation.label)
        .where(Allocation.product_id == product_id)
        .order_by(Allocation.id.desc())
        .limit(MAX_RELEASED)
    ).all()
    movements, missing = [], quantity
    for row in newest:
        if missing == 0:
            break
        taken = min(missing, row.quantity)
        if not _reduce(row.id, row.quantity, taken):
            raise RuntimeError("an allocation changed without the counters")
        missing -= taken
        reference = Reference(row.reference_kind, row.reference_id, row.label)
        movements.append(
            Movement(product_id=product_id, kind=MovementKind.RELEASED, allocated=-taken, reference=reference)
        )
        events.publish(AllocationReleased(product_id, reference.kind, reference.id, taken))
    if missing:
        present = as_numbers(db.session.execute(counters(product_id)).one())
        raise StockAllocated(
            f"More than {MAX_RELEASED} allocations would be released at once; go down in smaller steps.",
            stock=present,
            shortfall=quantity,
            allocations=newest_allocations(product_id),
        )
    return movements


def _check(items: Mapping[int, int]) -> None:
    if not 1 <= len(items) <= MAX_PRODUCTS or not all(0 < quantity <= MAX_QUANTITY for quantity in items.values()):
        raise ValueError(f"1 to {MAX_PRODUCTS} products, of each 1 to {MAX_QUANTITY}")


def _of(reference: Reference) -> Rows:
    return (
        select(Allocation.id, Allocation.product_id, Allocation.quantity)
        .where(Allocation.reference_kind == reference.kind, Allocation.reference_id == reference.id)
        .order_by(Allocation.product_id)
    )


def _allocation(reference: Reference, product_id: int, quantity: int, now: datetime) -> dict[str, Any]:
    return {
        "product_id": product_id,
        "quantity": quantity,
        "reference_kind": reference.kind,
        "reference_id": reference.id,
        "label": reference.label,
        "created_at": now,
    }


def _insert(reference: Reference, rows: list[dict[str, Any]]) -> None:
    try:
        db.session.execute(insert(Allocation), rows)
    except IntegrityError as error:  # the product is there, or the ledger would have refused it
        raise AlreadyAllocated(f"{reference.label} is being given stock by another request.") from error


def _take(reference: Reference, items: Mapping[int, int] | None) -> dict[int, int]:
    """Take from what a reference holds, at most ``items``; what was taken by product id, in ascending order."""
    if items is not None:
        _check(items)
    taken = {}
    for row in db.session.execute(_of(reference)).all():
        if items is not None and row.product_id not in items:
            continue
        quantity = _take_from(row, MAX_QUANTITY if items is None else items[row.product_id])
        if quantity:
            taken[row.product_id] = quantity
    return taken


def _take_from(row: Any, wanted: int) -> int:
    """Take up to ``wanted`` from one allocation, whatever others take from it meanwhile; how much that was."""
    held: int | None = row.quantity
    for _ in range(_TRIES):
        if not held:
            return 0
        quantity = min(wanted, held)
        if _reduce(row.id, held, quantity):
            return quantity
        held = db.session.scalar(select(Allocation.quantity).where(Allocation.id == row.id))
    raise NotAllocated(f"What is held of product {row.product_id} changes all the time; try again.")


def _reduce(allocation_id: int, held: int, quantity: int) -> bool:
    """Lower an allocation that is ``held``, or delete it; False when it is another number by now."""
    return _replace(allocation_id, held, held - quantity)


def _replace(allocation_id: int, held: int, quantity: int) -> bool:
    """Give an allocation that is ``held`` another quantity, or delete it; False when it is another number by now."""
    same = (Allocation.id == allocation_id, Allocation.quantity == held)
    if quantity == 0:
        return count_changed(db.session(), delete(Allocation).where(*same)) == 1
    return count_changed(db.session(), update(Allocation).where(*same).values(quantity=quantity)) == 1


def _post_taken(
    kind: MovementKind, taken: Mapping[int, int], reference: Reference, *, actor: Principal, now: datetime
) -> None:
    on_hand = -1 if kind == MovementKind.SHIPPED else 0
    movements = [
        Movement(product_id=product_id, kind=kind, on_hand=on_hand * quantity, allocated=-quantity, reference=reference)
        for product_id, quantity in taken.items()
    ]
    if movements:
        post(movements, actor=actor, now=now, also_deleted=True)


def _outside(reference: Reference) -> dict[int, int]:
    """What was shipped to a reference and has not come back, by product id."""
    rows = db.session.execute(
        select(StockMovement.product_id, func.sum(StockMovement.on_hand_delta))
        .where(StockMovement.reference_kind == reference.kind, StockMovement.reference_id == reference.id)
        .group_by(StockMovement.product_id)
    )
    return {product_id: -int(total) for product_id, total in rows}
