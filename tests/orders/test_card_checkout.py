"""Checkout by card: charged once, whatever is lost on the way, and nothing held or let go that is not known."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from app.config import Checkout
from app.core.extensions import db
from app.orders.models.orders import Hold, Order
from app.orders.models.payments import Payment
from app.orders.models.sales import Sale
from tests.concurrency import at_once
from tests.conftest import AppWith
from tests.orders.making import events_of, held_by, stock_of
from tests.orders.shopping import Customer, Shop, counts
from tests.orders.stripe_rules import SLOW
from tests.orders.stripe_server import StripeServer
from tests.servers import on_sqlite

CREATE = "POST /v1/payment_intents"
GOOD, DECLINED, ASKING = "pm_card_visa", "pm_card_visa_chargeDeclined", "pm_card_authenticationRequired"


@pytest.fixture
def cards(app_with: AppWith, stripe_double: StripeServer) -> Shop:
    """A shop that takes cards."""
    payments = stripe_double.payments(timeout_s=2.0)
    return Shop(app_with(payments=payments, checkout=Checkout(hold_s=60)))


def pay(customer: Customer, total: str, source: str | None = GOOD, **more: Any) -> Any:
    return customer.order(total, payment_method="card", source=source, **more)


def the(app: Flask, model: Any) -> Any:
    """The only row of a table."""
    with app.app_context():
        return db.session.scalars(select(model)).one()


def states(app: Flask) -> tuple[str, str, str, str]:
    """Of the only order: order, payment, hold and the newest payment's row."""
    with app.app_context():
        order = db.session.scalars(select(Order)).one()
        hold = db.session.scalars(select(Hold)).one()
        payment = db.session.scalars(select(Payment).order_by(Payment.id.desc()).limit(1)).one()
        return order.state, order.payment_state, hold.state, payment.status


PAID = ("PLACED", "PAID", "CONSUMED", "CAPTURED")


def test_a_card_is_charged_and_the_order_is_paid(cards: Shop, stripe_double: StripeServer) -> None:
    lamp = cards.product(on_hand=3)
    answer = pay(cards.guest({lamp: 2}), "20.00")
    assert answer.status_code == 201, answer.text
    number = answer.get_json()["number"]
    assert (answer.get_json()["state"], answer.get_json()["payment_state"]) == ("PLACED", "PAID")
    assert states(cards.app) == PAID
    assert stripe_double.books.taken(number) == [2_000]
    with cards.app.app_context():
        order_id = int(number) - 100_000
        assert held_by(order_id) == {lamp: 2}
        assert [event[:3] for event in events_of(order_id)] == [
            ("order.state", None, "DRAFT"),
            ("payment.state", "UNPAID", "PENDING"),
            ("order.state", "DRAFT", "PLACED"),
            ("payment.state", "PENDING", "PAID"),
        ]
        (sale,) = db.session.scalars(select(Sale))
        assert (sale.quantity, sale.total_minor) == (2, 2_000)


def test_a_declined_card_charges_nothing_keeps_the_stock_and_the_next_one_pays(
    cards: Shop, stripe_double: StripeServer
) -> None:
    lamp = cards.product(on_hand=1)
    guest = cards.guest({lamp: 1})
    declined = pay(guest, "10.00", DECLINED)
    assert (declined.status_code, declined.get_json()["code"]) == (402, "PAYMENT_DECLINED")
    assert declined.get_json()["reason"] == "generic_decline"
    assert states(cards.app) == ("DRAFT", "UNPAID", "HELD", "FAILED")
    with cards.app.app_context():
        assert stock_of(lamp) == (1, 1)
    paid = pay(guest, "10.00")
    assert paid.status_code == 201, paid.text
    assert states(cards.app) == PAID
    assert stripe_double.books.taken(paid.get_json()["number"]) == [1_000]
    assert counts(cards.app) == {"order": 1, "hold": 1, "payment": 2}
    with cards.app.app_context():
        assert stock_of(lamp) == (1, 1)
