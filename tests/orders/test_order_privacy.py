"""What orders keep of a person is given to them; it goes with them, and the books stay."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest
from flask import Flask
from sqlalchemy import inspect, select, update

from app.cart.models import Cart, CartItem
from app.core.extensions import db
from app.core.idempotency import IdempotencyKey
from app.core.orm import table_of, utc_now
from app.core.transactions import in_transaction
from app.orders.models.fulfilment import Shipment
from app.orders.models.orders import Hold, HoldState, Order, OrderEvent, OrderLine, OrderLink, OrderState
from app.orders.models.payments import Payment, ProviderEvent, Refund
from app.orders.models.sales import Sale
from app.orders.services.cancelling import cancel_order
from app.orders.services.counting import Units
from app.orders.services.links import make_link
from app.orders.services.notes import add_note
from app.orders.services.privacy import ERASED_EMAIL
from app.orders.services.returns import Returned, Wish, take_back
from app.orders.services.sending_refunds import send_refund
from app.orders.services.shipping import Tracking, ship
from tests.auth.people import Person, new_person
from tests.orders.making import ADDRESS, NOW, STAFF, Made, make_order, order_of
from tests.orders.shopping import Shop

EMAIL: Final = "grace@example.org"
WORDS: Final = ("Grace", "Hopper", "Compiler", "Arlington", "22201", "Ring twice", "broke it", "pm_of_grace", EMAIL)
ELSEWHERE: Final = ADDRESS | {"name": "Eve", "line1": "2 Linker Lane", "city": "Dublin", "postal_code": "D2"}


def headers(person: Person) -> dict[str, str]:
    return {"Authorization": f"Bearer {person.token}"}


def erase(app: Flask, person: Person) -> Any:
    return app.test_client().post("/api/v1/me/erasure", headers=headers(person))


def export(app: Flask, person: Person) -> Any:
    answer = app.test_client().get("/api/v1/me/export", headers=headers(person))
    assert answer.status_code == 200
    return answer.get_json()["orders"]


def busy_order(person_id: int) -> Made:
    """An order of that person with everything that belongs to one, and personal words wherever some may stand."""
    made = make_order(3, user_id=person_id, email=EMAIL, note="Ring twice, says Grace", paid=True)
    tracking = Tracking(carrier="DHL", number="JD014")
    ship(actor=STAFF, now=NOW, order_id=made.id, expected_version=1, tracking=tracking, units=[Units(made.lines[0], 2)])
    make_link(order_id=made.id, now=utc_now())
    cancel_order(actor=STAFF, clock=utc_now, order_id=made.id, reason="Grace Hopper does not want it")
    add_note(actor=STAFF, now=NOW, order_id=made.id, text="I was called by Grace", is_public=False)
    which: dict[str, Any] = {"order_id": made.id, "expected_version": order_of(made.id).version}
    units = [Returned(made.lines[0], 1, 1)]
    take_back(actor=STAFF, now=NOW, units=units, reason="Grace broke it", refund=Wish(), **which)
    for refund_id in db.session.scalars(select(Refund.id)).all():
        send_refund(refund_id=refund_id, now=utc_now())
    hear_of(made)
    return made


@in_transaction
def hear_of(made: Made) -> None:
    """Have a provider told us of the payment."""
    db.session.execute(update(Payment).values(provider_ref="pi_1", source_ref="pm_of_grace"))
    about = {"provider": "stripe", "kind": "payment_intent.succeeded", "payment_ref": "pi_1", "received_at": NOW}
    body = json.dumps({"receipt_email": EMAIL, "name": "Grace Hopper"})
    db.session.add(ProviderEvent(event_id="evt_1", body=body, handled_at=NOW, **about))


def everything_of_orders() -> str:
    """Every row of every table of orders, as text."""
    models: tuple[Any, ...] = (Order, OrderLine, OrderEvent, OrderLink, Payment, Refund, Shipment, Sale, ProviderEvent)
    names = [table_of(model).name for model in models] + ["order_return", "order_return_line", "refund_line", "outbox"]
    existing = inspect(db.engine).get_table_names()
    assert set(names) <= set(existing)
    with db.engine.connect() as connection:
        rows = [[tuple(row) for row in connection.execute(select(db.metadata.tables[name]))] for name in names]
    return repr(rows)


def books() -> list[Any]:
    """What has to stay."""
    db.session.rollback()
    sums = select(Order.total_minor, Order.cancelled_minor, Order.state, Order.placed_on, Order.tax_rate_ppm)
    lines = select(OrderLine.asin, OrderLine.name, OrderLine.quantity, OrderLine.total_minor, OrderLine.shipped)
    money = select(Payment.captured_minor, Payment.refunded_minor, Payment.provider_ref, Payment.status)
    sales = select(Sale.kind, Sale.sold_on, Sale.total_minor, Sale.net_minor, Sale.quantity)
    return [[tuple(row) for row in db.session.execute(each.order_by("id"))] for each in (sums, lines, money, sales)]


def test_an_export_has_a_persons_own_orders_whole_and_nobody_elses(app: Flask) -> None:
    ada, eve = new_person(app, "ada@example.org"), new_person(app, "eve@example.org")
    with app.app_context():
        made = busy_order(ada.id)
        make_order(1, user_id=eve.id)
        make_order(1, email="ada@example.org")  # a guest's, who said this address
    (exported,) = export(app, ada)
    assert (exported["number"], exported["email"], exported["note"]) == (made.number, EMAIL, "Ring twice, says Grace")
    assert exported["shipping_address"] == ADDRESS
    assert (exported["total_minor"], exported["currency"]) == (3000, "USD")
    assert [(line["asin"], line["quantity"], line["shipped"]) for line in exported["lines"]] == [("B000000001", 3, 2)]
    (parcel,) = exported["shipments"]
    assert (parcel["tracking_number"], [line["quantity"] for line in parcel["lines"]]) == ("JD014", [2])
    (returned,) = exported["returns"]
    assert (returned["reason"], [line["quantity"] for line in returned["lines"]]) == ("Grace broke it", [1])
    assert [each["amount_minor"] for each in exported["refunds"]] == [1000, 1000]
    assert [each["captured_minor"] for each in exported["payments"]] == [3000]
    assert "I was called by Grace" in {event["details"].get("text") for event in exported["events"]}
    assert [set(link) for link in exported["links_in_mails"]] == [{"id", "created_at", "expires_at"}]
    secrets = ("token_hash", "idempotency_key", "pm_of_grace", "actor_id")
    assert not any(secret in json.dumps(exported) for secret in secrets)


def test_erasing_a_person_takes_them_out_of_their_orders_and_leaves_the_books(app: Flask) -> None:
    ada = new_person(app, "ada@example.org")
    with app.app_context():
        made = busy_order(ada.id)
        addresses: dict[str, Any] = {"shipping_address": ELSEWHERE, "billing_address": ELSEWHERE}
        kept = make_order(1, note="mine", email="eve@example.org", **addresses)
        token = make_link(order_id=kept.id, now=utc_now())
        before, said = books(), everything_of_orders()
        assert all(word in said for word in WORDS)
    answer = erase(app, ada)
    assert answer.status_code == 204, answer.text
    with app.app_context():
        assert books() == before
        said = everything_of_orders()
        assert [word for word in WORDS if word in said] == []
        order = order_of(made.id)
        assert (order.email, order.note, order.user_id, order.recipient_key) == (ERASED_EMAIL, "", None, "erased user")
        nothing: dict[str, Any] = dict.fromkeys(ADDRESS)
        erased = nothing | {"name": "Erased user", "line1": "", "city": "", "country": "US"}
        assert (order.shipping_address, order.billing_address) == (erased, erased)
        other = order_of(kept.id)
        assert (other.email, other.note, other.shipping_address) == ("eve@example.org", "mine", ELSEWHERE)
        assert db.session.scalars(select(OrderLink.order_id)).all() == [kept.id]
    assert app.test_client().get("/api/v1/tracking", headers={"Order-Token": token}).status_code == 200


def test_a_token_opens_nothing_any_more_of_somebody_who_was_erased(app: Flask, shop: Shop) -> None:
    lamp = shop.product()
    guest, other = shop.guest({lamp: 1}), shop.guest({lamp: 1})
    ada = new_person(app, "ada@example.org")
    for customer in (guest, other):
        noted = app.test_client().patch("/api/v1/cart", json={"note": "Ring Grace twice"}, headers=customer.headers)
        assert noted.status_code == 200
    assert other.order("10.00").status_code == 201
    both = guest.headers | headers(ada)  # who filled a cart, logged in elsewhere, and then ordered it
    body = guest.body("10.00")
    del body["email"]
    number = app.test_client().post("/api/v1/orders", json=body, headers=both).get_json()["number"]
    assert app.test_client().post(f"/api/v1/orders/{number}/cancel", json={}, headers=both).status_code == 200
    opened = [f"/api/v1/orders/{number}", "/api/v1/cart"]
    assert [app.test_client().get(path, headers=guest.headers).status_code for path in opened] == [200, 200]
    assert erase(app, ada).status_code == 204
    assert [app.test_client().get(path, headers=guest.headers).status_code for path in opened] == [404, 404]
    with app.app_context():
        assert [(cart.id, cart.note) for cart in db.session.scalars(select(Cart))] == [
            (other.cart_id, "Ring Grace twice")
        ]
        assert set(db.session.scalars(select(CartItem.cart_id))) == {other.cart_id}


def test_answers_that_are_kept_for_repeats_go_with_a_person(app: Flask, shop: Shop) -> None:
    lamp = shop.product()
    ada, eve = shop.person({lamp: 1}, email="ada@example.org"), shop.person({lamp: 1}, email="eve@example.org")
    for person in (ada, eve):
        assert person.order("10.00", key="first").status_code == 201
    number = ada.order("10.00", key="again").get_json()["number"]
    assert app.test_client().post(f"/api/v1/orders/{number}/cancel", json={}, headers=ada.headers).status_code == 200
    with app.app_context():
        assert len(db.session.scalars(select(IdempotencyKey.body)).all()) == 3
    erasing = ada.headers | {"Idempotency-Key": "erase"}
    assert app.test_client().post("/api/v1/me/erasure", headers=erasing).status_code == 204
    with app.app_context():
        bodies = db.session.scalars(select(IdempotencyKey.body).order_by(IdempotencyKey.id)).all()
        assert ["ada@example.org" in (body or "") for body in bodies] == [False, False]
        assert "eve@example.org" in (bodies[0] or "")


def test_nobody_is_erased_while_goods_have_to_be_sent_to_them(app: Flask) -> None:
    ada = new_person(app, "ada@example.org")
    with app.app_context():
        made = make_order(2, user_id=ada.id, email="ada@example.org")
    refused = erase(app, ada)
    assert (refused.status_code, refused.get_json()["code"]) == (409, "ORDERS_UNDER_WAY")
    assert refused.get_json()["orders"] == [made.number]
    with app.app_context():
        assert (order_of(made.id).email, order_of(made.id).user_id) == ("ada@example.org", ada.id)
    assert app.test_client().get("/api/v1/me", headers=headers(ada)).get_json()["email"] == "ada@example.org"
    with app.app_context():
        cancel_order(actor=STAFF, clock=utc_now, order_id=made.id)
    assert erase(app, ada).status_code == 204
    with app.app_context():
        assert order_of(made.id).email == ERASED_EMAIL


STATES: Final = [(HoldState.PAYING, 409), (HoldState.HELD, 204), (HoldState.RELEASED, 204)]


@pytest.mark.parametrize(("state", "status"), STATES)
def test_a_payment_under_way_ends_first(app: Flask, state: HoldState, status: int) -> None:
    ada = new_person(app, "ada@example.org")

    @in_transaction
    def hold(order_id: int) -> None:
        times = {"expires_at": utc_now(), "created_at": NOW, "updated_at": NOW}
        db.session.add(Hold(order_id=order_id, state=state, **times))

    with app.app_context():
        made = make_order(2, user_id=ada.id, state=OrderState.DRAFT)
        hold(made.id)
    assert erase(app, ada).status_code == status
    with app.app_context():
        assert (order_of(made.id).email == ERASED_EMAIL) == (status == 204)


def test_many_orders_are_erased_with_one(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.orders.services.privacy._BATCH", 2)
    ada = new_person(app, "ada@example.org")
    with app.app_context():
        ids = [make_order(1, user_id=ada.id, state=OrderState.COMPLETED).id for _ in range(5)]
    assert len(export(app, ada)) == 5
    assert erase(app, ada).status_code == 204
    with app.app_context():
        assert {order_of(order_id).email for order_id in ids} == {ERASED_EMAIL}
