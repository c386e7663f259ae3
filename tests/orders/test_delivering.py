"""Shipments that arrive: one by one, all at once, and what an order becomes by it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select

from app.core.audit import AuditEvent
from app.core.extensions import db
from app.orders.errors import NothingShipped, OrderNotFound, ShipmentNotFound
from app.orders.events import OrderMoved
from app.orders.models.fulfilment import Shipment
from app.orders.services.counting import Units
from app.orders.services.delivering import deliver, deliver_all
from app.orders.services.returns import Returned, take_back
from app.orders.services.shipping import Tracking, ship
from tests.concurrency import at_once
from tests.orders.making import NOW, STAFF, Made, events_of, make_order, order_of
from tests.products.stocking import heard

pytestmark = pytest.mark.usefixtures("context")

HOUR = timedelta(hours=1)


def parcel(made: Made, count: int, *, version: int = 1) -> int:
    """A parcel with so many of the first line; its id."""
    about: dict[str, Any] = {"order_id": made.id, "expected_version": version, "tracking": Tracking(carrier="DHL")}
    return ship(actor=STAFF, now=NOW, units=[Units(made.lines[0], count)], **about).shipment.id


def arrive(made: Made, shipment_id: int) -> Shipment:
    return deliver(actor=STAFF, now=NOW + HOUR, order_id=made.id, shipment_id=shipment_id).shipment


def parcels() -> list[Any]:
    db.session.rollback()
    rows = db.session.execute(select(Shipment.state, Shipment.delivered_at, Shipment.version).order_by(Shipment.id))
    return [tuple(row) for row in rows]


def test_an_order_has_arrived_when_everything_was_shipped_and_every_parcel_has() -> None:
    made = make_order(3, paid=True)
    first, second = parcel(made, 1), parcel(made, 2, version=2)
    assert order_of(made.id).fulfilment_state == "SHIPPED"
    with heard(OrderMoved) as told:
        assert arrive(made, first).version == 2
    assert (order_of(made.id).fulfilment_state, order_of(made.id).state) == ("SHIPPED", "PLACED")
    arrive(made, second)
    assert parcels() == [("DELIVERED", NOW + HOUR, 2)] * 2
    order = order_of(made.id)
    assert (order.fulfilment_state, order.state, order.ended_at) == ("DELIVERED", "COMPLETED", NOW + HOUR)
    assert [event.what for event in told] == ["delivered"]
    kinds = [kind for kind, *_ in events_of(made.id)]
    assert kinds[-4:] == ["shipment.delivered", "shipment.delivered", "fulfilment.state", "order.state"]
    assert db.session.scalar(select(func.count()).where(AuditEvent.action == "order.deliver")) == 2


def test_a_parcel_that_has_arrived_while_others_are_to_be_shipped_leaves_the_order_as_it_is() -> None:
    made = make_order(3)
    arrive(made, parcel(made, 1))
    assert order_of(made.id).fulfilment_state == "PARTIALLY_SHIPPED"
    assert parcels() == [("DELIVERED", NOW + HOUR, 2)]


def test_what_arrives_after_a_part_came_back_completes_the_order() -> None:
    made = make_order(3, paid=True)
    shipment_id = parcel(made, 3)
    units = [Returned(made.lines[0], 1, 1)]
    take_back(actor=STAFF, now=NOW, order_id=made.id, expected_version=2, units=units, reason="x")
    assert (order_of(made.id).fulfilment_state, order_of(made.id).state) == ("PARTIALLY_RETURNED", "PLACED")
    arrive(made, shipment_id)
    assert (order_of(made.id).fulfilment_state, order_of(made.id).state) == ("PARTIALLY_RETURNED", "COMPLETED")


def test_an_order_that_is_not_paid_is_not_completed_by_arriving() -> None:
    made = make_order(1)
    arrive(made, parcel(made, 1))
    assert (order_of(made.id).fulfilment_state, order_of(made.id).state) == ("DELIVERED", "PLACED")


def test_what_has_arrived_stays_as_it_is() -> None:
    made = make_order(1, paid=True)
    shipment_id = parcel(made, 1)
    arrive(made, shipment_id)
    before = parcels(), events_of(made.id), order_of(made.id).version
    deliver(actor=STAFF, now=NOW + 5 * HOUR, order_id=made.id, shipment_id=shipment_id)
    deliver_all(actor=STAFF, now=NOW + 5 * HOUR, order_id=made.id)
    assert (parcels(), events_of(made.id), order_of(made.id).version) == before
    assert db.session.scalar(select(func.count()).where(AuditEvent.action == "order.deliver")) == 1


def test_all_parcels_arrive_with_one_deed() -> None:
    made = make_order(3, paid=True)
    arrive(made, parcel(made, 1))
    parcel(made, 1, version=3)
    parcel(made, 1, version=4)
    with heard(OrderMoved) as told:
        order = deliver_all(actor=STAFF, now=NOW + 2 * HOUR, order_id=made.id)
    assert (order.fulfilment_state, order.state) == ("DELIVERED", "COMPLETED")
    assert parcels() == [("DELIVERED", NOW + HOUR, 2), *[("DELIVERED", NOW + 2 * HOUR, 2)] * 2]
    assert [event.what for event in told] == ["delivered"]


def test_what_was_never_sent_does_not_arrive() -> None:
    made, other = make_order(1), make_order(1)
    shipment_id = parcel(other, 1)
    with pytest.raises(NothingShipped):
        deliver_all(actor=STAFF, now=NOW, order_id=made.id)
    with pytest.raises(ShipmentNotFound):
        arrive(made, shipment_id)
    with pytest.raises(OrderNotFound):
        deliver_all(actor=STAFF, now=NOW, order_id=10**6)
    assert (parcels(), events_of(made.id)) == ([("SHIPPED", None, 1)], [])


def test_a_parcel_arrives_once_whoever_says_so_at_the_same_time(context: Flask) -> None:
    made = make_order(2, paid=True)
    shipment_id = parcel(made, 2)
    deeds = [lambda: arrive(made, shipment_id), lambda: deliver_all(actor=STAFF, now=NOW, order_id=made.id)] * 2
    assert {type(result).__name__ for result in at_once(context, *deeds)} == {"Shipment", "Order"}
    assert [state for state, *_ in parcels()] == ["DELIVERED"]
    assert [kind for kind, *_ in events_of(made.id)].count("shipment.delivered") == 1
