"""Shipping, cancelling, returning, counting and promising the same order at the same moment, with real connections."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select

from app.core.errors import Refusal
from app.core.extensions import db
from app.core.orm import utc_now
from app.orders.errors import OrderOver
from app.orders.models.fulfilment import OrderReturnLine, ShipmentLine
from app.orders.models.payments import Payment
from app.orders.services.cancelling import cancel_order
from app.orders.services.counting import Units
from app.orders.services.promises import allocate_again
from app.orders.services.returns import Returned, Wish, take_back
from app.orders.services.shipping import Tracking, ship
from app.products.services.stock import Shortfall
from tests.concurrency import at_once
from tests.orders.making import NOW, STAFF, Made, held_by, lines_of, make_order, order_of, stock_of
from tests.products.stocking import adjust, assert_adds_up

pytestmark = pytest.mark.usefixtures("context")


def send(made: Made, *units: Units, version: int | None = None) -> None:
    """Ship, based on the version that the order has when it is looked at."""
    about: dict[str, Any] = {"order_id": made.id, "expected_version": version or order_of(made.id).version}
    ship(actor=STAFF, now=NOW, tracking=Tracking(carrier="DHL"), units=units or None, **about)


def cancel(made: Made, *units: Units) -> None:
    cancel_order(actor=STAFF, clock=utc_now, order_id=made.id, units=units or None)


def bring_back(made: Made, count: int, *, refund: Wish | None = None) -> None:
    about: dict[str, Any] = {"order_id": made.id, "expected_version": order_of(made.id).version}
    units = [Returned(made.lines[0], count, count)]
    take_back(actor=STAFF, now=NOW, units=units, reason="x", refund=refund, **about)


def until_done(deed: Callable[[], None]) -> str:
    """Do it as a person would who looks again after a 412; what came of it in the end."""
    for _ in range(30):
        try:
            deed()
        except Refusal as refused:
            if refused.code == "ORDER_CHANGED":
                continue
            return refused.code
        return "done"
    return "given up"


def check(made: Made) -> None:
    """Fail unless the order's counters are what its parcels and returns say, and stock is what the ledger says."""
    db.session.rollback()
    for line, row in zip(made.lines, lines_of(made.id), strict=True):
        sent = select(func.coalesce(func.sum(ShipmentLine.quantity), 0)).where(ShipmentLine.order_line_id == line)
        back = select(func.coalesce(func.sum(OrderReturnLine.quantity), 0)).where(OrderReturnLine.order_line_id == line)
        assert (row["shipped"], row["returned"]) == (
            int(db.session.scalar(sent) or 0),
            int(db.session.scalar(back) or 0),
        )
        assert row["shipped"] + row["cancelled"] <= row["quantity"]
        assert row["returned"] <= row["shipped"]
    still_open = sum(row["quantity"] - row["shipped"] - row["cancelled"] for row in lines_of(made.id))
    assert sum(held_by(made.id).values()) <= still_open
    assert_adds_up(*made.products)


@pytest.mark.parametrize("attempt", range(3))
def test_what_is_shipped_and_cancelled_at_once_is_one_or_the_other(context: Flask, attempt: int) -> None:
    made = make_order(3, 2, paid=True)
    results = at_once(context, partial(send, made, version=1), partial(cancel, made))
    order = order_of(made.id)
    outcome = [type(result).__name__ for result in results]
    assert outcome.count("NoneType") == 1, outcome
    if results[0] is None:
        assert isinstance(results[1], OrderOver)
        assert (order.fulfilment_state, [stock_of(each) for each in made.products]) == ("SHIPPED", [(7, 0), (8, 0)])
        assert db.session.scalars(select(Payment.refunded_minor)).all() == [0]
    else:
        assert (order.state, [stock_of(each) for each in made.products]) == ("CANCELLED", [(10, 0), (10, 0)])
        assert db.session.scalars(select(Payment.refunded_minor)).all() == [5000]
    check(made)


def test_parts_that_are_shipped_and_cancelled_at_once_never_come_to_more_than_there_is(context: Flask) -> None:
    made = make_order(6, paid=True)
    one = Units(made.lines[0], 1)
    deeds = [partial(until_done, partial(send, made, one))] * 4 + [partial(until_done, partial(cancel, made, one))] * 4
    results = at_once(context, *deeds)
    assert results.count("done") == 6, results
    assert set(results) <= {"done", "NOTHING_LEFT", "ORDER_OVER", "MORE_THAN_LEFT"}
    row = lines_of(made.id)[0]
    assert row["shipped"] + row["cancelled"] == 6
    assert stock_of(made.products[0]) == (10 - row["shipped"], 0)
    assert db.session.scalars(select(Payment.refunded_minor)).all() == [1000 * row["cancelled"]]
    check(made)


def test_returns_at_once_never_come_to_more_than_was_shipped(context: Flask) -> None:
    made = make_order(5, paid=True)
    send(made)
    deeds = [partial(until_done, partial(bring_back, made, 2, refund=Wish()))] * 4
    results = at_once(context, *deeds)
    assert sorted(results) == ["MORE_THAN_LEFT", "MORE_THAN_LEFT", "done", "done"]
    assert lines_of(made.id)[0]["returned"] == 4
    assert stock_of(made.products[0]) == (9, 0)
    assert db.session.scalars(select(Payment.refunded_minor)).all() == [4000]
    check(made)


def test_a_count_that_takes_stock_while_it_is_shipped_takes_only_what_is_there(context: Flask) -> None:
    made = make_order(4, on_hand=4)
    rob = partial(adjust, made.products[0], -2, shortfall=Shortfall.RELEASE)
    shipping, counting = at_once(context, partial(send, made, version=1), rob)
    on_hand, allocated = stock_of(made.products[0])
    if shipping is None:
        assert isinstance(counting, Refusal)
        assert (on_hand, allocated) == (0, 0)
    else:
        assert (getattr(shipping, "code", shipping), counting) == ("NOT_ALLOCATED", None)
        assert (on_hand, allocated) == (2, 2)
        assert lines_of(made.id)[0]["shipped"] == 0
    check(made)


def test_many_orders_of_the_same_products_are_shipped_returned_and_promised_in_any_order(context: Flask) -> None:
    first = make_order(1, 1, 1, on_hand=30, paid=True)
    orders = [first] + [make_order(1, 1, 1, products=random.sample(first.products, 3), paid=True) for _ in range(5)]
    send(orders[0])
    send(orders[1])
    deeds: list[Callable[[], Any]] = [partial(until_done, partial(send, made)) for made in orders[2:]]
    deeds += [partial(until_done, partial(bring_back, made, 1)) for made in orders[:2]]
    deeds += [partial(until_done, partial(allocate_again_once, made)) for made in orders[2:4]]
    results = at_once(context, *deeds)
    assert results == ["done"] * 8, results
    for made in orders:
        check(made)


def allocate_again_once(made: Made) -> None:
    allocate_again(actor=STAFF, now=NOW, order_id=made.id)
