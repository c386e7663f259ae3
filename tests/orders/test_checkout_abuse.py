"""What somebody might do to a shop at checkout again and again, and how often the shop lets them."""

from __future__ import annotations

from typing import Any

import pytest
from werkzeug.test import TestResponse

from app.auth.services.accounts import mailbox_of
from app.config import Checkout, Rates
from app.orders.models.orders import Hold, Order
from app.orders.models.payments import Payment
from tests.conftest import AppWith
from tests.orders.paying import API, Till
from tests.orders.shopping import Customer, Shop, everything, everything_of
from tests.orders.stripe_server import StripeServer
from tests.orders.test_coupons_at_checkout import MANY, make_coupon, said, used
from tests.servers import on_sqlite

STOLEN = "pm_card_visa_chargeDeclined"
ELSEWHERE = {"REMOTE_ADDR": "192.0.2.99"}


def plenty(**rates: str) -> Rates:
    return Rates(login=MANY, write=MANY, cart=MANY, **rates)


def till_with(app_with: AppWith, double: StripeServer, staff: dict[str, str], **rates: str) -> Till:
    """A shop that takes cards, with these rates."""
    return Till(
        app_with(payments=double.payments(timeout_s=20.0), checkout=Checkout(hold_s=60), rates=plenty(**rates)),
        double,
        staff,
    )


def send_from(customer: Customer, body: Any, address: dict[str, str]) -> TestResponse:
    """A checkout that comes from another network."""
    client = customer.app.test_client()
    return client.post(f"{API}/orders", json=body, headers=customer.headers, environ_base=address)


@on_sqlite
def test_who_has_many_cards_declined_tries_no_more_of_them_and_others_still_pay(
    app_with: AppWith, stripe_double: StripeServer, auth_headers: dict[str, str]
) -> None:
    till = till_with(app_with, stripe_double, auth_headers, decline="3 per hour")
    product = till.product(on_hand=40)
    thief = till.guest({product: 1})
    assert [said(till.pay(thief, "10.00", STOLEN)) for _ in range(3)] == ["generic_decline"] * 3
    before, asked = everything(till.app), len(till.double.books.intents)
    refused = till.pay(thief, "10.00", STOLEN)
    assert (refused.status_code, said(refused)) == (429, "RATE_LIMITED")
    assert int(refused.headers["Retry-After"]) > 0
    other = till.guest({product: 1})  # another cart does not help
    assert said(till.pay(other, "10.00", STOLEN)) == "RATE_LIMITED"
    assert (everything(till.app)[0], len(till.double.books.intents)) == (before[0], asked)
    # at the same address one can pay without a card, or give it to the provider; elsewhere as ever
    assert till.guest({product: 1}).order("10.00").status_code == 201
    assert till.pay(till.guest({product: 1}), "10.00", None).status_code == 201
    body = other.body("10.00", payment_method="card", source="pm_card_visa")
    assert send_from(other, body, ELSEWHERE).status_code == 201


@on_sqlite
def test_cards_that_pay_count_for_nothing(
    app_with: AppWith, stripe_double: StripeServer, auth_headers: dict[str, str]
) -> None:
    till = till_with(app_with, stripe_double, auth_headers, decline="1 per hour")
    for _ in range(3):
        assert till.sold().payment_state == "PAID"


@on_sqlite
def test_heads_of_quotes_are_no_way_to_try_codes(app_with: AppWith) -> None:
    app = app_with(rates=plenty(coupon="2 per hour"))
    make_coupon(app)
    shop = Shop(app)
    buyer = shop.guest({shop.product(): 1})

    def ask(coupon: str, method: str = "HEAD") -> int:
        query = {"cart_id": str(buyer.cart_id), "coupon": coupon}
        client = app.test_client()
        return client.open(f"{API}/orders/quote", method=method, query_string=query, headers=buyer.headers).status_code

    assert ask("WELCOME") == 200
    assert [ask(code) for code in ("GUESS-1", "GUESS-2", "GUESS-3", "WELCOME")] == [422, 422, 429, 429]
    assert ask("WELCOME", "GET") == 429


@on_sqlite
def test_quotes_do_not_tell_who_of_many_has_bought_with_a_coupon(app_with: AppWith) -> None:
    app = app_with(rates=plenty(coupon="2 per hour"))
    make_coupon(app, max_per_customer=1)
    shop = Shop(app)
    product = shop.product(on_hand=40)
    names = ["ada", "eve", "joan"]
    for name in names:
        assert shop.guest({product: 1}).order("9.00", coupon="WELCOME", email=f"{name}@example.org").status_code == 201
    spy = shop.guest({product: 1})

    def ask(name: str) -> str:
        query = {"cart_id": str(spy.cart_id), "coupon": "WELCOME", "email": f"{name}@example.org"}
        return said(app.test_client().get(f"{API}/orders/quote", query_string=query, headers=spy.headers))

    before = everything(app)
    assert [ask(name) for name in names] == ["used_by_customer", "used_by_customer", "RATE_LIMITED"]
    assert everything(app) == before


@on_sqlite
def test_guests_order_so_often_for_one_mailbox_and_others_go_on(app_with: AppWith) -> None:
    app = app_with(rates=plenty(order_to_one="2 per hour"))
    shop = Shop(app)
    product = shop.product(on_hand=40)

    def order(email: str, address: dict[str, str] = ELSEWHERE, **more: Any) -> str:
        guest = shop.guest({product: 1})
        return said(send_from(guest, guest.body("10.00", email=email, **more), address))

    assert order("victim@example.org", note="\0") == "INVALID"  # what is refused sends no mail
    assert [order("victim@example.org"), order(" VICTIM+1@example.org")] == ["201", "201"]
    before = everything_of(app, Order, Hold, Payment)
    assert order("victim+2@example.org") == "RATE_LIMITED"
    assert order("victim@example.org", {"REMOTE_ADDR": "198.51.100.7"}) == "RATE_LIMITED"
    assert everything_of(app, Order, Hold, Payment) == before
    assert order("somebody@example.org") == "201"
    person = shop.person({product: 1}, email="victim@example.org")
    assert person.order("10.00").status_code == 201


@on_sqlite
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_payments_are_looked_up_so_often_and_no_more(
    app_with: AppWith, stripe_double: StripeServer, auth_headers: dict[str, str], method: str
) -> None:
    till = till_with(app_with, stripe_double, auth_headers, payment="3 per minute")
    customer, order, _ = till.begun(None)
    path = f"{API}/orders/{order.number}/payment" + ("/refresh" if method == "POST" else "")

    def ask() -> int:
        return till.app.test_client().open(path, method=method, headers=customer.headers).status_code

    before = len(till.double.requests)
    assert [ask() for _ in range(5)] == [200, 200, 200, 429, 429]
    assert len(till.double.requests) - before == 3


@pytest.mark.parametrize(
    ("address", "mailbox"),
    [
        ("Ada@Example.org", "ada@example.org"),
        ("ada+shop@example.org", "ada@example.org"),
        ("ada+a+b@example.org", "ada@example.org"),
        ("+ada@example.org", "+ada@example.org"),
        ("a.d.a@example.org", "a.d.a@example.org"),
        ("a.d.a+1@gmail.com", "ada@gmail.com"),
        ("ada@googlemail.com", "ada@gmail.com"),
        ("ada", "ada"),
        ("", ""),
    ],
)
def test_one_mailbox_has_many_addresses(address: str, mailbox: str) -> None:
    assert mailbox_of(address) == mailbox


def test_other_addresses_of_one_mailbox_are_one_customer_of_a_coupon(app_with: AppWith) -> None:
    app = app_with()
    make_coupon(app, max_per_customer=1)
    shop = Shop(app)
    product = shop.product(on_hand=40)
    assert shop.guest({product: 1}).order("9.00", coupon="WELCOME", email="g.race@gmail.com").status_code == 201
    before = everything(app)
    again = [shop.guest({product: 1}) for _ in range(2)]
    before = everything(app)
    answers = [
        guest.order("9.00", coupon="WELCOME", email=email)
        for guest, email in zip(again, ("grace+2@gmail.com", "grace@googlemail.com"), strict=True)
    ]
    assert [said(answer) for answer in answers] == ["used_by_customer"] * 2
    assert everything(app) == before
    assert used(app) == ([1], [1])
