"""How requests about carts behave: in few statements, once by their keys, and with a browser's cookie."""

from __future__ import annotations

import re
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from app.auth.visitor import hash_of_visitor
from app.cart.models import Cart
from app.config import Settings
from app.core.extensions import db
from tests.cart.carting import CART, ITEMS, SEEN, Buyer, change_product, new_customer, new_guest, rows, sell, states
from tests.conftest import AppWith
from tests.servers import on_sqlite

pytestmark = on_sqlite


@pytest.fixture(params=["guest", "person"])
def buyer(request: pytest.FixtureRequest, app: Flask) -> Buyer:
    return new_guest(app) if request.param == "guest" else new_customer(app)


def statements(app: Flask, buyer: Buyer) -> int:
    """How many statements it takes to show a cart."""
    asked: list[str] = []

    def note(*about: Any) -> None:
        asked.append(about[2]) if about[2] != "BEGIN" else None

    buyer.cart()  # who asks is known from now on
    with app.app_context():
        engine = db.engine
    sa.event.listen(engine, "before_cursor_execute", note)
    try:
        buyer.cart()
    finally:
        sa.event.remove(engine, "before_cursor_execute", note)
    return len(asked)


def test_a_cart_of_fifty_lines_is_shown_in_as_few_statements_as_one_of_one(app: Flask, buyer: Buyer) -> None:
    products = [sell(app, number) for number in range(1, 51)]
    buyer.add(products[0])
    few = statements(app, buyer)
    assert few == (2 if buyer.user_id is None else 1)
    for product in products[1:]:
        buyer.add(product)
    for product in products[:25]:
        change_product(app, product, price_minor=1, is_active=False)
    assert (len(buyer.cart()["lines"]), statements(app, buyer)) == (50, few)
    buyer.done("PATCH", f"{ITEMS}/{products[40]}", {"quantity": 900})
    assert statements(app, buyer) == few + 1  # whether it is their own checkout that holds the rest


def test_an_addition_that_is_sent_twice_with_its_key_adds_once(app: Flask, buyer: Buyer) -> None:
    lamp = sell(app)
    sent = {"product_id": lamp, "quantity": 2}
    first, again = (buyer.send("POST", ITEMS, sent, Idempotency_Key="k-1") for _ in range(2))
    assert (first.status_code, again.status_code, again.headers.get("Idempotent-Replayed")) == (200, 200, "true")
    assert first.get_json() == again.get_json()
    assert buyer.quantities() == {lamp: 2}
    other = buyer.send("POST", ITEMS, sent | {"quantity": 3}, Idempotency_Key="k-1")
    assert (other.status_code, other.get_json()["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert buyer.quantities() == {lamp: 2}


def test_a_refused_addition_gives_its_key_back(app: Flask, buyer: Buyer) -> None:
    lamp = sell(app)
    change_product(app, lamp, is_active=False)
    sent = {"product_id": lamp}
    assert buyer.send("POST", ITEMS, sent, Idempotency_Key="k-1").status_code == 409
    change_product(app, lamp, is_active=True)
    assert buyer.send("POST", ITEMS, sent, Idempotency_Key="k-1").status_code == 200
    assert buyer.quantities() == {lamp: 1}


def test_the_same_key_of_two_guests_at_one_address_is_two_keys(app: Flask) -> None:
    lamp = sell(app)
    guests = [new_guest(app), new_guest(app)]
    answers = [guest.send("POST", ITEMS, {"product_id": lamp}, Idempotency_Key="k-1") for guest in guests]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert [guest.quantities() for guest in guests] == [{lamp: 1}, {lamp: 1}]
    assert answers[0].get_json()["id"] != answers[1].get_json()["id"]


def test_a_token_is_not_answered_again_by_its_key(app: Flask) -> None:
    client = app.test_client()
    first, again = (client.post(CART, json={}, headers={"Idempotency-Key": "k-1"}) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 409)
    assert again.get_json()["code"] == "IDEMPOTENCY_ANSWER_NOT_STORED"
    assert first.get_json()["token"] not in again.text
    assert len(states(app)) == 1


def _csrf(client: FlaskClient) -> dict[str, str]:
    found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', client.get("/login").text)
    assert found is not None
    return {"X-CSRFToken": found[1]}


def test_a_browser_keeps_a_guests_token_where_no_script_reads_it(app: Flask) -> None:
    client = app.test_client()
    answer = client.post(CART, json={"cookie": True})
    assert (answer.status_code, answer.get_json()["token"]) == (201, None)
    cookie = client.get_cookie("cartwright-cart")
    assert cookie is not None
    assert (cookie.http_only, cookie.same_site, cookie.secure, cookie.path) == (True, "Lax", False, "/")
    with app.app_context():
        assert db.session.scalars(sa.select(Cart.token_hash)).all() == [hash_of_visitor(cookie.value)]
    lamp = sell(app)
    added = client.post(ITEMS, json={"product_id": lamp}, headers=_csrf(client))
    assert added.status_code == 200
    assert [line["product_id"] for line in client.get(CART).get_json()["lines"]] == [lamp]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", CART, {}),
        ("PATCH", CART, {"note": "x"}),
        ("POST", SEEN, None),
        ("POST", ITEMS, {"asin": "B000000001"}),
        ("DELETE", ITEMS, None),
        ("PATCH", f"{ITEMS}/1", {"quantity": 1}),
        ("DELETE", f"{ITEMS}/1", None),
    ],
)
def test_what_a_browser_brings_by_itself_changes_nothing_without_the_csrf_token(
    app: Flask, method: str, path: str, body: Any
) -> None:
    guest = new_guest(app)
    guest.add(sell(app))
    assert guest.token is not None
    client = app.test_client()
    client.set_cookie("cartwright-cart", guest.token)
    before = rows(app)
    refused = client.open(path, method=method, json=body)
    assert (refused.status_code, refused.get_json()["code"]) == (400, "CSRF_REFUSED")
    assert rows(app) == before
    assert client.open(path, method=method, json=body, headers=_csrf(client)).status_code < 300


def test_over_tls_the_cookie_goes_to_this_host_and_by_tls_only(app_with: AppWith) -> None:
    secure = app_with(public_url="https://shop.example.org")
    set_cookie = secure.test_client().post(CART, json={"cookie": True}).headers["Set-Cookie"]
    assert set_cookie.startswith("__Host-cartwright-cart=")
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= set(set_cookie.split("; "))


def test_a_header_counts_before_a_cookie(app: Flask, settings: Settings) -> None:
    one, other = new_guest(app), new_guest(app)
    lamp = sell(app)
    one.add(lamp)
    assert other.token is not None
    client = app.test_client()
    client.set_cookie("cartwright-cart", other.token)
    assert len(client.get(CART, headers=one.headers).get_json()["lines"]) == 1
    assert client.get(CART).get_json()["lines"] == []
    assert settings.is_https is False


def test_a_stranger_with_a_bad_cookie_is_answered_as_one_without_a_cart(app: Flask) -> None:
    client = app.test_client()
    client.set_cookie("cartwright-cart", "x" * 4000)
    refused = client.get(CART)
    assert (refused.status_code, refused.get_json()["code"]) == (404, "CART_NOT_FOUND")
    assert app.test_client().get(CART).status_code == 401
