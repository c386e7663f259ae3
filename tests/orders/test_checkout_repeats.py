"""A cart that became an order, sent again: the same is that order, anything else is refused by name."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from tests.orders.making import ADDRESS
from tests.orders.shopping import Shop, everything


@pytest.mark.parametrize(
    ("more", "differs"),
    [
        ({"payment_method": "cash"}, ["payment_method"]),
        ({"email": "other@example.org"}, ["email"]),
        ({"shipping_address": ADDRESS | {"name": "X"}}, ["shipping_address", "billing_address"]),
        ({"expected_total": {"amount": "1.00", "currency": "USD"}}, ["expected_total"]),
        ({"coupon": "OTHER"}, ["coupon"]),
        ({"note": "Something else"}, ["note"]),
    ],
)
def test_something_else_than_what_the_cart_became_is_refused_by_name(
    app: Flask, shop: Shop, more: dict[str, Any], differs: list[str]
) -> None:
    guest = shop.guest({shop.product(): 1})
    first = guest.order("10.00")
    before = everything(app)
    assert guest.order("10.00").get_json()["number"] == first.get_json()["number"]
    refused = guest.send(guest.body("10.00") | more)
    found = refused.get_json()
    assert (refused.status_code, found["code"], found["differs"]) == (409, "ALREADY_ORDERED", differs)
    assert found["order"] == first.get_json()["number"]
    assert [error["pointer"] for error in found["errors"]] == [f"/{name}" for name in differs]
    assert everything(app) == before


def test_a_cart_whose_order_was_cancelled_unpaid_is_not_ordered_by_sending_it_again(app: Flask, shop: Shop) -> None:
    guest = shop.guest({shop.product(): 1})
    number = guest.order("10.00").get_json()["number"]
    cancelled = app.test_client().post(f"/api/v1/orders/{number}/cancel", json={}, headers=guest.headers)
    assert cancelled.status_code == 200, cancelled.text
    refused = guest.order("10.00").get_json()
    assert (refused["code"], refused["state"], refused["differs"]) == ("ALREADY_ORDERED", "CANCELLED", [])


def test_a_refusal_points_at_what_the_request_has(app: Flask, shop: Shop) -> None:
    lamp = shop.product(on_hand=1)
    guest, other = shop.guest({lamp: 1}), shop.guest({lamp: 1})
    client = app.test_client()
    query = {"cart_id": guest.cart_id, "coupon": "NOBODY"}
    quoted = client.get("/api/v1/orders/quote", query_string=query, headers=guest.headers)
    assert [(error["pointer"], error["in"]) for error in quoted.get_json()["errors"]] == [("/coupon", "query")]
    assert guest.order("10.00").status_code == 201
    for refused in (other.order("10.00"), other.send(other.body("10.00") | {"cart_id": guest.cart_id})):
        assert [(error["pointer"], error["in"]) for error in refused.get_json()["errors"]] == [("/cart_id", "body")]
