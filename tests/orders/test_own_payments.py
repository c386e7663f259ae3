"""A customer's own payment: how far it is, what their browser needs, and nobody else's eyes on it."""

from __future__ import annotations

from typing import Any

import pytest

from app.core.seats import Seats
from app.orders.models.orders import Hold, Order
from app.orders.models.payments import Payment
from tests.orders.paying import API, Till
from tests.orders.shopping import Customer, everything_of
from tests.servers import on_sqlite

ASKING = "pm_card_authenticationRequired"
RETRIEVE = "GET /v1/payment_intents"
CHECKED = (Order, Payment, Hold)


def show(till: Till, customer: Customer, number: str, **more: Any) -> Any:
    return till.app.test_client().get(f"{API}/orders/{number}/payment", headers=customer.headers | more)


def refresh(till: Till, customer: Customer, number: str, **more: Any) -> Any:
    return till.app.test_client().post(f"{API}/orders/{number}/payment/refresh", headers=customer.headers | more)


@on_sqlite
def test_a_payment_that_waits_is_shown_with_what_the_browser_needs_live_from_stripe(till: Till) -> None:
    customer, order, ref = till.begun(None)
    secret = till.double.books.intents[ref]["client_secret"]
    answer = show(till, customer, order.number)
    assert answer.status_code == 200, answer.text
    assert answer.get_json() == {
        "status": "WAITING",
        "method": "card",
        "amount": "20.00",
        "currency": "USD",
        "error_code": None,
        "client_secret": secret,
        "redirect_url": None,
    }
    assert answer.headers["Cache-Control"] == "no-store"
    assert till.leaks(secret) == []


@on_sqlite
def test_a_customer_is_sent_to_their_bank_and_back(till: Till) -> None:
    customer, order, ref = till.begun(ASKING, return_url="http://localhost:8000/paid")
    shown = show(till, customer, order.number).get_json()
    assert shown["redirect_url"] == f"https://hooks.stripe.example/authenticate/{ref}"
    assert (
        till.double.books.intents[ref]["next_action"]["redirect_to_url"]["return_url"] == "http://localhost:8000/paid"
    )


@on_sqlite
def test_a_card_that_was_declined_in_the_browser_is_shown_and_another_one_pays(till: Till) -> None:
    customer, order, ref = till.begun(None)
    with pytest.raises(Exception, match="declined"):
        till.double.books.confirm(ref, "pm_card_visa_chargeDeclined")
    shown = refresh(till, customer, order.number).get_json()
    assert (shown["status"], shown["error_code"]) == ("WAITING", "generic_decline")
    assert shown["client_secret"]
    till.double.books.confirm(ref)
    assert show(till, customer, order.number).get_json()["status"] == "WAITING"  # looking changes nothing
    paid = refresh(till, customer, order.number).get_json()
    assert (paid["status"], paid["client_secret"], paid["error_code"]) == ("CAPTURED", None, None)
    assert till.order(order.number).payment_state == "PAID"
    assert till.sales() == [("sale", 2, 2_000)]


def test_a_customer_who_comes_back_before_the_notice_finds_the_order_paid(till: Till) -> None:
    customer, order, ref = till.begun(ASKING)
    till.double.books.authenticate(ref)
    assert refresh(till, customer, order.number).get_json()["status"] == "CAPTURED"
    till.tell_all(ref)
    assert till.double.books.taken(order.number) == [2_000]
    assert till.sales() == [("sale", 2, 2_000)]


def test_a_payment_whose_answer_was_lost_is_found_by_a_refresh_and_charged_once(till: Till) -> None:
    customer = till.guest({till.product(): 2})
    till.double.next("POST /v1/payment_intents", drop=True)
    assert till.pay(customer, "20.00").status_code == 503
    (intent,) = till.double.books.intents.values()
    number = intent["metadata"]["order"]
    shown = show(till, customer, number).get_json()
    assert (shown["status"], shown["client_secret"]) == ("CREATED", None)
    assert refresh(till, customer, number).get_json()["status"] == "CAPTURED"
    assert till.double.books.taken(number) == [2_000]


@on_sqlite
def test_a_bank_that_said_no_is_a_failure_after_a_refresh_and_nothing_can_be_paid_by_it(till: Till) -> None:
    customer, order, ref = till.begun(ASKING)
    till.double.books.authenticate(ref, success=False)
    before = everything_of(till.app, *CHECKED)
    assert show(till, customer, order.number).get_json()["error_code"] == "payment_intent_authentication_failure"
    assert till.double.books.intents[ref]["status"] == "requires_payment_method"
    assert everything_of(till.app, *CHECKED) == before
    shown = refresh(till, customer, order.number).get_json()
    assert (shown["status"], shown["client_secret"]) == ("FAILED", None)
    assert till.double.books.intents[ref]["status"] == "canceled"


@on_sqlite
@pytest.mark.parametrize("ask", [show, refresh])
def test_while_stripe_does_not_answer_nothing_is_known_and_nothing_changes(till: Till, ask: Any) -> None:
    customer, order, _ = till.begun(ASKING)
    before = everything_of(till.app, *CHECKED)
    till.double.next(RETRIEVE, refuse=True)
    answer = ask(till, customer, order.number)
    assert (answer.status_code, answer.get_json()["code"]) == (503, "PAYMENT_UNKNOWN")
    assert int(answer.headers["Retry-After"]) > 0
    assert everything_of(till.app, *CHECKED) == before


@on_sqlite
@pytest.mark.parametrize("ask", [show, refresh])
def test_nobody_sees_the_payment_of_another(till: Till, ask: Any) -> None:
    _, order, _ = till.begun(ASKING)
    asked = len(till.double.requests)
    for stranger in (till.guest({till.product(): 1}), till.person({})):
        answer = ask(till, stranger, order.number)
        assert (answer.status_code, answer.get_json()["code"]) == (404, "ORDER_NOT_FOUND")
    for number in ("999999", "x", "1", "9" * 30):
        assert ask(till, stranger, number).status_code == 404
    assert len(till.double.requests) == asked


@on_sqlite
def test_an_invoice_has_nothing_to_look_up(till: Till) -> None:
    customer = till.guest({till.product(): 2})
    number = customer.order("20.00").get_json()["number"]
    for ask in (show, refresh):
        shown = ask(till, customer, number).get_json()
        assert (shown["status"], shown["method"], shown["client_secret"]) == ("CREATED", "invoice", None)
    assert till.double.requests == []


@on_sqlite
@pytest.mark.parametrize("ask", [show, refresh])
def test_only_a_quarter_of_the_threads_waits_for_stripe_for_those_who_look(till: Till, ask: Any) -> None:
    customer, order, _ = till.begun(ASKING)
    asked = len(till.double.requests)
    seats = till.app.extensions["payment_seats"] = Seats(4)
    with seats.taken():
        answer = ask(till, customer, order.number)
        assert (answer.status_code, answer.get_json()["code"]) == (503, "BUSY")
        assert len(till.double.requests) == asked
    assert ask(till, customer, order.number).status_code == 200


@on_sqlite
def test_an_answer_with_a_client_secret_is_not_kept_for_a_key(till: Till) -> None:
    customer, order, ref = till.begun(None)
    secret = till.double.books.intents[ref]["client_secret"]
    key = {"Idempotency-Key": "k-1"}
    assert refresh(till, customer, order.number, **key).get_json()["client_secret"] == secret
    again = refresh(till, customer, order.number, **key)
    assert (again.status_code, again.get_json()["code"]) == (409, "IDEMPOTENCY_ANSWER_NOT_STORED")
    assert till.leaks(secret) == []
