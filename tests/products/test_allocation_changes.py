"""What somebody holds is changed by the difference: nobody is in their own way, and nothing is moved for nothing."""

from __future__ import annotations

import random
from functools import partial

import pytest
from flask import Flask

from app.core.orm import utc_now
from app.products.errors import AlreadyAllocated, OutOfStock, ProductNotFound
from app.products.services.allocations import adjust
from app.products.services.products import delete_product
from tests.concurrency import at_once
from tests.products.stocking import (
    ACTOR,
    assert_adds_up,
    buy,
    counters,
    everything,
    held,
    ledger,
    make_product,
    order,
)
from tests.servers import on_sqlite


def change(number: int, items: dict[int, int], **options: bool) -> dict[int, int]:
    return adjust(actor=ACTOR, now=utc_now(), reference=order(number), items=items, **options)


def test_more_fewer_gone_and_new_are_moved_by_the_difference_and_what_stays_is_not(context: Flask) -> None:
    more, fewer, gone, new, same = (make_product(number, on_hand=5) for number in range(1, 6))
    buy(1, {more: 1, fewer: 4, gone: 2, same: 3})
    assert change(1, {new: 5, more: 3, fewer: 1, same: 3}) == {more: 2, fewer: -3, gone: -2, new: 5}
    assert [held(product) for product in (more, fewer, gone, new, same)] == [{1: 3}, {1: 1}, {}, {1: 5}, {1: 3}]
    moved = [ledger(product)[2:] for product in (more, fewer, gone, new, same)]
    assert moved == [[("allocated", 0, 2)], [("released", 0, -3)], [("released", 0, -2)], [], []]
    assert ledger(new)[1:] == [("allocated", 0, 5)]
    assert_adds_up(more, fewer, gone, new, same)
    before = everything()
    assert change(1, {new: 5, more: 3, fewer: 1, same: 3}) == {}
    assert everything() == before


def test_the_last_unit_that_somebody_holds_is_not_in_their_own_way(context: Flask) -> None:
    product = make_product(on_hand=2)
    buy(1, {product: 2})
    assert change(1, {product: 2}) == {}
    assert change(1, {product: 1}) == {product: -1}
    assert change(1, {product: 2}) == {product: 1}
    assert counters(product) == (2, 2)
    assert_adds_up(product)


def test_where_one_is_short_nothing_is_changed_at_all(context: Flask) -> None:
    first, second, third = (make_product(number, on_hand=5) for number in range(1, 4))
    buy(1, {first: 2, third: 1})
    buy(2, {second: 4})
    before = everything()
    with pytest.raises(OutOfStock) as refused:
        change(1, {first: 1, second: 2})
    assert refused.value.facts["stock"] == {"product_id": second, "on_hand": 5, "allocated": 4, "available": 1}
    assert everything() == before


def test_everything_is_given_back_by_holding_nothing(context: Flask) -> None:
    first, second = make_product(1, on_hand=5), make_product(2, on_hand=5)
    buy(1, {first: 2, second: 5})
    assert change(1, {}) == {first: -2, second: -5}
    assert (held(first), held(second)) == ({}, {})
    assert change(1, {}) == {}
    assert_adds_up(first, second)


def test_a_deleted_product_is_not_promised_to_anybody(context: Flask) -> None:
    product, other = make_product(1, on_hand=5), make_product(2, on_hand=5)
    delete_product(actor=ACTOR, now=utc_now(), product_id=product, expected_version=1)
    before = everything()
    with pytest.raises(ProductNotFound):
        change(1, {product: 1, other: 1})
    assert everything() == before


def test_a_reference_that_is_said_to_be_new_and_is_not_changes_nothing(context: Flask) -> None:
    product = make_product(on_hand=5)
    assert change(1, {product: 2}, is_new=True) == {product: 2}
    before = everything()
    with pytest.raises(AlreadyAllocated):
        change(1, {product: 1}, is_new=True)
    assert everything() == before


@on_sqlite
@pytest.mark.parametrize("items", [{1: 0}, {1: -1}, {1: 1_000_000_001}, dict.fromkeys(range(1, 502), 1)])
def test_quantities_that_are_none_are_a_mistake_of_the_program(context: Flask, items: dict[int, int]) -> None:
    make_product(on_hand=5)
    before = everything()
    with pytest.raises(ValueError, match="1 to"):
        change(1, items)
    assert everything() == before


def test_changes_at_once_of_the_same_and_of_other_references_add_up(app: Flask) -> None:
    with app.app_context():
        products = [make_product(number, on_hand=30) for number in range(1, 6)]

    def changes(number: int) -> list[str]:
        chance, answers = random.Random(number), []
        for _ in range(8):
            chosen = chance.sample(products, chance.randint(0, 4))
            try:
                change(number % 4, {product: chance.randint(1, 9) for product in chosen})
                answers.append("changed")
            except (AlreadyAllocated, OutOfStock) as refused:
                answers.append(type(refused).__name__)
        return answers

    done = at_once(app, *[partial(changes, number) for number in range(8)])
    assert all(isinstance(answers, list) for answers in done), done
    assert any("changed" in answers for answers in done)
    with app.app_context():
        assert_adds_up(*products)
