"""Rules of orders, holds and coupons: every state says what the others say, and every move was written down."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from app.cart.models import Cart, CartState
from app.core.outbox import Outbox
from app.orders.models.coupons import Coupon, CouponCustomer, CouponUse
from app.orders.models.fulfilment import OrderReturnLine, ShipmentLine
from app.orders.models.orders import HoldState, Order, OrderEvent, OrderState
from tests.faults.world import World, grouped, total

PLACED: Final = {OrderState.PLACED, OrderState.COMPLETED}
ENDED_UNBOUGHT: Final = {OrderState.EXPIRED}
UNDECIDED: Final = {HoldState.HELD, HoldState.PAYING}
_AXES: Final = {
    "order.state": "state",
    "payment.state": "payment_state",
    "fulfilment.state": "fulfilment_state",
}


def a_cart_is_one_order(world: World) -> Iterator[str]:
    """Each cart became at most one order."""
    for cart_id, orders in grouped(world.rows[Order], "cart_id").items():
        if cart_id is not None and len(orders) > 1:
            yield f"cart {cart_id} is the orders {[order.id for order in orders]}"


def carts_are_closed_by_placing(world: World) -> Iterator[str]:
    """A cart is ORDERED from the moment on that its order was placed, and never before."""
    order_of = {order.cart_id: order for order in world.rows[Order] if order.cart_id is not None}
    for cart in world.rows[Cart]:
        order = order_of.get(cart.id)
        is_placed = order is not None and (order.placed_at is not None or order.state in PLACED)
        if is_placed and cart.state == CartState.OPEN:
            yield f"cart {cart.id} is open, and its order was placed"
        bought_late = order is not None and order.state == OrderState.CANCELLED
        if cart.state == CartState.ORDERED and not (is_placed or bought_late):
            yield f"cart {cart.id} is ordered, and nothing was placed"


def holds_are_consumed_by_placing(world: World) -> Iterator[str]:
    """A hold is CONSUMED if and only if its order is PLACED or was; DRAFT has a hold under way, EXPIRED a released."""
    for order in world.orders.values():
        hold = world.holds.get(order.id)
        if hold is None:
            if order.cart_id is not None:
                yield f"order {order.id} came from a cart and has no hold"
            continue
        if order.state in PLACED and hold.state != HoldState.CONSUMED:
            yield f"order {order.id} is {order.state}, its hold {hold.state}"
        if hold.state == HoldState.CONSUMED and order.placed_at is None:
            yield f"order {order.id} was never placed, its hold is CONSUMED"
        if order.state == OrderState.DRAFT and hold.state not in UNDECIDED:
            yield f"order {order.id} is DRAFT, its hold {hold.state}"
        if order.state not in {OrderState.DRAFT, OrderState.CANCELLED} and hold.state in UNDECIDED:
            yield f"order {order.id} is {order.state}, its hold {hold.state}"


def amounts_are_sums_of_lines(world: World) -> Iterator[str]:
    """Each amount of an order is the sum of its lines', and each total what its parts come to."""
    parts = ("subtotal_minor", "discount_minor", "shipping_minor", "tax_minor", "total_minor")
    for order in world.orders.values():
        for part in parts:
            of_lines = total(world.lines[order.id], part)
            if of_lines != getattr(order, part):
                yield f"order {order.id}: {part} is {getattr(order, part)}, of its lines {of_lines}"
        for each in (order, *world.lines[order.id]):
            tax = 0 if order.tax_included else each.tax_minor
            if each.total_minor != each.subtotal_minor - each.discount_minor + each.shipping_minor + tax:
                yield f"order {order.id}: a total of {each.total_minor} is not what it consists of"


def lines_are_within_bounds(world: World) -> Iterator[str]:
    """Each count of a line is what parcels and returns come to, and none is more than there was to count."""
    shipped, returned = (grouped(world.rows[model], "order_line_id") for model in (ShipmentLine, OrderReturnLine))
    for order in world.orders.values():
        for line in world.lines[order.id]:
            counts = line.cancelled, line.shipped, line.returned
            bounded = line.shipped + line.cancelled <= line.quantity and line.returned <= line.shipped
            if min(counts) < 0 or line.quantity < 1 or not bounded:
                yield f"line {line.id} of {line.quantity}: cancelled, shipped, returned {counts}"
            if total(shipped[line.id], "quantity") != line.shipped:
                yield f"line {line.id}: {line.shipped} shipped, parcels say {total(shipped[line.id], 'quantity')}"
            if total(returned[line.id], "quantity") != line.returned:
                yield f"line {line.id}: {line.returned} returned, returns say {total(returned[line.id], 'quantity')}"


def nothing_of_a_cancelled_order_is_due(world: World) -> Iterator[str]:
    """What of a placed order is CANCELLED has no units left to ship, and what is COMPLETED neither."""
    for order in world.orders.values():
        if order.state in {OrderState.CANCELLED, OrderState.COMPLETED} and order.placed_at is not None:
            due = [line.id for line in world.lines[order.id] if line.quantity > line.cancelled + line.shipped]
            if due:
                yield f"order {order.id} is {order.state}, and units of its lines {due} are still to be shipped"


def every_move_was_written_down(world: World) -> Iterator[str]:
    """The events of each axis lead from nothing to where it is, without a gap."""
    events = grouped(sorted(world.rows[OrderEvent], key=lambda row: row.id), "order_id", "kind")
    for order in world.orders.values():
        for kind, column in _AXES.items():
            at = None
            for event in events[order.id, kind]:
                if event.before != at:
                    yield f"order {order.id}: {kind} went from {event.before} and was {at}"
                at = event.after
            if at != getattr(order, column):
                yield f"order {order.id}: {kind} is {getattr(order, column)}, its events end at {at}"


def coupons_count_their_uses(world: World) -> Iterator[str]:
    """coupon.used = count(coupon_use), for all and for each customer, and within the limits."""
    uses, by_customer = (
        grouped(world.rows[CouponUse], *columns) for columns in (("coupon_id",), ("coupon_id", "customer_hash"))
    )
    for coupon in world.rows[Coupon]:
        if coupon.used != len(uses[coupon.id]):
            yield f"coupon {coupon.code} says {coupon.used} uses, there are {len(uses[coupon.id])}"
        if coupon.max_uses is not None and len(uses[coupon.id]) > coupon.max_uses:
            yield f"coupon {coupon.code} was used {len(uses[coupon.id])} times of {coupon.max_uses}"
    for row in world.rows[CouponCustomer]:
        if row.used != len(by_customer[row.coupon_id, row.customer_hash]):
            yield f"coupon {row.coupon_id}: a customer's count is {row.used}"


def coupons_are_used_by_who_has_the_discount(world: World) -> Iterator[str]:
    """An order that is in checkout or was placed with a coupon uses it once; one that ended unbought does not."""
    codes = {coupon.id: coupon.code for coupon in world.rows[Coupon]}
    used = {use.order_id: codes.get(use.coupon_id) for use in world.rows[CouponUse]}
    for order in world.orders.values():
        live = order.state in {OrderState.DRAFT, *PLACED}
        if live and used.get(order.id) != order.coupon_code:
            yield f"order {order.id} ({order.state}) has coupon {order.coupon_code}, it uses {used.get(order.id)}"
        if order.state in ENDED_UNBOUGHT and order.id in used:
            yield f"order {order.id} is {order.state} and uses coupon {used[order.id]}"


def no_hold_outlives_its_time(world: World) -> Iterator[str]:
    """At rest: no HELD or PAYING hold is past its end."""
    for hold in world.holds.values():
        if hold.state in UNDECIDED and hold.expires_at < world.now:
            yield f"hold of order {hold.order_id} is {hold.state} and ended at {hold.expires_at}"


def every_effect_is_done(world: World) -> Iterator[str]:
    """At rest: the outbox is empty."""
    for row in world.rows[Outbox]:
        if row.done_at is None:
            yield f"{row.kind} {row.unique_key} after {row.attempts} attempts: {row.last_error}"


ORDER_RULES: Final[Sequence[Callable[[World], Iterator[str]]]] = (
    a_cart_is_one_order,
    carts_are_closed_by_placing,
    holds_are_consumed_by_placing,
    amounts_are_sums_of_lines,
    lines_are_within_bounds,
    nothing_of_a_cancelled_order_is_due,
    every_move_was_written_down,
    coupons_count_their_uses,
    coupons_are_used_by_who_has_the_discount,
)
ORDER_RULES_AT_REST: Final[Sequence[Callable[[World], Iterator[str]]]] = (
    no_hold_outlives_its_time,
    every_effect_is_done,
)
