"""Rules of stock: nothing is promised twice, nothing is kept for nobody, and the ledger knows of everything."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from app.orders.attention import STOCK_TAKEN
from app.orders.models.orders import REFERENCE, HoldState, OrderState
from app.products.models.stock import Allocation, MovementKind, Stock, StockMovement
from tests.faults.world import World, grouped, total

LIVE: Final = {HoldState.HELD, HoldState.PAYING, HoldState.CONSUMED}
KEEPS_STOCK: Final = {OrderState.DRAFT, OrderState.PLACED, OrderState.COMPLETED}


def the_ledger_explains_the_counters(world: World) -> Iterator[str]:
    """sum(ledger) = counters."""
    ledger = grouped(world.rows[StockMovement], "product_id")
    for stock in world.rows[Stock]:
        moved = ledger[stock.product_id]
        sums = total(moved, "on_hand_delta"), total(moved, "allocated_delta")
        if sums != (stock.on_hand, stock.allocated):
            yield f"product {stock.product_id} has {stock.on_hand}/{stock.allocated}, its ledger comes to {sums}"


def allocated_is_what_allocations_come_to(world: World) -> Iterator[str]:
    """What is allocated of a product is the sum of its allocations."""
    held = grouped(world.rows[Allocation], "product_id")
    for stock in world.rows[Stock]:
        promised = total(held[stock.product_id], "quantity")
        if stock.allocated != promised:
            yield f"product {stock.product_id} has {stock.allocated} allocated, allocations come to {promised}"


def nothing_is_oversold(world: World) -> Iterator[str]:
    """0 <= allocated <= on_hand."""
    for stock in world.rows[Stock]:
        if not 0 <= stock.allocated <= stock.on_hand:
            yield f"product {stock.product_id}: {stock.allocated} allocated of {stock.on_hand} on hand"


def allocations_belong_to_live_orders(world: World) -> Iterator[str]:
    """Stock is kept for orders with a hold that is HELD, PAYING or CONSUMED, and for those made by staff."""
    for held in _of_orders(world):
        order, hold = world.orders.get(held.reference_id), world.holds.get(held.reference_id)
        where = f"allocation {held.id} ({held.quantity} of product {held.product_id}) of order {held.reference_id}"
        if order is None:
            yield f"{where}, which does not exist"
        elif hold is None and order.cart_id is not None:
            yield f"{where}, which came from a cart and has no hold"
        elif hold is not None and hold.state not in LIVE:
            yield f"{where}, whose hold is {hold.state}"
        elif order.state not in KEEPS_STOCK:
            yield f"{where}, which is {order.state}"


def orders_hold_what_they_have_to_ship(world: World) -> Iterator[str]:
    """An allocation is the line's quantity - cancelled - shipped; less only where a count took it away."""
    held = {(row.reference_id, row.product_id): row.quantity for row in _of_orders(world)}
    for order in world.orders.values():
        hold = world.holds.get(order.id)
        keeps = order.state in KEEPS_STOCK and (hold is None or hold.state in LIVE)
        for line in world.lines[order.id]:
            due = line.quantity - line.cancelled - line.shipped if keeps else 0
            has = held.pop((order.id, line.product_id), 0)
            if has != due and not (has < due and order.attention == STOCK_TAKEN):
                yield f"order {order.id} ({order.state}) holds {has} of product {line.product_id} and has {due} to ship"
    for (order_id, product_id), quantity in held.items():
        if order_id in world.orders:
            yield f"order {order_id} holds {quantity} of product {product_id}, of which it has no line"


def what_left_the_shelf_is_on_a_line(world: World) -> Iterator[str]:
    """Of every order the ledger's shipped units are the line's, and no more came back than was returned."""
    moved = grouped(
        (row for row in world.rows[StockMovement] if row.reference_kind == REFERENCE),
        "reference_id", "product_id", "kind",
    )  # fmt: skip
    for order in world.orders.values():
        for line in world.lines[order.id]:
            left = -total(moved[order.id, line.product_id, MovementKind.SHIPPED], "on_hand_delta")
            back = total(moved[order.id, line.product_id, MovementKind.RETURNED], "on_hand_delta")
            if left != line.shipped:
                yield f"line {line.id}: {line.shipped} shipped, by the ledger {left}"
            if back > line.returned:
                yield f"line {line.id}: {line.returned} returned, by the ledger {back} are on the shelf again"


def _of_orders(world: World) -> list[Any]:
    return [row for row in world.rows[Allocation] if row.reference_kind == REFERENCE]


STOCK_RULES: Final[Sequence[Callable[[World], Iterator[str]]]] = (
    the_ledger_explains_the_counters,
    allocated_is_what_allocations_come_to,
    nothing_is_oversold,
    allocations_belong_to_live_orders,
    orders_hold_what_they_have_to_ship,
    what_left_the_shelf_is_on_a_line,
)
