"""What users of other shop systems complained of, told as stories from the cart to the money.

docs/development.md has all of them, with the tests that keep the others from going wrong here.
"""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from flask import Flask
from sqlalchemy import event, func, select, update
from werkzeug.test import TestResponse

from app.config import Checkout
from app.core.extensions import db
from app.core.orm import utc_now
from app.orders.models.orders import Hold, Order
from app.orders.models.payments import Payment, Refund
from app.orders.models.sales import Sale
from app.orders.services.checkout.sweeping import sweep_holds
from app.orders.services.coupons.editing import create_coupon
from app.products.search import upkeep
from app.products.services.stock import Shortfall
from tests.auth.people import PASSWORD, new_person
from tests.conftest import AppWith
from tests.mailing import deliver
from tests.orders.making import STAFF, held_by, stock_of
from tests.orders.shopping import Customer, Shop, change, counts, everything
from tests.orders.stripe_server import StripeServer
from tests.products.stocking import adjust, assert_adds_up
from tests.products.stocking import everything as stock_rows

API: Final = "/api/v1"
TESTS: Final = Path(__file__).parents[1]
NAMED: Final = re.compile(r"`(?:known_complaints|([\w/]+\.py))`((?:[^`;]*)(?=[`;]|$))")
"""A file of tests, and what is said of it up to the next one."""
GOOD, DECLINED, ASKING = "pm_card_visa", "pm_card_visa_chargeDeclined", "pm_card_authenticationRequired"


@pytest.fixture
def cards(app_with: AppWith, stripe_double: StripeServer) -> Shop:
    """A shop that takes cards."""
    return Shop(app_with(payments=stripe_double.payments(), checkout=Checkout(hold_s=60)))


def pay(customer: Customer, total: str, source: str = GOOD) -> TestResponse:
    return customer.order(total, payment_method="card", source=source)


def ask(shop: Shop, headers: dict[str, str], method: str, path: str, body: Any = None, **more: str) -> TestResponse:
    sent = headers | {name.replace("_", "-"): value for name, value in more.items()}
    return shop.app.test_client().open(API + path, method=method, json=body, headers=sent)


def availability(shop: Shop, customer: Customer) -> list[str]:
    """What the customer's cart says of each line."""
    cart = ask(shop, customer.headers, "GET", "/cart").get_json()
    return [line["availability"] for line in cart["lines"]]


def time_passes(shop: Shop) -> None:
    """All holds expire now."""
    change(shop.app, update(Hold).values(expires_at=utc_now() - timedelta(seconds=1)))


def order_of(shop: Shop, customer: Customer) -> Order:
    with shop.app.app_context():
        return db.session.scalars(select(Order).where(Order.cart_id == customer.cart_id)).one()


def states(shop: Shop, customer: Customer) -> tuple[str, str, str]:
    """Of the customer's order: order, payment and hold."""
    order = order_of(shop, customer)
    with shop.app.app_context():
        hold = db.session.scalars(select(Hold.state).where(Hold.order_id == order.id)).one()
    return order.state, order.payment_state, hold


def test_others_hear_that_the_last_one_is_gone_before_they_pay_and_who_is_at_their_bank_gets_it(
    cards: Shop, stripe_double: StripeServer
) -> None:
    """spree#13978: it fails "at the worst moment, after address, shipping, and payment entry"; medusa#16825."""
    lamp = cards.product(on_hand=1)
    first, second = cards.guest({lamp: 1}), cards.guest({lamp: 1})
    assert availability(cards, second) == ["AVAILABLE"]
    assert pay(first, "10.00", ASKING).status_code == 201
    assert availability(cards, first) == ["AVAILABLE"]
    for _ in range(2):  # the second time after the hold has expired: as long as somebody may be charged it counts
        assert availability(cards, second) == ["OUT_OF_STOCK"]
        before, asked = everything(cards.app), len(stripe_double.requests)
        for refused in (pay(second, "10.00"), second.order("10.00")):
            assert (refused.status_code, refused.get_json()["code"]) == (409, "OUT_OF_STOCK")
        assert everything(cards.app) == before
        assert len(stripe_double.requests) == asked
        time_passes(cards)
    with cards.app.app_context():
        ref = db.session.scalars(select(Payment.provider_ref)).one()
    stripe_double.books.authenticate(ref or "")
    assert pay(first, "10.00", ASKING).get_json()["state"] == "PLACED"
    assert stripe_double.books.taken(order_of(cards, first).number) == [1_000]
    assert counts(cards.app) == {"order": 1, "hold": 1, "payment": 1}
    with cards.app.app_context():
        assert stock_of(lamp) == (1, 1)
        assert_adds_up(lamp)


def test_lists_searches_carts_and_checkouts_say_the_same_of_what_somebody_holds(
    cards: Shop, auth_headers: dict[str, str]
) -> None:
    """saleor#10877: the filter of what is in stock ignored what was reserved."""
    lamp, chair = cards.product(on_hand=1, name="Lamp"), cards.product(on_hand=1, name="Lamp")
    with cards.app.app_context():
        upkeep.drain()
    buyer = cards.guest({lamp: 1, chair: 1})

    def said() -> list[tuple[str, list[int]]]:
        """What each of them says is to be had."""

        def ids(path: str, name: str = "id") -> list[int]:
            answer = ask(cards, auth_headers, "GET", path)
            assert answer.status_code == 200, answer.text
            return sorted(item[name] for item in answer.get_json()["items"])

        cart = ask(cards, buyer.headers, "GET", "/cart").get_json()
        refused = [] if cart["is_ready"] else buyer.order("20.00").get_json()["products"]
        return [
            ("list", ids("/products?in_stock=true")),
            ("search", ids("/products?q=lamp&in_stock=true")),
            ("stock", ids("/inventory?is_available=true", "product_id")),
            ("cart", [line["product_id"] for line in cart["lines"] if line["availability"] == "AVAILABLE"]),
            ("checkout", sorted({lamp, chair} - {each["product_id"] for each in refused})),
        ]

    def all_say(*there: int) -> list[tuple[str, list[int]]]:
        return [(who, list(there)) for who in ("list", "search", "stock", "cart", "checkout")]

    assert said() == all_say(lamp, chair)
    assert pay(cards.guest({lamp: 1}), "10.00", DECLINED).status_code == 402
    assert said() == all_say(chair)
    time_passes(cards)
    with cards.app.app_context():
        sweep_holds(clock=utc_now)
    assert said() == all_say(lamp, chair)


def test_who_saves_a_product_while_it_sells_writes_no_stock(
    app: Flask, shop: Shop, auth_headers: dict[str, str]
) -> None:
    """woocommerce#16780, magento/inventory#538, nopCommerce#136: a form wrote back the stock it was opened with."""
    lamp = shop.product(on_hand=5)
    opened = ask(shop, auth_headers, "GET", f"/products/{lamp}").headers["ETag"]
    number = shop.guest({lamp: 2}).order("20.00").get_json()["number"]
    parcel = {"carrier": "DHL"}
    sent = ask(shop, auth_headers, "POST", f"/admin/orders/{number}/shipments", parcel, If_Match='"v1"')
    assert sent.status_code == 201, sent.text
    before = rows_of_stock(app)
    for name in ("on_hand", "allocated", "available", "stock", "quantity"):
        refused = ask(shop, auth_headers, "PATCH", f"/products/{lamp}", {name: 5}, If_Match=opened)
        assert refused.status_code == 422, refused.text
        assert [error["pointer"] for error in refused.get_json()["errors"]] == [f"/{name}"]
    saved = ask(shop, auth_headers, "PATCH", f"/products/{lamp}", {"name": "Desk lamp"}, If_Match=opened)
    assert (saved.status_code, saved.get_json()["name"]) == (200, "Desk lamp")
    count = {"set_to": 5, "based_on": 5, "reason": "as the form says"}
    stale = ask(shop, auth_headers, "PUT", f"/inventory/{lamp}", count)
    assert (stale.status_code, stale.get_json()["code"]) == (409, "STOCK_CHANGED")
    assert rows_of_stock(app) == before
    with app.app_context():
        assert stock_of(lamp) == (3, 0)


def rows_of_stock(app: Flask) -> list[Any]:
    with app.app_context():
        return stock_rows()


@pytest.mark.parametrize("goes_on", [True, False], ids=["goes on with it", "gives it up first"])
def test_who_logs_in_in_the_middle_of_a_checkout_is_not_blocked_by_what_it_holds(cards: Shop, goes_on: bool) -> None:
    """woocommerce#67354, Sylius#3573: a shopper's own reservation of before stood in their way."""
    lamp = cards.product(on_hand=1)
    guest = cards.guest({lamp: 1})
    assert pay(guest, "10.00", DECLINED).status_code == 402
    person = new_person(cards.app, "ada@example.org")
    login = {"email": person.email, "password": PASSWORD}
    logged_in = ask(cards, guest.headers, "POST", "/auth/login", login)
    assert logged_in.status_code == 200, logged_in.text
    guest.headers = guest.headers | {"Authorization": f"Bearer {logged_in.get_json()['access_token']}"}
    guest.user_id = person.id
    assert states(cards, guest) == ("DRAFT", "UNPAID", "HELD")
    if not goes_on:
        number = order_of(cards, guest).number
        assert ask(cards, guest.headers, "POST", f"/orders/{number}/cancel", {}).status_code == 200
        merged = ask(cards, guest.headers, "POST", "/cart", {}).get_json()["cart"]
        assert [(line["product_id"], line["availability"]) for line in merged["lines"]] == [(lamp, "AVAILABLE")]
        guest.cart_id = merged["id"]
    paid = pay(guest, "10.00")
    assert (paid.status_code, paid.get_json().get("state")) == (201, "PLACED"), paid.text
    with cards.app.app_context():
        assert order_of(cards, guest).email == person.email
        assert stock_of(lamp) == (1, 1)
        assert_adds_up(lamp)
    login_alone = {"Authorization": guest.headers["Authorization"]}
    mine = ask(cards, login_alone, "GET", "/orders").get_json()["items"]
    assert [(order["number"], order["state"]) for order in mine] == [(paid.get_json()["number"], "PLACED")]


def test_a_draft_belongs_to_who_checks_it_out_last(cards: Shop) -> None:
    guest = cards.guest({cards.product(): 1})
    person = new_person(cards.app, "ada@example.org")
    token = guest.headers
    for user_id, headers in (
        (None, token),
        (person.id, token | {"Authorization": f"Bearer {person.token}"}),
        (None, token),
    ):
        guest.user_id, guest.headers = user_id, headers
        assert pay(guest, "10.00", DECLINED).status_code == 402
        order = order_of(cards, guest)
        wanted = f"guest{guest.cart_id}@example.org" if user_id is None else person.email
        assert (order.user_id, order.email) == (user_id, wanted)


def test_checkouts_that_a_count_robbed_are_ended_like_all_others(cards: Shop, stripe_double: StripeServer) -> None:
    """Sylius#7144, #9435, #12812: cancelling died of "not enough units on hold", and with it the job that ends all."""
    lamp, chair = cards.product(on_hand=3), cards.product(on_hand=3)
    sources = (DECLINED, ASKING, DECLINED)
    guests = [cards.guest({lamp: 1, chair: 1}) for _ in sources]
    for guest, source in zip(guests, sources, strict=True):
        assert pay(guest, "20.00", source).status_code in {201, 402}
    with cards.app.app_context():
        adjust(lamp, -3, shortfall=Shortfall.RELEASE)
    deliver(cards.app)
    number = order_of(cards, guests[2]).number
    cancelled = ask(cards, guests[2].headers, "POST", f"/orders/{number}/cancel", {})
    assert cancelled.status_code == 200, cancelled.text
    time_passes(cards)
    with cards.app.app_context():
        sweep_holds(clock=utc_now)
    assert [states(cards, guest) for guest in guests] == [("EXPIRED", "VOIDED", "RELEASED")] * 3
    assert [order_of(cards, guest).attention for guest in guests] == [None] * 3
    with cards.app.app_context():
        assert (stock_of(lamp), stock_of(chair)) == ((0, 0), (3, 0))
        assert_adds_up(lamp, chair)


def test_what_was_paid_when_a_count_had_taken_its_stock_is_shown_kept_from_shipping_and_can_be_given_back(
    cards: Shop, stripe_double: StripeServer, auth_headers: dict[str, str]
) -> None:
    """openfoodnetwork#7614, #7665, #7779: money was captured for what had run out, and nobody was told."""
    lamp = cards.product(on_hand=2)
    guest, other = cards.guest({lamp: 1}), cards.guest({lamp: 1})
    assert other.order("10.00").status_code == 201
    assert pay(guest, "10.00", ASKING).status_code == 201
    with cards.app.app_context():
        adjust(lamp, -1, shortfall=Shortfall.RELEASE)
        ref = db.session.scalars(select(Payment.provider_ref).where(Payment.provider_ref.is_not(None))).one()
    deliver(cards.app)
    stripe_double.books.authenticate(ref or "")
    assert pay(guest, "10.00", ASKING).get_json()["state"] == "PLACED"
    order = order_of(cards, guest)
    shown = ask(cards, auth_headers, "GET", "/admin/orders?attention=any").get_json()["items"]
    assert [(each["number"], each["attention"]) for each in shown] == [(order.number, "STOCK_TAKEN")]
    with cards.app.app_context():
        assert (held_by(order.id), held_by(order_of(cards, other).id), stock_of(lamp)) == ({}, {lamp: 1}, (1, 1))
    desk, version = f"/admin/orders/{order.number}", {"If_Match": f'"v{order.version}"'}
    before = everything(cards.app)
    refused = ask(cards, auth_headers, "POST", f"{desk}/shipments", {"carrier": "DHL"}, **version)
    assert (refused.status_code, refused.get_json()["code"]) == (409, "NOT_ALLOCATED")
    assert everything(cards.app) == before
    cancelled = ask(cards, auth_headers, "POST", f"{desk}/cancel", {"reason": "it is gone"}, **version)
    assert cancelled.status_code == 200, cancelled.text
    deliver(cards.app)
    assert states(cards, guest)[:2] == ("CANCELLED", "REFUNDED")
    assert stripe_double.books.given_back(order.number) == [1_000]
    with cards.app.app_context():
        assert (held_by(order_of(cards, other).id), stock_of(lamp)) == ({lamp: 1}, (1, 1))
        assert_adds_up(lamp)


@pytest.mark.parametrize("tax_included", [True, False])
def test_the_card_the_order_its_lines_and_the_books_say_the_same_to_the_cent(
    app_with: AppWith, stripe_double: StripeServer, auth_headers: dict[str, str], tax_included: bool
) -> None:
    """vendure#1939, #2662, #2995, #3003, #3091, #4474: sums were off by cents, and a provider refused the order."""
    terms = Checkout(hold_s=60, tax_rate_ppm=190_000, tax_included=tax_included, shipping_minor=490)
    shop = Shop(app_with(payments=stripe_double.payments(), checkout=terms))
    with shop.app.app_context():
        create_coupon(actor=STAFF, now=utc_now(), code="ODD", percent_ppm=33_333)
    guest = shop.guest({shop.product(price="3.33"): 3, shop.product(price="0.07"): 7, shop.product(price="19.99"): 1})
    path = f"/orders/quote?cart_id={guest.cart_id}&coupon=ODD"
    total = ask(shop, guest.headers, "GET", path).get_json()["total"]
    paid = guest.order(total, payment_method="card", source=GOOD, coupon="ODD")
    assert paid.status_code == 201, paid.text
    order, number = paid.get_json(), paid.get_json()["number"]
    assert order["total"] == total
    names = ("subtotal", "discount", "shipping", "tax", "total")
    cents = {name: minor(order[name]) for name in names}
    assert cents["tax"] > 0 < cents["discount"]
    assert {name: sum(minor(line[name]) for line in order["lines"]) for name in names} == cents
    on_top = 0 if tax_included else cents["tax"]
    assert cents["total"] == cents["subtotal"] - cents["discount"] + cents["shipping"] + on_top
    assert stripe_double.books.taken(number) == [cents["total"]]
    desk = f"/admin/orders/{number}"
    for line in order["lines"]:  # unit by unit until nothing is left
        for _ in range(line["quantity"]):
            etag = ask(shop, auth_headers, "GET", desk).headers["ETag"]
            unit = {"lines": [{"line_id": line["id"], "quantity": 1}]}
            assert ask(shop, auth_headers, "POST", f"{desk}/cancel", unit, If_Match=etag).status_code == 200
    deliver(shop.app)
    assert sum(stripe_double.books.given_back(number)) == cents["total"]
    with shop.app.app_context():
        assert db.session.scalar(select(func.sum(Refund.amount_minor))) == cents["total"]
        assert db.session.scalar(select(func.sum(Sale.total_minor))) == 0


@pytest.mark.parametrize("path", ["/orders/{number}", "/admin/orders/{number}"])
def test_an_order_of_fifty_lines_is_shown_in_as_many_statements_as_one_of_one(
    app: Flask, shop: Shop, auth_headers: dict[str, str], path: str
) -> None:
    """vendure#3459: an order of 20 lines read 6,400 rows; medusa#2465: nine lines took eight seconds."""
    with app.app_context():
        engine = db.engine
    asked: list[int] = []

    def note(*about: Any) -> None:
        asked[-1] += not about[2].startswith("BEGIN")

    for lines in (1, 50):
        guest = shop.guest({shop.product(): 1 for _ in range(lines)})
        number = guest.order(f"{lines * 10}.00").get_json()["number"]
        headers = auth_headers if "admin" in path else guest.headers
        assert ask(shop, headers, "GET", path.format(number=number)).status_code == 200  # who asks is known from now on
        asked.append(0)
        event.listen(engine, "before_cursor_execute", note)
        try:
            shown = ask(shop, headers, "GET", path.format(number=number)).get_json()
        finally:
            event.remove(engine, "before_cursor_execute", note)
        assert len(shown["lines"]) == lines
    assert asked[0] == asked[1] <= 12, asked


def minor(amount: str) -> int:
    return int(amount.replace(".", ""))


def test_the_document_names_tests_that_there_are() -> None:
    document = (TESTS.parent / "docs/development.md").read_text().partition("### What goes wrong elsewhere")[2]
    rows = [line.split("|")[2] for line in document.splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 10
    named = [(file or "test_known_complaints.py", said) for row in rows for file, said in NAMED.findall(row)]
    assert len(named) > len(rows)
    for file, said in named:
        path = TESTS / file if "/" in file else TESTS / "orders" / file
        assert path.exists(), file
        for phrase in re.findall(r'"(.+?)"', said):
            assert re.sub(r"\W+", "_", phrase) in path.read_text(), f"{file}: {phrase}"
