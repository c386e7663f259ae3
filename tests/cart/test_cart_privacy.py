"""What carts keep of a person is given to them, and goes with them."""

from __future__ import annotations

from flask import Flask

from app.cart.models import CartState
from tests.cart.carting import CART, change_carts, new_customer, new_guest, rows, sell, states
from tests.servers import on_sqlite


@on_sqlite
def test_an_export_has_a_persons_own_carts_and_those_of_nobody_else(app: Flask) -> None:
    customer, other = new_customer(app), new_customer(app, "other@example.org")
    lamp, pot = sell(app, 1), sell(app, 2)
    customer.add(lamp, 2)
    change_carts(app, state=CartState.ORDERED, open_user_id=None)
    customer.add(pot)
    customer.done("PATCH", CART, {"note": "Ring twice"})
    other.add(lamp, 7)
    new_guest(app).add(lamp, 7)
    exported = app.test_client().get("/api/v1/me/export", headers=customer.headers).get_json()["cart"]
    assert [(cart["state"], cart["note"]) for cart in exported] == [("OPEN", "Ring twice"), ("ORDERED", "")]
    items = [[(item["asin"], item["name"], item["quantity"]) for item in cart["items"]] for cart in exported]
    assert items == [[("B000000002", "Lamp 2", 1)], [("B000000001", "Lamp 1", 2)]]
    assert "token" not in str(exported)


def test_erasing_a_person_deletes_their_carts_and_no_others(app: Flask) -> None:
    customer, other = new_customer(app), new_customer(app, "other@example.org")
    lamp = sell(app)
    customer.add(lamp, 2)
    change_carts(app, state=CartState.ORDERED, open_user_id=None)
    for buyer in (customer, other, new_guest(app)):
        buyer.add(lamp)
    erased = app.test_client().post("/api/v1/me/erasure", headers=customer.headers)
    assert erased.status_code == 204, erased.text
    assert customer.user_id not in {user_id for _, user_id in states(app)}
    assert other.quantities() == {lamp: 1}
    carts, items = rows(app)
    assert len(carts) == 2
    assert {item[1] for item in items} <= {cart[0] for cart in carts}
    refused = customer.send("POST", f"{CART}/items", {"product_id": lamp})
    assert refused.status_code == 401
