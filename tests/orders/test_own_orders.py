"""Orders as their customers see them: their own, with what happened and who did it, and taking one back."""

from __future__ import annotations

from typing import Any, Final

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from app.core.audit import AuditEvent
from app.core.extensions import db
from app.orders.models.orders import Order, OrderEvent
from app.orders.services.cancelling import cancel_order
from app.orders.services.notes import add_note
from app.orders.services.shipping import Tracking, ship
from tests.conftest import Admin
from tests.orders.making import ADDRESS, NOW, STAFF
from tests.orders.shopping import ORDERS, Customer, Shop, everything
from tests.servers import on_sqlite

pytestmark = [pytest.mark.usefixtures("database"), on_sqlite]

INTERNAL: Final = {"attention", "customer_id", "user_id", "customer_name", "payments", "returns", "cart_id", "id"}


def get(customer: Customer, path: str = "", **headers: str) -> Any:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return customer.app.test_client().get(f"{ORDERS}{path}", headers=customer.headers | named)


def cancel(customer: Customer, number: str, body: Any = None) -> Any:
    return customer.app.test_client().post(f"{ORDERS}/{number}/cancel", json=body or {}, headers=customer.headers)


@pytest.fixture(params=["person", "guest"])
def customer(request: pytest.FixtureRequest, shop: Shop) -> Customer:
    """Somebody with two of a product in the cart."""
    items = {shop.product(): 2}
    return shop.person(items) if request.param == "person" else shop.guest(items)


def test_who_ordered_something_finds_it_and_sees_all_of_it_but_what_is_for_staff(customer: Customer) -> None:
    assert get(customer).get_json()["items"] == []
    made = customer.order("20.00", note="Please ring").get_json()
    (listed,) = get(customer).get_json()["items"]
    answer = get(customer, f"/{made['number']}")
    shown = answer.get_json()
    assert (answer.status_code, answer.headers["ETag"]) == (200, f'"v{shown["version"]}"')
    assert (shown["number"], shown["state"], shown["due"], shown["note"]) == (
        made["number"],
        "PLACED",
        "20.00",
        "Please ring",
    )
    assert (shown["shipping_address"], shown["lines"][0]["open"]) == (ADDRESS, 2)
    assert {name: listed[name] for name in listed if name != "unit_count"} == {
        name: shown[name] for name in listed if name != "unit_count"
    }
    assert listed["unit_count"] == 2
    assert INTERNAL.isdisjoint(shown)
    known = get(customer, f"/{made['number']}", If_None_Match=f'"v{shown["version"]}"')
    assert (known.status_code, known.data) == (304, b"")


def test_the_timeline_says_what_the_customer_did_and_what_the_shop_did(customer: Customer) -> None:
    number = customer.order("20.00").get_json()["number"]
    order_id = int(number) - 100_000
    with customer.app.app_context():
        add_note(actor=STAFF, now=NOW, order_id=order_id, text="Comes on Friday", is_public=True)
        add_note(actor=STAFF, now=NOW, order_id=order_id, text="Difficult", is_public=False)
    assert cancel(customer, number, {"reason": "Too late"}).status_code == 200
    events = get(customer, f"/{number}/events").get_json()["items"]
    assert [(event["kind"], event["after"], event["by"]) for event in reversed(events)] == [
        ("order.state", "PLACED", "customer"),
        ("payment.state", "UNPAID", "customer"),
        ("fulfilment.state", "UNFULFILLED", "customer"),
        ("note.added", None, "shop"),
        ("units.cancelled", None, "customer"),
        ("payment.state", "VOIDED", "customer"),
        ("order.state", "CANCELLED", "customer"),
        ("fulfilment.state", "VOIDED", "customer"),
    ]
    assert "Difficult" not in str(events)
    assert all(set(event) == {"id", "created_at", "kind", "before", "after", "by", "details"} for event in events)
    with customer.app.app_context():
        rows = db.session.scalars(select(OrderEvent.actor_kind).where(OrderEvent.kind == "units.cancelled")).all()
        audited = db.session.scalars(select(AuditEvent).where(AuditEvent.action == "order.cancel")).one()
    assert rows == ["guest" if customer.user_id is None else "user"]
    assert (audited.actor_kind, audited.subject_id) == (rows[0], order_id)


def test_what_staff_did_to_an_order_is_by_the_shop_and_staff_know_by_whom(
    app: Flask, client: FlaskClient, shop: Shop, admin: Admin, auth_headers: dict[str, str]
) -> None:
    customer = shop.person({shop.product(): 2})
    number = customer.order("20.00").get_json()["number"]
    client.post(f"/api/v1/admin/orders/{number}/notes", json={"text": "Hello", "is_public": True}, headers=auth_headers)
    (newest, *_) = get(customer, f"/{number}/events").get_json()["items"]
    assert (newest["details"], newest["by"]) == ({"text": "Hello"}, "shop")
    shown = client.get(f"/api/v1/admin/orders/{number}/events", headers=auth_headers).get_json()["items"]
    assert shown[0]["actor_name"] == "Ada Admin"
    assert {event["actor_id"] for event in shown} == {admin.id, customer.user_id}


def test_a_customer_cancels_what_was_not_shipped_and_twice_is_refused(customer: Customer) -> None:
    number = customer.order("20.00").get_json()["number"]
    answer = cancel(customer, number)
    shown = answer.get_json()
    assert (answer.status_code, shown["state"], shown["due"]) == (200, "CANCELLED", "0.00"), answer.text
    before = everything(customer.app)
    again = cancel(customer, number)
    assert (again.status_code, again.get_json()["code"], again.get_json()["state"]) == (409, "ORDER_OVER", "CANCELLED")
    assert everything(customer.app) == before


def test_what_was_shipped_in_part_is_not_for_the_customer_to_cancel(customer: Customer) -> None:
    number = customer.order("20.00").get_json()["number"]
    order_id = int(number) - 100_000
    with customer.app.app_context():
        version = db.session.get_one(Order, order_id).version
        about: dict[str, Any] = {"order_id": order_id, "expected_version": version}
        ship(actor=STAFF, now=NOW, tracking=Tracking(carrier="DHL", number="T 1"), **about)
    before = everything(customer.app)
    answer = cancel(customer, number)
    assert (answer.status_code, answer.get_json()["code"]) == (409, "ALREADY_SHIPPED")
    assert everything(customer.app) == before
    (shipment,) = get(customer, f"/{number}").get_json()["shipments"]
    assert (shipment["carrier"], shipment["tracking_number"]) == ("DHL", "T 1")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"reason": "x" * 201}, "/reason"),
        ({"reason": ""}, "/reason"),
        ({"lines": [{"line_id": 1, "quantity": 1}]}, "/lines"),
        ({"by_customer": False}, "/by_customer"),
    ],
)
def test_a_cancellation_that_breaks_a_rule_names_it_and_changes_nothing(shop: Shop, body: Any, pointer: str) -> None:
    guest = shop.guest({shop.product(): 2})
    number = guest.order("20.00").get_json()["number"]
    before = everything(guest.app)
    answer = cancel(guest, number, body)
    assert answer.status_code == 422, answer.text
    assert [error["pointer"] for error in answer.get_json()["errors"]] == [pointer]
    assert everything(guest.app) == before


def test_checkouts_that_were_given_up_are_shown_only_where_they_are_asked_for(app: Flask, shop: Shop) -> None:
    customer = shop.person({shop.product(): 2})
    number = customer.order("20.00").get_json()["number"]
    with app.app_context():
        cancel_order(actor=STAFF, clock=lambda: NOW, order_id=int(number) - 100_000)
    assert [order["state"] for order in get(customer).get_json()["items"]] == ["CANCELLED"]
    assert get(customer, "?state=EXPIRED").get_json()["items"] == []
    assert [order["number"] for order in get(customer, "?state=CANCELLED").get_json()["items"]] == [number]
    wrong = get(customer, "?state=LOST&user_id=1")
    assert {error["pointer"] for error in wrong.get_json()["errors"]} == {"/state", "/user_id"}
