"""Carts under many hands: threads with connections of their own, on every database."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from flask import Flask

from app.auth.services.sessions import Client, Proof, start_session
from app.auth.visitor import hash_of_visitor
from app.cart.errors import CartClosed, CartItemNotFound, TooManyOfOne
from app.cart.services.carts import confirm_changes, set_note, start_cart
from app.cart.services.closing import close_cart, lock_cart
from app.cart.services.items import add_item, clear_cart, remove_item, set_quantity
from app.cart.services.purging import purge_carts
from app.core.orm import utc_now
from app.core.transactions import in_transaction
from tests.cart.carting import Buyer, change_carts, new_customer, new_guest, rows, sell, states
from tests.concurrency import TIMEOUT_S, at_once
from tests.products.test_stock_at_once import kinds


@pytest.fixture(params=["guest", "person"])
def buyer(request: pytest.FixtureRequest, app: Flask) -> Buyer:
    return new_guest(app) if request.param == "guest" else new_customer(app)


def add(buyer: Buyer, product_id: int, quantity: int = 1) -> Any:
    return add_item(shopper=buyer.shopper(), now=utc_now(), product_id=product_id, quantity=quantity)


def log_in(customer: Buyer, guest: Buyer) -> Any:
    """Start a session with the guest's token, as every login does."""
    assert customer.user_id is not None
    assert guest.token is not None
    return start_session(
        proof=Proof(customer.user_id, "password", second_factor=False),
        kind="browser",
        client=Client("192.0.2.1", "tests", None, hash_of_visitor(guest.token)),
        now=utc_now(),
        lifetime=utc_now() - utc_now(),
    )


def test_the_same_product_added_by_many_at_once_sums_up(app: Flask, buyer: Buyer) -> None:
    lamp, pot = sell(app, 1), sell(app, 2)
    done = at_once(app, *[partial(add, buyer, lamp, 2)] * 6, *[partial(add, buyer, pot)] * 2)
    assert kinds(done) == {"done": 8}
    assert buyer.quantities() == {lamp: 12, pot: 2}
    assert len(states(app)) == 1


def test_two_first_writes_of_one_person_make_one_cart(app: Flask) -> None:
    lamp = sell(app)
    for attempt in range(5):
        customer = new_customer(app, f"c{attempt}@example.org")
        note = partial(set_note, shopper=customer.shopper(), now=utc_now(), note="x")
        begin = partial(start_cart, shopper=customer.shopper(), now=utc_now())
        done = at_once(app, *[partial(add, customer, lamp)] * 3, note, begin)
        assert kinds(done) == {"done": 5}
        assert customer.quantities() == {lamp: 3}
        assert len(states(app)) == attempt + 1


def test_adding_and_clearing_at_once_leaves_what_came_after_the_clearing(app: Flask, buyer: Buyer) -> None:
    lamp = sell(app)
    for _ in range(3):
        buyer.add(lamp, 5)
        clear = partial(clear_cart, shopper=buyer.shopper(), now=utc_now())
        done = at_once(app, clear, *[partial(add, buyer, lamp)] * 3)
        assert kinds(done) == {"done": 4}
        assert buyer.quantities().get(lamp, 0) in {0, 1, 2, 3}
        buyer.done("DELETE", "/api/v1/cart/items")


def test_changes_of_one_cart_at_once_are_done_one_after_another(app: Flask, buyer: Buyer) -> None:
    lamp, pot = sell(app, 1), sell(app, 2)
    buyer.add(lamp, 5)
    version = buyer.cart()["version"]
    shopper: dict[str, Any] = {"shopper": buyer.shopper(), "now": utc_now()}
    done = at_once(
        app,
        partial(set_quantity, **shopper, product_id=lamp, quantity=7),
        partial(remove_item, **shopper, product_id=lamp),
        partial(remove_item, **shopper, product_id=lamp),
        partial(add, buyer, pot),
        partial(confirm_changes, **shopper),
        partial(set_note, **shopper, note="x"),
    )
    assert kinds(done).keys() <= {"done", "CartItemNotFound"}
    assert 1 <= kinds(done)["CartItemNotFound"] <= 2
    assert buyer.quantities() == {pot: 1}
    assert buyer.cart()["version"] == version + kinds(done)["done"]


def test_no_more_than_the_limits_get_in_at_once(app: Flask, buyer: Buyer) -> None:
    lamp = sell(app)
    buyer.add(lamp, 990)
    done = at_once(app, *[partial(add, buyer, lamp, 4)] * 5)
    assert kinds(done) == {"done": 2, "TooManyOfOne": 3}
    assert buyer.quantities() == {lamp: 998}
    buyer.done("DELETE", "/api/v1/cart/items")
    products = [sell(app, number, on_hand=0) for number in range(2, 55)]
    for product in products[:48]:
        buyer.add(product)
    done = at_once(app, *[partial(add, buyer, product) for product in products[48:]])
    assert kinds(done) == {"done": 2, "CartFull": 3}
    assert len(buyer.quantities()) == 50


def test_a_guest_who_logs_in_several_times_at_once_is_merged_once(app: Flask) -> None:
    lamp, pot = sell(app, 1), sell(app, 2)
    for attempt in range(3):
        customer, guest = new_customer(app, f"c{attempt}@example.org"), new_guest(app)
        guest.add(lamp, 2)
        shopper = customer.shopper()
        shopper = type(shopper)(shopper.principal, shopper.user_id, guest.shopper().cart_token_hash)
        done = at_once(
            app,
            *[partial(log_in, customer, guest)] * 3,
            partial(start_cart, shopper=shopper, now=utc_now()),
            partial(add, customer, pot),
        )
        assert kinds(done) == {"done": 5}
        assert customer.quantities() == {lamp: 2, pot: 1}
        assert [merged["lines"] for merged in customer.cart()["merges"]] == [1]
        assert sorted(states(app)[2 * attempt :]) == [("MERGED", None), ("OPEN", customer.user_id)]


def test_two_people_who_log_in_with_the_same_guests_token_at_once_share_nothing(app: Flask) -> None:
    lamp = sell(app)
    for attempt in range(3):
        one, other = (new_customer(app, f"{name}{attempt}@example.org") for name in ("one", "other"))
        guest = new_guest(app)
        guest.add(lamp, 2)
        assert kinds(at_once(app, partial(log_in, one, guest), partial(log_in, other, guest))) == {"done": 2}
        assert sorted([one.quantities(), other.quantities()], key=len) == [{}, {lamp: 2}]
        assert sorted(len(each.cart()["merges"]) for each in (one, other)) == [0, 1]


def test_what_a_guest_adds_while_logging_in_is_in_one_cart_or_the_other(app: Flask) -> None:
    lamp = sell(app)
    for attempt in range(3):
        customer, guest = new_customer(app, f"c{attempt}@example.org"), new_guest(app)
        guest.add(lamp)
        done = at_once(app, partial(log_in, customer, guest), *[partial(add, guest, lamp)] * 3)
        assert kinds(done).keys() <= {"done", "CartNotFound"}
        assert customer.quantities() == {lamp: 1 + sum(not isinstance(each, Exception) for each in done[1:])}


def _while_locked(app: Flask, buyer: Buyer, deed: Callable[[], Any], *, becomes_order: bool) -> list[Any]:
    """Lock the cart as a checkout does; what somebody gets who does something to it meanwhile, and when."""
    cart_id = buyer.cart()["id"]
    is_locked, happened, added = threading.Event(), [], []

    @in_transaction
    def check_out() -> int:
        locked = lock_cart(cart_id, buyer.shopper())
        is_locked.set()
        adding.join(0.7)
        happened.append("checked out")
        if becomes_order:
            assert close_cart(cart_id)
        return sum(item.quantity for item in locked.items)

    def add_meanwhile() -> None:
        with app.app_context():
            assert is_locked.wait(TIMEOUT_S)
            try:
                added.append(deed())
            except CartClosed as closed:
                added.append(closed)
            happened.append("done meanwhile")

    adding = threading.Thread(target=add_meanwhile)
    adding.start()
    with app.app_context():
        seen = check_out()
    adding.join(TIMEOUT_S)
    return [seen, happened, *added]


def test_what_is_added_while_a_checkout_has_the_cart_waits_for_it(app: Flask, buyer: Buyer) -> None:
    lamp = sell(app)
    buyer.add(lamp, 2)
    seen, happened, _ = _while_locked(app, buyer, partial(add, buyer, lamp), becomes_order=False)
    assert (seen, happened) == (2, ["checked out", "done meanwhile"])
    assert buyer.quantities() == {lamp: 3}


def test_what_is_added_while_the_cart_becomes_an_order_goes_into_a_new_one_or_is_refused(app: Flask) -> None:
    lamp = sell(app)
    for buyer in (new_customer(app), new_guest(app)):
        buyer.add(lamp, 2)
        seen, happened, outcome = _while_locked(app, buyer, partial(add, buyer, lamp), becomes_order=True)
        assert (seen, happened) == (2, ["checked out", "done meanwhile"])
        if buyer.user_id is None:
            assert isinstance(outcome, CartClosed)
            assert (buyer.cart()["state"], buyer.quantities()) == ("ORDERED", {lamp: 2})
        else:
            assert buyer.quantities() == {lamp: 1}
    assert Counter(state for state, _ in states(app)) == {"ORDERED": 2, "OPEN": 1}


def test_a_cart_that_becomes_an_order_while_its_guest_logs_in_is_not_merged(app: Flask) -> None:
    lamp = sell(app)
    guest, customer = new_guest(app), new_customer(app)
    guest.add(lamp, 2)
    seen, happened, _ = _while_locked(app, guest, partial(log_in, customer, guest), becomes_order=True)
    assert (seen, happened) == (2, ["checked out", "done meanwhile"])
    assert (guest.cart()["state"], guest.quantities()) == ("ORDERED", {lamp: 2})
    assert (customer.quantities(), customer.cart()["merges"]) == ({}, [])


def test_a_cart_that_is_touched_while_carts_are_purged_stays_or_is_gone_as_a_whole(app: Flask) -> None:
    lamp = sell(app)
    for attempt in range(4):
        customer = new_customer(app, f"c{attempt}@example.org")
        customer.add(lamp, 5)
        change_carts(app, expires_at=utc_now())
        done = at_once(app, partial(add, customer, lamp), *[partial(purge_carts, now=utc_now())] * 3)
        assert kinds(done) == {"done": 4}
        assert customer.quantities() in ({lamp: 6}, {lamp: 1})
        carts, items = rows(app)
        assert {item[1] for item in items} <= {cart[0] for cart in carts}


def test_a_refused_addition_at_once_with_others_takes_nothing_back(app: Flask, buyer: Buyer) -> None:
    lamp = sell(app)
    buyer.add(lamp, 10)
    done = at_once(app, *[partial(add, buyer, lamp, 990)] * 2, *[partial(add, buyer, lamp)] * 3)
    assert all(not isinstance(each, Exception) or isinstance(each, TooManyOfOne) for each in done)
    total = 10 + sum(
        quantity for each, quantity in zip(done, (990, 990, 1, 1, 1), strict=True) if not isinstance(each, Exception)
    )
    assert buyer.quantities() == {lamp: total}
    assert not any(isinstance(each, CartItemNotFound) for each in done)
