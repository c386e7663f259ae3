"""Checkouts at the same moment: one order for a cart, one owner for a unit, one end for a hold."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update

from app.cart.models import CartItem
from app.config import Checkout, Payments
from app.core.extensions import db
from app.core.money import Money
from app.core.orm import utc_now
from app.core.permissions import system
from app.orders.models.coupons import Coupon
from app.orders.models.orders import Hold, Order
from app.orders.models.payments import Payment, Refund
from app.orders.models.sales import Sale
from app.orders.providers.port import Answer, ProviderState
from app.orders.services.checkout.paying import start_payment
from app.orders.services.checkout.preparing import prepare
from app.orders.services.checkout.settling import settle
from app.orders.services.checkout.sweeping import sweep_holds
from app.orders.services.checkout.wanted import Particulars, Wanted
from app.orders.services.coupons.editing import create_coupon
from app.products.models.products import Product
from tests.conftest import AppWith
from tests.orders.making import ADDRESS, stock_of
from tests.orders.shopping import Customer, Shop, change, counts, together
from tests.products.stocking import ACTOR, assert_adds_up

ROUNDS = 4


@pytest.fixture
def cards(app_with: AppWith) -> Shop:
    """A shop that takes cards at a provider that nobody asks here: what it says is told by hand."""
    nobody = Payments(stripe_secret_key="sk_test_x", stripe_webhook_secret="whsec_x", stripe_url="http://127.0.0.1:9")
    return Shop(app_with(payments=nobody, checkout=Checkout(hold_s=60)))


def codes(answers: list[Any]) -> Counter[str]:
    """How often each answer came: the status, and the code of refusals."""
    return Counter(str(answer.get_json().get("code", answer.status_code)) for answer in answers)


def paying(customer: Customer, total: int) -> tuple[int, int]:
    """Begin to pay for a cart by card; the order's and the payment's id."""
    particulars = Particulars(
        email="guest@example.org", shipping_address=ADDRESS, billing_address=ADDRESS, method="card"
    )
    wanted = Wanted(
        shopper=customer.shopper(),
        cart_id=customer.cart_id,
        expected_total=Money(total, "USD"),
        particulars=particulars,
    )
    with customer.app.app_context():
        order = prepare(wanted=wanted, now=utc_now()).order
        about: dict[str, Any] = {"source": None, "return_url": None, "actor": system(), "now": utc_now()}
        return order.id, start_payment(order_id=order.id, version=order.version, **about)


def said(app: Flask, order_id: int, payment_id: int, state: ProviderState, captured: int = 0) -> str:
    """Settle what the provider says; the order's state then."""
    answer = Answer(ref=f"pi_{payment_id}", state=state, captured_minor=captured, currency="USD" if captured else None)
    with app.app_context():
        done = settle(order_id=order_id, payment_id=payment_id, answer=answer, actor=system(), now=utc_now())
        return done.order.state


def swept(app: Flask) -> None:
    with app.app_context():
        sweep_holds(clock=utc_now)


def expire(app: Flask) -> None:
    change(app, update(Hold).values(expires_at=utc_now() - timedelta(seconds=1)))


def test_one_cart_that_is_sent_many_times_at_once_is_one_order(app: Flask, shop: Shop) -> None:
    lamp = shop.product(on_hand=9)
    guest = shop.guest({lamp: 2})
    answers = together(*[partial(guest.order, "20.00")] * 8)
    assert codes(answers) == {"201": 8}
    assert len({answer.get_json()["number"] for answer in answers}) == 1
    assert counts(app) == {"order": 1, "hold": 1, "payment": 1}
    with app.app_context():
        assert stock_of(lamp) == (9, 2)
        assert_adds_up(lamp)


def test_the_same_key_many_times_at_once_is_done_once(app: Flask, shop: Shop) -> None:
    guest = shop.guest({shop.product(): 1})
    answers = together(*[partial(guest.order, "10.00", key="one")] * 6)
    assert codes(answers).keys() <= {"201", "IDEMPOTENCY_KEY_IN_USE"}
    assert guest.order("10.00", key="one").headers["Idempotent-Replayed"] == "true"
    assert counts(app) == {"order": 1, "hold": 1, "payment": 1}


def test_of_many_carts_with_the_last_units_just_so_many_become_orders(app: Flask, shop: Shop) -> None:
    """saleor#543, vendure#3508, medusa#16825: no more than there are, and no order without its stock."""
    lamp = shop.product(on_hand=3)
    guests = [shop.guest({lamp: 1}) for _ in range(10)]
    answers = together(*[partial(guest.order, "10.00") for guest in guests])
    assert codes(answers) == {"201": 3, "OUT_OF_STOCK": 7}
    assert counts(app) == {"order": 3, "hold": 3, "payment": 3}
    with app.app_context():
        assert stock_of(lamp) == (3, 3)
        assert_adds_up(lamp)


def test_carts_of_three_products_in_any_order_neither_wait_for_ever_nor_oversell(app: Flask, shop: Shop) -> None:
    products = [shop.product(on_hand=12) for _ in range(5)]
    chance = random.Random(5)

    def buyer() -> Callable[[], Any]:
        chosen = chance.sample(products, 3)
        guest = shop.guest({product: 1 + chance.randrange(3) for product in chosen})
        units = sum(quantity for quantity in contents(app, guest))
        return partial(guest.order, f"{units * 10}.00")

    answers = together(*[buyer() for _ in range(16)])
    assert codes(answers).keys() <= {"201", "OUT_OF_STOCK"}
    assert codes(answers)["201"] >= 4
    with app.app_context():
        assert_adds_up(*products)


def contents(app: Flask, guest: Customer) -> list[int]:
    with app.app_context():
        return list(db.session.scalars(select(CartItem.quantity).where(CartItem.cart_id == guest.cart_id)))


def test_a_cart_that_is_changed_while_it_is_ordered_is_ordered_as_it_was_or_is_refused(app: Flask, shop: Shop) -> None:
    for _ in range(ROUNDS):
        lamp = shop.product(on_hand=9)
        guest = shop.guest({lamp: 1})

        def edit(guest: Customer = guest, lamp: int = lamp) -> str:
            try:
                guest.change(lamp, 3)
            except Exception as error:  # noqa: BLE001  # it is what the test looks at
                return type(error).__name__
            return "changed"

        answer, edited = together(partial(guest.order, "10.00"), edit)
        with app.app_context():
            if answer.status_code == 201:
                assert edited in {"changed", "CartClosed"}
                assert stock_of(lamp) == (9, 1)
            else:
                assert answer.get_json()["code"] == "TOTAL_CHANGED"
                assert edited == "changed"
                assert stock_of(lamp) == (9, 0)
            assert_adds_up(lamp)


def test_a_price_that_changes_while_it_is_ordered_is_never_another_one_than_was_agreed(app: Flask, shop: Shop) -> None:
    for number in range(ROUNDS):
        lamp = shop.product()
        guest = shop.guest({lamp: 1})
        dearer = partial(
            change, app, update(Product).where(Product.id == lamp).values(price_minor=2_000, version=number + 7)
        )
        answer, _ = together(partial(guest.order, "10.00"), dearer)
        if answer.status_code == 201:
            assert answer.get_json()["total"] == "10.00"
        else:
            assert answer.get_json()["code"] == "TOTAL_CHANGED"


def test_the_last_use_of_a_coupon_goes_to_one_order(app: Flask, shop: Shop) -> None:
    with app.app_context():
        create_coupon(actor=ACTOR, now=utc_now(), code="ONCE", amount_minor=100, max_uses=1)
    lamp = shop.product(on_hand=20)
    answers = together(*[partial(shop.guest({lamp: 1}).order, "9.00", coupon="ONCE") for _ in range(6)])
    assert codes(answers) == {"201": 1, "COUPON_NOT_USABLE": 5}
    with app.app_context():
        assert db.session.scalars(select(Coupon.used)).all() == [1]
        assert stock_of(lamp) == (20, 1)


def test_what_is_captured_is_settled_once_however_many_hear_of_it(cards: Shop) -> None:
    lamp = cards.product(on_hand=2)
    order_id, payment_id = paying(cards.guest({lamp: 2}), 2_000)
    deed = partial(said, cards.app, order_id, payment_id, ProviderState.CAPTURED, 2_000)
    assert together(*[deed] * 6) == ["PLACED"] * 6
    with cards.app.app_context():
        assert len(db.session.scalars(select(Sale)).all()) == 1
        assert db.session.scalars(select(Payment.captured_minor)).all() == [2_000]
        assert stock_of(lamp) == (2, 2)
        assert_adds_up(lamp)


def test_captured_and_cancelled_at_once_end_in_an_order_or_a_refund_and_never_in_neither(cards: Shop) -> None:
    """The stock is wanted by somebody else at the same moment."""
    for _ in range(ROUNDS):
        lamp = cards.product(on_hand=1)
        order_id, payment_id = paying(cards.guest({lamp: 1}), 1_000)
        other = cards.guest({lamp: 1})
        say = partial(said, cards.app, order_id, payment_id)
        together(
            partial(say, ProviderState.CAPTURED, 1_000),
            partial(say, ProviderState.CANCELLED),
            partial(other.order, "10.00"),
        )
        say(ProviderState.CAPTURED, 1_000)
        with cards.app.app_context():
            order = db.session.get_one(Order, order_id)
            back = db.session.scalars(select(Refund.amount_minor).where(Refund.order_id == order_id)).all()
            assert (order.state, list(back)) in (("PLACED", []), ("CANCELLED", [1_000]))
            assert db.session.get_one(Payment, payment_id).status == "CAPTURED"
            assert stock_of(lamp) == (1, 1)
            assert_adds_up(lamp)


def test_the_sweeper_and_a_declined_card_at_once_leave_no_stock_that_nobody_holds(cards: Shop) -> None:
    for _ in range(ROUNDS):
        lamp = cards.product(on_hand=1)
        order_id, payment_id = paying(cards.guest({lamp: 1}), 1_000)
        said(cards.app, order_id, payment_id, ProviderState.FAILED)
        expire(cards.app)
        together(partial(swept, cards.app), partial(swept, cards.app), partial(swept, cards.app))
        with cards.app.app_context():
            assert db.session.get_one(Order, order_id).state == "EXPIRED"
            assert stock_of(lamp) == (1, 0)
            assert_adds_up(lamp)


def test_the_sweeper_and_the_customer_who_comes_back_at_once(cards: Shop) -> None:
    """An expired hold is ended, or held anew: never ended after it was."""
    for _ in range(ROUNDS):
        lamp = cards.product(on_hand=1)
        guest = cards.guest({lamp: 1})
        order_id, payment_id = paying(guest, 1_000)
        said(cards.app, order_id, payment_id, ProviderState.FAILED)
        expire(cards.app)
        _, answer = together(partial(swept, cards.app), partial(guest.order, "10.00", email="guest@example.org"))
        assert answer.status_code == 201, answer.text
        with cards.app.app_context():
            assert db.session.get_one(Order, order_id).state == "PLACED"
            assert db.session.scalars(select(Hold.state).where(Hold.order_id == order_id)).all() == ["CONSUMED"]
            assert stock_of(lamp) == (1, 1)
            assert_adds_up(lamp)


def test_two_customers_and_the_sweeper_want_what_an_expired_hold_has(cards: Shop) -> None:
    for _ in range(ROUNDS):
        lamp = cards.product(on_hand=1)
        first = cards.guest({lamp: 1})
        order_id, payment_id = paying(first, 1_000)
        said(cards.app, order_id, payment_id, ProviderState.FAILED)
        expire(cards.app)
        one, two = cards.guest({lamp: 1}), cards.guest({lamp: 1})
        answers = together(partial(one.order, "10.00"), partial(two.order, "10.00"), partial(swept, cards.app))[:2]
        assert codes(answers) == {"201": 1, "OUT_OF_STOCK": 1}
        with cards.app.app_context():
            assert db.session.get_one(Order, order_id).state == "EXPIRED"
            assert stock_of(lamp) == (1, 1)
            assert_adds_up(lamp)
