"""Two who do something to the same order at the same moment: one after the other, or one of them is refused."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from app.core.errors import Refusal
from app.core.extensions import db
from app.core.money import Money
from app.orders.errors import NothingLeft, NothingToPay, OrderChanged, OrderNotPlaced, OrderOver
from app.orders.models.orders import OrderLine
from app.orders.models.payments import Payment, Refund
from app.orders.services.cancelling import cancel_order
from app.orders.services.counting import Units
from app.orders.services.editing import change_order
from app.orders.services.recording import record_payment
from app.orders.services.shipping import Tracking, ship
from app.products.services.stock import Shortfall
from tests.concurrency import at_once
from tests.faults.invariants import violations
from tests.orders.making import ADDRESS, NOW, STAFF, events_of, held_by, lines_of, order_of, stock_of
from tests.orders.shopping import Shop
from tests.products.stocking import adjust, assert_adds_up

pytestmark = pytest.mark.usefixtures("context")


def ordered(shop: Shop, quantity: int) -> tuple[int, int, int]:
    """An order on invoice of so many of a product of 10.00: its id, its line and the product."""
    product = shop.product(on_hand=10)
    with shop.app.app_context():  # of its own, because requests share it
        answer = shop.guest({product: quantity}).order(f"{10 * quantity}.00")
    order_id = int(answer.get_json()["number"]) - 100_000
    db.session.rollback()
    return order_id, db.session.scalars(select(OrderLine.id).where(OrderLine.order_id == order_id)).one(), product


def cancel(order_id: int, *units: Units, **more: Any) -> Any:
    about: dict[str, Any] = {"actor": STAFF, "clock": lambda: NOW, "units": list(units) or None} | more
    return cancel_order(order_id=order_id, **about)


def send(order_id: int, version: int) -> Any:
    about: dict[str, Any] = {"order_id": order_id, "expected_version": version, "tracking": Tracking(carrier="DHL")}
    return ship(actor=STAFF, now=NOW, **about)


def pay(order_id: int, minor: int) -> Any:
    about: dict[str, Any] = {"order_id": order_id, "expected_version": order_of(order_id).version}
    return record_payment(actor=STAFF, now=NOW, amount=Money(minor, "USD"), **about)


def failed(outcomes: list[Any]) -> list[type[Exception]]:
    """What was refused; anything else that went wrong fails the test."""
    errors = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    for error in errors:
        if not isinstance(error, Refusal):
            raise error
    return [type(error) for error in errors]


def wrong() -> list[str]:
    db.session.rollback()
    return [str(each) for each in violations(at_rest=False)]


def test_of_many_who_cancel_an_order_at_once_one_does_it(app: Flask, shop: Shop) -> None:
    order_id, _, product = ordered(shop, 3)
    outcomes = at_once(app, *[partial(cancel, order_id)] * 5)
    assert failed(outcomes) == [OrderOver] * 4
    assert (held_by(order_id), stock_of(product)) == ({}, (10, 0))
    assert len([event for event in events_of(order_id) if event[2] == "CANCELLED"]) == 1
    assert_adds_up(product)
    assert wrong() == []


def test_of_many_who_cancel_a_unit_each_as_many_succeed_as_there_are_units(app: Flask, shop: Shop) -> None:
    order_id, line, product = ordered(shop, 3)
    outcomes = at_once(app, *[partial(cancel, order_id, Units(line, 1))] * 5)
    assert failed(outcomes) == [OrderOver] * 2
    assert lines_of(order_id)[0]["cancelled"] == 3
    assert (held_by(order_id), stock_of(product)) == ({}, (10, 0))
    assert wrong() == []


def test_who_cancels_and_who_ships_at_once_never_do_both_to_a_unit(app: Flask, shop: Shop) -> None:
    for _ in range(4):
        order_id, _, product = ordered(shop, 3)
        version = order_of(order_id).version
        outcomes = at_once(app, partial(cancel, order_id), partial(send, order_id, version))
        assert failed(outcomes) in ([OrderOver], [OrderChanged], [OrderNotPlaced], [NothingLeft])
        (line,) = lines_of(order_id)
        assert (line["cancelled"], line["shipped"]) in {(3, 0), (0, 3)}
        assert stock_of(product) == ((10, 0) if line["cancelled"] else (7, 0))
        assert_adds_up(product)
    assert wrong() == []


def test_units_are_cancelled_and_shipped_at_once_each_once(app: Flask, shop: Shop) -> None:
    order_id, line, product = ordered(shop, 6)

    def send_one() -> Any:
        about: dict[str, Any] = {"order_id": order_id, "tracking": Tracking(carrier="DHL"), "units": [Units(line, 1)]}
        for _ in range(20):
            db.session.rollback()
            try:
                return ship(actor=STAFF, now=NOW, expected_version=order_of(order_id).version, **about)
            except OrderChanged:
                continue
        raise AssertionError("the order changes all the time")

    deeds: list[Callable[[], Any]] = [send_one, partial(cancel, order_id, Units(line, 1))] * 4
    outcomes = at_once(app, *deeds)
    assert len(failed(outcomes)) == 2
    (counted,) = lines_of(order_id)
    assert counted["cancelled"] + counted["shipped"] == 6
    assert stock_of(product) == (10 - counted["shipped"], 0)
    assert_adds_up(product)
    assert wrong() == []


def test_who_cancels_and_who_records_the_payment_at_once_end_in_money_back_or_nothing_paid(
    app: Flask, shop: Shop
) -> None:
    for _ in range(4):
        order_id, _, product = ordered(shop, 2)
        outcomes = at_once(app, partial(cancel, order_id), partial(pay, order_id, 2_000))
        assert failed(outcomes) in ([], [NothingToPay], [OrderChanged])
        db.session.rollback()
        payment = db.session.scalars(select(Payment).where(Payment.order_id == order_id)).one()
        back = list(db.session.scalars(select(Refund.amount_minor).where(Refund.order_id == order_id)))
        assert (payment.captured_minor, back) in [(0, []), (2_000, [2_000])]
        assert order_of(order_id).state == "CANCELLED"
        assert stock_of(product) == (10, 0)
    assert wrong() == []


def test_of_an_edit_and_a_cancellation_of_the_same_version_one_is_refused(app: Flask, shop: Shop) -> None:
    for _ in range(4):
        order_id, _, _ = ordered(shop, 2)
        version = order_of(order_id).version
        moved = ADDRESS | {"line1": "2 Compiler Road"}
        about: dict[str, Any] = {"order_id": order_id, "expected_version": version, "shipping_address": moved}
        outcomes = at_once(
            app,
            partial(cancel, order_id, expected_version=version),
            partial(change_order, actor=STAFF, now=NOW, **about),
        )
        assert failed(outcomes) == [OrderChanged]
        order = order_of(order_id)
        assert (order.state == "CANCELLED") == (order.shipping_address["line1"] == ADDRESS["line1"])
    assert wrong() == []


def test_of_two_who_change_an_order_at_once_one_is_refused(app: Flask, shop: Shop) -> None:
    order_id, _, _ = ordered(shop, 2)
    version = order_of(order_id).version
    edit = partial(change_order, actor=STAFF, now=NOW, order_id=order_id, expected_version=version)
    outcomes = at_once(app, *[partial(edit, note=f"Ring {count} times") for count in range(4)])
    assert failed(outcomes) == [OrderChanged] * 3
    (note,) = (outcome.note for outcome in outcomes if not isinstance(outcome, Exception))
    assert (order_of(order_id).note, order_of(order_id).version) == (note, version + 1)


def test_units_are_cancelled_while_a_count_finds_less_and_nothing_is_given_free_twice(app: Flask, shop: Shop) -> None:
    for _ in range(4):
        order_id, line, product = ordered(shop, 5)
        with shop.app.app_context():
            adjust(product, -5)
        find_less = partial(adjust, product, -2, shortfall=Shortfall.RELEASE)
        outcomes = at_once(app, partial(cancel, order_id, Units(line, 2)), find_less)
        assert failed(outcomes) == []
        assert (held_by(order_id), stock_of(product)) == ({product: 3}, (3, 3))
        assert_adds_up(product)
