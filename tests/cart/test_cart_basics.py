"""Carts over HTTP: of guests and of people, what is put in, changed and taken out."""

from __future__ import annotations

import pytest
from flask import Flask

from tests.cart.carting import ITEMS, Buyer, new_customer, new_guest, sell


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
    buyer.add(lamp, 2)
    cart = buyer.done("DELETE", ITEMS)
    assert (cart["lines"], cart["subtotal"], cart["is_ready"]) == ([], "0.00", False)
    assert buyer.cart() == cart


def test_the_same_product_again_adds_up(app: Flask, buyer: Buyer) -> None:
    lamp = sell(app)
    buyer.add(lamp, 2)
    assert buyer.done("POST", ITEMS, {"asin": "B000000001", "quantity": 3})["lines"][0]["quantity"] == 5
    assert buyer.quantities() == {lamp: 5}
