"""Orders for the tests, written straight into the tables: in any state, with products and stock that belong to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import func, select

from app.core.extensions import db
from app.core.permissions import CATALOGUE, Principal
from app.core.transactions import in_transaction
from app.orders.models.orders import REFERENCE, Order, OrderEvent, OrderLine, OrderState, number_of
from app.orders.models.payments import Payment, PaymentStatus
from app.orders.services.sales import record_sale
from app.products.models.products import Product
from app.products.models.stock import Allocation, Stock
from app.products.services.allocations import allocate
from app.products.services.ledger import Reference
from tests.products.stocking import make_product

NOW: Final = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
STAFF: Final = Principal(
    kind="user", id=7, name="Ada", permissions=frozenset(CATALOGUE), request_id="r-1", user_id=7, address="192.0.2.7"
)
ADDRESS: Final[dict[str, Any]] = {
    "name": "Grace Hopper",
    "company": None,
    "line1": "1 Compiler Road",
    "line2": None,
    "city": "Arlington",
    "region": "VA",
    "postal_code": "22201",
    "country": "US",
    "phone": None,
}
PRICE: Final = 1_000
"""What one of everything costs, in minor units."""


@dataclass(frozen=True)
class Made:
    """An order that was made, and its parts."""

    id: int
    number: str
    lines: tuple[int, ...]
    products: tuple[int, ...]
    payment_id: int | None


def make_order(
    *quantities: int,
    state: OrderState = OrderState.PLACED,
    products: Sequence[int] | None = None,
    paid: bool = False,
    method: str = "invoice",
    on_hand: int = 10,
    **values: Any,
) -> Made:
    """An order with a line of each of ``quantities`` (1 where there are none), its stock allocated unless it is over.

    Each unit costs PRICE; there is neither tax nor shipping. ``paid``: with a captured payment. ``values`` are columns.
    """
    wanted = quantities or (1,)
    first = _products()
    bought = tuple(products or [make_product(first + at, on_hand=on_hand) for at in range(len(wanted))])
    made = _write(wanted, bought, state=state, paid=paid, method=method, values=values)
    if state not in {OrderState.EXPIRED, OrderState.CANCELLED, OrderState.COMPLETED}:
        items = dict(zip(bought, wanted, strict=True))
        allocate(actor=STAFF, now=NOW, reference=reference_of(made.id), items=items)
    return made


def reference_of(order_id: int) -> Reference:
    """What allocations of an order are known by."""
    return Reference(REFERENCE, order_id, f"Order {number_of(order_id)}")


def order_of(order_id: int) -> Order:
    """An order as it is now."""
    db.session.rollback()
    return db.session.get_one(Order, order_id, populate_existing=True)


def lines_of(order_id: int) -> list[dict[str, int]]:
    """What became of the units of an order's lines, in their order."""
    db.session.rollback()
    columns = (OrderLine.quantity, OrderLine.cancelled, OrderLine.shipped, OrderLine.returned)
    rows = db.session.execute(select(*columns).where(OrderLine.order_id == order_id).order_by(OrderLine.position))
    return [dict(row._mapping) for row in rows]


def events_of(order_id: int) -> list[tuple[str, str | None, str | None, bool]]:
    """What happened to an order as (kind, before, after, is_public), in order."""
    db.session.rollback()
    rows = db.session.execute(
        select(OrderEvent.kind, OrderEvent.before, OrderEvent.after, OrderEvent.is_public)
        .where(OrderEvent.order_id == order_id)
        .order_by(OrderEvent.id)
    )
    return [(row.kind, row.before, row.after, row.is_public) for row in rows]


def held_by(order_id: int) -> dict[int, int]:
    """What an order holds, by product id."""
    db.session.rollback()
    rows = db.session.execute(
        select(Allocation.product_id, Allocation.quantity).where(
            Allocation.reference_kind == REFERENCE, Allocation.reference_id == order_id
        )
    )
    return {row.product_id: row.quantity for row in rows}


def stock_of(product_id: int) -> tuple[int, int]:
    """What is on the shelf and what of it is promised."""
    db.session.rollback()
    row = db.session.execute(select(Stock.on_hand, Stock.allocated).where(Stock.product_id == product_id)).one()
    return row.on_hand, row.allocated


def _products() -> int:
    """A number that no product has yet."""
    newest: str | None = db.session.scalar(select(func.max(Product.asin)))
    db.session.rollback()
    return int(newest[1:]) + 1 if newest else 1


@in_transaction
def _write(
    quantities: Sequence[int],
    products: Sequence[int],
    *,
    state: OrderState,
    paid: bool,
    method: str,
    values: dict[str, Any],
) -> Made:
    total = PRICE * sum(quantities)
    is_open = state == OrderState.DRAFT
    columns: dict[str, Any] = {
        "email": "grace@example.org",
        "state": state,
        "payment_state": "PAID" if paid else "UNPAID",
        "payment_method": method,
        "currency": "USD",
        "tax_rate_ppm": 0,
        "tax_included": True,
        "subtotal_minor": total,
        "discount_minor": 0,
        "shipping_minor": 0,
        "tax_minor": 0,
        "total_minor": total,
        "shipping_address": ADDRESS,
        "billing_address": ADDRESS,
        "placed_at": None if is_open else NOW,
        "placed_on": None if is_open else NOW.date(),
        "paid_at": NOW if paid else None,
    }
    order = Order(**(columns | values))
    db.session.add(order)
    db.session.flush()
    lines = []
    for position, (product_id, quantity) in enumerate(zip(products, quantities, strict=True)):
        product = db.session.get_one(Product, product_id)
        line = OrderLine(
            order_id=order.id,
            product_id=product_id,
            position=position,
            asin=product.asin,
            name=product.name,
            brand=product.brand,
            quantity=quantity,
            unit_price_minor=PRICE,
            subtotal_minor=PRICE * quantity,
            discount_minor=0,
            shipping_minor=0,
            shipping_tax_minor=0,
            tax_minor=0,
            total_minor=PRICE * quantity,
        )
        db.session.add(line)
        lines.append(line)
    payment = None if is_open and not paid else _payment(order, paid=paid)
    db.session.flush()
    if paid:
        record_sale(order, lines, now=NOW)
    return Made(
        order.id, order.number, tuple(line.id for line in lines), tuple(products), payment.id if payment else None
    )


def _payment(order: Order, *, paid: bool) -> Payment:
    payment = Payment(
        order_id=order.id,
        attempt=1,
        active_order_id=order.id,
        provider="manual",
        method=order.payment_method,
        status=PaymentStatus.CAPTURED if paid else PaymentStatus.CREATED,
        amount_minor=order.total_minor,
        currency=order.currency,
        captured_minor=order.total_minor if paid else 0,
        idempotency_key=f"order-{order.id}-1",
        captured_at=NOW if paid else None,
    )
    db.session.add(payment)
    return payment
