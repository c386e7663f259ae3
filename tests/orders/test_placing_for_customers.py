"""Orders that staff place for somebody: by the rules of a checkout, and without a cart."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update

from app.config import Checkout, Payments
from app.core.errors import Invalid
from app.core.extensions import db
from app.core.money import Money
from app.core.orm import utc_now
from app.orders.errors import ProductsUnavailable, SoldOut, TotalChanged
from app.orders.models.coupons import Coupon
from app.orders.models.orders import Hold, Order
from app.orders.models.payments import Payment
from app.orders.services.checkout.for_customers import place_for_customer
from app.orders.services.checkout.wanted import CheckedOut, Ordered, Particulars
from app.orders.services.coupons.editing import create_coupon
from app.products.models.products import Product
from tests.conftest import AppWith
from tests.orders.making import ADDRESS, STAFF, events_of, held_by, stock_of
from tests.orders.shopping import Shop, change, everything
from tests.orders.stripe_server import StripeServer
from tests.products.stocking import ACTOR, assert_adds_up


def place(app: Flask, items: dict[int, int], *, user_id: int | None = None, **options: Any) -> CheckedOut:
    """Place an order as staff; ``options`` are ``expected_total`` and columns of the particulars."""
    expected = options.pop("expected_total", None)
    about: dict[str, Any] = {"email": "Grace@Example.org", "method": "invoice", **options}
    particulars = Particulars(shipping_address=ADDRESS, billing_address=ADDRESS, **about)
    wanted = [Ordered(product_id, quantity) for product_id, quantity in items.items()]
    with app.app_context():
        return place_for_customer(
            actor=STAFF,
            now=utc_now(),
            user_id=user_id,
            particulars=particulars,
            items=wanted,
            expected_total=expected,
        )


def test_it_is_placed_with_stock_and_payment_and_says_who_placed_it(app: Flask, shop: Shop) -> None:
    lamp, chair = shop.product(), shop.product(price="5.00")
    person = shop.person()
    done = place(app, {chair: 2, lamp: 1}, user_id=person.user_id, method="cash", note="By telephone")
    assert [line.product_id for line in done.lines] == [chair, lamp]
    with app.app_context():
        order = db.session.get_one(Order, done.order.id)
        assert (order.state, order.cart_id, order.user_id, order.total_minor) == ("PLACED", None, person.user_id, 2_000)
        assert order.email == "grace@example.org"
        assert held_by(order.id) == {chair: 2, lamp: 1}
        assert events_of(order.id) == [
            ("order.state", None, "PLACED", True),
            ("payment.state", None, "UNPAID", True),
            ("fulfilment.state", None, "UNFULFILLED", True),
        ]
        assert db.session.scalars(select(Hold)).all() == []
        payment = db.session.scalars(select(Payment)).one()
        assert (payment.method, payment.status, payment.amount_minor) == ("cash", "CREATED", 2_000)
        assert_adds_up(lamp, chair)


def test_two_of_them_are_two_orders(app: Flask, shop: Shop) -> None:
    lamp = shop.product(on_hand=5)
    assert place(app, {lamp: 1}).order.id != place(app, {lamp: 1}).order.id
    with app.app_context():
        assert stock_of(lamp) == (5, 2)


def test_what_a_customer_would_be_refused_staff_are_refused_as_well(app: Flask, shop: Shop) -> None:
    lamp, gone = shop.product(on_hand=1), shop.product()
    change(app, update(Product).where(Product.id == gone).values(is_active=False))
    before = everything(app)
    with pytest.raises(SoldOut) as sold_out:
        place(app, {lamp: 2})
    assert sold_out.value.facts["products"][0]["available"] == 1
    with pytest.raises(ProductsUnavailable):
        place(app, {gone: 1})
    with pytest.raises(TotalChanged):
        place(app, {lamp: 1}, expected_total=Money(900, "USD"))
    with pytest.raises(Invalid, match="rule"):
        place(app, {lamp: 1}, email="nobody")
    assert everything(app) == before
    assert place(app, {lamp: 1}, expected_total=Money(1_000, "USD")).order.state == "PLACED"


def test_a_coupon_counts_for_it(app: Flask, shop: Shop) -> None:
    with app.app_context():
        create_coupon(actor=ACTOR, now=utc_now(), code="ALL", percent_ppm=1_000_000)
    assert place(app, {shop.product(): 1}, coupon="ALL").order.payment_state == "PAID"
    with app.app_context():
        assert db.session.scalars(select(Coupon.used)).all() == [1]


def test_a_card_is_not_charged_by_staff(app_with: AppWith) -> None:
    shop = Shop(app_with(payments=Payments(stripe_secret_key="sk_test_x", stripe_webhook_secret="whsec_x")))
    lamp = shop.product()
    before = everything(shop.app)
    with pytest.raises(Invalid):
        place(shop.app, {lamp: 1}, method="card")
    assert everything(shop.app) == before


def test_it_takes_stock_that_only_lies_in_a_forgotten_checkout(app_with: AppWith, stripe_double: StripeServer) -> None:
    shop = Shop(app_with(payments=stripe_double.payments(), checkout=Checkout(hold_s=60)))
    lamp = shop.product(on_hand=1)
    declined = {"payment_method": "card", "source": "pm_card_visa_chargeDeclined"}
    assert shop.guest({lamp: 1}).order("10.00", **declined).status_code == 402
    with pytest.raises(SoldOut):
        place(shop.app, {lamp: 1})
    change(shop.app, update(Hold).values(expires_at=utc_now() - timedelta(seconds=1)))
    assert place(shop.app, {lamp: 1}).order.state == "PLACED"
    with shop.app.app_context():
        assert_adds_up(lamp)
