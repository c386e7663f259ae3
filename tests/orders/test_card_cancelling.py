"""Cancelling what is paid by card, also while it is paid: the provider's word comes first, and money goes back."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from app.config import Checkout
from app.core.extensions import db
from app.orders.models.orders import Hold, Order
from app.orders.models.payments import Payment, Refund
from app.orders.services.sending_refunds import send_refund
from tests.conftest import AppWith
from tests.faults.invariants import violations
from tests.orders.making import NOW, events_of, held_by, stock_of
from tests.orders.shopping import ORDERS, Customer, Shop, everything, together
from tests.orders.stripe_rules import SLOW
from tests.orders.stripe_server import StripeServer

CREATE, CANCEL = "POST /v1/payment_intents", "POST /v1/payment_intents/pi"
GOOD, DECLINED, ASKING = "pm_card_visa", "pm_card_visa_chargeDeclined", "pm_card_authenticationRequired"


@pytest.fixture
def cards(app_with: AppWith, stripe_double: StripeServer) -> Shop:
    """A shop that takes cards."""
    payments = stripe_double.payments(timeout_s=2.0)
    return Shop(app_with(payments=payments, checkout=Checkout(hold_s=60)))


def pay(customer: Customer, source: str | None = GOOD) -> str:
    """Order the cart by card; the order's number."""
    answer = customer.order("20.00", payment_method="card", source=source)
    assert answer.status_code in {201, 402}, answer.text
    number: str = answer.get_json().get("number") or answer.get_json()["order"]
    return number


def cancel(customer: Customer, number: str, **headers: str) -> Any:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    client = customer.app.test_client()
    return client.post(f"{ORDERS}/{number}/cancel", json={}, headers=customer.headers | named)


def states(app: Flask) -> tuple[str, str, str, list[str]]:
    """Of the only order: order, payment, hold and its payments' rows."""
    with app.app_context():
        order = db.session.scalars(select(Order)).one()
        hold = db.session.scalars(select(Hold)).one()
        payments = list(db.session.scalars(select(Payment.status).order_by(Payment.id)))
        return order.state, order.payment_state, hold.state, payments


def wrong(app: Flask) -> list[str]:
    with app.app_context():
        return [str(each) for each in violations(at_rest=False)]


def refunds(app: Flask) -> list[int]:
    """Send what is to go back; how much each is."""
    with app.app_context():
        for refund_id in db.session.scalars(select(Refund.id)).all():
            send_refund(refund_id=refund_id, now=NOW)
        return list(db.session.scalars(select(Refund.amount_minor)))


@pytest.mark.parametrize("source", [ASKING, None])
def test_a_checkout_that_waits_for_its_customer_is_ended_at_the_provider_first(
    cards: Shop, stripe_double: StripeServer, source: str | None
) -> None:
    lamp = cards.product(on_hand=2)
    guest = cards.guest({lamp: 2})
    number = pay(guest, source)
    assert states(cards.app) == ("DRAFT", "PENDING", "PAYING", ["WAITING"])
    seen: list[Any] = []
    stripe_double.next(CANCEL, before=lambda: seen.append(states(cards.app)))
    answer = cancel(guest, number)
    assert (answer.status_code, answer.get_json()["state"]) == (200, "EXPIRED"), answer.text
    assert seen == [("DRAFT", "PENDING", "PAYING", ["WAITING"])]
    assert states(cards.app) == ("EXPIRED", "VOIDED", "RELEASED", ["CANCELLED"])
    with cards.app.app_context():
        ref = db.session.scalars(select(Payment.provider_ref)).one() or ""
        assert (stock_of(lamp), held_by(int(number) - 100_000)) == ((2, 0), {})
        assert events_of(int(number) - 100_000)[-1][0] == "checkout.cancelled"
    assert stripe_double.books.retrieve_intent(ref)["status"] == "canceled"
    assert wrong(cards.app) == []
    again = cancel(guest, number)
    assert (again.status_code, again.get_json()["code"]) == (409, "ORDER_OVER")
    assert pay(guest) == number  # the cart is there, and can be ordered after all
    assert states(cards.app) == ("PLACED", "PAID", "CONSUMED", ["CANCELLED", "CAPTURED"])


def test_a_checkout_whose_card_was_declined_is_cancelled_without_asking_anybody(
    cards: Shop, stripe_double: StripeServer
) -> None:
    lamp = cards.product(on_hand=2)
    guest = cards.guest({lamp: 2})
    number = pay(guest, DECLINED)
    asked = len(stripe_double.requests)
    assert cancel(guest, number).get_json()["state"] == "EXPIRED"
    assert len(stripe_double.requests) == asked
    assert states(cards.app) == ("EXPIRED", "VOIDED", "RELEASED", ["FAILED"])
    assert wrong(cards.app) == []


@pytest.mark.parametrize("fault", [{"refuse": True}, {"drop": True}, {"wait_s": 3.0}, {"status": 500}])
def test_where_the_provider_does_not_answer_nothing_is_let_go_and_asking_again_helps(
    cards: Shop, stripe_double: StripeServer, fault: dict[str, Any]
) -> None:
    lamp = cards.product(on_hand=2)
    guest = cards.guest({lamp: 2})
    number = pay(guest, ASKING)
    before = everything(cards.app)
    stripe_double.next(CANCEL, **fault)
    unknown = cancel(guest, number)
    assert (unknown.status_code, unknown.get_json()["code"]) == (503, "PAYMENT_UNKNOWN")
    assert int(unknown.headers["Retry-After"]) > 0
    assert everything(cards.app) == before
    assert cancel(guest, number).get_json()["state"] == "EXPIRED"
    assert wrong(cards.app) == []


def test_what_a_bank_is_at_cannot_be_cancelled_now(cards: Shop, stripe_double: StripeServer) -> None:
    guest = cards.guest({cards.product(on_hand=2): 2})
    number = pay(guest, SLOW)
    before = everything(cards.app)
    refused = cancel(guest, number)
    assert (refused.status_code, refused.get_json()["code"]) == (503, "PAYMENT_UNKNOWN")
    assert "A bank is at" in refused.get_json()["detail"]
    assert stripe_double.count(CANCEL) == 1  # it is not asked again and again
    assert everything(cards.app) == before
    assert stripe_double.books.taken(number) == []


def test_what_was_paid_a_moment_before_it_was_cancelled_goes_back(cards: Shop, stripe_double: StripeServer) -> None:
    lamp = cards.product(on_hand=2)
    guest = cards.guest({lamp: 2})
    number = pay(guest, ASKING)
    with cards.app.app_context():
        ref = db.session.scalars(select(Payment.provider_ref)).one() or ""
    stripe_double.books.authenticate(ref)
    assert stripe_double.books.taken(number) == [2_000]
    answer = cancel(guest, number)
    assert (answer.status_code, answer.get_json()["state"]) == (200, "CANCELLED"), answer.text
    assert states(cards.app) == ("CANCELLED", "PAID", "CONSUMED", ["CAPTURED"])
    assert refunds(cards.app) == [2_000]
    assert stripe_double.books.given_back(number) == [2_000]
    assert states(cards.app)[:2] == ("CANCELLED", "REFUNDED")
    with cards.app.app_context():
        assert stock_of(lamp) == (2, 0)
    assert wrong(cards.app) == []


def test_a_paid_order_is_cancelled_by_its_customer_and_the_money_goes_back_once(
    cards: Shop, stripe_double: StripeServer
) -> None:
    lamp = cards.product(on_hand=2)
    guest = cards.guest({lamp: 2})
    number = pay(guest)
    answers = together(*[partial(cancel, guest, number)] * 3)
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409]
    assert refunds(cards.app) == [2_000]
    assert stripe_double.books.given_back(number) == [2_000]
    with cards.app.app_context():
        assert stock_of(lamp) == (2, 0)
    assert wrong(cards.app) == []


def test_a_cancellation_sent_twice_with_a_key_is_done_once_and_answered_alike(
    cards: Shop, stripe_double: StripeServer
) -> None:
    guest = cards.guest({cards.product(on_hand=2): 2})
    number = pay(guest, ASKING)
    first = cancel(guest, number, Idempotency_Key="mine")
    again = cancel(guest, number, Idempotency_Key="mine")
    assert (first.status_code, again.status_code) == (200, 200)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.get_json() == first.get_json()
    assert stripe_double.count(CANCEL) == 1


def test_a_cancellation_while_the_card_is_charged_ends_in_money_back_or_nothing_taken(
    cards: Shop, stripe_double: StripeServer
) -> None:
    lamp = cards.product(on_hand=2)
    guest = cards.guest({lamp: 2})
    cancelled: list[Any] = []

    def meanwhile() -> None:
        with cards.app.app_context():
            number = str(100_000 + db.session.scalars(select(Order.id)).one())
        cancelled.append(cancel(guest, number))

    stripe_double.next(CREATE, before=meanwhile)
    paid = guest.order("20.00", payment_method="card", source=GOOD)
    number = str(100_000 + _only(cards.app))
    assert paid.status_code in {201, 402, 503}, paid.text
    last = cancel(guest, number)
    assert last.status_code in {200, 409, 503}
    taken, back = stripe_double.books.taken(number), refunds(cards.app)
    assert taken == back
    assert wrong(cards.app) == []
    with cards.app.app_context():
        assert stock_of(lamp) == (2, 0)
    assert cancelled[0].status_code in {200, 503}


def _only(app: Flask) -> int:
    with app.app_context():
        return db.session.scalars(select(Order.id)).one()
