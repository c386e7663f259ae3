"""Moves of orders: what each sets, writes down and tells, and that what is refused changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from flask import Flask
from sqlalchemy import update

from app.core import events
from app.core.extensions import db
from app.core.permissions import guest
from app.core.transactions import in_transaction
from app.orders.attention import STOCK_TAKEN
from app.orders.errors import IllegalMove, OrderChanged, OrderNotFound
from app.orders.events import OrderMoved
from app.orders.models.fulfilment import Shipment, ShipmentState
from app.orders.models.orders import FulfilmentState, OrderEvent, OrderLine, OrderState, PaymentState
from app.orders.services import moving
from app.orders.services.moving import lock_order
from app.orders.transitions import Axis
from tests.concurrency import at_once
from tests.conftest import AppWith
from tests.orders.making import NOW, STAFF, Made, events_of, make_order, order_of

pytestmark = pytest.mark.usefixtures("context")

HOUR = timedelta(hours=1)


@in_transaction
def move(made: Made, axis: Axis, after: str, **options: Any) -> bool:
    given: dict[str, Any] = {"actor": STAFF, "now": NOW} | options
    return moving.move(lock_order(made.id), axis, after, **given)


@in_transaction
def several(made: Made, *deeds: Any) -> None:
    """Some moves of one transaction."""
    order = lock_order(made.id)
    for axis, after in deeds:
        moving.move(order, axis, after, actor=STAFF, now=NOW)


@pytest.fixture
def told() -> Iterator[list[OrderMoved]]:
    """What others are told."""
    heard: list[OrderMoved] = []
    events.subscribe(OrderMoved, heard.append)
    yield heard
    events._subscribers[OrderMoved].remove(heard.append)


def test_a_move_sets_the_state_and_writes_down_who_did_it_and_when() -> None:
    made = make_order()
    assert move(made, Axis.FULFILMENT, FulfilmentState.SHIPPED, now=NOW + HOUR, details={"shipment": 4}) is True
    order = order_of(made.id)
    assert (order.fulfilment_state, order.version, order.updated_at) == ("SHIPPED", 2, NOW + HOUR)
    row = db.session.query(OrderEvent).one()
    assert (row.kind, row.before, row.after) == ("fulfilment.state", "UNFULFILLED", "SHIPPED")
    assert (row.actor_kind, row.actor_id, row.request_id) == ("user", 7, "r-1")
    assert (row.created_at, row.details, row.is_public) == (NOW + HOUR, {"shipment": 4}, True)


def test_a_state_that_is_there_already_is_no_move() -> None:
    made = make_order()
    assert move(made, Axis.ORDER, OrderState.PLACED) is False
    assert (order_of(made.id).version, events_of(made.id)) == (1, [])


def test_a_move_that_is_not_allowed_changes_nothing_not_even_what_came_before_it(told: list[OrderMoved]) -> None:
    made = make_order()
    with pytest.raises(IllegalMove) as refused:
        several(made, (Axis.FULFILMENT, FulfilmentState.SHIPPED), (Axis.ORDER, OrderState.DRAFT))
    assert refused.value.facts["allowed"] == ["CANCELLED", "COMPLETED"]
    assert (order_of(made.id).fulfilment_state, order_of(made.id).version) == ("UNFULFILLED", 1)
    assert (events_of(made.id), told) == ([], [])


def test_several_moves_of_one_transaction_are_one_version() -> None:
    made = make_order(state=OrderState.DRAFT, method="card")
    several(made, (Axis.ORDER, OrderState.PLACED), (Axis.PAYMENT, PaymentState.PAID))
    assert order_of(made.id).version == 2
    several(made, (Axis.FULFILMENT, FulfilmentState.SHIPPED))
    assert order_of(made.id).version == 3


def test_placing_says_when_in_the_days_of_the_shop(app_with: AppWith) -> None:
    made = make_order(state=OrderState.DRAFT)
    with app_with(timezone=ZoneInfo("Pacific/Auckland")).app_context():
        move(made, Axis.ORDER, OrderState.PLACED)
    order = order_of(made.id)
    assert (order.placed_at, str(order.placed_on)) == (NOW, "2026-03-02")


def test_an_order_that_expired_and_is_placed_after_all_has_not_ended() -> None:
    made = make_order(state=OrderState.DRAFT)
    move(made, Axis.ORDER, OrderState.EXPIRED)
    assert order_of(made.id).ended_at == NOW
    move(made, Axis.ORDER, OrderState.PLACED, now=NOW + HOUR)
    order = order_of(made.id)
    assert (order.ended_at, order.placed_at) == (None, NOW + HOUR)
    move(made, Axis.PAYMENT, PaymentState.PAID, now=NOW + 2 * HOUR)
    assert order_of(made.id).paid_at == NOW + 2 * HOUR


def test_the_last_thing_that_was_missing_completes_an_order() -> None:
    made = make_order()
    several(made, (Axis.FULFILMENT, FulfilmentState.SHIPPED), (Axis.FULFILMENT, FulfilmentState.DELIVERED))
    assert order_of(made.id).state == "PLACED"  # it is not paid
    move(made, Axis.PAYMENT, PaymentState.PAID)
    assert (order_of(made.id).state, order_of(made.id).ended_at) == ("COMPLETED", NOW)
    other = make_order(paid=True)
    several(other, (Axis.FULFILMENT, FulfilmentState.SHIPPED))
    assert order_of(other.id).state == "PLACED"  # it is under way
    move(other, Axis.FULFILMENT, FulfilmentState.DELIVERED)
    assert order_of(other.id).state == "COMPLETED"


@in_transaction
def _ship_both_and_take_one_back(made: Made) -> None:
    db.session.execute(update(OrderLine).where(OrderLine.order_id == made.id).values(shipped=2, returned=1))
    for state in ShipmentState:
        row = Shipment(order_id=made.id, state=state, carrier="Post", shipped_at=NOW, **STAFF.attribution())
        db.session.add(row)
    order = lock_order(made.id)
    moving.move(order, Axis.FULFILMENT, FulfilmentState.SHIPPED, actor=STAFF, now=NOW)
    moving.move(order, Axis.FULFILMENT, FulfilmentState.PARTIALLY_RETURNED, actor=STAFF, now=NOW)


@in_transaction
def _deliver_all(made: Made) -> bool:
    db.session.execute(update(Shipment).where(Shipment.order_id == made.id).values(state=ShipmentState.DELIVERED))
    return moving.complete_if_done(lock_order(made.id), actor=STAFF, now=NOW)


def test_an_order_of_which_a_part_came_back_is_completed_when_the_last_shipment_arrives() -> None:
    made = make_order(2, paid=True)
    _ship_both_and_take_one_back(made)
    assert order_of(made.id).state == "PLACED"
    assert _deliver_all(made) is True
    assert order_of(made.id).state == "COMPLETED"
    assert _deliver_all(made) is False


def test_who_wants_to_know_is_told_of_what_happens_once(told: list[OrderMoved]) -> None:
    made = make_order(state=OrderState.DRAFT)
    several(made, (Axis.ORDER, OrderState.PLACED), (Axis.PAYMENT, PaymentState.PAID))
    several(made, (Axis.FULFILMENT, FulfilmentState.SHIPPED))
    assert [(event.order_id, event.what, event.at) for event in told] == [
        (made.id, "placed", NOW),
        (made.id, "paid", NOW),
    ]


@in_transaction
def _flag(made: Made, reason: str | None) -> bool:
    return moving.flag(lock_order(made.id), reason, actor=STAFF, now=NOW, details={"product_id": 3})


def test_staff_are_asked_to_look_once_and_customers_see_nothing_of_it(told: list[OrderMoved]) -> None:
    made = make_order()
    assert [_flag(made, STOCK_TAKEN), _flag(made, STOCK_TAKEN), _flag(made, None)] == [True, False, True]
    assert events_of(made.id) == [("attention", None, STOCK_TAKEN, False), ("attention", STOCK_TAKEN, None, False)]
    assert [event.what for event in told] == ["attention"]
    assert (order_of(made.id).attention, order_of(made.id).version) == (None, 3)


@in_transaction
def _note(made: Made, version: int | None = None) -> None:
    order = lock_order(made.id, version=version)
    moving.note(order, "note.added", actor=guest(), now=NOW, details={"text": "Ring twice"}, public=True)


def test_what_is_noted_counts_the_version_up() -> None:
    made = make_order()
    _note(made)
    assert (order_of(made.id).version, events_of(made.id)) == (2, [("note.added", None, None, True)])


def test_a_lock_refuses_an_order_that_is_not_there_and_one_that_has_changed() -> None:
    made = make_order()
    with pytest.raises(OrderChanged):
        _note(made, version=2)
    assert (order_of(made.id).version, events_of(made.id)) == (1, [])
    with pytest.raises(OrderNotFound):
        _note(Made(made.id + 1, "", (), (), None))


def test_of_two_who_change_the_same_version_at_once_one_is_refused(app: Flask) -> None:
    made = make_order()
    outcomes = at_once(app, *[lambda: _note(made, version=1)] * 4)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["NoneType", *["OrderChanged"] * 3]
    assert (order_of(made.id).version, len(events_of(made.id))) == (2, 1)
