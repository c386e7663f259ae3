"""Checkout on invoice: a cart becomes an order with its stock, and what is refused changes nothing."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event, select, update

from app.cart.models import Cart, CartState
from app.config import Checkout, Payments
from app.core.audit import AuditEvent
from app.core.extensions import db
from app.core.orm import utc_now
from app.orders.models.coupons import Coupon
from app.orders.models.orders import Hold, Order
from app.orders.models.payments import Payment
from app.orders.models.sales import Sale
from app.orders.services.coupons.editing import create_coupon
from app.products.models.products import Product
from app.products.services.products import delete_product
from tests.conftest import AppWith
from tests.orders.making import ADDRESS, events_of, held_by, stock_of
from tests.orders.shopping import Shop, change, counts, everything
from tests.products.stocking import ACTOR
from tests.servers import on_sqlite


def problem(answer: Any, status: int, code: str) -> dict[str, Any]:
    """A refusal, which says what it is."""
    found: dict[str, Any] = answer.get_json()
    assert (answer.status_code, found["code"]) == (status, code), answer.text
    assert answer.mimetype == "application/problem+json"
    return found


def pointers(found: dict[str, Any]) -> list[str]:
    return [error["pointer"] for error in found["errors"]]


def add_coupon(app: Flask, code: str, **values: Any) -> None:
    with app.app_context():
        create_coupon(actor=ACTOR, now=utc_now(), code=code, **values)


# --- What becomes of a cart ------------------------------------------------------------------------------------------


def test_a_guest_orders_on_invoice(app: Flask, shop: Shop) -> None:
    lamp, chair = shop.product(on_hand=5), shop.product(on_hand=5, price="20.50")
    guest = shop.guest({lamp: 2, chair: 1})
    answer = guest.order("40.50", note="Please ring twice.")
    assert answer.status_code == 201, answer.text
    order = answer.get_json()
    assert answer.headers["Location"] == f"/api/v1/orders/{order['number']}"
    assert (order["state"], order["payment_state"], order["total"]) == ("PLACED", "UNPAID", "40.50")
    assert (order["shipping_address"], order["billing_address"], order["note"]) == (
        ADDRESS,
        ADDRESS,
        "Please ring twice.",
    )
    assert [(line["product_id"], line["quantity"], line["total"]) for line in order["lines"]] == [
        (lamp, 2, "20.00"),
        (chair, 1, "20.50"),
    ]
    assert counts(app) == {"order": 1, "hold": 1, "payment": 1}
    with app.app_context():
        order_id = int(order["number"]) - 100_000
        assert held_by(order_id) == {lamp: 2, chair: 1}
        assert (stock_of(lamp), stock_of(chair)) == ((5, 2), (5, 1))
        assert events_of(order_id) == [
            ("order.state", None, "PLACED", True),
            ("payment.state", None, "UNPAID", True),
            ("fulfilment.state", None, "UNFULFILLED", True),
        ]
        row = db.session.get_one(Order, order_id)
        assert (row.cart_id, row.user_id, row.email) == (guest.cart_id, None, f"guest{guest.cart_id}@example.org")
        assert row.placed_at is not None
        assert row.placed_on == row.placed_at.date()
        assert db.session.scalars(select(Hold.state)).all() == ["CONSUMED"]
        payment = db.session.scalars(select(Payment)).one()
        assert (payment.provider, payment.method, payment.status) == ("manual", "invoice", "CREATED")
        assert (payment.amount_minor, payment.captured_minor) == (4_050, 0)
        assert db.session.scalars(select(Sale)).all() == []
        assert db.session.scalars(select(Cart.state)).all() == [CartState.ORDERED]
        (deed,) = db.session.scalars(select(AuditEvent).where(AuditEvent.action == "order.place"))
        assert (deed.actor_kind, deed.actor_id, deed.subject_id) == ("guest", guest.cart_id, order_id)


def test_a_person_orders_with_the_address_of_the_account_and_shops_on_in_a_new_cart(app: Flask, shop: Shop) -> None:
    lamp = shop.product()
    person = shop.person({lamp: 1})
    answer = person.order("10.00", payment_method="cash")
    assert answer.status_code == 201, answer.text
    assert (answer.get_json()["email"], answer.get_json()["payment_method"]) == (person.email, "cash")
    person.put({lamp: 2})
    with app.app_context():
        order = db.session.scalars(select(Order)).one()
        assert (order.user_id, order.cart_id) == (person.user_id, person.cart_id)
        assert db.session.scalars(select(Cart.state).order_by(Cart.id)).all() == ["ORDERED", "OPEN"]


def test_prices_terms_and_coupon_make_the_total_and_are_copied_to_the_order(app_with: AppWith, app: Flask) -> None:
    terms = Checkout(tax_rate_ppm=190_000, tax_included=False, shipping_minor=490, free_shipping_minor=10_000)
    shop = Shop(app_with(checkout=terms))
    add_coupon(app, "TENTH", percent_ppm=100_000)
    lamp, chair = shop.product(price="3.33"), shop.product(price="19.99")
    answer = shop.guest({lamp: 3, chair: 1}).order("37.94", coupon=" tenth ")
    assert answer.status_code == 201, answer.text
    order = answer.get_json()
    names = ("subtotal", "discount", "shipping", "tax", "total", "coupon")
    assert [order[name] for name in names] == ["29.98", "3.00", "4.90", "6.06", "37.94", "TENTH"]
    # 19 % of 8.99, 1.63, 17.99 and 3.27 are 1.7081, 0.3097, 3.4181 and 0.6213, each rounded by itself
    of_lines = ("discount", "shipping", "tax", "total")
    assert [[line[name] for name in of_lines] for line in order["lines"]] == [
        ["1.00", "1.63", "2.02", "12.64"],
        ["2.00", "3.27", "4.04", "25.30"],
    ]
    with app.app_context():
        row = db.session.scalars(select(Order)).one()
        assert (row.tax_rate_ppm, row.tax_included) == (190_000, False)


@pytest.mark.parametrize("method", ["invoice", "card"])
def test_an_order_that_costs_nothing_is_paid_at_once_and_no_provider_is_asked(
    app_with: AppWith, app: Flask, method: str
) -> None:
    nobody = Payments(stripe_secret_key="sk_test_x", stripe_webhook_secret="whsec_x", stripe_url="http://127.0.0.1:9")
    shop = Shop(app_with(payments=nobody))
    add_coupon(app, "GIFT", percent_ppm=1_000_000, max_uses=1)
    lamp = shop.product()
    answer = shop.guest({lamp: 2}).order("0.00", coupon="GIFT", payment_method=method)
    assert answer.status_code == 201, answer.text
    assert (answer.get_json()["state"], answer.get_json()["payment_state"]) == ("PLACED", "PAID")
    with app.app_context():
        payment = db.session.scalars(select(Payment)).one()
        assert (payment.provider, payment.status, payment.amount_minor) == ("manual", "CAPTURED", 0)
        sale = db.session.scalars(select(Sale)).one()
        assert (sale.quantity, sale.gross_minor, sale.discount_minor, sale.total_minor) == (2, 2_000, 2_000, 0)
        assert db.session.scalars(select(Coupon.used)).all() == [1]
        assert db.session.scalars(select(Hold.state)).all() == ["CONSUMED"]


def test_a_coupon_is_used_up_with_the_order_and_not_by_one_that_is_refused(app: Flask, shop: Shop) -> None:
    add_coupon(app, "ONCE", amount_minor=300, max_uses=1)
    lamp = shop.product(on_hand=1)
    sold_out = shop.guest({lamp: 2})
    problem(sold_out.order("17.00", coupon="ONCE"), 409, "OUT_OF_STOCK")
    assert shop.guest({lamp: 1}).order("7.00", coupon="ONCE").status_code == 201
    before = everything(app)
    other = shop.product()
    late = shop.guest({other: 1})
    refused = problem(late.order("7.00", coupon="ONCE"), 409, "COUPON_NOT_USABLE")
    assert refused["reason"] == "used_up"
    with app.app_context():
        assert db.session.scalars(select(Coupon.used)).all() == [1]
    assert len(everything(app)[0]) == len(before[0])


# --- What is refused -------------------------------------------------------------------------------------------------


def test_a_price_that_has_changed_is_refused_with_both_totals(app: Flask, shop: Shop) -> None:
    lamp = shop.product()
    guest = shop.guest({lamp: 2})
    change(app, update(Product).values(price_minor=1_250))
    before = everything(app)
    refused = problem(guest.order("20.00"), 409, "TOTAL_CHANGED")
    assert refused["expected"] == {"amount": "20.00", "currency": "USD"}
    assert refused["total"] == {"amount": "25.00", "currency": "USD"}
    assert pointers(refused) == ["/expected_total"]
    assert everything(app) == before
    assert guest.order("25.00").status_code == 201


def test_what_is_inactive_or_deleted_is_refused_and_named(app: Flask, shop: Shop) -> None:
    kept, paused, gone = shop.product(), shop.product(name="Paused"), shop.product(name="Gone")
    guest = shop.guest({kept: 1, paused: 1, gone: 1})
    change(app, update(Product).where(Product.id == paused).values(is_active=False))
    with app.app_context():
        delete_product(actor=ACTOR, now=utc_now(), product_id=gone, expected_version=1)
    before = everything(app)
    refused = problem(guest.order("30.00"), 409, "PRODUCT_UNAVAILABLE")
    assert [product["product_id"] for product in refused["products"]] == [paused, gone]
    assert pointers(refused) == ["/cart_id"]
    assert "Paused" in refused["errors"][0]["detail"]
    assert everything(app) == before
    guest.change(paused, 0)
    guest.change(gone, 0)
    assert guest.order("10.00").status_code == 201


def test_what_is_sold_out_is_refused_with_what_there_is(app: Flask, shop: Shop) -> None:
    lamp, chair, table = shop.product(on_hand=1), shop.product(on_hand=0), shop.product(on_hand=9)
    guest = shop.guest({lamp: 2, chair: 1, table: 1})
    before = everything(app)
    refused = problem(guest.order("40.00"), 409, "OUT_OF_STOCK")
    assert [(each["product_id"], each["wanted"], each["available"]) for each in refused["products"]] == [
        (lamp, 2, 1),
        (chair, 1, 0),
    ]
    assert pointers(refused) == ["/cart_id"]
    assert everything(app) == before
    guest.change(lamp, 1)
    guest.change(chair, 0)
    assert guest.order("20.00").status_code == 201


def test_who_comes_too_late_writes_nothing_that_has_to_be_undone(app: Flask, shop: Shop) -> None:
    guest = shop.guest({shop.product(on_hand=1): 2})
    written = []

    def listen(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        written.append(statement.split(maxsplit=1)[0])

    with app.app_context():
        engine = db.engine
    event.listen(engine, "before_cursor_execute", listen)
    try:
        problem(guest.order("20.00"), 409, "OUT_OF_STOCK")
    finally:
        event.remove(engine, "before_cursor_execute", listen)
    assert set(written) - {"BEGIN"} == {"SELECT"}


def test_what_was_noted_in_the_cart_is_noted_in_the_order_unless_something_else_is(app: Flask, shop: Shop) -> None:
    for sent, kept in (("", "Ring twice"), ("Knock", "Knock")):
        guest = shop.guest({shop.product(): 1})
        change(app, update(Cart).where(Cart.id == guest.cart_id).values(note="Ring twice"))
        assert guest.order("10.00", note=sent).get_json()["note"] == kept


def test_an_empty_cart_is_no_order(app: Flask, shop: Shop) -> None:
    guest = shop.guest()
    before = everything(app)
    problem(guest.order("0.00"), 409, "CART_EMPTY")
    assert everything(app) == before


def test_the_cart_of_somebody_else_is_not_there(app: Flask, shop: Shop) -> None:
    lamp = shop.product()
    guest, other, person = shop.guest({lamp: 1}), shop.guest({lamp: 1}), shop.person({lamp: 1})
    before = everything(app)
    for thief in (other, person):
        for victim in (guest, shop.person({lamp: 1}) if thief is other else other):
            body = thief.body("10.00") | {"cart_id": victim.cart_id}
            problem(thief.send(body), 404, "CART_NOT_FOUND")
    problem(guest.send(guest.body("10.00") | {"cart_id": 2**40}), 404, "CART_NOT_FOUND")
    assert everything(app)[0] == before[0] == []


def test_nobody_orders_without_a_login_or_a_token(app: Flask, shop: Shop) -> None:
    guest = shop.guest({shop.product(): 1})
    before = everything(app)
    guest.headers = {}
    problem(guest.order("10.00"), 401, "UNAUTHENTICATED")
    assert everything(app) == before


@on_sqlite
def test_guests_say_whom_to_write_to_and_people_have_an_address(app: Flask, shop: Shop) -> None:
    lamp = shop.product()
    guest, person = shop.guest({lamp: 1}), shop.person({lamp: 1})
    before = everything(app)
    for email in ("", "nobody", "a@b", "@example.org", "ada@example.org\x00", "x" * 300 + "@example.org"):
        assert pointers(problem(guest.order("10.00", email=email), 422, "INVALID")) == ["/email"]
    assert pointers(problem(person.order("10.00", email="other@example.org"), 422, "INVALID")) == ["/email"]
    assert everything(app) == before
    assert person.order("10.00", email=person.email.upper()).status_code == 201


@on_sqlite
def test_an_unknown_coupon_is_refused(app: Flask, shop: Shop) -> None:
    guest = shop.guest({shop.product(): 1})
    before = everything(app)
    assert pointers(problem(guest.order("10.00", coupon="NO-SUCH"), 422, "UNKNOWN_COUPON")) == ["/coupon"]
    assert everything(app) == before


@on_sqlite
@pytest.mark.parametrize("method", ["card", "bitcoin", "", "INVOICE"])
def test_a_way_to_pay_that_is_not_offered_is_refused(app: Flask, shop: Shop, method: str) -> None:
    guest = shop.guest({shop.product(): 1})
    before = everything(app)
    refused = problem(guest.order("10.00", payment_method=method), 422, "INVALID")
    assert pointers(refused) == ["/payment_method"]
    assert everything(app) == before


@on_sqlite
def test_an_order_costs_no_more_than_can_be_counted(app: Flask, shop: Shop) -> None:
    castle = shop.product(on_hand=999, price="99999999999.99")
    guest = shop.guest({castle: 999})
    before = everything(app)
    refused = problem(guest.order("99899999999990.01"), 409, "TOTAL_TOO_LARGE")
    assert (pointers(refused), refused["largest"]["amount"]) == (["/cart_id"], "10000000000000.00")
    assert everything(app) == before


TOTAL = {"amount": "10.00", "currency": "USD"}


@on_sqlite
@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({"expected_total": {"amount": "10.00", "currency": "EUR"}}, "/expected_total/currency"),
        ({"expected_total": {"amount": "10.00", "currency": "dollars"}}, "/expected_total/currency"),
        ({"expected_total": {"amount": "10.001", "currency": "USD"}}, "/expected_total/amount"),
        ({"expected_total": {"amount": "-10.00", "currency": "USD"}}, "/expected_total/amount"),
        ({"expected_total": {"amount": 10, "currency": "USD"}}, "/expected_total/amount"),
        ({"expected_total": {"amount": "1e1", "currency": "USD"}}, "/expected_total/amount"),
        ({"expected_total": {"amount": "10.00"}}, "/expected_total/currency"),
        ({"expected_total": None}, "/expected_total"),
        ({"cart_id": 0}, "/cart_id"),
        ({"cart_id": -1}, "/cart_id"),
        ({"cart_id": "1"}, "/cart_id"),
        ({"cart_id": 10**30}, "/cart_id"),
        ({"shipping_address": None}, "/shipping_address"),
        ({"shipping_address": "somewhere"}, "/shipping_address"),
        ({"shipping_address": ADDRESS | {"country": "XX"}}, "/shipping_address/country"),
        ({"shipping_address": ADDRESS | {"country": "USA"}}, "/shipping_address/country"),
        ({"shipping_address": ADDRESS | {"name": ""}}, "/shipping_address/name"),
        ({"shipping_address": ADDRESS | {"name": None}}, "/shipping_address/name"),
        ({"shipping_address": ADDRESS | {"line1": "\u200b"}}, "/shipping_address/line1"),
        ({"shipping_address": ADDRESS | {"city": "x" * 101}}, "/shipping_address/city"),
        ({"shipping_address": ADDRESS | {"line1": "1 Road\x00"}}, "/shipping_address/line1"),
        ({"shipping_address": ADDRESS | {"line1": "1 Road\nBcc: x"}}, "/shipping_address/line1"),
        ({"shipping_address": ADDRESS | {"line1": "\u202e1 Road"}}, "/shipping_address/line1"),
        ({"shipping_address": ADDRESS | {"planet": "Mars"}}, "/shipping_address/planet"),
        ({"shipping_address": {"country": "US"}}, "/shipping_address/name"),
        ({"billing_address": ADDRESS | {"country": ""}}, "/billing_address/country"),
        ({"note": "x" * 1001}, "/note"),
        ({"note": "\x07"}, "/note"),
        ({"coupon": ""}, "/coupon"),
        ({"source": "pm_card_visa"}, "/source"),
        ({"return_url": "https://evil.example/"}, "/return_url"),
        ({"return_url": "http://localhost:8000.evil.example/"}, "/return_url"),
        ({"return_url": "http://localhost:8000@evil.example/"}, "/return_url"),
        ({"return_url": "http://localhost:8000/\r\nX: y"}, "/return_url"),
        ({"quantity": 3}, "/quantity"),
    ],
)
def test_bad_input_names_the_field_and_changes_nothing(
    app: Flask, shop: Shop, wrong: dict[str, Any], pointer: str
) -> None:
    guest = shop.guest({shop.product(): 1})
    before = everything(app)
    assert pointer in pointers(problem(guest.send(guest.body("10.00") | wrong), 422, "INVALID"))
    assert everything(app) == before


@on_sqlite
@pytest.mark.parametrize("missing", ["cart_id", "expected_total", "shipping_address", "payment_method"])
def test_what_is_needed_is_named(app: Flask, shop: Shop, missing: str) -> None:
    guest = shop.guest({shop.product(): 1})
    body = guest.body("10.00")
    del body[missing]
    assert pointers(problem(guest.send(body), 422, "INVALID")) == [f"/{missing}"]
