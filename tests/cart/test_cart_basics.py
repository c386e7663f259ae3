"""Carts over HTTP: of guests and of people, what is put in, changed and taken out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from app.auth.visitor import hash_of_visitor
from app.cart.models import Cart
from app.config import Checkout, Rates
from app.core.extensions import db
from app.core.orm import utc_now
from tests.calls import add_key
from tests.cart.carting import CART, ITEMS, SEEN, Buyer, new_customer, new_guest, rows, sell, states
from tests.conftest import AppWith
from tests.servers import on_sqlite


@pytest.fixture(params=["guest", "person"])
def buyer(request: pytest.FixtureRequest, app: Flask) -> Buyer:
    return new_guest(app) if request.param == "guest" else new_customer(app)


def test_a_cart_is_filled_changed_and_emptied(app: Flask, buyer: Buyer) -> None:
    lamp, pot = sell(app, 1, price="19.90"), sell(app, 2, price="5.00")
    cart = buyer.done("POST", ITEMS, {"product_id": lamp, "quantity": 2})
    assert [(line["product_id"], line["quantity"]) for line in cart["lines"]] == [(lamp, 2)]
    cart = buyer.done("POST", ITEMS, {"asin": "b000000002"})
    first, second = cart["lines"]
    assert (first["unit_price"], first["subtotal"], first["availability"]) == ("19.90", "39.80", "AVAILABLE")
    assert (second["asin"], second["name"], second["brand"]) == ("B000000002", "Lamp 2", "Lumo")
    assert (second["quantity"], second["subtotal"], second["currency"]) == (1, "5.00", "USD")
    assert (cart["subtotal"], cart["quantity"], cart["currency"], cart["is_ready"]) == ("44.80", 3, "USD", True)
    assert (cart["changes"], cart["merges"], cart["state"]) == ([], [], "OPEN")
    cart = buyer.done("PATCH", f"{ITEMS}/{lamp}", {"quantity": 5})
    assert (cart["subtotal"], cart["quantity"]) == ("104.50", 6)
    cart = buyer.done("DELETE", f"{ITEMS}/{lamp}")
    assert (buyer.quantities(), cart["subtotal"]) == ({pot: 1}, "5.00")
    assert buyer.add(lamp, 5)["subtotal"] == "104.50"  # what was taken out is back by being added
    cart = buyer.done("DELETE", ITEMS)
    assert (cart["lines"], cart["subtotal"], cart["is_ready"]) == ([], "0.00", False)
    assert buyer.cart() == cart


def test_the_same_product_again_adds_up(app: Flask, buyer: Buyer) -> None:
    lamp = sell(app)
    buyer.add(lamp, 2)
    assert buyer.done("POST", ITEMS, {"asin": "B000000001", "quantity": 3})["lines"][0]["quantity"] == 5
    assert buyer.quantities() == {lamp: 5}


def test_a_note_is_kept_and_taken_away(app: Flask, buyer: Buyer) -> None:
    assert buyer.done("PATCH", CART, {"note": "Please ring twice\nor thrice"})["note"] == "Please ring twice\nor thrice"
    assert buyer.cart()["note"] == "Please ring twice\nor thrice"
    assert buyer.done("PATCH", CART, {"note": ""})["note"] == ""


@on_sqlite
def test_somebody_who_has_put_nothing_in_has_no_cart_and_an_empty_one_is_shown(app: Flask) -> None:
    customer = new_customer(app)
    nothing = customer.cart()
    assert (nothing["id"], nothing["version"], nothing["lines"], nothing["subtotal"]) == (None, 0, [], "0.00")
    assert customer.done("DELETE", ITEMS) == customer.done("POST", SEEN) == nothing
    assert states(app) == []
    customer.add(sell(app))
    assert states(app) == [("OPEN", customer.user_id)]


@on_sqlite
def test_a_guests_token_is_shown_once_and_only_its_hash_is_kept(app: Flask) -> None:
    answer = app.test_client().post(CART)
    opened = answer.get_json()
    token = opened["token"]
    assert (answer.status_code, len(token), opened["cart"]["lines"]) == (201, 22, [])
    with app.app_context():
        row = db.session.scalars(sa.select(Cart)).one()
        assert (row.id, row.token_hash) == (opened["cart"]["id"], hash_of_visitor(token))
    buyer = Buyer(app, {"Cart-Token": token}, token=token)
    shown = [buyer.send("GET", CART), buyer.send("POST", ITEMS, {"product_id": sell(app)})]
    assert [each.status_code for each in shown] == [200, 200]
    assert not any(token in each.text or hash_of_visitor(token) in each.text for each in shown)


@on_sqlite
def test_tokens_differ_and_each_opens_its_own_cart(app: Flask) -> None:
    one, other = new_guest(app), new_guest(app)
    lamp = sell(app)
    one.add(lamp, 3)
    assert (one.quantities(), other.quantities()) == ({lamp: 3}, {})
    assert one.token != other.token


@on_sqlite
def test_a_person_has_one_cart_whatever_they_come_with(app: Flask) -> None:
    customer = new_customer(app)
    lamp = sell(app)
    customer.add(lamp)
    again = app.test_client().post(CART, headers=customer.headers)
    assert (again.status_code, again.get_json()["token"]) == (201, None)
    assert again.get_json()["cart"]["id"] == customer.cart()["id"]
    assert states(app) == [("OPEN", customer.user_id)]


WRITES: list[tuple[str, Callable[[Buyer, int], Any]]] = [
    ("add", lambda buyer, lamp: buyer.add(lamp)),
    ("change", lambda buyer, lamp: buyer.done("PATCH", f"{ITEMS}/{lamp}", {"quantity": 4})),
    ("remove", lambda buyer, lamp: buyer.done("DELETE", f"{ITEMS}/{lamp}")),
    ("clear", lambda buyer, lamp: buyer.done("DELETE", ITEMS)),
    ("note", lambda buyer, lamp: buyer.done("PATCH", CART, {"note": "x"})),
    ("confirm", lambda buyer, lamp: buyer.done("POST", SEEN)),
]


@on_sqlite
@pytest.mark.parametrize("write", [write for _, write in WRITES], ids=[name for name, _ in WRITES])
def test_every_write_raises_the_version_and_gives_the_cart_all_its_time(
    app_with: AppWith, app: Flask, write: Callable[[Buyer, int], Any]
) -> None:
    other = app_with(checkout=Checkout(guest_cart_days=3, user_cart_days=40))
    lamp = sell(app)
    for buyer, days in ((new_guest(other), 3), (new_customer(other), 40)):
        buyer.add(lamp)
        before = buyer.cart()
        with other.app_context():
            db.session.execute(sa.update(Cart).values(expires_at=utc_now() + timedelta(hours=1)))
            db.session.commit()
        write(buyer, lamp)
        after = buyer.cart()
        left = datetime.fromisoformat(after["expires_at"]) - utc_now()
        assert after["version"] == before["version"] + 1
        assert timedelta(days=days) - timedelta(minutes=1) < left <= timedelta(days=days)


@on_sqlite
def test_reading_a_cart_changes_nothing(app: Flask, buyer: Buyer) -> None:
    buyer.add(sell(app))
    before = rows(app)
    assert buyer.cart() == buyer.cart()
    assert rows(app) == before


@on_sqlite
def test_guests_get_no_more_carts_from_one_address_than_its_rate_allows(app_with: AppWith, app: Flask) -> None:
    other = app_with(rates=Rates(cart="2 per minute"))
    answers = [other.test_client().post(CART) for _ in range(3)]
    assert [each.status_code for each in answers] == [201, 201, 429]
    assert answers[2].get_json()["code"] == "RATE_LIMITED"
    assert int(answers[2].headers["Retry-After"]) >= 1
    assert len(states(app)) == 2


@on_sqlite
def test_an_api_key_shops_for_nobody(app: Flask) -> None:
    customer = new_customer(app)
    assert customer.user_id is not None
    with app.app_context():
        add_key(user_id=customer.user_id, secret="cw_of_cora", scopes=[])
    lamp = sell(app)
    customer.add(lamp, 2)
    headers = {"Authorization": "Bearer cw_of_cora"}
    for answer in (
        app.test_client().get(CART, headers=headers),
        app.test_client().post(CART, headers=headers),
        app.test_client().post(f"{CART}/items", json={"product_id": lamp, "quantity": 1}, headers=headers),
    ):
        assert (answer.status_code, answer.get_json()["code"]) == (403, "NOT_FOR_KEYS")
    assert customer.quantities() == {lamp: 2}
    assert len(states(app)) == 1
