"""What a merge makes of two carts, what it tells, and what it leaves alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from flask import Flask

from app.auth.visitor import hash_of_visitor
from app.cart.models import CartState
from app.cart.services.merging import merge_guest
from app.core.orm import utc_now
from app.core.transactions import in_transaction
from app.orders.models.orders import OrderState
from tests.cart.carting import (
    CART,
    SEEN,
    Buyer,
    change_carts,
    change_product,
    new_customer,
    new_guest,
    rows,
    sell,
    states,
)
from tests.cart.drafts import add_order, set_order_state


@pytest.fixture
def guest(app: Flask) -> Buyer:
    return new_guest(app)


@pytest.fixture
def customer(app: Flask) -> Buyer:
    return new_customer(app)


@in_transaction
def _merge(*, user_id: int, token: str) -> bool:
    return merge_guest(user_id=user_id, token_hash=hash_of_visitor(token), now=utc_now())


def merge(guest: Buyer, customer: Buyer) -> bool:
    """Merge as a login does."""
    assert guest.token is not None
    assert customer.user_id is not None
    with guest.app.app_context():
        done: bool = _merge(user_id=customer.user_id, token=guest.token)
        return done


def fill(buyer: Buyer, quantities: Mapping[int, int]) -> None:
    for product, quantity in quantities.items():
        buyer.add(product, quantity)


def told(buyer: Buyer) -> list[dict[str, Any]]:
    merges: list[dict[str, Any]] = buyer.cart()["merges"]
    return merges


def test_quantities_are_summed_and_the_guests_cart_is_closed(app: Flask, guest: Buyer, customer: Buyer) -> None:
    lamp, pot, pan = (sell(app, number) for number in (1, 2, 3))
    fill(customer, {lamp: 2, pot: 1})
    fill(guest, {pan: 4, lamp: 3})
    guest.done("PATCH", CART, {"note": "Ring twice"})
    before = customer.cart()
    assert merge(guest, customer)
    after = customer.cart()
    assert customer.quantities() == {lamp: 5, pot: 1, pan: 4}
    assert (after["id"], after["version"] > before["version"], after["note"]) == (before["id"], True, "Ring twice")
    assert states(app) == [("OPEN", customer.user_id), ("MERGED", None)] or states(app) == [
        ("MERGED", None),
        ("OPEN", customer.user_id),
    ]
    assert len(rows(app)[1]) == 3


def test_who_has_no_cart_yet_gets_one(app: Flask, guest: Buyer, customer: Buyer) -> None:
    lamp = sell(app)
    fill(guest, {lamp: 2})
    assert merge(guest, customer)
    assert customer.quantities() == {lamp: 2}


def test_the_note_of_the_guest_follows_that_of_the_person(app: Flask, guest: Buyer, customer: Buyer) -> None:
    fill(guest, {sell(app): 2})
    guest.done("PATCH", CART, {"note": "from the guest"})
    customer.done("PATCH", CART, {"note": "mine"})
    assert merge(guest, customer)
    assert customer.cart()["note"] == "mine\nfrom the guest"


def test_more_than_999_are_capped_and_it_is_told_until_it_is_confirmed(
    app: Flask, guest: Buyer, customer: Buyer
) -> None:
    lamp, pot = sell(app, 1), sell(app, 2)
    fill(customer, {lamp: 600, pot: 1})
    fill(guest, {lamp: 600, pot: 1})
    assert merge(guest, customer)
    assert customer.quantities() == {lamp: 999, pot: 2}
    short = {"product_id": lamp, "asin": "B000000001", "name": "Lamp 1", "wanted": 1200, "kept": 999}
    for _ in range(2):
        assert [(merge["lines"], merge["short"]) for merge in told(customer)] == [(2, [short])]
    assert customer.done("POST", SEEN)["merges"][0]["short"] == [short]
    assert told(customer) == []


def test_what_goes_beyond_50_lines_is_left_out_and_it_is_told(app: Flask, guest: Buyer, customer: Buyer) -> None:
    products = [sell(app, number, on_hand=0) for number in range(1, 55)]
    fill(customer, dict.fromkeys(products[:48], 1))
    fill(guest, dict.fromkeys([*products[50:], products[0]], 2))
    assert merge(guest, customer)
    assert customer.quantities() == {products[0]: 3} | dict.fromkeys(products[1:48], 1) | dict.fromkeys(
        products[50:52], 2
    )
    (merged,) = told(customer)
    assert [(each["product_id"], each["wanted"], each["kept"]) for each in merged["short"]] == [
        (products[52], 2, 0),
        (products[53], 2, 0),
    ]


def test_merging_again_changes_nothing(app: Flask, guest: Buyer, customer: Buyer) -> None:
    lamp = sell(app)
    fill(guest, {lamp: 2})
    assert merge(guest, customer)
    before = rows(app)
    assert not merge(guest, customer)
    assert app.test_client().post(CART, headers=customer.headers | guest.headers).status_code == 201
    assert rows(app) == before
    assert customer.quantities() == {lamp: 2}


def test_several_merges_are_told_each_and_no_more_than_five(app: Flask, customer: Buyer) -> None:
    products = [sell(app, number) for number in range(1, 8)]
    for lines in range(1, 8):
        another = new_guest(app)
        fill(another, dict.fromkeys(products[:lines], 1))
        assert merge(another, customer)
    assert [merged["lines"] for merged in told(customer)] == [3, 4, 5, 6, 7]
    assert customer.quantities() == {product: 7 - at for at, product in enumerate(products)}


def test_what_has_changed_since_the_guest_saw_it_is_still_told(app: Flask, guest: Buyer, customer: Buyer) -> None:
    lamp, pot = sell(app, 1, price="10.00"), sell(app, 2, price="10.00")
    fill(customer, {lamp: 1})
    fill(guest, {lamp: 1, pot: 1})
    for product in (lamp, pot):
        change_product(app, product, price_minor=1100)
    assert merge(guest, customer)
    assert [(change["product_id"], change["kind"]) for change in customer.cart()["changes"]] == [
        (lamp, "PRICE"),
        (pot, "PRICE"),
    ]


def test_a_guests_cart_that_became_an_order_is_left_alone_and_its_token_opens_it(
    app: Flask, guest: Buyer, customer: Buyer
) -> None:
    lamp = sell(app)
    fill(guest, {lamp: 2})
    change_carts(app, state=CartState.ORDERED)
    before = rows(app)
    assert not merge(guest, customer)
    assert rows(app) == before
    assert guest.cart()["state"] == "ORDERED"


def test_a_guests_cart_in_checkout_is_left_alone_until_that_is_given_up(
    app: Flask, guest: Buyer, customer: Buyer
) -> None:
    lamp = sell(app)
    fill(guest, {lamp: 2})
    order = add_order(app, cart_id=guest.cart()["id"])
    assert not merge(guest, customer)
    assert (guest.quantities(), customer.quantities()) == ({lamp: 2}, {})
    set_order_state(app, order, OrderState.EXPIRED)
    assert app.test_client().post(CART, headers=customer.headers | guest.headers).status_code == 201
    assert customer.quantities() == {lamp: 2}


def test_who_asks_for_a_cart_with_a_guests_token_gets_it_merged(app: Flask, guest: Buyer, customer: Buyer) -> None:
    lamp = sell(app)
    fill(guest, {lamp: 2})
    fill(customer, {lamp: 1})
    answer = app.test_client().post(CART, headers=customer.headers | guest.headers).get_json()
    assert (answer["token"], answer["cart"]["lines"][0]["quantity"]) == (None, 3)
    assert answer["cart"]["merges"][0]["lines"] == 1


def test_a_token_is_of_no_use_to_read_or_change_what_went_into_another_cart(
    app: Flask, guest: Buyer, customer: Buyer
) -> None:
    lamp = sell(app)
    fill(guest, {lamp: 2})
    assert merge(guest, customer)
    for method, path, body in (
        ("GET", CART, None),
        ("POST", f"{CART}/items", {"product_id": lamp}),
        ("PATCH", f"{CART}/items/{lamp}", {"quantity": 9}),
        ("DELETE", f"{CART}/items", None),
    ):
        answer = guest.send(method, path, body)
        assert (answer.status_code, answer.get_json()["code"]) == (404, "CART_NOT_FOUND")
    assert customer.quantities() == {lamp: 2}
