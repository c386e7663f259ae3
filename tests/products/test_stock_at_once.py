"""Stock under many hands: threads with connections of their own, and processes."""

from __future__ import annotations

import random
from collections import Counter
from functools import partial
from typing import Any

import pytest
from flask import Flask

from app.core.errors import Refusal
from app.core.orm import utc_now
from app.products.errors import OutOfStock, StockAllocated, StockChanged
from app.products.models.stock import MovementKind
from app.products.services.allocations import release, ship, take_back
from app.products.services.products import delete_product
from app.products.services.stock import Shortfall, change_stock, set_stock
from tests.concurrency import at_once
from tests.products.stocking import (
    ACTOR,
    adjust,
    assert_adds_up,
    buy,
    counters,
    everything,
    held,
    ledger,
    make_product,
    order,
    receive,
)


def kinds(done: list[Any]) -> Counter[str]:
    """How often each kind of answer came; a plain one is "done"."""
    return Counter(type(answer).__name__ if isinstance(answer, Exception) else "done" for answer in done)


def count(product: int, quantity: int, based_on: int, **options: Any) -> Any:
    return set_stock(
        actor=ACTOR, now=utc_now(), product_id=product, quantity=quantity, based_on=based_on, reason="count", **options
    )


def test_fifty_buyers_of_ten_units_get_exactly_ten(app: Flask) -> None:
    with app.app_context():
        product = make_product(on_hand=10)
    done = at_once(app, *[partial(buy, number, {product: 1}) for number in range(1, 51)])
    assert kinds(done) == {"done": 10, "OutOfStock": 40}
    assert {answer.facts["stock"]["available"] for answer in done if isinstance(answer, OutOfStock)} == {0}
    with app.app_context():
        assert counters(product) == (10, 10)
        winners = {number for number, answer in enumerate(done, start=1) if answer is None}
        assert set(held(product)) == winners
        assert_adds_up(product)


def test_deltas_of_twenty_people_sum_up(app: Flask) -> None:
    with app.app_context():
        product = make_product(on_hand=1000)
    deltas = [(-1) ** number * number for number in range(1, 21)]

    def five_times(delta: int) -> None:
        for _ in range(5):
            adjust(product, delta)

    assert at_once(app, *[partial(five_times, delta) for delta in deltas]) == [None] * 20
    with app.app_context():
        assert counters(product) == (1000 + 5 * sum(deltas), 0)
        assert len(ledger(product)) == 101
        assert_adds_up(product)


def test_of_two_counts_with_the_same_base_one_wins(app: Flask) -> None:
    with app.app_context():
        product = make_product(on_hand=10)
    done = at_once(app, *[partial(count, product, quantity, 10) for quantity in (7, 8, 9, 11, 12, 13)])
    assert kinds(done)["StockChanged"] == 5
    (winner,) = [answer for answer in done if not isinstance(answer, StockChanged)]
    with app.app_context():
        assert counters(product) == (winner.on_hand, 0)
        assert_adds_up(product)


def test_a_count_and_sales_of_the_same_moment_both_hold(app: Flask) -> None:
    """Sales change what is allocated, not what lies there: the count stays good as long as it covers them."""
    with app.app_context():
        product = make_product(on_hand=20)
    done = at_once(app, partial(count, product, 8, 20), *[partial(buy, number, {product: 1}) for number in range(20)])
    with app.app_context():
        on_hand, allocated = counters(product)
        sold = sum(answer is None for answer in done[1:])
        assert allocated == sold
        if isinstance(done[0], StockAllocated):
            assert (on_hand, sold) == (20, 20)
        else:
            assert on_hand == 8
            assert sold == 8
        assert kinds(done).keys() <= {"done", "OutOfStock", "StockAllocated", "Row"}
        assert_adds_up(product)


def test_a_count_that_takes_stock_away_and_sales_of_the_same_moment_leave_nothing_promised_that_is_not_there(
    app: Flask,
) -> None:
    with app.app_context():
        product = make_product(on_hand=30)
        for number in range(100, 115):
            buy(number, {product: 1})
    leave = [partial(release, actor=ACTOR, now=utc_now(), reference=order(number)) for number in range(110, 115)]
    done = at_once(
        app,
        partial(count, product, 5, 30, shortfall=Shortfall.RELEASE),
        *leave,
        *[partial(buy, number, {product: 1}) for number in range(1, 16)],
    )
    assert kinds(done).keys() <= {"done", "Row", "OutOfStock"}
    assert not isinstance(done[0], Exception)
    with app.app_context():
        assert counters(product)[0] == 5
        assert_adds_up(product)


@pytest.mark.parametrize("shuffled", [random.Random(seed) for seed in (1, 2)], ids=["one", "two"])
def test_orders_of_many_products_in_any_order_neither_wait_for_ever_nor_oversell(
    app: Flask, shuffled: random.Random
) -> None:
    with app.app_context():
        products = [make_product(number, on_hand=40) for number in range(1, 9)]

    def orders(first: int) -> list[str]:
        answers = []
        for number in range(first, first + 6):
            chosen = random.Random(number).sample(products, 4)
            try:
                buy(number, dict.fromkeys(chosen, 1 + number % 3))
                answers.append("bought")
                if number % 3 == 0:
                    ship(actor=ACTOR, now=utc_now(), reference=order(number), items={chosen[0]: 1})
                if number % 2:
                    release(actor=ACTOR, now=utc_now(), reference=order(number))
            except OutOfStock:
                answers.append("sold out")
        return answers

    starts = [start * 100 for start in range(1, 13)]
    shuffled.shuffle(starts)
    done = at_once(app, *[partial(orders, start) for start in starts])
    assert [len(answers) for answers in done] == [6] * 12
    with app.app_context():
        assert_adds_up(*products)


def test_the_same_order_sent_by_several_at_once_holds_its_stock_once(app: Flask) -> None:
    with app.app_context():
        product = make_product(on_hand=10)
    done = at_once(app, *[partial(buy, 1, {product: 2})] * 6)
    assert kinds(done).keys() <= {"done", "AlreadyAllocated"}
    assert None in done
    with app.app_context():
        assert held(product) == {1: 2}
        assert_adds_up(product)


def test_an_order_that_is_cancelled_and_shipped_at_once_is_one_of_both(app: Flask) -> None:
    with app.app_context():
        product = make_product(on_hand=10)
        buy(1, {product: 4})
    which: dict[str, Any] = {"actor": ACTOR, "now": utc_now(), "reference": order(1)}
    done = at_once(app, *[partial(release, **which)] * 3, *[partial(ship, **which)] * 3)
    assert sorted(map(bool, done)) == [False] * 5 + [True]
    with app.app_context():
        assert counters(product) in {(10, 0), (6, 0)}
        assert_adds_up(product)


def test_returns_at_once_take_back_no_more_than_was_shipped(app: Flask) -> None:
    with app.app_context():
        product = make_product(on_hand=30)
    for number in range(1, 6):
        with app.app_context():
            buy(number, {product: 4})
            ship(actor=ACTOR, now=utc_now(), reference=order(number))
        back = partial(take_back, actor=ACTOR, now=utc_now(), reference=order(number), items={product: 1})
        assert kinds(at_once(app, *[back] * 10)) == {"done": 4, "NotShipped": 6}
    with app.app_context():
        assert counters(product) == (30, 0)
        assert_adds_up(product)


def test_parts_of_an_order_that_are_shipped_and_released_at_once_are_all_counted(app: Flask) -> None:
    with app.app_context():
        product = make_product(on_hand=40)
        buy(1, {product: 40})
    which: dict[str, Any] = {"actor": ACTOR, "now": utc_now(), "reference": order(1), "items": {product: 2}}
    done = at_once(app, *[partial(release, **which)] * 8, *[partial(ship, **which)] * 8)
    assert kinds(done) == {"done": 16}
    with app.app_context():
        assert (counters(product), held(product)) == ((24, 8), {1: 8})
        assert_adds_up(product)


def test_orders_of_the_same_products_never_wait_for_each_other_crosswise(
    app: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    with app.app_context():
        products = [make_product(number, on_hand=1000) for number in range(1, 7)]

    def orders(first: int) -> None:
        for number in range(first, first + 15):
            buy(number, dict.fromkeys(random.Random(number).sample(products, 5), 1))

    with caplog.at_level("INFO", logger="app.core.transactions"):
        assert at_once(app, *[partial(orders, start * 100) for start in range(1, 11)]) == [None] * 10
    assert [record for record in caplog.records if record.name == "app.core.transactions"] == []
    with app.app_context():
        assert sum(counters(product)[1] for product in products) == 750
        assert_adds_up(*products)


def test_a_product_that_is_deleted_while_it_is_bought_is_held_by_nobody(app: Flask) -> None:
    for attempt in range(5):
        with app.app_context():
            product = make_product(attempt + 1, on_hand=10)
        delete = partial(delete_product, actor=ACTOR, now=utc_now(), product_id=product, expected_version=1)
        done = at_once(app, delete, *[partial(buy, 10 * attempt + number, {product: 1}) for number in range(4)])
        with app.app_context():
            if done[0] is None:
                assert kinds(done[1:]) == {"ProductNotFound": 4}
                assert held(product) == {}
            else:
                assert isinstance(done[0], StockAllocated)
                assert held(product)
            assert_adds_up(product)


def test_what_is_refused_at_once_with_others_leaves_nothing(app: Flask) -> None:
    with app.app_context():
        product = make_product(on_hand=1)
        buy(1, {product: 1})
        before = everything()
    done = at_once(
        app,
        *[partial(buy, number, {product: 1}) for number in range(2, 8)],
        partial(adjust, product, -1),
        partial(count, product, 0, 1),
        partial(receive, product, 1_000_000_000),
        partial(
            change_stock,
            actor=ACTOR,
            now=utc_now(),
            product_id=product,
            kind=MovementKind.ADJUSTED,
            delta=-2,
            reason="x",
        ),
    )
    assert all(isinstance(answer, Refusal) for answer in done)
    with app.app_context():
        assert everything() == before
