"""Shipping orders: what moves, what is refused, and that two at once ship once."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select

from app.core.audit import AuditEvent
from app.core.errors import Invalid
from app.core.extensions import db
from app.core.outbox import Outbox
from app.core.transactions import in_transaction
from app.orders.errors import (
    MoreThanLeft,
    NothingLeft,
    OrderChanged,
    OrderNotFound,
    OrderNotPaid,
    OrderNotPlaced,
    ShipmentChanged,
    ShipmentNotFound,
    StockTaken,
)
from app.orders.events import OrderMoved
from app.orders.models.fulfilment import Shipment, ShipmentLine
from app.orders.models.orders import OrderLine, OrderState
from app.orders.queries.shipments import ShipmentRecord
from app.orders.services.counting import Units, count_returned, count_shipped
from app.orders.services.returns import Returned, take_back
from app.orders.services.shipping import Tracking, change_tracking, ship
from app.products.services import allocations
from app.products.services.stock import Shortfall
from tests.concurrency import at_once
from tests.orders.making import (
    NOW,
    STAFF,
    Made,
    events_of,
    held_by,
    lines_of,
    make_order,
    order_of,
    reference_of,
    stock_of,
)
from tests.products.stocking import adjust, assert_adds_up, everything, heard, ledger

pytestmark = pytest.mark.usefixtures("context")

DHL = Tracking(carrier="DHL", number="JD0146 0000")
HOUR = timedelta(hours=1)


def send(made: Made, *quantities: int | None, version: int = 1, tracking: Tracking = DHL) -> ShipmentRecord:
    """Ship so many of each line, None of it where that is said; all that is left without quantities."""
    units = [Units(line, count) for line, count in zip(made.lines, quantities, strict=False) if count is not None]
    asked: dict[str, Any] = {"order_id": made.id, "expected_version": version, "tracking": tracking}
    return ship(actor=STAFF, now=NOW + HOUR, units=units or None, **asked)


def state_of(made: Made) -> list[Any]:
    """All that a shipment changes."""
    order = order_of(made.id)
    shipments = db.session.scalar(select(func.count()).select_from(Shipment))
    rows = db.session.scalar(select(func.count()).select_from(Outbox))
    audited = db.session.scalar(select(func.count()).select_from(AuditEvent).where(AuditEvent.topic == "order"))
    now = [order.version, order.fulfilment_state, lines_of(made.id), events_of(made.id), everything()]
    return [*now, shipments, rows, audited]


def test_all_that_is_left_is_shipped_and_leaves_the_shelves() -> None:
    made = make_order(2, 3)
    with heard(OrderMoved) as told:
        record = send(made)
    assert [stock_of(product) for product in made.products] == [(8, 0), (7, 0)]
    assert held_by(made.id) == {}
    assert [line["shipped"] for line in lines_of(made.id)] == [2, 3]
    order = order_of(made.id)
    assert (order.state, order.fulfilment_state, order.version) == ("PLACED", "SHIPPED", 2)
    shipment = record.shipment
    db.session.add(shipment)
    assert (shipment.state, shipment.shipped_at, shipment.version) == ("SHIPPED", NOW + HOUR, 1)
    assert shipment.tracking_url == "https://www.dhl.com/global-en/home/tracking.html?tracking-id=JD01460000"
    assert (shipment.actor_kind, shipment.actor_id) == ("user", STAFF.id)
    assert [event.what for event in told] == ["shipped"]
    assert [event[0] for event in events_of(made.id)] == ["shipment.shipped", "fulfilment.state"]
    assert all(is_public for *_, is_public in events_of(made.id))
    assert_adds_up(*made.products)
    (row,) = db.session.scalars(select(AuditEvent).where(AuditEvent.action == "order.ship"))
    assert (row.subject_kind, row.subject_id, row.actor_id) == ("order", made.id, STAFF.id)
    assert row.after is not None
    assert [line["quantity"] for line in row.after["lines"]] == [2, 3]


def test_an_order_leaves_in_several_parcels() -> None:
    made = make_order(2, 3)
    send(made, 1, None)
    assert order_of(made.id).fulfilment_state == "PARTIALLY_SHIPPED"
    assert held_by(made.id) == {made.products[0]: 1, made.products[1]: 3}
    send(made, None, 2, version=2)
    assert order_of(made.id).fulfilment_state == "PARTIALLY_SHIPPED"
    send(made, version=3)
    assert order_of(made.id).fulfilment_state == "SHIPPED"
    parcels = db.session.execute(select(ShipmentLine.order_line_id, ShipmentLine.quantity).order_by(ShipmentLine.id))
    one, two = made.lines
    assert [tuple(row) for row in parcels] == [(one, 1), (two, 2), (one, 1), (two, 1)]
    assert [stock_of(product) for product in made.products] == [(8, 0), (7, 0)]
    assert ledger(made.products[0])[-2:] == [("shipped", -1, -1), ("shipped", -1, -1)]


def test_what_was_cancelled_is_not_shipped() -> None:
    made = make_order(3)
    cancel_units(made, 1)
    send(made)
    assert lines_of(made.id) == [{"quantity": 3, "cancelled": 1, "shipped": 2, "returned": 0}]
    assert order_of(made.id).fulfilment_state == "SHIPPED"
    with pytest.raises(NothingLeft):
        send(made, version=2)


def test_nothing_is_left_to_ship_of_an_order_whose_payment_was_voided_as_all_of_it_came_back() -> None:
    made = make_order(2)
    send(made)
    units = [Returned(made.lines[0], 2, 2)]
    about: dict[str, Any] = {"order_id": made.id, "expected_version": order_of(made.id).version}
    take_back(actor=STAFF, now=NOW + HOUR, units=units, reason="Too small", **about)
    order = order_of(made.id)
    assert (order.payment_state, order.fulfilment_state) == ("VOIDED", "RETURNED")
    with pytest.raises(NothingLeft) as refused:
        send(made, version=order.version)
    order = order_of(made.id)
    assert refused.value.facts["order"] == {
        "state": order.state,
        "payment_state": "VOIDED",
        "fulfilment_state": "RETURNED",
    }
    assert refused.value.facts["allowed"]["payment"] == ["PAID", "PENDING", "UNPAID"]


@pytest.mark.parametrize("state", [OrderState.DRAFT, OrderState.EXPIRED, OrderState.CANCELLED])
def test_only_a_placed_order_is_shipped(state: OrderState) -> None:
    made = make_order(2, state=state, paid=True)
    before = state_of(made)
    with pytest.raises(OrderNotPlaced):
        send(made)
    assert state_of(made) == before


@pytest.mark.parametrize(
    ("method", "payment_state", "may"),
    [
        ("card", "UNPAID", False),
        ("card", "PENDING", False),
        ("card", "PAID", True),
        ("card", "PARTIALLY_REFUNDED", True),
        ("card", "REFUNDED", False),
        ("invoice", "UNPAID", True),
        ("invoice", "PAID", True),
        ("invoice", "REFUNDED", False),
        ("cash", "UNPAID", True),
        ("cash", "VOIDED", False),
    ],
)
def test_goods_go_before_the_money_only_by_invoice_and_cash(method: str, payment_state: str, may: bool) -> None:
    made = make_order(2, method=method, payment_state=payment_state)
    before = state_of(made)
    if may:
        send(made)
        assert stock_of(made.products[0]) == (8, 0)
        return
    with pytest.raises(OrderNotPaid):
        send(made)
    assert state_of(made) == before


def test_more_than_is_left_is_refused_by_line_and_nothing_is_shipped() -> None:
    made = make_order(2, 3, 1)
    send(made, 1, 3)
    before = state_of(made)
    with pytest.raises(MoreThanLeft) as refused:
        send(made, 2, 1, 1, version=2)
    assert [error.pointer for error in refused.value.errors] == ["/lines/0/quantity", "/lines/1/quantity"]
    assert [(line["line_id"], line["wanted"], line["left"]) for line in refused.value.facts["lines"]] == [
        (made.lines[0], 2, 1),
        (made.lines[1], 1, 0),
    ]
    assert state_of(made) == before


def test_lines_that_are_none_of_the_order_or_named_twice_are_refused() -> None:
    made, other = make_order(2), make_order(2)
    before = state_of(made)
    for lines in ([other.lines[0]], [made.lines[0], made.lines[0]], [10**6]):
        with pytest.raises(Invalid) as refused:
            ship(
                actor=STAFF,
                now=NOW,
                order_id=made.id,
                expected_version=1,
                tracking=DHL,
                units=[Units(line, 1) for line in lines],
            )
        assert refused.value.errors[-1].pointer == f"/lines/{len(lines) - 1}/line_id"
    assert state_of(made) == before


def test_a_shipment_based_on_an_old_version_or_of_no_order_is_refused() -> None:
    made = make_order(2)
    send(made, 1)
    before = state_of(made)
    with pytest.raises(OrderChanged):
        send(made, 1, version=1)
    with pytest.raises(OrderNotFound):
        ship(actor=STAFF, now=NOW, order_id=10**6, expected_version=1, tracking=DHL)
    assert state_of(made) == before


def test_stock_that_was_taken_away_is_not_shipped_and_what_is_there_still_can_be() -> None:
    made = make_order(2, 3)
    adjust(made.products[1], -8, shortfall=Shortfall.RELEASE)
    before = state_of(made)
    with pytest.raises(StockTaken) as refused:
        send(made)
    asins = db.session.scalars(select(OrderLine.asin).order_by(OrderLine.position)).all()
    short = {"line_id": made.lines[1], "asin": asins[1], "wanted": 3, "shippable": 2}
    assert (refused.value.code, refused.value.facts, refused.value.errors) == ("NOT_ALLOCATED", {"lines": [short]}, ())
    with pytest.raises(StockTaken) as refused:
        send(made, 1, 3)
    assert refused.value.facts == {"lines": [short]}
    (error,) = refused.value.errors
    assert (error.pointer, error.detail) == ("/lines/1/quantity", f"at most 2 of {asins[1]}.")
    assert state_of(made) == before
    send(made, 2, 2)
    assert [stock_of(product) for product in made.products] == [(8, 0), (0, 0)]


def test_the_counters_of_a_line_hold_without_the_look_at_it_before() -> None:
    made = make_order(3)
    cancel_units(made, 1)

    @in_transaction
    def count(counted: Any, units: int) -> None:
        counted([Units(made.lines[0], units)])

    with pytest.raises(MoreThanLeft) as refused:
        count(count_shipped, 3)
    assert refused.value.facts["lines"][0]["left"] == 2
    count(count_shipped, 2)
    with pytest.raises(MoreThanLeft):
        count(count_shipped, 1)
    with pytest.raises(MoreThanLeft):
        count(count_returned, 3)
    count(count_returned, 2)
    with pytest.raises(MoreThanLeft):
        count(count_returned, 1)
    assert lines_of(made.id) == [{"quantity": 3, "cancelled": 1, "shipped": 2, "returned": 2}]


def test_two_who_ship_the_same_order_at_once_ship_it_once(context: Flask) -> None:
    made = make_order(2, 3)

    results = at_once(context, *[partial(send, made)] * 4)
    assert sorted(type(result).__name__ for result in results) == [*["OrderChanged"] * 3, "ShipmentRecord"]
    assert [line["shipped"] for line in lines_of(made.id)] == [2, 3]
    assert [stock_of(product) for product in made.products] == [(8, 0), (7, 0)]
    assert db.session.scalar(select(func.count()).select_from(Shipment)) == 1
    assert_adds_up(*made.products)


def test_shipments_of_many_orders_of_the_same_products_at_once_wait_for_each_other_and_none_is_lost(
    context: Flask,
) -> None:
    first = make_order(1, 1, on_hand=20)
    others = [make_order(1, 1, products=first.products[::-1]) for _ in range(7)]
    results = at_once(context, *(partial(send, made) for made in (first, *others)))
    assert [type(result) for result in results] == [ShipmentRecord] * 8
    assert [stock_of(product) for product in first.products] == [(12, 0), (12, 0)]
    assert_adds_up(*first.products)


def test_tracking_is_changed_by_who_has_seen_the_shipment_as_it_is() -> None:
    made = make_order(1)
    shipment_id = send(made).shipment.id

    def change(version: int, **changes: Any) -> Shipment:
        about = {"order_id": made.id, "shipment_id": shipment_id, "expected_version": version}
        return change_tracking(actor=STAFF, now=NOW + 2 * HOUR, **about, **changes).shipment

    changed = change(1, carrier="UPS", tracking_number="1Z 999")
    assert (changed.carrier, changed.tracking_number, changed.version) == ("UPS", "1Z 999", 2)
    assert changed.tracking_url == "https://www.ups.com/track?tracknum=1Z999"
    before = state_of(made)
    with pytest.raises(ShipmentChanged):
        change(1, carrier="DPD")
    with pytest.raises(ShipmentNotFound):
        change_tracking(
            actor=STAFF, now=NOW, order_id=make_order().id, shipment_id=shipment_id, expected_version=2, carrier="DPD"
        )
    with pytest.raises(Invalid) as refused:
        change(2, tracking_url="http://ups.com/1Z999")
    assert refused.value.errors[0].pointer == "/tracking_url"
    assert change(2, carrier="UPS").version == 2
    assert state_of(made)[:4] == before[:4]
    assert change(2, tracking_url="https://parcels.example.org/1").tracking_url == "https://parcels.example.org/1"
    assert change(3, carrier="Bike courier").tracking_url is None
    assert events_of(made.id)[-1][0] == "shipment.tracking"
    assert order_of(made.id).version == 5


@in_transaction
def cancel_units(made: Made, count: int) -> None:
    """Count units of the first line as cancelled, and give back the stock of them."""
    db.session.get_one(OrderLine, made.lines[0]).cancelled = count
    db.session.flush()
    items = {made.products[0]: count}
    allocations.release.joined(actor=STAFF, now=NOW, reference=reference_of(made.id), items=items)
