"""Rules of money: what was taken, what went back and what was sold are the same in every book."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from app.orders.models.orders import OrderState, PaymentState, number_of
from app.orders.models.payments import Payment, PaymentStatus, ProviderEvent, Refund, RefundLine, RefundStatus
from app.orders.models.sales import Sale
from tests.faults.world import World, grouped, total

OPEN: Final = {PaymentStatus.CREATED, PaymentStatus.WAITING}
OVER: Final = {PaymentStatus.FAILED, PaymentStatus.CANCELLED}


def placed_orders_have_a_payment(world: World) -> Iterator[str]:
    """No PLACED or COMPLETED order without a payment record that stands."""
    for order in world.orders.values():
        standing = [row for row in world.payments[order.id] if row.active_order_id == order.id]
        is_due = order.cancelled_minor < order.total_minor or not world.payments[order.id]
        if order.state in {OrderState.PLACED, OrderState.COMPLETED} and is_due and not standing:
            yield f"order {order.id} is {order.state} and has no payment"


def orders_are_charged_once(world: World) -> Iterator[str]:
    """At most one payment of an order is open or captured."""
    for order_id, payments in world.payments.items():
        standing = [row.id for row in payments if row.status not in OVER]
        if len(standing) > 1:
            yield f"order {order_id} has the payments {standing}"


def active_is_what_is_open_or_captured(world: World) -> Iterator[str]:
    """A payment keeps others from being made exactly as long as it is open or captured."""
    for row in world.rows[Payment]:
        if (row.active_order_id == row.order_id) == (row.status in OVER):
            yield f"payment {row.id} is {row.status}, active for {row.active_order_id}"


def captured_is_marked_as_captured(world: World) -> Iterator[str]:
    """A payment is CAPTURED exactly where money came, and then all of it."""
    for row in world.rows[Payment]:
        has_all = row.captured_minor == row.amount_minor
        if row.captured_minor != 0 and row.status != PaymentStatus.CAPTURED:
            yield f"payment {row.id} is {row.status} with {row.captured_minor} captured"
        if row.status == PaymentStatus.CAPTURED and not has_all:
            yield f"payment {row.id} is CAPTURED with {row.captured_minor} of {row.amount_minor}"


def the_payment_axis_says_what_the_payment_says(world: World) -> Iterator[str]:
    """PAID, PARTIALLY_REFUNDED and REFUNDED are what was captured and what of it went back."""
    for order in world.orders.values():
        captured = total(world.payments[order.id], "captured_minor")
        refunds = (row for payment in world.payments[order.id] for row in world.refunds[payment.id])
        back = total((row for row in refunds if row.status == RefundStatus.SUCCEEDED), "amount_minor")
        expected = {PaymentState.UNPAID, PaymentState.PENDING, PaymentState.VOIDED}
        if captured or any(row.status == PaymentStatus.CAPTURED for row in world.payments[order.id]):
            refunded = PaymentState.REFUNDED if back == captured else PaymentState.PARTIALLY_REFUNDED
            expected = {refunded if back else PaymentState.PAID}
        if order.payment_state not in expected:
            yield f"order {order.id}: payment is {order.payment_state} with {captured} captured and {back} paid back"


def claims_are_refunds(world: World) -> Iterator[str]:
    """What a payment has set aside is what its refunds come to that have not failed, and never more than came."""
    for row in world.rows[Payment]:
        claimed = total((one for one in world.refunds[row.id] if one.status != RefundStatus.FAILED), "amount_minor")
        if row.refunded_minor != claimed:
            yield f"payment {row.id} says {row.refunded_minor} refunded, its refunds come to {claimed}"
        if claimed > row.captured_minor:
            yield f"payment {row.id}: {claimed} refunded of {row.captured_minor}"


def refunds_are_sums_of_lines(world: World) -> Iterator[str]:
    """A refund is what its lines come to."""
    lines = grouped(world.rows[RefundLine], "refund_id")
    for row in world.rows[Refund]:
        if total(lines[row.id], "amount_minor") != row.amount_minor:
            yield f"refund {row.id} is {row.amount_minor}, its lines {total(lines[row.id], 'amount_minor')}"


def sales_are_what_was_kept(world: World) -> Iterator[str]:
    """sum(sale.total) of an order = captured - paid back."""
    sales = grouped(world.rows[Sale], "order_id")
    for order in world.orders.values():
        captured = total(world.payments[order.id], "captured_minor")
        refunds = (row for payment in world.payments[order.id] for row in world.refunds[payment.id])
        back = total((row for row in refunds if row.status == RefundStatus.SUCCEEDED), "amount_minor")
        if total(sales[order.id], "total_minor") != captured - back:
            sold = total(sales[order.id], "total_minor")
            yield f"order {order.id}: {captured} captured, {back} paid back, sales come to {sold}"


def cancelled_is_what_is_not_to_be_paid(world: World) -> Iterator[str]:
    """A placed order of which everything is cancelled has nothing left to be paid."""
    for order in world.orders.values():
        lines = world.lines[order.id]
        if order.placed_at is not None and all(line.cancelled == line.quantity for line in lines):
            if order.cancelled_minor != order.total_minor:
                yield f"order {order.id}: all is cancelled, {order.cancelled_minor} of {order.total_minor}"
        elif order.cancelled_minor and not any(line.cancelled + line.returned for line in lines):
            yield f"order {order.id}: nothing is cancelled, {order.cancelled_minor} of {order.total_minor}"


def open_payments_are_of_what_is_due(world: World) -> Iterator[str]:
    """What is still to be paid is the order's total less what was cancelled."""
    for order in world.orders.values():
        for row in world.payments[order.id]:
            due = order.total_minor - order.cancelled_minor
            if row.status in OPEN and row.amount_minor != due:
                yield f"order {order.id}: {due} are due, payment {row.id} is of {row.amount_minor}"


def the_provider_took_what_we_recorded(world: World) -> Iterator[str]:
    """At rest: captured at the provider = captured of the payment, for every charge and every payment by it."""
    at_provider = {row.ref: row for row in world.books.charges}
    for row in world.rows[Payment]:
        if row.provider == "manual":
            continue
        charge = at_provider.pop(row.provider_ref, None)
        taken = charge.captured_minor if charge else 0
        if taken != row.captured_minor:
            yield f"payment {row.id} ({row.status}) has {row.captured_minor} captured, the provider took {taken}"
    for charge in at_provider.values():
        if charge.captured_minor:
            yield f"{charge.captured_minor} ({charge.ref}) were taken for order {charge.order_number}: no payment"


def the_provider_charged_once(world: World) -> Iterator[str]:
    """At rest: of every order the provider took money once."""
    for number, charges in grouped(world.books.charges, "order_number").items():
        taken = [charge.ref for charge in charges if charge.captured_minor]
        if len(taken) > 1:
            yield f"order {number} was charged as {taken}"


def who_paid_has_an_order_or_the_money(world: World) -> Iterator[str]:
    """At rest: no captured charge without an order that stands, or one that was cancelled and paid back."""
    by_number = {number_of(order.id): order for order in world.orders.values()}
    back = grouped(world.books.refunds, "payment_ref")
    for charge in world.books.charges:
        order = by_number.get(charge.order_number)
        stands = order is not None and order.state in {OrderState.PLACED, OrderState.COMPLETED}
        paid_back = total(back[charge.ref], "amount_minor") == charge.captured_minor
        cancelled = order is not None and order.state == OrderState.CANCELLED and paid_back
        if charge.captured_minor and not (stands or cancelled):
            state = order.state if order else "missing"
            yield f"order {charge.order_number} is {state}: {charge.captured_minor} were taken and not paid back"


def the_provider_paid_back_what_we_recorded(world: World) -> Iterator[str]:
    """At rest: refunds at the provider = refunds that succeeded."""
    at_provider = {row.ref: row for row in world.books.refunds}
    for row in world.rows[Refund]:
        if row.provider == "manual" or row.status == RefundStatus.FAILED:
            continue
        refund = at_provider.pop(row.provider_ref, None)
        paid = refund.amount_minor if refund else 0
        if paid != row.amount_minor:
            yield f"refund {row.id} ({row.status}) is {row.amount_minor}, the provider paid back {paid}"
    for refund in at_provider.values():
        yield f"the provider paid back {refund.amount_minor} ({refund.ref}) of {refund.payment_ref}: no refund"


def no_money_is_left_on_its_way(world: World) -> Iterator[str]:
    """At rest: no refund is only claimed, and every notice was handled."""
    for row in world.rows[Refund]:
        if row.status == RefundStatus.CLAIMED:
            yield f"refund {row.id} of order {row.order_id} is still only claimed"
    for row in world.rows[ProviderEvent]:
        if row.handled_at is None:
            yield f"notice {row.event_id} ({row.kind}) is not handled"


def ended_orders_wait_for_no_money(world: World) -> Iterator[str]:
    """At rest: an order that expired or was cancelled has no payment that may still be captured."""
    for order in world.orders.values():
        if order.state in {OrderState.EXPIRED, OrderState.CANCELLED}:
            waiting = [row.id for row in world.payments[order.id] if row.status in OPEN]
            if waiting:
                yield f"order {order.id} is {order.state}, and its payments {waiting} are open"


MONEY_RULES: Final[Sequence[Callable[[World], Iterator[str]]]] = (
    placed_orders_have_a_payment,
    orders_are_charged_once,
    active_is_what_is_open_or_captured,
    captured_is_marked_as_captured,
    the_payment_axis_says_what_the_payment_says,
    claims_are_refunds,
    refunds_are_sums_of_lines,
    sales_are_what_was_kept,
    cancelled_is_what_is_not_to_be_paid,
    open_payments_are_of_what_is_due,
)
MONEY_RULES_AT_REST: Final[Sequence[Callable[[World], Iterator[str]]]] = (
    the_provider_took_what_we_recorded,
    the_provider_charged_once,
    who_paid_has_an_order_or_the_money,
    the_provider_paid_back_what_we_recorded,
    no_money_is_left_on_its_way,
    ended_orders_wait_for_no_money,
)
