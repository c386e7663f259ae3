"""Checkout on invoice: a cart becomes an order, with its stock, once."""

from __future__ import annotations

from flask import Flask

from tests.orders.making import events_of, held_by, stock_of
from tests.orders.shopping import Shop, counts


def test_a_guest_orders_on_invoice(app: Flask, shop: Shop) -> None:
    lamp, chair = shop.product(on_hand=5), shop.product(on_hand=5, price="20.50")
    guest = shop.guest({lamp: 2, chair: 1})
    answer = guest.order("40.50")
    assert answer.status_code == 201, answer.text
    order = answer.get_json()
    assert answer.headers["Location"] == f"/api/v1/orders/{order['number']}"
    assert (order["state"], order["payment_state"], order["total"]) == ("PLACED", "UNPAID", "40.50")
    assert [(line["product_id"], line["quantity"], line["total"]) for line in order["lines"]] == [
        (lamp, 2, "20.00"),
        (chair, 1, "20.50"),
    ]
    assert counts(app) == {"order": 1, "hold": 1, "payment": 1}
    with app.app_context():
        order_id = int(order["number"]) - 100_000
        assert held_by(order_id) == {lamp: 2, chair: 1}
        assert (stock_of(lamp), stock_of(chair)) == ((5, 2), (5, 1))
        assert events_of(order_id) == [("order.state", None, "PLACED", True)]
