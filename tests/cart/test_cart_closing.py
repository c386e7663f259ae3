"""What a checkout does with a cart: it locks it, and closes it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update

from app.auth.models import User
from app.cart.errors import CartNotFound
from app.cart.models import Cart, CartState
from app.cart.services.closing import LockedCart, LockedItem, close_cart, lock_cart
from app.cart.shopper import Shopper
from app.core.extensions import db
from app.core.orm import database_now
from app.core.permissions import guest as somebody
from app.core.transactions import in_transaction
from tests.cart.carting import Buyer, change_carts, new_customer, new_guest, rows, sell

lock = in_transaction(lock_cart)
close = in_transaction(close_cart)


@pytest.fixture(params=["guest", "person"])
def buyer(request: pytest.FixtureRequest, app: Flask) -> Buyer:
    return new_guest(app) if request.param == "guest" else new_customer(app)


def locked(app: Flask, cart_id: int, shopper: Shopper) -> LockedCart:
    with app.app_context():
        return lock(cart_id, shopper)


def test_a_locked_cart_has_what_was_put_in_in_that_order(app: Flask, buyer: Buyer) -> None:
    lamp, pot = sell(app, 1), sell(app, 2)
    buyer.add(pot, 2)
    buyer.add(lamp, 1)
    cart = buyer.done("PATCH", "/api/v1/cart", {"note": "Ring twice"})
    found = locked(app, cart["id"], buyer.shopper())
    assert found == LockedCart(
        cart["id"],
        buyer.user_id,
        CartState.OPEN,
        cart["version"],
        "Ring twice",
        (LockedItem(pot, 2), LockedItem(lamp, 1)),
    )


def test_a_cart_is_closed_once_and_still_found_by_whoever_sends_it_again(app: Flask, buyer: Buyer) -> None:
    lamp = sell(app)
    cart = buyer.add(lamp, 2)
    with app.app_context():
        assert close(cart["id"])
        assert not close(cart["id"])
        row = db.session.get_one(Cart, cart["id"])
        assert (row.state, row.open_user_id, row.user_id) == (CartState.ORDERED, None, buyer.user_id)
        kept = row.expires_at - database_now(db.session())
        assert timedelta(days=29, hours=23) < kept <= timedelta(days=30)
    again = locked(app, cart["id"], buyer.shopper())
    assert (again.state, again.items, again.version) == (
        CartState.ORDERED,
        (LockedItem(lamp, 2),),
        cart["version"] + 1,
    )


def test_what_a_person_put_in_while_a_provider_was_asked_goes_into_a_new_cart(app: Flask) -> None:
    lamp, pot, pan = (sell(app, number) for number in (1, 2, 3))
    customer = new_customer(app)
    for product, quantity in ((lamp, 2), (pot, 5), (pan, 1)):
        customer.add(product, quantity)
    cart_id = customer.cart()["id"]
    with app.app_context():
        assert close(cart_id, ordered={lamp: 2, pot: 3, 4711: 1})
        assert not close(cart_id, ordered={lamp: 2, pot: 3})
    assert customer.quantities() == {pot: 2, pan: 1}
    assert customer.cart()["id"] != cart_id
    assert {line.product_id: line.quantity for line in locked(app, cart_id, customer.shopper()).items} == {
        lamp: 2,
        pot: 5,
        pan: 1,
    }


def test_a_cart_that_was_ordered_as_it_is_leaves_nothing_over(app: Flask, buyer: Buyer) -> None:
    lamp, pot = sell(app, 1), sell(app, 2)
    buyer.add(lamp, 2)
    buyer.add(pot, 1)
    with app.app_context():
        assert close(buyer.cart()["id"], ordered={lamp: 2, pot: 4})
    assert len(rows(app)[0]) == 1


def test_what_is_over_makes_no_cart_for_a_guest_or_for_who_may_not_log_in_any_more(app: Flask) -> None:
    lamp = sell(app)
    guest, customer = new_guest(app), new_customer(app)
    ids = [buyer.add(lamp, 2)["id"] for buyer in (guest, customer)]
    with app.app_context():
        db.session.execute(update(User).values(is_active=False))
        db.session.commit()
        assert [close(cart_id, ordered={lamp: 1}) for cart_id in ids] == [True, True]
    assert len(rows(app)[0]) == 2
    assert guest.quantities() == {lamp: 2}


def test_closing_a_cart_that_is_gone_changes_nothing(app: Flask) -> None:
    with app.app_context():
        assert not close(4711)


def test_nobody_locks_the_cart_of_somebody_else(app: Flask, buyer: Buyer) -> None:
    cart_id = buyer.add(sell(app))["id"]
    before = rows(app)
    others: list[Any] = [
        new_guest(app).shopper(),
        new_customer(app, "other@example.org").shopper(),
        Shopper(somebody(), None, None),
        Shopper(somebody(), None, "0" * 64),
    ]
    for other in others:
        with pytest.raises(CartNotFound):
            locked(app, cart_id, other)
    with pytest.raises(CartNotFound):
        locked(app, 4711, buyer.shopper())
    assert [cart for cart in rows(app)[0] if cart[0] == cart_id] == before[0]


def test_a_cart_without_person_and_token_is_nobodys() -> None:
    assert not Shopper(somebody(), None, None).owns(user_id=None, token_hash=None)
    assert not Shopper(somebody(), 7, None).owns(user_id=None, token_hash=None)


def test_who_is_logged_in_still_locks_the_guests_cart_that_their_token_opens(app: Flask) -> None:
    guest, customer = new_guest(app), new_customer(app)
    cart_id = guest.add(sell(app))["id"]
    both = Shopper(customer.shopper().principal, customer.user_id, guest.shopper().cart_token_hash)
    assert locked(app, cart_id, both).id == cart_id


def test_a_cart_that_went_into_another_is_not_locked(app: Flask, buyer: Buyer) -> None:
    cart_id = buyer.add(sell(app))["id"]
    change_carts(app, state=CartState.MERGED)
    with pytest.raises(CartNotFound):
        locked(app, cart_id, buyer.shopper())


def test_a_refused_lock_leaves_the_row_free(app: Flask, buyer: Buyer) -> None:
    lamp = sell(app)
    cart_id = buyer.add(lamp)["id"]
    for _ in range(3):
        with pytest.raises(CartNotFound):
            locked(app, cart_id, Shopper(somebody(), None, "0" * 64))
        buyer.add(lamp)
    with app.app_context():
        assert db.session.scalars(select(Cart.id)).all() == [cart_id]
