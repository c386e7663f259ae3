"""Checkouts whose held stock a count took away."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from app.config import Checkout
from app.core.extensions import db
from app.core.orm import utc_now
from app.core.permissions import system
from app.core.transactions import in_transaction
from app.orders.attention import STOCK_TAKEN
from app.orders.models.orders import Hold, Order
from app.orders.services.checkout.stocking import expire
from app.products.services.stock import Shortfall
from tests.conftest import AppWith
from tests.mailing import deliver
from tests.orders.making import held_by
from tests.orders.shopping import Customer, Shop
from tests.orders.stripe_server import StripeServer
from tests.products.stocking import adjust, receive

GOOD, DECLINED = "pm_card_visa", "pm_card_visa_chargeDeclined"


@pytest.fixture
def cards(app_with: AppWith, stripe_double: StripeServer) -> Shop:
    """A shop that takes cards."""
    return Shop(app_with(payments=stripe_double.payments(timeout_s=20.0), checkout=Checkout(hold_s=60)))


def robbed(cards: Shop) -> tuple[Customer, int]:
    """Somebody whose card was declined, and whose lamp was not on the shelf after all; the lamp."""
    lamp = cards.product(on_hand=1)
    guest = cards.guest({lamp: 1})
    assert guest.order("10.00", payment_method="card", source=DECLINED).status_code == 402
    with cards.app.app_context():
        adjust(lamp, -1, shortfall=Shortfall.RELEASE)
    deliver(cards.app)
    assert the_order(cards).attention == STOCK_TAKEN
    return guest, lamp


def the_order(cards: Shop) -> Order:
    with cards.app.app_context():
        return db.session.scalars(select(Order)).one()


def test_a_checkout_that_goes_on_is_held_its_stock_again_or_says_that_there_is_none(cards: Shop) -> None:
    guest, lamp = robbed(cards)
    refused = guest.order("10.00", payment_method="card", source=GOOD)
    assert (refused.status_code, refused.get_json()["code"]) == (409, "OUT_OF_STOCK")
    assert (the_order(cards).attention, the_order(cards).state) == (STOCK_TAKEN, "DRAFT")
    with cards.app.app_context():
        receive(lamp, 1)
    assert guest.order("10.00", payment_method="card", source=GOOD).status_code == 201
    order = the_order(cards)
    assert (order.attention, order.state) == (None, "PLACED")
    with cards.app.app_context():
        assert held_by(order.id) == {lamp: 1}


def test_a_checkout_that_ends_is_nothing_to_look_at(cards: Shop) -> None:
    robbed(cards)
    order = the_order(cards)

    @in_transaction
    def wait() -> None:
        db.session.execute(update(Hold).values(expires_at=utc_now() - timedelta(minutes=1)))

    with cards.app.app_context():
        wait()
        assert expire(order_id=order.id, actor=system(), now=utc_now()) is True
    assert (the_order(cards).attention, the_order(cards).state) == (None, "EXPIRED")
