"""Webhooks of Stripe: believed only when signed, stored first, handled once, in whatever order they come."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import stripe
from flask import Flask
from sqlalchemy import update

from app.config import Rates
from app.core.orm import utc_now
from app.core.outbox import Outbox
from app.orders.models.orders import Hold, Order
from app.orders.models.payments import Payment, ProviderEvent, Refund
from app.orders.models.sales import Sale
from app.orders.services import notices
from tests.conftest import AppWith
from tests.orders.paying import HOOK, Till
from tests.orders.shopping import everything_of, together
from tests.orders.stripe_rules import Json
from tests.orders.stripe_server import StripeServer
from tests.servers import on_sqlite

ASKING = "pm_card_authenticationRequired"
CREATE, RETRIEVE = "POST /v1/payment_intents", "GET /v1/payment_intents"
EVERYTHING = (Order, Payment, Refund, Sale, Hold, ProviderEvent, Outbox)


def test_a_customer_who_answers_their_bank_has_paid_when_stripe_says_so(till: Till) -> None:
    _, order, ref = till.begun(ASKING)
    assert (order.state, order.payment_state) == ("DRAFT", "PENDING")
    till.double.books.authenticate(ref)
    (event,) = till.double.books.events_of(ref, "payment_intent.succeeded")
    answer = till.tell(event)
    assert (answer.status_code, answer.get_json()) == (200, {})
    (stored,) = till.notices()
    assert (stored.provider, stored.event_id, stored.kind, stored.payment_ref, stored.handled_at) == (
        "stripe",
        event["id"],
        "payment_intent.succeeded",
        ref,
        None,
    )
    assert till.order(order.number).state == "DRAFT"  # nothing is believed before it is looked up

    till.work()
    now = till.order(order.number)
    assert (now.state, now.payment_state) == ("PLACED", "PAID")
    assert till.sales() == [("sale", 2, 2_000)]
    (handled,) = till.notices()
    assert handled.handled_at is not None
    assert handled.outcome == "The payment was WAITING; the provider says CAPTURED."


def test_a_notice_that_is_sent_again_is_kept_and_handled_once(till: Till) -> None:
    _, order, ref = till.begun(ASKING)
    till.double.books.authenticate(ref)
    (event,) = till.double.books.events_of(ref, "payment_intent.succeeded")
    till.tell(event)
    till.work()
    before = everything_of(till.app, *EVERYTHING)
    asked = len(till.double.requests)
    assert till.tell(event).status_code == 200
    till.work()
    with till.app.app_context():  # a worker whose lease had run out
        notices.handle_notice(notice_id=till.notices()[0].id, now=utc_now())
    assert everything_of(till.app, *EVERYTHING) == before
    assert len(till.double.requests) == asked
    assert till.order(order.number).payment_state == "PAID"


def test_a_notice_that_comes_twice_at_once_is_kept_once(till: Till) -> None:
    _, _, ref = till.begun(ASKING)
    (event,) = till.double.books.events_of(ref, "payment_intent.created")
    assert together(*[lambda: till.tell(event).status_code] * 4) == [200] * 4
    assert len(till.notices()) == 1
    assert till.work() == 0


def test_different_notices_that_are_handled_at_once_pay_the_order_once(till: Till) -> None:
    _, order, ref = till.begun(ASKING)
    till.double.books.authenticate(ref)
    for event in till.double.books.events_of(ref, "payment_intent.succeeded", "charge.succeeded"):
        till.tell(event)
    till.double.next(RETRIEVE, wait_s=0.3, times=2)
    assert till.work_at_once(notices.HANDLE) == 2
    assert (till.order(order.number).state, till.order(order.number).payment_state) == ("PLACED", "PAID")
    assert till.sales() == [("sale", 2, 2_000)]
    assert all(notice.handled_at for notice in till.notices())


def test_the_order_in_which_notices_come_does_not_matter(till: Till) -> None:
    _, order, ref = till.begun(ASKING)
    till.double.books.authenticate(ref)
    for event in reversed(till.double.books.events_of(ref)):
        till.tell(event)
        till.work()
    assert len(till.notices()) == 4
    assert (till.order(order.number).state, till.order(order.number).payment_state) == ("PLACED", "PAID")
    assert till.payment(order.id).status == "CAPTURED"
    assert till.sales() == [("sale", 2, 2_000)]


def test_a_notice_that_comes_before_the_answer_pays_the_order_and_the_answer_finds_it_paid(till: Till) -> None:
    def tell(_answer: Json) -> None:
        for event in till.double.books.events:
            till.tell(event)
        till.work()

    till.double.next(CREATE, after=tell)
    answer = till.pay(till.guest({till.product(): 2}), "20.00")
    assert answer.status_code == 201, answer.text
    assert (answer.get_json()["state"], answer.get_json()["payment_state"]) == ("PLACED", "PAID")
    assert till.double.books.taken(answer.get_json()["number"]) == [2_000]
    assert till.sales() == [("sale", 2, 2_000)]
    assert {notice.outcome for notice in till.notices()} >= {"The payment was CREATED; the provider says CAPTURED."}


def test_a_payment_whose_answer_was_lost_is_known_by_the_key_that_stripe_names(till: Till) -> None:
    customer = till.guest({till.product(): 2})
    till.double.next(CREATE, drop=True)
    lost = till.pay(customer, "20.00")
    assert (lost.status_code, lost.get_json()["code"]) == (503, "PAYMENT_UNKNOWN")
    (ref,) = till.double.books.intents
    till.tell_all(ref, "payment_intent.succeeded")
    again = till.pay(customer, "20.00")
    assert (again.status_code, again.get_json()["payment_state"]) == (201, "PAID")
    assert till.double.books.taken(again.get_json()["number"]) == [2_000]
    assert till.sales() == [("sale", 2, 2_000)]


def test_a_bank_that_says_no_gives_the_customer_time_for_another_card(till: Till) -> None:
    customer, order, ref = till.begun(ASKING)
    till.double.books.authenticate(ref, success=False)
    till.tell_all(ref, "payment_intent.payment_failed")
    payment = till.payment(order.id)
    assert (payment.status, payment.error_code) == ("FAILED", "payment_intent_authentication_failure")
    assert till.double.books.intents[ref]["status"] == "canceled"
    answer = till.pay(customer, "20.00")
    assert (answer.status_code, answer.get_json()["number"]) == (201, order.number)
    assert till.double.books.taken(order.number) == [2_000]


def test_while_stripe_is_away_a_notice_waits_and_is_handled_later(till: Till) -> None:
    _, order, ref = till.begun(ASKING)
    till.double.books.authenticate(ref)
    till.tell(till.double.books.events_of(ref, "payment_intent.succeeded")[0])
    till.double.next(RETRIEVE, refuse=True)
    assert till.work() == 1
    assert till.notices()[0].handled_at is None
    till.wait()
    assert till.work() == 0
    assert till.order(order.number).payment_state == "PAID"


@on_sqlite
@pytest.mark.parametrize("wrong", [{"amount_received": 1_999}, {"amount_received": 2_001}, {"currency": "eur"}])
def test_what_was_captured_otherwise_than_asked_is_not_paid_and_is_shown(till: Till, wrong: Json) -> None:
    _, order, ref = till.begun(ASKING)
    till.double.books.authenticate(ref)
    till.double.books.change(ref, **wrong)
    till.tell_all(ref, "payment_intent.succeeded")
    now = till.order(order.number)
    assert (now.state, now.payment_state, now.attention) == ("DRAFT", "PENDING", "PAYMENT_MISMATCH")
    assert till.payment(order.id).captured_minor == 0
    assert till.sales() == []


FORGERIES: dict[str, Any] = {
    "signed with another secret": lambda event: StripeServer.signed(event, secret="whsec_another"),
    "signed six minutes ago": lambda event: StripeServer.signed(event, at=time.time() - 360),
    "another body": lambda event: (b"{}", StripeServer.signed(event)[1]),
    "a body that was changed": lambda event: (
        StripeServer.signed(event)[0].replace(b"2000", b"1"),
        StripeServer.signed(event)[1],
    ),
    "no signature": lambda event: (StripeServer.signed(event)[0], {}),
    "an empty signature": lambda event: (StripeServer.signed(event)[0], {"Stripe-Signature": ""}),
    "a signature of another kind": lambda event: (
        StripeServer.signed(event)[0],
        {"Stripe-Signature": StripeServer.signed(event)[1]["Stripe-Signature"].replace("v1=", "v0=")},
    ),
    "a signature that is none": lambda event: (StripeServer.signed(event)[0], {"Stripe-Signature": "t=1,v1=\xe9"}),
    "a time that is none": lambda event: (StripeServer.signed(event)[0], {"Stripe-Signature": "t=x,v1=00"}),
    "an endless time": lambda event: (
        StripeServer.signed(event)[0],
        {"Stripe-Signature": f"t={'9' * 5_000},v1=00"},
    ),
    "no body": lambda event: (b"", StripeServer.signed(event)[1]),
    "bytes that are no text": lambda event: (b"\xff\xfe", StripeServer.signed(event)[1]),
}


@on_sqlite
@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES.keys())
def test_what_stripe_did_not_send_just_now_is_refused_and_nothing_of_it_is_kept(till: Till, forge: Any) -> None:
    _, _, ref = till.begun(ASKING)
    till.double.books.authenticate(ref)
    (event,) = till.double.books.events_of(ref, "payment_intent.succeeded")
    before = everything_of(till.app, *EVERYTHING)
    body, headers = forge(event)
    answer = till.app.test_client().post(HOOK, data=body, headers=headers)
    assert (answer.status_code, answer.get_json()["code"]) == (400, "NOTICE_REFUSED")
    till.work()
    assert everything_of(till.app, *EVERYTHING) == before


@on_sqlite
@pytest.mark.parametrize(
    "body",
    [
        "[]",
        "null",
        "{",
        "{}",
        '{"id": "evt_1"}',
        '{"id": "evt_1", "type": "x", "data": []}',
        '{"id": "evt_1", "type": "x", "data": {"object": 7}}',
        '{"id": 7, "type": "x", "data": {"object": {}}}',
        '{"id": "", "type": "x", "data": {"object": {}}}',
        json.dumps({"id": "e" * 129, "type": "x", "data": {"object": {}}}),
        '{"id": "evt_\\u0000", "type": "x", "data": {"object": {}}}',
        "[" * 2_000,
        '{"id": "evt_1", "type": "x", "data": {"object": {"payment_intent": "' + "p" * 129 + '"}}}',
    ],
)
def test_what_is_signed_and_is_no_event_is_refused_and_not_kept(till: Till, body: str) -> None:
    signature = stripe.WebhookSignature.generate_signature_header(body, "whsec_of_the_double")
    answer = till.app.test_client().post(HOOK, data=body, headers={"Stripe-Signature": signature})
    assert (answer.status_code, answer.get_json()["code"]) == (400, "NOTICE_REFUSED")
    assert till.notices() == []


@on_sqlite
def test_a_notice_that_is_signed_at_the_edge_of_five_minutes_counts(till: Till) -> None:
    event = till.double.books.add_event("ping", {"id": "x", "object": "ping"})
    assert till.tell(event, at=time.time() - 295).status_code == 200


@on_sqlite
def test_a_notice_that_is_too_large_is_refused_and_not_kept(till: Till) -> None:
    event = till.double.books.add_event("ping", {"id": "x", "object": "ping", "long": "x" * 256 * 1024})
    answer = till.tell(event)
    assert (answer.status_code, answer.get_json()["code"]) == (413, "TOO_LARGE")
    assert till.notices() == []


@on_sqlite
@pytest.mark.parametrize(
    ("name", "status", "code"),
    [("paypal", 404, "PROVIDER_NOT_FOUND"), ("manual", 400, "NOTICE_REFUSED"), ("..", 404, "PROVIDER_NOT_FOUND")],
)
def test_nobody_else_can_tell_anything(till: Till, name: str, status: int, code: str) -> None:
    body, headers = till.double.signed(till.double.books.add_event("ping", {"id": "x", "object": "ping"}))
    answer = till.app.test_client().post(f"/api/v1/payments/{name}/webhook", data=body, headers=headers)
    assert (answer.status_code, answer.get_json()["code"]) == (status, code)
    assert till.notices() == []


@on_sqlite
def test_a_shop_without_stripe_takes_no_notices_of_it(app: Flask) -> None:
    answer = app.test_client().post(HOOK, data=b"{}")
    assert (answer.status_code, answer.get_json()["code"]) == (404, "PROVIDER_NOT_FOUND")


@on_sqlite
def test_a_notice_about_what_is_not_ours_is_kept_with_what_came_of_it(till: Till) -> None:
    till.sold()
    other = till.double.books.create_intent({"amount": "500", "currency": "usd"})
    gone = {"id": "pi_gone", "object": "payment_intent"}
    for kind, about in (
        ("account.updated", {"id": "acct_1", "object": "account"}),
        ("payment_intent.created", other),
        ("payment_intent.created", gone),
        ("a.kind.that.stripe.will.invent." + "x" * 60, {"id": "x_1", "object": "x"}),
    ):
        assert till.tell(till.double.books.add_event(kind, about)).status_code == 200
    assert till.work() == 0
    assert [(notice.kind[:22], notice.outcome) for notice in till.notices()] == [
        ("account.updated", "Nothing of ours."),
        ("payment_intent.created", "About a payment that is not ours."),
        ("payment_intent.created", "The provider does not know it: resource_missing."),
        ("a.kind.that.stripe.wil", "Nothing of ours."),
    ]
    assert all(notice.handled_at for notice in till.notices())


@on_sqlite
def test_neither_secrets_nor_what_stripe_says_of_people_are_kept(till: Till) -> None:
    _, order, ref = till.begun(ASKING)
    secret = till.double.books.intents[ref]["client_secret"]
    till.double.books.authenticate(ref)
    till.tell_all(ref)
    assert len(till.notices()) == 4
    kept = " ".join(notice.body for notice in till.notices())
    assert till.order(order.number).payment_state == "PAID"
    assert "Grace" not in kept
    assert "@" not in kept
    assert '"amount":2000' in kept
    assert till.leaks(secret, "_secret_") == []


@on_sqlite
def test_staff_see_what_they_were_told_and_what_came_of_it(till: Till) -> None:
    _, order, ref = till.begun(ASKING)
    till.tell_all(ref, "payment_intent.created")
    till.tell(till.double.books.add_event("account.updated", {"id": "acct_1", "object": "account"}))
    listed = till.ask("GET", "/admin/provider-events").get_json()["items"]
    assert [(each["kind"], each["outcome"]) for each in listed] == [
        ("account.updated", None),
        ("payment_intent.created", "The payment was WAITING; the provider says WAITING."),
    ]
    for query, kinds in (
        ("is_handled=false", ["account.updated"]),
        (f"payment_ref={ref}", ["payment_intent.created"]),
        ("provider=paypal", []),
    ):
        found = till.ask("GET", f"/admin/provider-events?{query}").get_json()["items"]
        assert [each["kind"] for each in found] == kinds
    whole = till.ask("GET", f"/admin/provider-events/{listed[1]['id']}").get_json()
    assert whole["body"]["data"]["object"]["metadata"]["order"] == order.number
    assert till.ask("GET", "/admin/provider-events/999").get_json()["code"] == "PROVIDER_EVENT_NOT_FOUND"


def test_notices_are_kept_for_ninety_days(till: Till) -> None:
    for number in range(3):
        till.tell(till.double.books.add_event("ping", {"id": f"x{number}", "object": "ping"}))
    till.change(
        update(ProviderEvent)
        .where(ProviderEvent.id != till.notices()[2].id)
        .values(received_at=utc_now() - timedelta(days=91))
    )
    with till.app.app_context():
        assert notices.purge_notices(now=utc_now()) == 2
        assert notices.purge_notices(now=utc_now()) == 0
    assert len(till.notices()) == 1


@on_sqlite
def test_a_provider_may_tell_more_than_others_may_write(
    app_with: AppWith, stripe_double: StripeServer, auth_headers: dict[str, str]
) -> None:
    rates = replace(Rates(), write="2 per minute")
    till = Till(app_with(payments=stripe_double.payments(), rates=rates), stripe_double, auth_headers)
    for number in range(5):
        event = till.double.books.add_event("ping", {"id": f"x{number}", "object": "ping"})
        assert till.tell(event).status_code == 200
    assert len(till.notices()) == 5
