"""Stock that is promised to orders: whole or not at all, safe to repeat, and each product in its turn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from app.core.orm import utc_now
from app.core.transactions import NoTransaction, in_transaction
from app.products.errors import AlreadyAllocated, NotAllocated, NotShipped, OutOfStock
from app.products.services.allocations import allocate, release, ship, take_back
from app.products.services.products import delete_product
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


def give_back(number: int, items: dict[int, int] | None = None) -> dict[int, int]:
    return release(actor=ACTOR, now=utc_now(), reference=order(number), items=items)


def send(number: int, items: dict[int, int] | None = None) -> dict[int, int]:
    return ship(actor=ACTOR, now=utc_now(), reference=order(number), items=items)


def come_back(number: int, items: dict[int, int]) -> None:
    take_back(actor=ACTOR, now=utc_now(), reference=order(number), items=items, reason="too small")


def test_several_products_are_allocated_at_once(context: Flask) -> None:
    first, second = make_product(1, on_hand=5), make_product(2, on_hand=5)
    buy(1, {second: 5, first: 2})
    assert (counters(first), counters(second)) == ((5, 2), (5, 5))
    assert (held(first), held(second)) == ({1: 2}, {1: 5})
    assert_adds_up(first, second)


def test_where_one_product_is_short_nothing_is_allocated_and_the_refusal_names_it(context: Flask) -> None:
    first, second = make_product(1, on_hand=5), make_product(2, on_hand=5)
    buy(1, {second: 3})
    before = everything()
    with pytest.raises(OutOfStock, match=r"2 of B000000002 \(Lamp 2\) are available; 3 were asked for") as refused:
        buy(2, {first: 1, second: 3})
    assert refused.value.facts["stock"] == {"product_id": second, "on_hand": 5, "allocated": 3, "available": 2}
    assert everything() == before


def test_the_same_order_twice_holds_its_stock_once(context: Flask) -> None:
    product, other = make_product(1, on_hand=5), make_product(2, on_hand=5)
    buy(1, {product: 2})
    before = everything()
    buy(1, {product: 2})
    assert everything() == before
    buy(1, {product: 2, other: 1})
    assert (held(product), held(other)) == ({1: 2}, {1: 1})
    before = everything()
    with pytest.raises(AlreadyAllocated, match="holds 2"):
        buy(1, {product: 3})
    assert everything() == before


@on_sqlite
@pytest.mark.parametrize("items", [{}, {1: 0}, {1: -1}, {1: 1_000_000_001}, dict.fromkeys(range(1, 502), 1)])
def test_quantities_that_are_none_are_a_mistake_of_the_program(context: Flask, items: dict[int, int]) -> None:
    make_product(on_hand=5)
    before = everything()
    for deed in (buy, send, come_back):
        with pytest.raises(ValueError, match="1 to"):
            deed(1, items)
    assert everything() == before


def test_what_an_order_holds_is_released_once(context: Flask) -> None:
    first, second = make_product(1, on_hand=5), make_product(2, on_hand=5)
    buy(1, {first: 2, second: 3})
    assert give_back(1, {first: 1}) == {first: 1}
    assert give_back(1, {first: 9}) == {first: 1}
    assert give_back(1) == {second: 3}
    before = everything()
    assert (give_back(1), give_back(1, {first: 1}), give_back(77)) == ({}, {}, {})
    assert everything() == before
    assert (counters(first), counters(second)) == ((5, 0), (5, 0))
    assert_adds_up(first, second)


def test_what_an_order_holds_is_shipped_in_parts(context: Flask) -> None:
    product, other = make_product(1, on_hand=5), make_product(2, on_hand=5)
    buy(1, {product: 4, other: 1})
    assert send(1, {product: 3}) == {product: 3}
    assert (counters(product), held(product)) == ((2, 1), {1: 1})
    assert send(1) == {product: 1, other: 1}
    before = everything()
    assert send(1) == {}
    assert everything() == before
    assert ledger(product)[-2:] == [("shipped", -3, -3), ("shipped", -1, -1)]
    assert_adds_up(product, other)


def test_more_than_an_order_holds_is_not_shipped(context: Flask) -> None:
    product, other = make_product(1, on_hand=5), make_product(2, on_hand=5)
    buy(1, {product: 2})
    before = everything()
    for items in ({product: 3}, {product: 1, other: 1}):
        with pytest.raises(NotAllocated):
            send(1, items)
    assert everything() == before


def test_what_was_shipped_comes_back_once_also_when_its_product_was_deleted(context: Flask) -> None:
    product = make_product(on_hand=5)
    buy(1, {product: 3})
    send(1)
    come_back(1, {product: 1})
    before = everything()
    with pytest.raises(NotShipped, match="2 of product"):
        come_back(1, {product: 3})
    with pytest.raises(NotShipped):
        come_back(2, {product: 1})
    assert everything() == before
    delete_product(actor=ACTOR, now=utc_now(), product_id=product, expected_version=1)
    come_back(1, {product: 2})
    assert counters(product) == (5, 0)
    with pytest.raises(NotShipped):
        come_back(1, {product: 1})
    assert_adds_up(product)


def test_an_order_and_its_stock_are_one_transaction(context: Flask) -> None:
    product = make_product(on_hand=5)

    @in_transaction
    def order_then(deed: Callable[[], Any]) -> None:
        allocate.joined(actor=ACTOR, now=utc_now(), reference=order(1), items={product: 2})
        deed()

    before = everything()
    with pytest.raises(ZeroDivisionError):
        order_then(lambda: 1 / 0)
    assert everything() == before
    order_then(lambda: None)
    assert held(product) == {1: 2}
    with pytest.raises(NoTransaction):
        allocate.joined(actor=ACTOR, now=utc_now(), reference=order(2), items={product: 2})
