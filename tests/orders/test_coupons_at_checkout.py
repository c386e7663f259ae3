"""Coupons where they are used: at checkout over HTTP, by many at once, and by nobody who only guesses."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import Any, Final

from flask import Flask
from sqlalchemy import select
from werkzeug.test import TestResponse

from app.config import Rates
from app.core.extensions import db
from app.core.orm import utc_now
from app.core.permissions import system
from app.orders.models.coupons import Coupon, CouponCustomer
from app.orders.models.orders import Order
from app.orders.services.coupons.editing import create_coupon
from tests.conftest import AppWith
from tests.orders.shopping import Customer, Shop, everything, together
from tests.servers import on_sqlite

MANY: Final = "100000 per minute"


def make_coupon(app: Flask, code: str = "WELCOME", **values: Any) -> None:
    with app.app_context():
        create_coupon(actor=system(), now=utc_now(), code=code, **({"percent_ppm": 100_000} | values))


def used(app: Flask) -> tuple[list[int], list[int]]:
    """How often coupons were used, and by whom."""
    with app.app_context():
        customers = select(CouponCustomer.used).order_by(CouponCustomer.id)
        return list(db.session.scalars(select(Coupon.used))), list(db.session.scalars(customers))


def said(answer: TestResponse) -> str:
    """How an order was answered."""
    body = answer.get_json()
    return body.get("reason") or body.get("code") or str(answer.status_code)


def test_twenty_buyers_at_once_get_a_coupon_with_three_uses_three_times(app: Flask, shop: Shop) -> None:
    make_coupon(app, max_uses=3)
    product = shop.product(on_hand=40)
    buyers = [shop.guest({product: 2}) for _ in range(20)]
    answers = together(*[partial(buyer.order, "18.00", coupon="welcome") for buyer in buyers])
    assert Counter(map(said, answers)) == {"201": 3, "used_up": 17}
    assert used(app) == ([3], [1, 1, 1])
    with app.app_context():
        assert list(db.session.scalars(select(Order.coupon_code).where(Order.state == "PLACED"))) == ["WELCOME"] * 3


def test_one_person_with_and_without_an_account_is_one_customer(app: Flask, shop: Shop) -> None:
    make_coupon(app, max_per_customer=1)
    product = shop.product(on_hand=40)
    person = shop.person({product: 1}, email="grace@example.org")
    guest = shop.guest({product: 1})
    assert person.order("9.00", coupon="WELCOME").status_code == 201
    before = everything(app)
    refused = guest.order("9.00", coupon="WELCOME", email="Grace@EXAMPLE.org")
    assert (refused.status_code, refused.get_json()["code"]) == (409, "COUPON_NOT_USABLE")
    assert refused.get_json()["reason"] == "used_by_customer"
    assert refused.get_json()["errors"][0]["pointer"] == "/coupon"
    assert everything(app) == before
    assert used(app) == ([1], [1])


@on_sqlite
def test_a_code_that_there_is_not_is_refused_at_the_field_and_nothing_is_ordered(app: Flask, shop: Shop) -> None:
    guest = shop.guest({shop.product(): 1})
    before = everything(app)
    refused = guest.order("10.00", coupon="GUESS")
    assert (refused.status_code, refused.get_json()["code"]) == (422, "UNKNOWN_COUPON")
    assert [(error["pointer"], error["in"]) for error in refused.get_json()["errors"]] == [("/coupon", "body")]
    assert everything(app) == before


@on_sqlite
def test_who_names_many_unknown_codes_names_no_more_and_can_still_buy(app_with: AppWith, redis_url: str) -> None:
    app = app_with(rates=Rates(login=MANY, write=MANY, coupon="3 per hour"))
    make_coupon(app)
    shop = Shop(app)
    product = shop.product(on_hand=40)
    guesser, buyer = shop.guest({product: 1}), shop.guest({product: 1})

    def guess(customer: Customer, coupon: str, total: str = "9.00") -> str:
        return said(customer.order(total, coupon=coupon))

    assert guess(buyer, "WELCOME", "10.00") == "TOTAL_CHANGED"
    assert [guess(guesser, f"GUESS-{at}") for at in range(4)] == ["UNKNOWN_COUPON"] * 3 + ["RATE_LIMITED"]
    before = everything(app)
    late = buyer.order("9.00", coupon="WELCOME")
    assert (late.status_code, said(late)) == (429, "RATE_LIMITED")
    assert int(late.headers["Retry-After"]) > 0
    assert everything(app) == before
    assert buyer.order("10.00").status_code == 201
    elsewhere = shop.guest({product: 1})
    answer = app.test_client().post(
        "/api/v1/orders",
        json=elsewhere.body("9.00", coupon="WELCOME"),
        headers=elsewhere.headers,
        environ_base={"REMOTE_ADDR": "192.0.2.99"},
    )
    assert answer.status_code == 201


@on_sqlite
def test_neither_a_coupon_that_is_known_nor_another_mistake_counts_as_a_guess(app_with: AppWith) -> None:
    app = app_with(rates=Rates(login=MANY, write=MANY, coupon="1 per hour"))
    make_coupon(app, "SPENT", max_uses=1)
    shop = Shop(app)
    product = shop.product(on_hand=40)
    assert shop.guest({product: 1}).order("9.00", coupon="SPENT").status_code == 201
    buyer = shop.guest({product: 1})
    assert [said(buyer.order("9.00", coupon="SPENT")) for _ in range(3)] == ["used_up"] * 3
    mistyped = buyer.body("9.00", coupon="GUESS") | {"email": "nobody"}
    assert {(answer.status_code, said(answer)) for answer in (buyer.send(mistyped), buyer.send(mistyped))} == {
        (422, "INVALID")
    }
    assert said(buyer.order("9.00", coupon="GUESS")) == "UNKNOWN_COUPON"
    assert said(buyer.order("9.00", coupon="SPENT")) == "RATE_LIMITED"


@on_sqlite
def test_quotes_are_no_way_to_try_codes(app_with: AppWith) -> None:
    app = app_with(rates=Rates(login=MANY, write=MANY, coupon="2 per hour"))
    make_coupon(app)
    shop = Shop(app)
    buyer = shop.guest({shop.product(on_hand=40): 1})

    def ask(**coupon: str) -> TestResponse:
        query = {"cart_id": str(buyer.cart_id)} | coupon
        return app.test_client().get("/api/v1/orders/quote", query_string=query, headers=buyer.headers)

    assert ask(coupon="welcome").get_json()["discount"] == "1.00"
    codes = ["GUESS-1", "GUESS-2", "GUESS-3", "WELCOME"]
    assert [said(ask(coupon=code)) for code in codes] == ["UNKNOWN_COUPON"] * 2 + ["RATE_LIMITED"] * 2
    assert said(buyer.order("9.00", coupon="WELCOME")) == "RATE_LIMITED"
    assert ask().status_code == 200
