"""Prices and availability are read at every view, and what has changed since the customer last saw it is said."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from app.cart.changes import Availability, Item, Offer, line_of
from app.core.orm import utc_now
from app.orders.models.orders import OrderState
from tests.cart.carting import (
    CART,
    ITEMS,
    SEEN,
    Buyer,
    change_product,
    delete,
    new_customer,
    new_guest,
    sell,
    set_stock,
)
from tests.cart.drafts import add_order, set_order_state
from tests.servers import on_sqlite

NOTHING = {"price_from": None, "price_to": None, "left": None}


@pytest.fixture(params=["guest", "person"])
def buyer(request: pytest.FixtureRequest, app: Flask) -> Buyer:
    return new_guest(app) if request.param == "guest" else new_customer(app)


def changes(cart: dict[str, Any]) -> list[dict[str, Any]]:
    """The changes of a cart, which are those of its lines; without what names the product."""
    assert cart["changes"] == [change for line in cart["lines"] for change in line["changes"]]
    return [{name: change[name] for name in ("kind", *NOTHING)} for change in cart["changes"]]


def test_another_price_is_told_until_it_is_confirmed(app: Flask, buyer: Buyer) -> None:
    lamp = sell(app, price="39.90")
    buyer.add(lamp, 2)
    change_product(app, lamp, price_minor=4290)
    told = [NOTHING | {"kind": "PRICE", "price_from": "39.90", "price_to": "42.90"}]
    cart = buyer.cart()
    assert (changes(cart), cart["subtotal"], cart["lines"][0]["unit_price"]) == (told, "85.80", "42.90")
    assert buyer.cart() == cart
    change = cart["changes"][0]
    assert (change["product_id"], change["asin"], change["currency"]) == (lamp, "B000000001", "USD")
    assert cart["is_ready"]
    assert changes(buyer.done("POST", SEEN)) == told
    assert changes(buyer.cart()) == []
    change_product(app, lamp, price_minor=3990)
    assert changes(buyer.cart()) == [NOTHING | {"kind": "PRICE", "price_from": "42.90", "price_to": "39.90"}]
    change_product(app, lamp, price_minor=4290)
    assert changes(buyer.cart()) == []


def _deactivate(app: Flask, lamp: int) -> None:
    change_product(app, lamp, is_active=False)


def _reprice_in_euros(app: Flask, lamp: int) -> None:
    change_product(app, lamp, currency="EUR")


def _sell_out(app: Flask, lamp: int) -> None:
    set_stock(app, lamp, on_hand=7, allocated=7)


def _leave_two(app: Flask, lamp: int) -> None:
    set_stock(app, lamp, on_hand=9, allocated=7)


GONE: list[tuple[Callable[[Flask, int], None], str, int | None, str]] = [
    (_deactivate, "NOT_SOLD", None, "0.00"),
    (_reprice_in_euros, "NOT_SOLD", None, "0.00"),
    (delete, "NOT_SOLD", None, "0.00"),
    (_sell_out, "OUT_OF_STOCK", None, "0.00"),
    (_leave_two, "FEWER", 2, "30.00"),
]


@pytest.mark.parametrize(
    ("happens", "becomes", "left", "subtotal"), GONE, ids=[happens.__name__ for happens, *_ in GONE]
)
def test_what_cannot_be_bought_any_more_is_told_until_it_is_confirmed(
    app: Flask, buyer: Buyer, happens: Callable[[Flask, int], None], becomes: str, left: int | None, subtotal: str
) -> None:
    lamp = sell(app, price="10.00")
    buyer.add(lamp, 3)
    happens(app, lamp)
    cart = buyer.cart()
    (line,) = cart["lines"]
    assert (line["availability"], line["left"], cart["subtotal"], cart["is_ready"]) == (becomes, left, subtotal, False)
    assert changes(cart) == [NOTHING | {"kind": becomes, "left": left}]
    assert (line["name"], line["quantity"]) == ("Lamp 1", 3)
    buyer.done("POST", SEEN)
    again = buyer.cart()
    assert (changes(again), again["lines"][0]["availability"]) == ([], becomes)


def test_what_can_be_bought_again_is_told_as_well(app: Flask, buyer: Buyer) -> None:
    lamp = sell(app)
    buyer.add(lamp, 3)
    _sell_out(app, lamp)
    buyer.done("POST", SEEN)
    set_stock(app, lamp, on_hand=3)
    cart = buyer.cart()
    assert (changes(cart), cart["is_ready"]) == ([NOTHING | {"kind": "AVAILABLE"}], True)
    buyer.done("POST", SEEN)
    assert changes(buyer.cart()) == []


def test_what_was_sold_out_when_it_was_put_in_is_no_change(app: Flask, buyer: Buyer) -> None:
    lamp = sell(app, on_hand=0)
    cart = buyer.add(lamp)
    assert (cart["lines"][0]["availability"], changes(cart), cart["is_ready"]) == ("OUT_OF_STOCK", [], False)
    assert changes(buyer.cart()) == []


def test_how_many_there_are_is_told_only_where_more_are_asked_for(app: Flask, buyer: Buyer) -> None:
    lamp = sell(app, on_hand=5)
    for quantity, left in ((1, None), (5, None), (6, 5), (999, 5)):
        buyer.add(lamp)
        line = buyer.done("PATCH", f"{ITEMS}/{lamp}", {"quantity": quantity})["lines"][0]
        assert (line["quantity"], line["left"]) == (quantity, left)
    answer = buyer.send("GET", CART).get_json()
    assert "on_hand" not in str(answer)
    assert "allocated" not in str(answer)


def test_changing_a_line_confirms_that_line_and_no_other(app: Flask, buyer: Buyer) -> None:
    lamp, pot, pan = (sell(app, number, price="10.00") for number in (1, 2, 3))
    buyer.add(lamp)
    buyer.add(pot)
    for product in (lamp, pot):
        change_product(app, product, price_minor=1100)
    _sell_out(app, pot)
    writes: list[Callable[[], Any]] = [
        lambda: buyer.add(lamp),
        lambda: buyer.add(pan),
        lambda: buyer.done("PATCH", CART, {"note": "x"}),
        lambda: buyer.done("DELETE", f"{ITEMS}/{pan}"),
        buyer.cart,
    ]
    for write in writes:
        told = [(change["product_id"], change["kind"]) for change in write()["changes"]]
        assert told == [(pot, "PRICE"), (pot, "OUT_OF_STOCK")]
    assert buyer.done("PATCH", f"{ITEMS}/{pot}", {"quantity": 2})["changes"] == []


def test_a_line_that_is_not_sold_any_more_is_lowered_and_taken_out(app: Flask, buyer: Buyer) -> None:
    lamp = sell(app)
    buyer.add(lamp, 3)
    delete(app, lamp)
    assert buyer.done("PATCH", f"{ITEMS}/{lamp}", {"quantity": 2})["lines"][0]["availability"] == "NOT_SOLD"
    assert buyer.done("DELETE", f"{ITEMS}/{lamp}")["lines"] == []


def test_what_ones_own_checkout_holds_is_not_gone_and_what_that_of_others_holds_is(app: Flask, buyer: Buyer) -> None:
    other = new_guest(app)
    lamp = sell(app, on_hand=3)
    buyer.add(lamp, 3)
    other.add(lamp, 3)
    order = add_order(app, cart_id=buyer.cart()["id"], holds={lamp: 3})
    assert (changes(buyer.cart()), buyer.cart()["is_ready"]) == ([], True)
    assert buyer.done("PATCH", f"{ITEMS}/{lamp}", {"quantity": 2})["changes"] == []
    assert changes(buyer.cart()) == []
    assert changes(other.cart()) == [NOTHING | {"kind": "OUT_OF_STOCK"}]
    set_order_state(app, order, OrderState.PLACED)
    assert changes(buyer.cart()) == [NOTHING | {"kind": "OUT_OF_STOCK"}]


@on_sqlite
@pytest.mark.parametrize("seen", [True, False])
@pytest.mark.parametrize("is_sold", [True, False])
@pytest.mark.parametrize("available", [-1, 0, 1, 2, 3, 4])
@pytest.mark.usefixtures("database")
def test_a_change_of_availability_is_told_exactly_when_there_is_one(seen: bool, is_sold: bool, available: int) -> None:
    """``available`` below 0 cannot be in the tables; a line of it is sold out, not short of minus one."""
    offer = Offer(
        product_id=1,
        asin="B000000001",
        name="Lamp",
        brand=None,
        price_minor=1000,
        currency="USD",
        is_there=True,
        is_sold=is_sold,
        available=available,
    )
    item = Item(product_id=1, quantity=3, added_at=utc_now(), seen_price_minor=1000, seen_is_available=seen)
    line = line_of(item, offer)
    is_enough = is_sold and available >= 3
    assert (line.availability is Availability.AVAILABLE) == is_enough
    assert [change.kind for change in line.changes] == ([] if seen == is_enough else [line.availability])
    assert (line.left is not None) == (is_sold and 0 < available < 3)
