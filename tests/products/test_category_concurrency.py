"""The tree and what is in it, changed by many at the same moment."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, Self

import pytest
from flask import Flask
from sqlalchemy import select

from app.core.errors import Invalid, Refusal
from app.core.extensions import db
from app.core.orm import utc_now
from app.core.permissions import system
from app.core.transactions import in_transaction
from app.products.errors import CategoryCycle, CategoryNotEmpty
from app.products.models.categories import Category
from app.products.queries.categories import read_tree
from app.products.services.categories import delete_category, update_category
from app.products.services.memberships import share_tree
from tests.concurrency import at_once
from tests.products.categories import add_category, add_product, found_in, order_of, put, wrongs
from tests.servers import on_servers

HELD_S = 15.0


def change(category_id: int, **values: Any) -> Any:
    """Change a category whatever version it has."""
    version = db.session.scalars(select(Category.version).where(Category.id == category_id)).one()
    return update_category(actor=system(), now=utc_now(), category_id=category_id, expected_version=version, **values)


@pytest.mark.parametrize("round_", range(5))
def test_two_moves_below_each_other_make_no_cycle(app: Flask, round_: int) -> None:
    with app.app_context():
        first, second = add_category("first"), add_category("second")
    outcomes = at_once(app, partial(change, first, parent_id=second), partial(change, second, parent_id=first))
    assert sum(isinstance(outcome, CategoryCycle) for outcome in outcomes) == 1, (round_, outcomes)
    with app.app_context():
        assert read_tree().loops() == []


def test_categories_put_first_at_the_same_moment_all_have_a_place_of_their_own(app: Flask) -> None:
    with app.app_context():
        add_category("last")
    names = [f"c{number}" for number in range(8)]
    outcomes = at_once(app, *(partial(add_category, name, position=0) for name in names))
    assert all(isinstance(outcome, int) for outcome in outcomes), outcomes
    with app.app_context():
        positions = db.session.scalars(select(Category.position)).all()
        assert len(set(positions)) == 9
        assert (sorted(order_of(None)[:-1]), order_of(None)[-1]) == (names, "last")


def test_the_same_name_is_given_once(app: Flask) -> None:
    outcomes = at_once(app, *(partial(add_category, name) for name in ("Lamps", "lamps", "LAMPS", "Lamps")))
    assert sum(isinstance(outcome, int) for outcome in outcomes) == 1, outcomes
    with app.app_context():
        assert len(order_of(None)) == 1


def test_products_put_and_categories_moved_at_the_same_moment_end_where_they_should_be(app: Flask) -> None:
    with app.app_context():
        tops = [add_category(f"top{number}") for number in range(3)]
        lows = [add_category(f"low{number}", tops[number % 3]) for number in range(6)]
        products = [add_product(number, lows[number % 6]) for number in range(24)]

    def keep_putting(seed: int) -> None:
        chosen = random.Random(seed)
        for _ in range(12):
            put({product: chosen.sample(lows, 2) for product in chosen.sample(products, 6)})

    def keep_moving(seed: int) -> None:
        chosen = random.Random(seed)
        for _ in range(8):
            try:
                change(chosen.choice(lows), parent_id=chosen.choice([None, *tops, *lows]))
            except Refusal:
                continue

    outcomes = at_once(app, *(partial(keep_putting, seed) for seed in range(3)), partial(keep_moving, 7))
    assert outcomes == [None] * 4
    with app.app_context():
        assert wrongs() == []


@pytest.mark.parametrize("round_", range(4))
def test_a_product_put_into_a_category_that_is_deleted_is_in_it_or_it_stays_out(app: Flask, round_: int) -> None:
    with app.app_context():
        category, product = add_category("category"), add_product(1)
    delete = partial(delete_category, actor=system(), now=utc_now(), category_id=category, expected_version=1)
    outcomes = at_once(app, delete, partial(put, {product: [category]}))
    gone = outcomes[0] is None
    expected = (None, Invalid) if gone else (CategoryNotEmpty, None)
    for outcome, kind in zip(outcomes, expected, strict=True):
        assert outcome is None if kind is None else isinstance(outcome, kind), (round_, outcomes)
    with app.app_context():
        assert found_in(category) == ([] if gone else [product])
        assert wrongs() == []


class Holder:
    """Somebody who does something in a transaction and takes a while to commit: at most HELD_S."""

    def __init__(self, app: Flask, deed: Callable[[], Any]) -> None:
        self._app, self._deed = app, deed
        self._has_it, self._may_end = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._hold)
        self.is_holding = False

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._has_it.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self.let_go()

    def let_go(self) -> None:
        self._may_end.set()
        self._thread.join(10)

    def _hold(self) -> None:
        def work() -> None:
            self._deed()
            self.is_holding = True
            self._has_it.set()
            self._may_end.wait(HELD_S)
            self.is_holding = False

        with self._app.app_context():
            in_transaction(work)()


@on_servers
def test_who_puts_products_into_a_category_waits_for_nobody_who_does_the_same(app: Flask) -> None:
    with app.app_context():
        category = add_category("category")
    with Holder(app, partial(share_tree, [category])) as holder:
        made = at_once(app, *(partial(add_product, number, category) for number in range(4)))
        assert all(isinstance(outcome, int) for outcome in made), made
        assert holder.is_holding
    with app.app_context():
        assert found_in(category) == sorted(made)


@on_servers
def test_a_change_of_the_tree_waits_for_who_puts_products_and_for_no_others(app: Flask) -> None:
    with app.app_context():
        category, other = add_category("category"), add_category("other")
    done = threading.Event()

    def move() -> None:
        with app.app_context():
            change(category, parent_id=other)
        done.set()

    with Holder(app, partial(share_tree, [category])) as holder:
        mover = threading.Thread(target=move)
        mover.start()
        assert not done.wait(1)
        with app.app_context():
            add_product(1)  # in no category: it asks nobody
        assert holder.is_holding
        assert not done.is_set()
        holder.let_go()
        assert done.wait(10)
        mover.join(10)


@on_servers
def test_a_change_of_the_tree_comes_through_while_products_are_put_all_the_time(app: Flask) -> None:
    with app.app_context():
        categories = [add_category(f"c{number}") for number in range(4)]
        products = [add_product(number, categories[0]) for number in range(8)]
    stop = threading.Event()

    def keep_putting(seed: int) -> int:
        chosen, count = random.Random(seed), 0
        while not stop.is_set():
            put({products[2 * seed]: [chosen.choice(categories)], products[2 * seed + 1]: [categories[seed]]})
            count += 1
        return count

    def keep_moving() -> int:
        try:
            for number in range(10):
                change(categories[number % 2], parent_id=None if number % 4 > 1 else categories[2])
        finally:
            stop.set()
        return 10

    outcomes = at_once(app, *(partial(keep_putting, seed) for seed in range(4)), keep_moving)
    assert outcomes[-1] == 10, outcomes
    assert all(count > 0 for count in outcomes[:-1]), outcomes
    with app.app_context():
        assert wrongs() == []
