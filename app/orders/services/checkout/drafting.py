"""Writing an order down: a new one, or the draft of a cart that is checked out again, changed by the difference.

All rows of the order come first and the stock last, because the counters of a popular product are what everybody waits
for. For transactions of this package.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import select

from app.core.extensions import db
from app.core.permissions import Principal
from app.orders.models.orders import HoldState, Order, OrderLine, OrderState, PaymentState
from app.orders.services import moving
from app.orders.services.checkout import holds, placing
from app.orders.services.checkout.composing import Composed
from app.orders.services.checkout.errors import Short
from app.orders.services.checkout.wanted import CheckedOut, Particulars
from app.orders.services.coupons import claiming
from app.orders.services.promises import promise_all, reference_of
from app.orders.transitions import Axis
from app.products.errors import AlreadyAllocated, OutOfStock, ProductNotFound
from app.products.services import allocations

OPEN: Final = frozenset({HoldState.HELD, HoldState.RELEASED})
"""What a hold is in while nobody may be charged."""
SHORT: Final = ("product_id", "asin", "name", "quantity")
"""What of a line is told where its stock cannot be had."""


def create(
    composed: Composed,
    particulars: Particulars,
    *,
    cart_id: int | None,
    user_id: int | None,
    places: bool,
    actor: Principal,
    now: datetime,
) -> CheckedOut:
    """Write a new order with its stock: a draft, or with ``places`` one that is placed. Raises Short."""
    if composed.is_short:  # spare writing what would be undone; the counters decide
        raise Short(composed.lines, None)
    columns = composed.columns | _columns(particulars)
    if places:
        columns |= placing.columns_of_placed(composed.totals.total_minor, now=now)
    else:
        columns |= {"state": OrderState.DRAFT, "payment_state": PaymentState.UNPAID}
    order = Order(cart_id=cart_id, user_id=user_id, created_at=now, updated_at=now, **columns)
    db.session.add(order)
    db.session.flush()
    lines = [OrderLine(order_id=order.id, **line) for line in composed.lines]
    db.session.add_all(lines)
    db.session.flush()
    if cart_id is not None:
        state = HoldState.CONSUMED if places else HoldState.HELD
        holds.add_hold(order.id, state, expires_at=now if places else holds.held_until(), now=now)
    _use_coupon(order, composed, now=now)
    moving.begin(order, actor=actor, now=now)
    if places:
        placing.record_placed(order, lines, attempt=1, actor=actor, now=now)
    allocate(order, lines, is_new=True, actor=actor, now=now)
    return CheckedOut(order, lines)


def change(
    order: Order,
    composed: Composed,
    particulars: Particulars,
    *,
    user_id: int | None,
    places: bool,
    actor: Principal,
    now: datetime,
) -> CheckedOut:
    """Change a locked draft, or one that has expired, to what is wanted now; its stock is held afresh. Raises Short.

    It belongs to ``user_id`` from now on: a guest may have logged in since.
    """
    _reopen(order, actor=actor, now=now)
    promise_all(order, actor=actor, now=now)
    had_coupon = order.coupon_code is not None
    before = order.total_minor
    order.user_id = user_id
    for name, value in (composed.columns | _columns(particulars)).items():
        setattr(order, name, value)
    lines, is_changed = _change_lines(order, composed)
    state = HoldState.CONSUMED if places else HoldState.HELD
    if not holds.change_hold(order.id, OPEN, state, now=now, expires_at=now if places else holds.held_until()):
        raise RuntimeError(f"the hold of order {order.id} changed under its lock")
    moving.touch(order, now=now)
    if is_changed or before != order.total_minor:
        moving.note(order, "checkout.changed", actor=actor, now=now, public=False)
    db.session.flush()
    if had_coupon and composed.coupon is None:
        claiming.give_back.joined(order_id=order.id)
    _use_coupon(order, composed, now=now)
    if places:
        placing.place(order, lines, actor=actor, now=now)
    db.session.flush()
    allocate(order, lines, actor=actor, now=now)
    return CheckedOut(order, lines)


def allocate(
    order: Order, lines: Sequence[OrderLine], *, is_new: bool = False, actor: Principal, now: datetime
) -> None:
    """Let a locked order hold just what its lines say; raises Short. The last thing its transaction does."""
    items = {line.product_id: line.quantity for line in lines}
    try:
        allocations.adjust.joined(actor=actor, now=now, reference=reference_of(order), items=items, is_new=is_new)
    except (OutOfStock, ProductNotFound, AlreadyAllocated) as error:
        wanted = [{name: getattr(line, name) for name in SHORT} for line in lines]
        raise Short(wanted, None if is_new else order.id, is_overtaken=not isinstance(error, OutOfStock)) from error


def read_lines(order_id: int) -> list[OrderLine]:
    """The lines of an order in their order, as they are now."""
    found = select(OrderLine).where(OrderLine.order_id == order_id).order_by(OrderLine.position)
    return list(db.session.scalars(found.execution_options(populate_existing=True)))


def _columns(particulars: Particulars) -> dict[str, Any]:
    return {
        "email": particulars.email,
        "payment_method": particulars.method,
        "note": particulars.note,
        "shipping_address": dict(particulars.shipping_address),
        "billing_address": dict(particulars.billing_address),
    }


def _reopen(order: Order, *, actor: Principal, now: datetime) -> None:
    moving.move(order, Axis.ORDER, OrderState.DRAFT, actor=actor, now=now, public=False)
    moving.move(order, Axis.PAYMENT, PaymentState.UNPAID, actor=actor, now=now, public=False)


def _change_lines(order: Order, composed: Composed) -> tuple[Sequence[OrderLine], bool]:
    """Change, add and delete lines so that they are what is wanted; whether any was."""
    known = {line.product_id: line for line in read_lines(order.id)}
    lines = []
    for columns in composed.lines:
        line = known.pop(columns["product_id"], None)
        if line is None:
            line = OrderLine(order_id=order.id, **columns)
            db.session.add(line)
        for name, value in columns.items():
            setattr(line, name, value)
        lines.append(line)
    for line in known.values():
        db.session.delete(line)
    is_changed = bool(known) or any(db.session.is_modified(line) for line in lines)
    return lines, is_changed


def _use_coupon(order: Order, composed: Composed, *, now: datetime) -> None:
    if composed.coupon is not None:
        claiming.claim.joined(
            order_id=order.id,
            code=composed.coupon,
            email=order.email,
            subtotal_minor=order.subtotal_minor,
            currency=order.currency,
            now=now,
        )
