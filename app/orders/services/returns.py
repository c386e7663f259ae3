"""Goods that come back: what can be sold again goes to the shelves, and money goes back where staff say so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from app.core import audit
from app.core.errors import FieldError, Invalid
from app.core.extensions import db
from app.core.money import Money
from app.core.permissions import Principal
from app.core.transactions import in_transaction
from app.orders.errors import NothingShipped, NothingToRefund, PaymentUnknown, RefundTooLarge
from app.orders.models.fulfilment import OrderReturn, OrderReturnLine
from app.orders.models.orders import Order, OrderLine, PaymentState
from app.orders.models.payments import Refund
from app.orders.queries.shipments import ReturnRecord, get_return
from app.orders.services import refunds
from app.orders.services.counting import Units, check_units, count_returned, read_lines
from app.orders.services.fulfilling import move_goods
from app.orders.services.moving import lock_order, note, tell
from app.orders.services.owing import owe_less, value_of
from app.orders.services.promises import reference_of
from app.products.services import allocations


@dataclass(frozen=True, slots=True)
class Returned(Units):
    """So many units of a line came back, and so many of them can be sold again."""

    resaleable: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """How much money goes back for what came back."""

    shipping: bool = True
    """Whether the units' share of the shipping fee goes back, too."""
    amount: Money | None = None
    """Less than they were paid with; None: all of it."""


@in_transaction
def take_back(
    *,
    actor: Principal,
    now: datetime,
    order_id: int,
    expected_version: int,
    units: Sequence[Returned],
    reason: str,
    refund: Wish | None = None,
) -> ReturnRecord:
    """Note that units of an order came back; what of them is resaleable is on the shelves again.

    ``refund`` claims money back in the same transaction; None keeps it. Of an order that is not paid yet, what came
    back need not be paid any more. ``expected_version`` is the order's, which counts up, so that a second click takes
    nothing back. Raises OrderNotFound, OrderChanged, NothingShipped, MoreThanLeft, RefundTooLarge, Invalid,
    NothingToRefund where nothing was paid for the units or all of it went back, and PaymentUnknown while a payment is
    under way.
    """
    order = lock_order(order_id, version=expected_version)
    lines = read_lines(order_id)
    _check(order, lines, units)
    counts = {each.line_id: each.quantity for each in units}
    value = value_of(lines, counts)
    count_returned(units)
    row = _add(order, units, reason=reason, actor=actor, now=now)
    claimed = _settle(order, counts, value, refund, reason=reason, actor=actor, now=now)
    row.refund_id = claimed.id if claimed is not None else None
    shown = _shown(row, lines, units)
    note(order, "goods.returned", actor=actor, now=now, details=_public(shown), public=True)
    move_goods(order, actor=actor, now=now)
    audit.record(
        actor=actor, action="order.return", subject=("order", order_id), after=shown | {"refund_id": row.refund_id}
    )
    tell(order, "returned", now=now)
    db.session.flush()
    made = get_return(order_id, row.id)
    _restock(order, lines, units, actor=actor, now=now)
    return made


def _check(order: Order, lines: Sequence[OrderLine], units: Sequence[Returned]) -> None:
    if not any(line.shipped for line in lines):
        raise NothingShipped(order, f"Nothing of order {order.number} was shipped yet.")
    if order.payment_state == PaymentState.PENDING:
        raise PaymentUnknown("A payment of this order is under way; try again in a while.")
    check_units(units, lines, {line.id: line.shipped - line.returned for line in lines})
    wrong = [
        FieldError(f"/lines/{at}/resaleable", f"at most {each.quantity}, as many as came back.")
        for at, each in enumerate(units)
        if each.resaleable > each.quantity
    ]
    if wrong:
        raise Invalid("The request breaks a rule.", errors=tuple(wrong))


def _settle(
    order: Order,
    counts: dict[int, int],
    value: int,
    wish: Wish | None,
    *,
    reason: str,
    actor: Principal,
    now: datetime,
) -> Refund | None:
    """Claim the money back that was asked for; of an order that is not paid yet, lower what it owes."""
    if order.payment_state == PaymentState.UNPAID:
        if wish is not None:
            raise _nothing_to_refund(
                order, f"Order {order.number} is not paid; what came back need not be paid any more."
            )
        order.cancelled_minor = min(order.total_minor, order.cancelled_minor + value)
        owe_less(order, actor=actor, now=now)
        return None
    if wish is None:
        refunds.claim_nothing.joined(order, units=counts, now=now)
        return None
    about: dict[str, Any] = {"units": counts, "reason": reason, "shipping": wish.shipping, "actor": actor, "now": now}
    try:
        claimed = refunds.claim.joined(order, amount=wish.amount, **about)
    except (RefundTooLarge, Invalid) as refused:
        refused.errors = tuple(replace(error, pointer=f"/refund{error.pointer}") for error in refused.errors)
        raise
    if claimed is None:
        raise _nothing_to_refund(order, "Nothing was paid for these units, or all of it went back.")
    return claimed


def _nothing_to_refund(order: Order, why: str) -> NothingToRefund:
    said = "must be null: then the goods are taken back, and no money goes back."
    return NothingToRefund(order, why, errors=(FieldError("/refund", said),))


def _add(order: Order, units: Sequence[Returned], *, reason: str, actor: Principal, now: datetime) -> OrderReturn:
    row = OrderReturn(order_id=order.id, reason=reason, created_at=now, updated_at=now, **actor.attribution())
    db.session.add(row)
    db.session.flush()
    db.session.add_all(
        OrderReturnLine(
            order_return_id=row.id, order_line_id=each.line_id, quantity=each.quantity, resaleable=each.resaleable
        )
        for each in units
    )
    db.session.flush()
    return row


def _restock(
    order: Order, lines: Sequence[OrderLine], units: Sequence[Returned], *, actor: Principal, now: datetime
) -> None:
    products = {line.id: line.product_id for line in lines}
    items = {products[each.line_id]: each.resaleable for each in units if each.resaleable}
    if items:
        allocations.take_back.joined(actor=actor, now=now, reference=reference_of(order), items=items)


def _shown(row: OrderReturn, lines: Sequence[OrderLine], units: Sequence[Returned]) -> dict[str, Any]:
    asins = {line.id: line.asin for line in lines}
    shown = [
        {"line_id": each.line_id, "asin": asins[each.line_id], "quantity": each.quantity, "resaleable": each.resaleable}
        for each in units
    ]
    return {"return": row.id, "lines": shown}


def _public(shown: dict[str, Any]) -> dict[str, Any]:
    """The same without what the shop makes of the goods."""
    lines = [{name: value for name, value in line.items() if name != "resaleable"} for line in shown["lines"]]
    return shown | {"lines": lines}
