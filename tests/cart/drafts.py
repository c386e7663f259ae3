"""Orders for the tests of carts: rows as a checkout leaves them."""

from __future__ import annotations

import sqlalchemy as sa
from flask import Flask

from app.core.extensions import db
from app.core.orm import utc_now
from app.core.transactions import in_transaction
from app.orders.models.orders import FulfilmentState, Order, OrderState, PaymentState
from app.products.services.allocations import allocate
from app.products.services.ledger import Reference
from tests.products.stocking import ACTOR


def add_order(
    app: Flask, *, cart_id: int, state: OrderState = OrderState.DRAFT, holds: dict[int, int] | None = None
) -> int:
    """The order of a cart, which holds so many units by product id; its id."""
    amounts = dict.fromkeys(("subtotal_minor", "discount_minor", "shipping_minor", "tax_minor", "total_minor"), 0)

    @in_transaction
    def run() -> int:
        order = Order(
            cart_id=cart_id,
            email="x@example.org",
            state=state,
            payment_state=PaymentState.UNPAID,
            fulfilment_state=FulfilmentState.UNFULFILLED,
            payment_method="card",
            currency="USD",
            tax_rate_ppm=0,
            tax_included=True,
            shipping_address={},
            billing_address={},
            **amounts,
        )
        db.session.add(order)
        db.session.flush()
        if holds:
            reference = Reference("order", order.id, order.number)
            allocate.joined(actor=ACTOR, now=utc_now(), reference=reference, items=holds)
        return order.id

    with app.app_context():
        return run()


def set_order_state(app: Flask, order_id: int, state: OrderState) -> None:
    """Let an order be in another state."""

    @in_transaction
    def run() -> None:
        db.session.execute(sa.update(Order).where(Order.id == order_id).values(state=state))

    with app.app_context():
        run()
