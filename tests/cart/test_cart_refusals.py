"""What carts refuse, by name, and that nothing is changed by it."""

from __future__ import annotations

from typing import Any, Final

import pytest
import sqlalchemy as sa
from flask import Flask

from app.auth.models import User
from app.cart.errors import CartNotFound
from app.cart.models import Cart, CartState
from app.cart.services.items import add_item
from app.config import Settings
from app.core.extensions import db
from app.core.orm import utc_now
from tests.auth.people import new_person, strict_app
from tests.cart.carting import (
    CART,
    ITEMS,
    SEEN,
    Buyer,
    change_carts,
    change_product,
    delete,
    new_customer,
    new_guest,
    rows,
    sell,
    states,
)
from tests.servers import on_sqlite

pytestmark = on_sqlite


@pytest.fixture(params=["guest", "person"])
def buyer(request: pytest.FixtureRequest, app: Flask) -> Buyer:
    return new_guest(app) if request.param == "guest" else new_customer(app)


def refused(buyer: Buyer, method: str, path: str, body: Any = None) -> tuple[int, str, list[str]]:
    """Status, code and pointers of a refusal, after which every cart is as it was."""
    before = rows(buyer.app)
    answer = buyer.send(method, path, body)
    assert rows(buyer.app) == before
    assert answer.mimetype == "application/problem+json", answer.text
    problem = answer.get_json()
    return answer.status_code, problem["code"], [error["pointer"] for error in problem["errors"]]


QUANTITIES: Final = [0, -5, 1000, 10**9, 10**30, "3", 1.5, 2.0, None, True, [1], {"n": 1}, ""]


@pytest.mark.parametrize("quantity", QUANTITIES)
def test_a_quantity_that_is_none_is_refused_by_name(app: Flask, buyer: Buyer, quantity: Any) -> None:
    lamp = sell(app)
    buyer.add(lamp, 2)
    for method, path, body in (
        ("POST", ITEMS, {"product_id": lamp, "quantity": quantity}),
        ("POST", ITEMS, {"asin": "B000000001", "quantity": quantity}),
        ("PATCH", f"{ITEMS}/{lamp}", {"quantity": quantity}),
    ):
        assert refused(buyer, method, path, body) == (422, "INVALID", ["/quantity"])


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({}, ["/product_id"]),
        ({"quantity": 2}, ["/product_id"]),
        ({"product_id": 1, "asin": "B000000001"}, ["/asin", "/product_id"]),
        ({"product_id": None}, ["/product_id"]),
        ({"product_id": "1"}, ["/product_id"]),
        ({"product_id": 0}, ["/product_id"]),
        ({"product_id": -1}, ["/product_id"]),
        ({"product_id": 2**63}, ["/product_id"]),
        ({"asin": None}, ["/asin"]),
        ({"asin": ""}, ["/asin"]),
        ({"asin": "B00'; --"}, ["/asin"]),
        ({"asin": "Ｂ000000001"}, ["/asin"]),
        ({"product_id": 1, "price": "0.01"}, ["/price"]),
        ({"product_id": 1, "cart_id": 1}, ["/cart_id"]),
        ([], [""]),
    ],
)
def test_what_names_no_product_is_refused_by_name(app: Flask, buyer: Buyer, body: Any, pointers: list[str]) -> None:
    sell(app)
    status, code, named = refused(buyer, "POST", ITEMS, body)
    assert (status, code, sorted(named)) == (422, "INVALID", pointers)


def test_a_product_that_there_is_not_or_not_any_more_is_refused_by_the_field_that_names_it(
    app: Flask, buyer: Buyer
) -> None:
    gone = sell(app)
    delete(app, gone)
    for body, pointer in (
        ({"product_id": 4711}, "/product_id"),
        ({"asin": "B0NOWHERE1"}, "/asin"),
        ({"product_id": gone}, "/product_id"),
        ({"asin": "B000000001"}, "/asin"),
    ):
        assert refused(buyer, "POST", ITEMS, body) == (404, "PRODUCT_NOT_FOUND", [pointer])


@pytest.mark.parametrize("values", [{"is_active": False}, {"currency": "EUR"}], ids=["inactive", "another currency"])
def test_a_product_that_is_not_sold_is_refused_by_the_field_that_names_it(
    app: Flask, buyer: Buyer, values: dict[str, Any]
) -> None:
    lamp = sell(app)
    change_product(app, lamp, **values)
    assert refused(buyer, "POST", ITEMS, {"product_id": lamp}) == (409, "PRODUCT_NOT_SOLD", ["/product_id"])
    assert refused(buyer, "POST", ITEMS, {"asin": "B000000001"}) == (409, "PRODUCT_NOT_SOLD", ["/asin"])
    said = buyer.send("POST", ITEMS, {"product_id": lamp}).text
    assert "B000000001" not in said, "who counts through the numbers learns nothing of what is yet to be sold"
    assert "Lamp" not in said


def test_more_than_999_of_a_product_are_refused_and_it_says_how_many_there_are(app: Flask, buyer: Buyer) -> None:
    lamp = sell(app)
    buyer.add(lamp, 998)
    assert refused(buyer, "POST", ITEMS, {"product_id": lamp, "quantity": 2}) == (409, "TOO_MANY_OF_ONE", ["/quantity"])
    said = buyer.send("POST", ITEMS, {"product_id": lamp, "quantity": 2}).get_json()
    assert (said["quantity"], said["max_quantity"]) == (998, 999)
    assert buyer.add(lamp)["quantity"] == 999


def test_a_51st_product_is_refused_and_more_of_one_that_is_there_is_not(app: Flask, buyer: Buyer) -> None:
    products = [sell(app, number, on_hand=0) for number in range(1, 52)]
    for product in products[:50]:
        buyer.add(product)
    assert refused(buyer, "POST", ITEMS, {"product_id": products[50]}) == (409, "CART_FULL", ["/product_id"])
    assert refused(buyer, "POST", ITEMS, {"asin": "B000000051"}) == (409, "CART_FULL", ["/asin"])
    assert buyer.send("POST", ITEMS, {"product_id": products[50]}).get_json()["max_lines"] == 50
    assert buyer.add(products[0])["lines"][0]["quantity"] == 2
    buyer.done("DELETE", f"{ITEMS}/{products[7]}")
    assert len(buyer.add(products[50])["lines"]) == 50


def test_what_is_in_the_cart_of_somebody_else_is_not_in_ones_own(app: Flask, buyer: Buyer) -> None:
    lamp, pot = sell(app, 1), sell(app, 2)
    others = [new_guest(app), new_customer(app, "other@example.org")]
    for other in others:
        other.add(lamp, 3)
    for _ in range(2):  # without a cart of one's own, and with one
        for path in (f"{ITEMS}/{lamp}", f"{ITEMS}/4711"):
            assert refused(buyer, "PATCH", path, {"quantity": 9}) == (404, "CART_ITEM_NOT_FOUND", [])
            assert refused(buyer, "DELETE", path) == (404, "CART_ITEM_NOT_FOUND", [])
        buyer.add(pot)
    buyer.done("DELETE", ITEMS)
    assert [other.quantities() for other in others] == [{lamp: 3}, {lamp: 3}]


def test_taking_a_product_out_twice_says_that_it_is_not_there(app: Flask, buyer: Buyer) -> None:
    lamp = sell(app)
    buyer.add(lamp)
    buyer.done("DELETE", f"{ITEMS}/{lamp}")
    assert refused(buyer, "DELETE", f"{ITEMS}/{lamp}") == (404, "CART_ITEM_NOT_FOUND", [])


@pytest.mark.parametrize(
    "note", [None, 5, "x" * 1001, "a\x00b", "\u202eb", "\u200b", ["x"]], ids=lambda note: repr(note)[:12]
)
def test_a_note_that_is_none_is_refused_by_name(app: Flask, buyer: Buyer, note: Any) -> None:
    buyer.add(sell(app))
    assert refused(buyer, "PATCH", CART, {"note": note}) == (422, "INVALID", ["/note"])


def test_a_body_that_is_no_json_is_refused(app: Flask, buyer: Buyer) -> None:
    before = rows(app)
    client = app.test_client()
    form = client.post(ITEMS, data={"product_id": sell(app)}, headers=buyer.headers)
    broken = client.post(ITEMS, data=b'{"product_id": 1', headers=buyer.headers | {"Content-Type": "application/json"})
    assert (form.status_code, broken.status_code) == (415, 400)
    assert rows(app) == before


CALLS: Final = [
    ("GET", CART, None),
    ("PATCH", CART, {"note": "x"}),
    ("POST", SEEN, None),
    ("POST", ITEMS, {"asin": "B000000001"}),
    ("DELETE", ITEMS, None),
    ("PATCH", f"{ITEMS}/1", {"quantity": 1}),
    ("DELETE", f"{ITEMS}/1", None),
]


@pytest.mark.parametrize(("method", "path", "body"), CALLS)
def test_who_brings_neither_login_nor_token_is_told_what_to_bring(
    app: Flask, method: str, path: str, body: Any
) -> None:
    new_guest(app).add(sell(app))
    assert refused(Buyer(app, {}), method, path, body) == (401, "UNAUTHENTICATED", [])
    assert "POST /api/v1/cart" in Buyer(app, {}).send(method, path, body).get_json()["detail"]


@pytest.mark.parametrize(("method", "path", "body"), CALLS)
def test_staff_who_must_set_up_a_second_factor_first_do_not_shop_either(
    app: Flask, settings: Settings, method: str, path: str, body: Any
) -> None:
    sell(app)
    with strict_app(settings) as strict:
        staff = new_person(strict, "ada@example.org", role="admin")
        buyer = Buyer(strict, {"Authorization": f"Bearer {staff.token}"})
        assert refused(buyer, method, path, body) == (403, "SECOND_FACTOR_SETUP_REQUIRED", [])


@pytest.mark.parametrize("token", ["x", "A" * 22, "A" * 5000, "' OR 1=1", "ü"])
@pytest.mark.parametrize(("method", "path", "body"), CALLS)
def test_a_token_that_opens_nothing_is_refused(app: Flask, method: str, path: str, body: Any, token: str) -> None:
    new_guest(app).add(sell(app))
    assert refused(Buyer(app, {"Cart-Token": token}), method, path, body)[:2] == (404, "CART_NOT_FOUND")


@pytest.mark.parametrize(("method", "path", "body"), CALLS)
def test_a_bad_login_is_refused_whatever_token_comes_with_it(app: Flask, method: str, path: str, body: Any) -> None:
    guest = new_guest(app)
    guest.add(sell(app))
    guest.headers["Authorization"] = "Bearer nonsense"
    assert refused(guest, method, path, body)[:2] == (401, "TOKEN_REFUSED")


@pytest.mark.parametrize(("method", "path", "body"), CALLS[1:])
def test_a_guests_cart_that_became_an_order_is_shown_and_takes_nothing_more(
    app: Flask, method: str, path: str, body: Any
) -> None:
    guest = new_guest(app)
    lamp = sell(app)
    guest.add(lamp)
    change_carts(app, state=CartState.ORDERED)
    assert refused(guest, method, path, body) == (409, "CART_CLOSED", [])
    assert guest.send(method, path, body).get_json()["state"] == "ORDERED"
    shown = guest.cart()
    assert (shown["state"], guest.quantities()) == ("ORDERED", {lamp: 1})
    assert new_guest(app).quantities() == {}  # and another cart is had for the asking


@pytest.mark.parametrize(("method", "path", "body"), CALLS)
def test_a_guests_cart_that_went_into_another_is_no_more(app: Flask, method: str, path: str, body: Any) -> None:
    guest = new_guest(app)
    guest.add(sell(app))
    change_carts(app, state=CartState.MERGED)
    assert refused(guest, method, path, body)[:2] == (404, "CART_NOT_FOUND")


def test_a_person_whose_cart_became_an_order_begins_a_new_one(app: Flask) -> None:
    customer = new_customer(app)
    lamp, pot = sell(app, 1), sell(app, 2)
    customer.add(lamp)
    change_carts(app, state=CartState.ORDERED, open_user_id=None)
    assert customer.quantities() == {}
    assert refused(customer, "DELETE", f"{ITEMS}/{lamp}") == (404, "CART_ITEM_NOT_FOUND", [])
    customer.add(pot)
    assert customer.quantities() == {pot: 1}
    assert states(app) == [("ORDERED", customer.user_id), ("OPEN", customer.user_id)]


def test_who_is_not_active_any_more_gets_no_cart(app: Flask) -> None:
    customer = new_customer(app)
    lamp = sell(app)
    with app.app_context():
        db.session.execute(sa.update(User).where(User.id == customer.user_id).values(is_active=False))
        db.session.commit()
        with pytest.raises(CartNotFound):
            add_item(shopper=customer.shopper(), now=utc_now(), product_id=lamp, quantity=1)
    assert states(app) == []


def test_the_database_itself_takes_neither_a_second_open_cart_nor_a_quantity_out_of_range(app: Flask) -> None:
    customer = new_customer(app)
    customer.add(sell(app))
    when = utc_now()
    second = {"user_id": customer.user_id, "open_user_id": customer.user_id, "state": "OPEN", "note": "", "version": 1}
    times = {"created_at": when, "updated_at": when, "expires_at": when}
    statements: list[Any] = [
        sa.insert(Cart).values(**second, **times),
        sa.text("UPDATE cart_item SET quantity = 0"),
        sa.text("UPDATE cart_item SET quantity = 1000"),
    ]
    before = rows(app)
    with app.app_context():
        for statement in statements:
            with pytest.raises(sa.exc.IntegrityError):
                db.session.execute(statement)
            db.session.rollback()
    assert rows(app) == before
