"""Orders that are placed, paid, shipped, returned and refunded by the services that do it, at any instant."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from app.core.extensions import db
from app.core.money import Money
from app.core.running import settings
from app.orders.models.orders import Order, OrderLine
from app.orders.models.payments import Payment, Refund, RefundStatus
from app.orders.models.sales import Sale
from app.orders.services.cancelling import cancel_order
from app.orders.services.checkout.for_customers import place_for_customer
from app.orders.services.checkout.wanted import Ordered, Particulars
from app.orders.services.counting import Units
from app.orders.services.coupons.editing import create_coupon
from app.orders.services.recording import record_payment
from app.orders.services.refunds import refund
from app.orders.services.returns import Returned, Wish, take_back
from app.orders.services.sending_refunds import send_refund
from app.orders.services.shipping import Tracking, ship
from app.products.services.products import create_product
from tests.orders.making import ADDRESS, STAFF
from tests.products.stocking import receive

_NUMBERS: Final = itertools.count(1)
AMOUNTS: Final = ("gross_minor", "discount_minor", "net_minor", "shipping_minor", "tax_minor", "total_minor")


def make_goods(
    price: str, *, now: datetime, name: str = "Lamp", brand: str | None = "Lumo", on_hand: int = 1000
) -> int:
    """A product with enough on the shelf; its id."""
    product = create_product(
        actor=STAFF,
        now=now,
        asin=f"S{next(_NUMBERS):09d}",
        name=name,
        brand=brand,
        price=Money.parse(price, settings().currency),
    )
    product_id = product.id
    receive(product_id, on_hand)
    return product_id


def make_coupon(code: str, *, now: datetime, **values: Any) -> None:
    create_coupon(actor=STAFF, now=now, code=code, **values)


def place(items: Mapping[int, int], *, now: datetime, coupon: str | None = None, email: str = "a@example.org") -> int:
    """An order on invoice of these quantities by product id; its id."""
    about = Particulars(
        email=email, shipping_address=ADDRESS, billing_address=ADDRESS, method="invoice", coupon=coupon, note=""
    )
    wanted = [Ordered(product_id, quantity) for product_id, quantity in items.items()]
    return place_for_customer(actor=STAFF, now=now, user_id=None, particulars=about, items=wanted).order.id


def due(order_id: int) -> Money:
    """What is still to be paid."""
    order = _order(order_id)
    return Money(order.total_minor - order.cancelled_minor, order.currency)


def pay(order_id: int, *, now: datetime) -> None:
    """Record that all that is due was paid."""
    version = _order(order_id).version
    record_payment(actor=STAFF, now=now, order_id=order_id, expected_version=version, amount=due(order_id))


def cancel(order_id: int, units: Mapping[int, int] | None = None, *, now: datetime) -> None:
    """Cancel these quantities by line id, or all that was not shipped, and pay back what was paid."""
    chosen = None if units is None else [Units(line_id, count) for line_id, count in units.items()]
    cancel_order(actor=STAFF, clock=lambda: now, order_id=order_id, units=chosen)
    send_refunds(order_id, now=now)


def send(order_id: int, units: Mapping[int, int], *, now: datetime) -> None:
    """Ship these quantities by line id."""
    chosen = [Units(line_id, count) for line_id, count in units.items()]
    version = _order(order_id).version
    ship(
        actor=STAFF,
        now=now,
        order_id=order_id,
        expected_version=version,
        tracking=Tracking(carrier="DHL"),
        units=chosen,
    )


def come_back(order_id: int, units: Mapping[int, int], *, now: datetime, wish: Wish | None = None) -> None:
    """Take these quantities by line id back; ``wish``: money goes back for it, and is paid back at once."""
    chosen = [Returned(line_id, count, resaleable=count) for line_id, count in units.items()]
    version = _order(order_id).version
    take_back(
        actor=STAFF, now=now, order_id=order_id, expected_version=version, units=chosen, reason="broken", refund=wish
    )
    send_refunds(order_id, now=now)


def give(order_id: int, minor: int | None, *, now: datetime) -> None:
    """Pay so much back while the goods stay; None: all that is left."""
    order = _order(order_id)
    amount, version = None if minor is None else Money(minor, order.currency), order.version
    refund(actor=STAFF, now=now, order_id=order_id, expected_version=version, amount=amount, reason="a scratch")
    send_refunds(order_id, now=now)


def send_refunds(order_id: int, *, now: datetime) -> None:
    """Do what a worker does soon: have what was set aside paid back."""
    db.session.rollback()
    waiting = sa.select(Refund.id).where(Refund.order_id == order_id, Refund.status == RefundStatus.CLAIMED)
    for refund_id in list(db.session.scalars(waiting.order_by(Refund.id))):
        send_refund(refund_id=refund_id, now=now)


def lines_of(order_id: int) -> list[OrderLine]:
    """An order's lines as they are now."""
    db.session.rollback()
    found = sa.select(OrderLine).where(OrderLine.order_id == order_id).order_by(OrderLine.position)
    return list(db.session.scalars(found))


def facts_of(order_id: int) -> list[Sale]:
    """The sales facts of an order, in the order they were written."""
    db.session.rollback()
    return list(db.session.scalars(sa.select(Sale).where(Sale.order_id == order_id).order_by(Sale.id)))


def money_of(order_id: int) -> tuple[int, int]:
    """What was captured for an order, and what of it was paid back, in minor units."""
    db.session.rollback()
    captured = db.session.scalar(sa.select(sa.func.sum(Payment.captured_minor)).where(Payment.order_id == order_id))
    back = sa.select(sa.func.sum(Refund.amount_minor)).where(Refund.order_id == order_id)
    refunded = db.session.scalar(back.where(Refund.status == RefundStatus.SUCCEEDED))
    return int(captured or 0), int(refunded or 0)


def payment_state(order_id: int) -> str:
    """How far the money of an order is."""
    return _order(order_id).payment_state


def _order(order_id: int) -> Order:
    db.session.rollback()
    return db.session.get_one(Order, order_id, populate_existing=True)
