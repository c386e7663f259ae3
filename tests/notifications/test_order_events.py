"""What webhooks are told of orders: one event for each thing that happened, with how it left the order."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest
from flask import Flask
from sqlalchemy import func, select

from app.core.extensions import db
from app.core.money import Money
from app.core.orm import utc_now
from app.core.permissions import system
from app.core.transactions import in_transaction
from app.notifications.kinds import KINDS
from app.notifications.models import WebhookDelivery, WebhookEvent
from app.notifications.schemas.events import EVENTS
from app.orders.attention import STOCK_TAKEN
from app.orders.models.orders import Order, OrderLine
from app.orders.models.payments import Refund
from app.orders.services.cancelling import cancel_order
from app.orders.services.checkout.wanted import Ordered
from app.orders.services.counting import Units
from app.orders.services.creating import create_order
from app.orders.services.delivering import deliver_all
from app.orders.services.moving import flag, lock_order
from app.orders.services.recording import record_payment
from app.orders.services.returns import Returned, Wish, take_back
from app.orders.services.sending_refunds import send_refund
from app.orders.services.shipping import Tracking, ship
from tests.notifications.conftest import Office
from tests.orders.making import ADDRESS, STAFF, Made, make_order, order_of
from tests.products.stocking import make_product
from tests.receiver import Receiver

pytestmark = pytest.mark.usefixtures("context")


@pytest.fixture
def hook(office: Office, receiver: Receiver) -> None:
    """A webhook that is told of everything."""
    office.webhook(receiver)


def told() -> list[tuple[str, dict[str, Any]]]:
    """What webhooks are told of orders, as (kind, data), in order."""
    db.session.rollback()
    rows = db.session.execute(
        select(WebhookEvent.kind, WebhookEvent.body).where(WebhookEvent.kind.like("order.%")).order_by(WebhookEvent.id)
    )
    return [(kind, json.loads(body)["data"]) for kind, body in rows]


def send(made: Made, *units: Units) -> None:
    about: dict[str, Any] = {"order_id": made.id, "expected_version": order_of(made.id).version}
    ship(actor=STAFF, now=utc_now(), tracking=Tracking(carrier="DHL"), units=units or None, **about)


@pytest.mark.usefixtures("hook")
def test_the_life_of_an_order_is_told_step_by_step() -> None:
    product_id = make_product(1, on_hand=10)
    about: dict[str, Any] = {"email": "grace@example.org", "customer_id": None, "payment_method": "invoice"}
    said: dict[str, Any] = {"coupon": None, "note": "", "shipping_address": ADDRESS, "billing_address": ADDRESS}
    create_order(actor=STAFF, now=utc_now(), items=[Ordered(product_id, 4)], **about, **said)
    order = db.session.scalars(select(Order)).one()
    line = db.session.scalars(select(OrderLine.id)).one()
    made = Made(order.id, order.number, (line,), (product_id,), None)
    cancel_order(actor=STAFF, clock=utc_now, order_id=made.id, units=[Units(line, 1)])
    known: dict[str, Any] = {"order_id": made.id, "expected_version": order_of(made.id).version}
    record_payment(actor=STAFF, now=utc_now(), **known, amount=Money(300, "USD"))
    send(made, Units(line, 1))
    send(made)
    deliver_all(actor=STAFF, now=utc_now(), order_id=made.id)
    which: dict[str, Any] = {"order_id": made.id, "expected_version": order_of(made.id).version}
    units = [Returned(line, 1, 1)]
    take_back(actor=STAFF, now=utc_now(), units=units, reason="x", refund=Wish(), **which)
    send_refund(refund_id=db.session.scalars(select(Refund.id)).one(), now=utc_now())
    events = told()
    assert [kind.removeprefix("order.") for kind, _ in events] == [
        "placed", "cancelled", "paid", "shipped", "shipped", "delivered", "returned", "refunded",
    ]  # fmt: skip
    seen = [(data["payment_state"], data["fulfilment_state"], data["cancelled"]) for _, data in events]
    assert seen == [
        ("UNPAID", "UNFULFILLED", "0.00"),
        ("UNPAID", "UNFULFILLED", "1.00"),
        ("PAID", "UNFULFILLED", "1.00"),
        ("PAID", "PARTIALLY_SHIPPED", "1.00"),
        ("PAID", "SHIPPED", "1.00"),
        ("PAID", "DELIVERED", "1.00"),
        ("PAID", "PARTIALLY_RETURNED", "1.00"),
        ("PARTIALLY_REFUNDED", "PARTIALLY_RETURNED", "1.00"),
    ]
    versions = [data["version"] for _, data in events]
    assert versions == sorted(versions)
    assert len(set(versions)) == len(versions)
    last = events[-1][1]
    assert (last["number"], last["total"], last["captured"], last["refunded"]) == (made.number, "4.00", "3.00", "1.00")


@pytest.mark.usefixtures("hook")
def test_an_order_that_somebody_should_look_at_is_told_of_with_the_reason() -> None:
    made = make_order(1)

    @in_transaction
    def look() -> None:
        flag(lock_order(made.id), STOCK_TAKEN, actor=system(), now=utc_now())

    look()
    ((kind, data),) = told()
    assert (kind, data["attention"]) == ("order.attention", STOCK_TAKEN)


@pytest.mark.usefixtures("hook")
def test_nobody_is_told_a_name_an_address_or_an_email() -> None:
    made = make_order(2, note="Ring twice")
    send(made)
    deliver_all(actor=STAFF, now=utc_now(), order_id=made.id)
    said = json.dumps(told())
    assert not any(word in said for word in ("Grace", "grace@", "Compiler", "Arlington", "Ring twice"))


@pytest.mark.usefixtures("hook")
def test_what_is_undone_is_not_told() -> None:
    made = make_order(2)

    @in_transaction
    def half() -> None:
        ship.joined(actor=STAFF, now=utc_now(), order_id=made.id, expected_version=1, tracking=Tracking(carrier="DHL"))
        raise RuntimeError("the power is gone")

    with pytest.raises(RuntimeError):
        half()
    assert told() == []


def test_a_webhook_hears_of_the_kinds_that_it_wants(office: Office, receiver: Receiver) -> None:
    office.webhook(receiver, kinds=("order.delivered",))
    made = make_order(2)
    send(made)
    deliver_all(actor=STAFF, now=utc_now(), order_id=made.id)
    assert [kind for kind, _ in told()] == ["order.delivered"]
    assert db.session.scalar(select(func.count()).select_from(WebhookDelivery)) == 1


def test_every_kind_of_event_of_orders_has_a_schema_and_what_is_sent_fits_it(
    app: Flask, office: Office, receiver: Receiver
) -> None:
    kinds: Final = [kind for kind in KINDS if kind.startswith("order.")]
    assert set(kinds) <= set(EVENTS)
    assert len(kinds) == 8
    office.webhook(receiver)
    send(make_order(2))
    ((kind, data),) = told()
    fields = EVENTS[kind]().fields["data"].schema.fields  # type: ignore[attr-defined]  # of a Nested
    assert set(data) == set(fields)
