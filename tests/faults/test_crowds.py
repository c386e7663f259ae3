"""Many people, and the same person many times, over real HTTP: nothing is bought, used or paid for twice."""

from __future__ import annotations

import random
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select, text, update
from sqlalchemy.exc import OperationalError

from app.core.extensions import db
from app.core.orm import utc_now
from app.orders.models.coupons import Coupon, CouponUse
from app.orders.models.orders import Order, OrderState, PaymentState
from app.orders.models.payments import Payment, PaymentStatus
from app.orders.services.coupons.editing import create_coupon
from app.products.models.stock import Allocation, Stock
from tests.faults.buyers import Buyer, all_at_once, buyers, outcomes
from tests.faults.invariants import violations
from tests.faults.servers import WebServer
from tests.faults.sizes import BUYERS, FULL, SEED, UNITS
from tests.faults.world import books_of
from tests.orders.making import STAFF
from tests.orders.shopping import Shop
from tests.orders.stripe_server import StripeServer
from tests.servers import on_servers

SUBMITS = 20 if FULL else 8


def deadlocks(app: Flask, servers: Path) -> int:
    """How many the database has counted so far, also those that were over before anybody heard of them."""
    with app.app_context(), db.engine.connect() as connection:
        match connection.dialect.name:
            case "mysql":
                status = "SELECT variable_value FROM information_schema.global_status WHERE variable_name = '{}'"
                return int(connection.scalar(text(status.format("INNODB_DEADLOCKS"))))
            case "postgresql":  # its statistics come late, its log at once
                return (servers / "postgresql.log").read_text().count("deadlock detected")
            case _:
                return 0  # writers wait for one lock


@on_servers
def test_a_deadlock_that_nobody_hears_of_is_counted(app: Flask, shop: Shop, server_folder: Path) -> None:
    products = [shop.product(), shop.product()]
    before, both_have_one = deadlocks(app, server_folder), threading.Barrier(2)

    def lock(first: int, second: int) -> int:
        with app.app_context(), db.engine.connect() as connection, suppress(OperationalError):
            for product in (first, second):
                connection.execute(update(Stock).where(Stock.product_id == product).values(on_hand=Stock.on_hand))
                if product == first:
                    both_have_one.wait(30)
            return 1
        return 0

    with ThreadPoolExecutor(2) as people:
        assert sum(people.map(lock, products, reversed(products))) == 1
    assert deadlocks(app, server_folder) == before + 1


@pytest.mark.parametrize("key", ["one-key", None], ids=["with one key", "without a key"])
def test_a_cart_that_is_sent_many_times_at_once_is_one_order(
    app: Flask, shop: Shop, web: WebServer, key: str | None
) -> None:
    buyer = Buyer(web.port, name="impatient")
    buyer.fill([(shop.product(on_hand=50), 3)])
    answers = all_at_once([partial(buyer.order, "30.00", key=key)] * SUBMITS)
    assert set(outcomes(answers)) <= {"201", "IDEMPOTENCY_KEY_IN_USE"}
    numbers = {answer.body["number"] for answer in answers if answer.status == 201}
    refreshed = buyer.order("30.00", key=key)
    assert numbers == {refreshed.body["number"]}
    with app.app_context():
        assert db.session.scalars(select(Order.state)).all() == [OrderState.PLACED]
        assert db.session.scalars(select(Allocation.quantity)).all() == [3]
        assert db.session.scalars(select(Payment.status)).all() == [PaymentStatus.CREATED]
        assert violations(at_rest=False) == []


@pytest.mark.parametrize("key", ["one-key", None], ids=["with one key", "without a key"])
def test_a_cart_that_is_sent_many_times_at_once_is_paid_once_by_card(
    app: Flask, shop: Shop, web: WebServer, double: StripeServer, key: str | None
) -> None:
    buyer = Buyer(web.port, name="impatient")
    buyer.fill([(shop.product(on_hand=50), 3)])
    by_card = partial(buyer.order, "30.00", key=key, payment_method="card", source="pm_card_visa")
    answers = all_at_once([by_card] * SUBMITS)
    assert set(outcomes(answers)) <= {"201", "IDEMPOTENCY_KEY_IN_USE", "PAYMENT_UNKNOWN"}
    refreshed = by_card()
    assert refreshed.status == 201
    assert {answer.body["number"] for answer in answers if answer.status == 201} <= {refreshed.body["number"]}
    assert double.books.taken(refreshed.body["number"]) == [3000]
    assert len(double.books.intents) == 1
    with app.app_context():
        assert db.session.scalars(select(Order.payment_state)).all() == [PaymentState.PAID]
        assert db.session.scalars(select(Payment.status)).all() == [PaymentStatus.CAPTURED]
        assert violations(books_of(double), at_rest=False) == []


def test_many_who_pay_the_last_units_by_card_are_charged_only_for_what_they_get(
    app: Flask, shop: Shop, web: WebServer, double: StripeServer
) -> None:
    product, people = shop.product(on_hand=UNITS), buyers(web.port, BUYERS)
    for buyer in people:
        buyer.fill([(product, 1)])
    pays = {"payment_method": "card", "source": "pm_card_visa"}
    answers = all_at_once([partial(buyer.order, "10.00", **pays) for buyer in people])
    assert outcomes(answers) == {"201": UNITS, "OUT_OF_STOCK": BUYERS - UNITS}
    bought = [answer.body["number"] for answer in answers if answer.status == 201]
    assert [double.books.taken(number) for number in bought] == [[1000]] * UNITS
    assert len(double.books.intents) == UNITS
    with app.app_context():
        assert violations(books_of(double), at_rest=False) == []


def test_carts_with_the_same_products_in_any_order_never_wait_for_each_other_crosswise(
    app: Flask, shop: Shop, web: WebServer, server_folder: Path
) -> None:
    count, chance = (50 if FULL else 16), random.Random(SEED)
    products = [shop.product(on_hand=count) for _ in range(5)]
    people = buyers(web.port, count)
    for buyer in people:
        buyer.fill([(product, 1) for product in chance.sample(products, 3)])
    before = deadlocks(app, server_folder)
    answers = all_at_once([partial(buyer.order, "30.00") for buyer in people])
    assert outcomes(answers) == {"201": count}
    assert deadlocks(app, server_folder) == before
    with app.app_context():
        assert violations(at_rest=False) == []


def test_carts_that_compete_for_several_products_are_sold_whole_or_not_at_all(
    app: Flask, shop: Shop, web: WebServer
) -> None:
    count, chance = (50 if FULL else 16), random.Random(SEED)
    products = [shop.product(on_hand=count // 4) for _ in range(4)]
    people = buyers(web.port, count)
    for buyer in people:
        buyer.fill([(product, 1) for product in chance.sample(products, 3)])
    answers = all_at_once([partial(buyer.order, "30.00") for buyer in people])
    seen = outcomes(answers)
    assert set(seen) == {"201", "OUT_OF_STOCK"}
    with app.app_context():
        held = Counter(db.session.scalars(select(Allocation.product_id)).all())
        assert held.total() == 3 * seen["201"]
        assert max(held.values()) == count // 4
        assert violations(at_rest=False) == []


def test_a_coupon_for_three_is_used_by_three_of_many_who_order_with_it_at_once(
    app: Flask, shop: Shop, web: WebServer
) -> None:
    with app.app_context():
        create_coupon(actor=STAFF, now=utc_now(), code="FIRST3", amount_minor=100, max_uses=3)
    product, people = shop.product(on_hand=100), buyers(web.port, 20 if FULL else 10)
    for buyer in people:
        buyer.fill([(product, 1)])
    answers = all_at_once([partial(buyer.order, "9.00", coupon="FIRST3") for buyer in people])
    assert outcomes(answers) == {"201": 3, "COUPON_NOT_USABLE": len(people) - 3}
    assert {answer.body["reason"] for answer in answers if answer.status == 409} == {"used_up"}
    with app.app_context():
        assert db.session.scalars(select(Coupon.used)).all() == [3]
        assert len(db.session.scalars(select(CouponUse.order_id)).all()) == 3
        assert len(db.session.scalars(select(Allocation.id)).all()) == 3
        assert violations(at_rest=False) == []
