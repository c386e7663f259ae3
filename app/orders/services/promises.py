"""What stock orders were promised: what is missing of it after a count, and promising it again.

When less is on the shelves than was thought, products takes promised stock away from whoever was promised it last
(AllocationReleased). Which orders that were is noted after that commit, so that who counts stock waits for no order.
"""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Final

from sqlalchemy import select

from app.core import audit, outbox
from app.core.extensions import db
from app.core.permissions import Principal, system
from app.core.transactions import in_transaction
from app.orders.attention import STOCK_TAKEN
from app.orders.errors import OrderNotFound, OrderNotPlaced
from app.orders.models.orders import REFERENCE, Order, OrderEvent, OrderLine, OrderState
from app.orders.services.moving import flag, lock_order, note
from app.products.events import AllocationReleased
from app.products.models.stock import Allocation
from app.products.services import allocations
from app.products.services.ledger import Reference

NOTE_STOCK_TAKEN: Final = "note_stock_taken"
TAKEN: Final = "stock.taken"
_HOLDING: Final = frozenset({OrderState.DRAFT, OrderState.PLACED})


def reference_of(order: Order) -> Reference:
    """What an order's allocations and its rows of the ledger are known by."""
    return Reference(REFERENCE, order.id, f"Order {order.number}")


def open_units(order_id: int) -> dict[int, int]:
    """How many units of each product are still to be shipped, by product id; products of which none is are left out."""
    left = OrderLine.quantity - OrderLine.shipped - OrderLine.cancelled
    of_order = select(OrderLine.product_id, left).where(OrderLine.order_id == order_id, left > 0)
    rows = db.session.execute(of_order.order_by(OrderLine.product_id)).all()
    return dict(rows)


def held_units(order_id: int) -> dict[int, int]:
    """How many units of each product are promised to the order, by product id."""
    of_order = Allocation.reference_kind == REFERENCE, Allocation.reference_id == order_id
    rows = db.session.execute(select(Allocation.product_id, Allocation.quantity).where(*of_order)).all()
    return dict(rows)


def missing_units(order_id: int) -> dict[int, int]:
    """How many of the units that are still to be shipped nobody has promised to the order, by product id."""
    held = held_units(order_id)
    lacking = {product_id: count - held.get(product_id, 0) for product_id, count in open_units(order_id).items()}
    return {product_id: count for product_id, count in lacking.items() if count > 0}


def review_promises(order: Order, *, actor: Principal, now: datetime) -> None:
    """Say of a locked order whether stock it was promised is missing: STOCK_TAKEN, or all is well again.

    Another reason to look at the order stays. Whoever changes what is to be shipped of an order calls it afterwards.
    """
    missing = missing_units(order.id) if order.state in _HOLDING else {}
    if missing and order.attention is None:
        flag(order, STOCK_TAKEN, actor=actor, now=now, details={"missing": _shown(missing)})
    elif not missing and order.attention == STOCK_TAKEN:
        flag(order, None, actor=actor, now=now)


def promise_all(order: Order, *, actor: Principal, now: datetime) -> None:
    """Say of a locked order that it is about to hold all that it needs, before that is done or refused as a whole."""
    if order.attention == STOCK_TAKEN:
        flag(order, None, actor=actor, now=now)


def ask_to_note(event: AllocationReleased) -> None:
    """Ask, in the open transaction, for the order to be marked that has just lost stock."""
    if event.reference_kind != REFERENCE:
        return
    notice = secrets.token_hex(8)
    about: dict[str, int | str] = {"order_id": event.reference_id, "product_id": event.product_id}
    about |= {"quantity": event.quantity, "notice": notice}
    outbox.add(NOTE_STOCK_TAKEN, key=f"{NOTE_STOCK_TAKEN}:{notice}", **about)


@in_transaction
def note_stock_taken(*, order_id: int, product_id: int, quantity: int, notice: str, now: datetime) -> None:
    """Note that an order lost stock and show it to staff; doing it again with the same ``notice`` changes nothing."""
    try:
        order = lock_order(order_id)
    except OrderNotFound:
        return
    if not _is_noted(order_id, notice):
        details = {"product_id": product_id, "quantity": quantity, "notice": notice}
        note(order, TAKEN, actor=system(), now=now, details=details, public=False)
        review_promises(order, actor=system(), now=now)


@in_transaction
def allocate_again(*, actor: Principal, now: datetime, order_id: int) -> Order:
    """Promise a placed order the stock that was taken from it, all of it; where nothing is missing, nothing changes.

    Raises OrderNotFound, OrderNotPlaced, and OutOfStock, which names the first product of which there is too little.
    """
    order = lock_order(order_id)
    if order.state != OrderState.PLACED:
        raise OrderNotPlaced(order, f"Order {order.number} is {order.state}; only placed orders are promised stock.")
    missing = missing_units(order_id)
    if missing:
        note(order, "stock.allocated", actor=actor, now=now, details={"items": _shown(missing)}, public=False)
        audit.record(
            actor=actor, action="order.allocate", subject=("order", order_id), after={"items": _shown(missing)}
        )
    promise_all(order, actor=actor, now=now)
    db.session.flush()
    allocations.adjust.joined(actor=actor, now=now, reference=reference_of(order), items=open_units(order_id))
    return order


def _is_noted(order_id: int, notice: str) -> bool:
    known = select(OrderEvent.details).where(OrderEvent.order_id == order_id, OrderEvent.kind == TAKEN)
    return any(details["notice"] == notice for details in db.session.scalars(known))


def _shown(units: dict[int, int]) -> list[dict[str, int]]:
    return [{"product_id": product_id, "quantity": count} for product_id, count in units.items()]
