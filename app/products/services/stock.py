"""What people do to stock: receive it, count it, adjust it, and say when it is low."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import case, false, select, true, update

from app.core import audit
from app.core.errors import Invalid
from app.core.extensions import db
from app.core.orm import count_changed
from app.core.permissions import Principal
from app.core.transactions import in_transaction
from app.products.changes import THRESHOLD, Change, as_text
from app.products.errors import ProductNotFound, StockChanged
from app.products.events import ProductChange
from app.products.models.products import Product, Source
from app.products.models.stock import MAX_QUANTITY, MovementKind, Stock
from app.products.queries.inventory import get_stock
from app.products.queries.stock import as_numbers, counters
from app.products.services.allocations import release_newest
from app.products.services.ledger import Movement, lock, post
from app.products.services.recording import record_changes


class Shortfall(StrEnum):
    """What to do when less would be on hand than is promised."""

    REFUSE = "refuse"
    RELEASE = "release"


@in_transaction
def change_stock(
    *,
    actor: Principal,
    now: datetime,
    product_id: int,
    kind: MovementKind,
    delta: int,
    reason: str | None = None,
    shortfall: Shortfall = Shortfall.REFUSE,
) -> Any:
    """Change what is on hand by ``delta``: more for received and returned, more or less for adjusted with a reason.

    Returns the stock of the product as it is then. With ``Shortfall.RELEASE`` what would be missing is taken away from
    those who were promised it last (AllocationReleased for each). Raises Invalid, ProductNotFound, StockAllocated,
    StockOutOfRange.
    """
    _check_change(kind, delta, reason)
    return _apply(actor, now, product_id, kind, delta, reason, shortfall, base=None)


@in_transaction
def set_stock(
    *,
    actor: Principal,
    now: datetime,
    product_id: int,
    quantity: int,
    based_on: int,
    reason: str,
    shortfall: Shortfall = Shortfall.REFUSE,
) -> Any:
    """Set what is on hand to what was counted; ``based_on`` is what it was when the counting person looked.

    Returns the stock of the product as it is then; a count that finds what was expected leaves no trace. Raises
    Invalid, ProductNotFound, StockChanged when it is another number by now, StockAllocated as ``change_stock`` does.
    """
    _check_quantity("/set_to", quantity)
    _check_quantity("/based_on", based_on)
    _check_reason(reason)
    if quantity == based_on:
        return _confirm(product_id, based_on)
    return _apply(actor, now, product_id, MovementKind.ADJUSTED, quantity - based_on, reason, shortfall, base=based_on)


@in_transaction
def set_threshold(*, actor: Principal, now: datetime, product_id: int, threshold: int | None) -> Any:
    """Say at how much available a product is low; None: never. Returns the stock of the product as it is then.

    Stands in the update history. That a product is low by its new threshold is no crossing: nobody is alerted. Raises
    Invalid, ProductNotFound.
    """
    changed = set_thresholds.joined(actor=actor, now=now, thresholds={product_id: threshold}, source=Source.API)
    for product in changed:
        (change,) = product.changes
        audit.record(
            actor=actor,
            action="stock.threshold",
            subject=("product", product_id),
            before={"threshold": change.previous},
            after={"threshold": change.current},
        )
    return get_stock(product_id)


@in_transaction
def set_thresholds(
    *,
    actor: Principal,
    now: datetime,
    thresholds: Mapping[int, int | None],
    source: Source,
    operation_id: int | None = None,
) -> list[ProductChange]:
    """Set the thresholds of at most some hundred products, with their history; what changed by that.

    For ``joined`` in a transaction that notes in the audit trail what it is for. Raises Invalid, ProductNotFound.
    """
    for threshold in thresholds.values():
        if threshold is not None:
            _check_quantity("/low_stock_threshold", threshold)
    present = select(Product.id, Product.asin).where(Product.id.in_(thresholds), Product.deleted_at.is_(None))
    asins = dict(db.session.execute(present.order_by(Product.id).with_for_update()).all())
    missing = sorted(set(thresholds) - set(asins))
    if missing:
        raise ProductNotFound(f"There is no product {', '.join(map(str, missing))}.")
    before = {product_id: row.low_stock_threshold for product_id, row in lock(asins).items()}
    changed = [product_id for product_id in before if before[product_id] != thresholds[product_id]]
    write_thresholds({product_id: thresholds[product_id] for product_id in changed}, now)
    changes = [
        ProductChange(
            product_id,
            asins[product_id],
            (Change(THRESHOLD, as_text(before[product_id]), as_text(thresholds[product_id])),),
        )
        for product_id in changed
    ]
    record_changes(changes, actor=actor, now=now, source=source, operation_id=operation_id)
    return changes


def write_thresholds(thresholds: Mapping[int, int | None], now: datetime) -> None:
    """Set thresholds in a transaction that has locked the counters and writes the history itself."""
    for threshold in set(thresholds.values()):
        _write_threshold([each for each, wanted in thresholds.items() if wanted == threshold], threshold, now)


def _apply(
    actor: Principal,
    now: datetime,
    product_id: int,
    kind: MovementKind,
    delta: int,
    reason: str | None,
    shortfall: Shortfall,
    base: int | None,
) -> Any:
    movements = [Movement(product_id=product_id, kind=kind, on_hand=delta, reason=reason)]
    if delta < 0 and shortfall == Shortfall.RELEASE:
        movements[:0] = _make_room(product_id, delta, base)
    post(movements, actor=actor, now=now, base=base)
    stock = get_stock(product_id)
    released = -sum(movement.allocated for movement in movements)
    audit.record(
        actor=actor,
        action="stock.change",
        subject=("product", product_id),
        before={"on_hand": stock.on_hand - delta, "allocated": stock.allocated + released},
        after={"on_hand": stock.on_hand, "allocated": stock.allocated, "kind": kind, "reason": reason},
    )
    return stock


def _make_room(product_id: int, delta: int, base: int | None) -> list[Movement]:
    """Release what would be missing after the change, under the lock of the counters."""
    row = lock([product_id]).get(product_id)
    if row is None or row.on_hand + delta < 0 or (base is not None and row.on_hand != base):
        return []  # what refuses the change says why
    missing = row.allocated - (row.on_hand + delta)
    return release_newest(product_id, missing) if missing > 0 else []


def _confirm(product_id: int, based_on: int) -> Any:
    stock = get_stock(product_id)
    if stock.on_hand != based_on:
        raise StockChanged(
            f"{stock.on_hand} of {stock.asin} ({stock.name}) are on hand now; the count was based on {based_on}. "
            "Look at it again.",
            stock=as_numbers(db.session.execute(counters(product_id)).one()),
        )
    return stock


def _write_threshold(product_ids: list[int], threshold: int | None, now: datetime) -> None:
    is_low = (
        false() if threshold is None else case((Stock.on_hand - Stock.allocated <= threshold, true()), else_=false())
    )
    values = {"low_stock_threshold": threshold, "is_low": is_low, "updated_at": now}
    count_changed(db.session(), update(Stock).where(Stock.product_id.in_(product_ids)).values(values))


def _check_change(kind: MovementKind, delta: int, reason: str | None) -> None:
    if delta == 0:
        raise Invalid.field("/delta", "must not be 0.")
    if abs(delta) > MAX_QUANTITY:
        raise Invalid.field("/delta", f"must be within -{MAX_QUANTITY} and {MAX_QUANTITY}.")
    if kind == MovementKind.ADJUSTED:
        _check_reason(reason)
    elif kind not in {MovementKind.RECEIVED, MovementKind.RETURNED}:
        raise Invalid.field("/kind", "must be received, returned or adjusted.")
    elif delta < 0:
        raise Invalid.field("/delta", f"must be above 0 for what is {kind}.")


def _check_reason(reason: str | None) -> None:
    if not reason:
        raise Invalid.field("/reason", "is needed for what is adjusted.")


def _check_quantity(pointer: str, quantity: int) -> None:
    if not 0 <= quantity <= MAX_QUANTITY:
        raise Invalid.field(pointer, f"must be within 0 and {MAX_QUANTITY}.")
