"""Cancelling: a checkout, an order, or units of one; stock, money and coupons are put right with it.

What a customer owes gets less; what was paid is set aside to be given back. Exactly the units that are cancelled are
free again. Where somebody may be charged at this moment, the provider is asked to end that first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import select

from app.core import audit
from app.core.extensions import db
from app.core.money import Money
from app.core.permissions import Principal
from app.core.transactions import in_transaction
from app.orders.errors import AlreadyShipped, OrderNotPlaced, OrderOver, PaymentUnknown
from app.orders.models.orders import HoldState, Order, OrderLine, OrderState, PaymentState
from app.orders.models.payments import Payment
from app.orders.providers.port import ProviderState, ProviderUnreachable
from app.orders.queries.orders import OrderRecord, read_order
from app.orders.services import refunds
from app.orders.services.checkout import holds
from app.orders.services.checkout.paying import end_payment
from app.orders.services.counting import Units, check_units, count_cancelled, read_lines
from app.orders.services.coupons import claiming
from app.orders.services.fulfilling import move_goods
from app.orders.services.moving import lock_order, move, note, tell
from app.orders.services.owing import owe_less, value_of
from app.orders.services.promises import held_units, open_units, reference_of, review_promises
from app.orders.transitions import Axis
from app.products.services import allocations, ledger

TRIES: Final = 4
REASON: Final = "cancelled"
"""Of a refund, where nobody says more."""


class _PaymentRuns(Exception):
    """Somebody may be charged for this checkout now: that has to be ended first."""


def cancel_order(
    *,
    actor: Principal,
    clock: Callable[[], datetime],
    order_id: int,
    expected_version: int | None = None,
    units: Sequence[Units] | None = None,
    reason: str | None = None,
    by_customer: bool = False,
) -> OrderRecord:
    """Cancel units of a placed order (None: all that was not shipped), or a whole checkout; the order as it is then.

    The order is CANCELLED once nothing of it was or will be shipped; a checkout becomes EXPIRED, and its cart can be
    checked out again. ``by_customer``: only while nothing was shipped. What was captured is claimed for a refund; of
    what is not paid less is due. Raises OrderNotFound, OrderChanged, OrderOver where there is nothing left to cancel
    (nothing was changed), AlreadyShipped, OrderNotPlaced for units of a checkout, MoreThanLeft, Invalid, and
    PaymentUnknown where a provider cannot say (yet) whether it was paid.
    """
    asked: dict[str, Any] = {"units": units, "reason": reason, "by_customer": by_customer}
    is_ended = False
    for _ in range(TRIES):
        try:
            return _cancel.tried(
                actor=actor, now=clock(), order_id=order_id, version=expected_version, is_ended=is_ended, **asked
            )
        except _PaymentRuns:
            _end_payment(order_id, actor, clock)
            is_ended, expected_version = True, None  # what has changed since is what we did ourselves
    raise PaymentUnknown("A payment of this order is begun again and again; try again in a while.")


def _end_payment(order_id: int, actor: Principal, clock: Callable[[], datetime]) -> None:
    """End the payment of a checkout, outside of any transaction, and write down what came of it."""
    payment_id = db.session.scalar(select(Payment.id).where(Payment.active_order_id == order_id))
    db.session.rollback()
    if payment_id is None:
        return
    try:
        answer = end_payment(order_id=order_id, payment_id=payment_id, actor=actor, clock=clock)
    except ProviderUnreachable as error:
        raise PaymentUnknown("The payment provider does not say whether it was paid; try again.") from error
    if answer.state == ProviderState.WAITING:
        raise PaymentUnknown("A bank is at the payment of this order; try again in a while.")


@in_transaction
def _cancel(
    *,
    actor: Principal,
    now: datetime,
    order_id: int,
    version: int | None,
    is_ended: bool,
    units: Sequence[Units] | None,
    reason: str | None,
    by_customer: bool,
) -> OrderRecord:
    order = lock_order(order_id, version=version)
    if order.state in {OrderState.DRAFT, OrderState.EXPIRED}:
        _cancel_checkout(order, is_ended=is_ended, units=units, reason=reason, actor=actor, now=now)
    elif order.state == OrderState.PLACED:
        lines = read_lines(order_id)
        chosen = _chosen(order, lines, units, by_customer=by_customer)
        _cancel_units(order, lines, chosen, reason=reason, actor=actor, now=now)
    else:
        raise OrderOver(order)
    db.session.flush()
    return read_order(order_id)


def _cancel_checkout(
    order: Order, *, is_ended: bool, units: Sequence[Units] | None, reason: str | None, actor: Principal, now: datetime
) -> None:
    """End a checkout that is not an order yet: its stock and its coupon are free again."""
    if units is not None:
        raise OrderNotPlaced(order, f"Order {order.number} is {order.state}; a checkout is cancelled as a whole.")
    hold = holds.hold_of(order.id)
    if hold == HoldState.PAYING:
        raise _PaymentRuns
    if not holds.let_go(order, HoldState.HELD, actor=actor, now=now) and not is_ended:
        raise OrderOver(order)
    details = {"reason": reason} if reason else {}
    note(order, "checkout.cancelled", actor=actor, now=now, details=details, public=True)
    audit.record(actor=actor, action="order.cancel", subject=("order", order.id), after={"state": order.state})


def _chosen(
    order: Order, lines: Sequence[OrderLine], units: Sequence[Units] | None, *, by_customer: bool
) -> list[Units]:
    if by_customer and any(line.shipped > 0 for line in lines):
        raise AlreadyShipped(order, f"Something of order {order.number} was shipped; send it back when it has arrived.")
    if order.payment_state == PaymentState.PENDING:
        raise PaymentUnknown("A payment of this order is under way; try again in a while.")
    left = {line.id: max(0, line.quantity - line.shipped - line.cancelled) for line in lines}
    if not any(left.values()):
        raise OrderOver(order, is_so=order.fulfilment_state)
    if units is None:
        return [Units(line_id, count) for line_id, count in left.items() if count]
    check_units(units, lines, left)
    return list(units)


def _cancel_units(
    order: Order,
    lines: Sequence[OrderLine],
    units: Sequence[Units],
    *,
    reason: str | None,
    actor: Principal,
    now: datetime,
) -> None:
    counts = {each.line_id: each.quantity for each in units}
    value = value_of(lines, counts)
    was_paid = order.payment_state != PaymentState.UNPAID
    count_cancelled(units)
    order.cancelled_minor = min(order.total_minor, order.cancelled_minor + value)
    shown = _shown(order, lines, counts, value)
    details = shown | ({"reason": reason} if reason else {})
    note(order, "units.cancelled", actor=actor, now=now, details=details, public=True)
    if was_paid:
        refunds.claim.joined(order, units=counts, reason=reason or REASON, actor=actor, now=now)
    else:
        owe_less(order, actor=actor, now=now)
    if any(line.shipped for line in lines) or open_units(order.id):
        tell(order, "cancelled", now=now)
    else:
        if not was_paid or order.total_minor == 0:
            claiming.give_back.joined(order_id=order.id)
        move(order, Axis.ORDER, OrderState.CANCELLED, actor=actor, now=now)
    move_goods(order, actor=actor, now=now)
    audit.record(actor=actor, action="order.cancel", subject=("order", order.id), after=shown)
    db.session.flush()
    products = [line.product_id for line in lines if line.id in counts]
    _release(order, products, actor=actor, now=now)


def _release(order: Order, products: Sequence[int], *, actor: Principal, now: datetime) -> None:
    """Give free what the order holds of these products and no longer needs, neither more nor less.

    Of what a count had taken away from it there is nothing to be given. The counters are locked before it is looked,
    so that nobody takes away any more meanwhile.
    """
    ledger.lock(products)
    needed, held = open_units(order.id), held_units(order.id)
    free = {product: held.get(product, 0) - needed.get(product, 0) for product in sorted(products)}
    items = {product: count for product, count in free.items() if count > 0}
    if items:
        allocations.release.joined(actor=actor, now=now, reference=reference_of(order), items=items)
    review_promises(order, actor=actor, now=now)


def _shown(order: Order, lines: Sequence[OrderLine], counts: Mapping[int, int], value: int) -> dict[str, Any]:
    cancelled = [
        {"line_id": line.id, "asin": line.asin, "quantity": counts[line.id]} for line in lines if line.id in counts
    ]
    return {"lines": cancelled, "amount": str(Money(value, order.currency))}
