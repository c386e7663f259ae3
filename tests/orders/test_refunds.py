"""Refunds: set aside before a provider is asked, sent once, and shown to staff where they fail."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import select, update

from app.core.audit import AuditEvent
from app.core.extensions import db
from app.core.money import Money
from app.core.orm import utc_now
from app.core.outbox import Outbox
from app.core.permissions import system
from app.orders.errors import RefundTooLarge
from app.orders.models.orders import Order, OrderLine
from app.orders.models.payments import Payment, Refund, RefundLine
from app.orders.services import refunds, sending_refunds
from app.orders.services.moving import lock_order
from tests.orders.making import STAFF, events_of
from tests.orders.paying import Till
from tests.orders.shopping import everything_of, together
from tests.orders.stripe_rules import REFUND_PENDING, Json
from tests.servers import on_sqlite

CHECKED = (Order, Payment, Refund, RefundLine, Outbox)
SEND = "POST /v1/refunds"


def test_a_part_goes_back_and_is_set_aside_before_stripe_hears_of_it(till: Till) -> None:
    order = till.sold()
    answer = till.refund(order, "5.00")
    assert answer.status_code == 201, answer.text
    made = answer.get_json()
    assert (made["status"], made["amount"], made["currency"], made["provider"]) == ("CLAIMED", "5.00", "USD", "stripe")
    assert [(line["quantity"], line["amount"]) for line in made["lines"]] == [(0, "5.00")]
    assert till.double.books.given_back(order.number) == []
    assert till.payment(order.id).refunded_minor == 500
    assert till.order(order.number).payment_state == "PAID"
    assert till.sales() == [("sale", 2, 2_000)]

    assert till.work() == 0
    (refund,) = till.refunds()
    assert (refund.status, refund.provider_ref) == ("SUCCEEDED", next(iter(till.double.books.refunds)))
    assert till.double.books.given_back(order.number) == [500]
    assert (till.order(order.number).payment_state, till.order(order.number).attention) == ("PARTIALLY_REFUNDED", None)
    assert till.sales() == [("sale", 2, 2_000), ("refund", 0, -500)]
    with till.app.app_context():
        assert [event[0] for event in events_of(order.id)][-3:] == [
            "refund.begun",
            "refund.succeeded",
            "payment.state",
        ]
        assert db.session.scalars(select(AuditEvent.action).where(AuditEvent.topic == "refund")).all() == [
            "refund.made"
        ]
    assert till.ask("GET", answer.headers["Location"].removeprefix("/api/v1")).get_json()["status"] == "SUCCEEDED"


def test_all_that_is_left_goes_back_where_no_amount_is_named(till: Till) -> None:
    order = till.sold()
    assert till.refund(order, "5.00").status_code == 201
    assert till.refund(order).get_json()["amount"] == "15.00"
    till.work()
    assert sorted(till.double.books.given_back(order.number)) == [500, 1_500]
    assert till.order(order.number).payment_state == "REFUNDED"
    assert sum(total for _, _, total in till.sales()) == 0
    before = everything_of(till.app, *CHECKED)
    for amount in (None, "1.00"):
        nothing = till.refund(order, amount)
        assert (nothing.status_code, nothing.get_json()["code"]) == (409, "NOTHING_TO_REFUND")
        assert nothing.get_json()["order"]["payment_state"] == "REFUNDED"
    assert everything_of(till.app, *CHECKED) == before


@on_sqlite
def test_more_than_was_paid_is_refused_and_nothing_changes(till: Till) -> None:
    order = till.sold()
    assert till.refund(order, "15.00").status_code == 201
    before = everything_of(till.app, *CHECKED)
    answer = till.refund(order, "5.01")
    problem = answer.get_json()
    assert (answer.status_code, problem["code"]) == (409, "REFUND_TOO_LARGE")
    assert problem["refundable"] == {"amount": "5.00", "currency": "USD"}
    assert everything_of(till.app, *CHECKED) == before


@on_sqlite
@pytest.mark.parametrize(
    ("body", "status", "pointer"),
    [
        ({"reason": "x", "amount": {"amount": "0.00", "currency": "USD"}}, 422, "/amount/amount"),
        ({"reason": "x", "amount": {"amount": "-5.00", "currency": "USD"}}, 422, "/amount/amount"),
        ({"reason": "x", "amount": {"amount": "1.005", "currency": "USD"}}, 422, "/amount/amount"),
        ({"reason": "x", "amount": {"amount": "5.00", "currency": "EUR"}}, 422, "/amount/currency"),
        ({"reason": "x", "amount": {"amount": "5.00"}}, 422, "/amount/currency"),
        ({"reason": "x", "amount": 5}, 422, "/amount"),
        ({"amount": {"amount": "5.00", "currency": "USD"}}, 422, "/reason"),
        ({"reason": "", "amount": {"amount": "5.00", "currency": "USD"}}, 422, "/reason"),
        ({"reason": "x", "sum": "5.00"}, 422, "/sum"),
    ],
)
def test_a_refund_that_breaks_a_rule_names_the_field_and_changes_nothing(
    till: Till, body: Json, status: int, pointer: str
) -> None:
    order = till.sold()
    before = everything_of(till.app, *CHECKED)
    answer = till.ask("POST", f"/admin/orders/{order.number}/refunds", body, version=order.version)
    assert (answer.status_code, answer.get_json()["errors"][0]["pointer"]) == (status, pointer)
    assert everything_of(till.app, *CHECKED) == before


@on_sqlite
def test_what_was_not_paid_is_not_given_back(till: Till) -> None:
    _, order, _ = till.begun("pm_card_authenticationRequired")
    answer = till.refund(order, "5.00")
    assert (answer.status_code, answer.get_json()["code"]) == (409, "NOTHING_TO_REFUND")
    assert till.refunds() == []
    assert till.ask("POST", "/admin/orders/999999/refunds", {"reason": "x"}, version=1).status_code == 404


@on_sqlite
def test_a_second_click_gives_nothing_back(till: Till) -> None:
    order = till.sold()
    version = till.order(order.number).version
    assert till.refund(order, "5.00", version=version).status_code == 201
    again = till.refund(order, "5.00", version=version)
    assert (again.status_code, again.get_json()["code"]) == (412, "ORDER_CHANGED")
    without = till.ask("POST", f"/admin/orders/{order.number}/refunds", {"reason": "x"})
    assert (without.status_code, without.get_json()["code"]) == (428, "VERSION_REQUIRED")
    assert len(till.refunds()) == 1


def test_two_refunds_at_once_never_give_back_more_than_was_paid(till: Till) -> None:
    order = till.sold()

    def take() -> str:
        try:
            till.run(claimed, order_id=order.id, amount=Money(1_500, "USD"))
        except RefundTooLarge as refused:
            return str(refused.facts["refundable"]["amount"])
        return "taken"

    assert sorted(together(take, take)) == ["5.00", "taken"]
    assert till.payment(order.id).refunded_minor == 1_500
    till.work()
    assert till.double.books.given_back(order.number) == [1_500]


def claimed(*, order_id: int, amount: Money) -> Refund | None:
    """What every service does that gives money back."""
    about: dict[str, Any] = {"reason": "x", "actor": STAFF, "now": utc_now()}
    return refunds.claim.joined(lock_order(order_id), amount=amount, **about)


@on_sqlite
def test_units_give_back_no_more_than_they_were_paid_with(till: Till) -> None:
    order = till.sold()
    till.change(update(OrderLine).values(cancelled=1))

    def take(minor: int | None) -> Refund | None:
        (line_id,) = db.session.scalars(select(OrderLine.id))
        amount = None if minor is None else Money(minor, "USD")
        about: dict[str, Any] = {"reason": "x", "actor": STAFF, "now": utc_now()}
        return refunds.claim.joined(lock_order(order.id), units={line_id: 1}, amount=amount, **about)

    with pytest.raises(RefundTooLarge) as refused:
        till.run(take, minor=1_001)
    assert refused.value.facts["refundable"] == {"amount": "10.00", "currency": "USD"}
    assert till.refunds() == []
    till.run(take, minor=900)
    till.change(update(OrderLine).values(cancelled=2))
    till.run(take, minor=None)
    assert [refund.amount_minor for refund in till.refunds()] == [900, 1_000]


def test_a_payment_gives_back_no_more_than_it_took_whatever_its_lines_say(till: Till) -> None:
    order = till.sold()
    till.change(update(Payment).values(refunded_minor=1_900))
    with pytest.raises(RefundTooLarge) as refused:
        till.run(claimed, order_id=order.id, amount=Money(500, "USD"))
    assert refused.value.facts["refundable"] == {"amount": "1.00", "currency": "USD"}
    assert (till.refunds(), till.payment(order.id).refunded_minor) == ([], 1_900)


def test_a_refund_that_the_provider_refuses_gives_its_claim_back_and_is_shown(till: Till) -> None:
    order = till.sold()
    till.double.next(SEND, status=400, code="charge_disputed")
    till.refund(order, "5.00")
    assert till.work() == 0
    (refund,) = till.refunds()
    assert (refund.status, refund.error_code) == ("FAILED", "charge_disputed")
    assert till.payment(order.id).refunded_minor == 0
    now = till.order(order.number)
    assert (now.attention, now.payment_state) == ("REFUND_FAILED", "PAID")
    assert till.sales() == [("sale", 2, 2_000)]
    with till.app.app_context():
        kinds = [(kind, is_public) for kind, _, _, is_public in events_of(order.id) if kind.startswith("refund")]
        assert kinds == [("refund.begun", True), ("refund.failed", False)]
    till.work()
    assert till.double.count(SEND) == 1


def test_a_refund_that_failed_is_tried_again_once_with_a_key_of_its_own(till: Till) -> None:
    order = till.sold()
    till.double.next(SEND, status=400, code="charge_disputed", is_saved=True)
    till.refund(order, "5.00")
    till.work()
    (failed,) = till.refunds()
    answer = till.retry(order, failed.id)
    assert answer.status_code == 201, answer.text
    assert (answer.get_json()["retry_of_id"], answer.get_json()["amount"]) == (failed.id, "5.00")
    assert answer.get_json()["order"]["version"] == till.order(order.number).version
    assert till.order(order.number).attention is None
    till.work()
    assert [refund.status for refund in till.refunds()] == ["FAILED", "SUCCEEDED"]
    assert till.double.books.given_back(order.number) == [500]
    assert till.sales() == [("sale", 2, 2_000), ("refund", 0, -500)]
    for refund in till.refunds():
        again = till.retry(order, refund.id)
        assert (again.status_code, again.get_json()["code"]) == (409, "REFUND_NOT_FAILED")
    assert till.retry(order, 999).status_code == 404
    assert len(till.refunds()) == 2


def test_two_who_try_a_refund_again_at_once_give_it_back_once(till: Till) -> None:
    order = till.sold()
    till.double.next(SEND, status=400, code="charge_disputed")
    till.refund(order, "5.00")
    till.work()
    (failed,) = till.refunds()
    answers = together(*[lambda: till.retry(order, failed.id).status_code] * 2)
    assert sorted(answers) == [201, 409]
    till.work()
    assert till.double.books.given_back(order.number) == [500]


@on_sqlite
def test_what_staff_paid_back_themselves_counts_without_asking_the_provider(till: Till) -> None:
    order = till.sold()
    till.double.next(SEND, status=400, code="charge_disputed")
    till.refund(order, "5.00")
    till.work()
    asked = len(till.double.requests)
    assert till.retry(order, till.refunds()[0].id, by_hand=True).get_json()["provider"] == "manual"
    till.work()
    assert [refund.status for refund in till.refunds()] == ["FAILED", "SUCCEEDED"]
    assert len(till.double.requests) == asked
    assert till.order(order.number).payment_state == "PARTIALLY_REFUNDED"


@on_sqlite
def test_a_refund_cannot_be_tried_again_where_the_money_went_back_meanwhile(till: Till) -> None:
    order = till.sold()
    till.double.next(SEND, status=400, code="charge_disputed")
    till.refund(order, "5.00")
    till.work()
    till.refund(order)
    before = everything_of(till.app, *CHECKED)
    answer = till.retry(order, till.refunds()[0].id)
    assert (answer.status_code, answer.get_json()["code"]) == (409, "REFUND_TOO_LARGE")
    assert everything_of(till.app, *CHECKED) == before


def test_a_refund_whose_answer_is_lost_is_sent_again_and_goes_back_once(till: Till) -> None:
    order = till.sold()
    till.refund(order, "5.00")
    till.double.next(SEND, drop=True)
    assert till.work() == 1
    assert [refund.status for refund in till.refunds()] == ["CLAIMED"]
    assert till.work() == 0  # it is not due yet
    till.double.forget_keys()
    till.wait()
    assert till.work() == 0
    assert [refund.status for refund in till.refunds()] == ["SUCCEEDED"]
    assert till.double.books.given_back(order.number) == [500]


def test_a_refund_that_two_workers_send_at_once_goes_back_once(till: Till) -> None:
    order = till.sold()
    till.refund(order, "5.00")
    (refund,) = till.refunds()

    def send() -> None:
        with till.app.app_context():
            sending_refunds.send_refund(refund_id=refund.id, now=utc_now())

    till.double.next("GET /v1/refunds", wait_s=0.3, times=2)
    try:
        together(send, send)
    finally:
        assert till.double.books.given_back(order.number) == [500]
    assert till.sales() == [("sale", 2, 2_000), ("refund", 0, -500)]
    assert till.payment(order.id).refunded_minor == 500


def test_a_refund_waits_for_a_bank_and_is_done_when_the_bank_has_done_it(till: Till) -> None:
    order = till.sold(source=REFUND_PENDING)
    till.refund(order)
    till.work()
    (refund,) = till.refunds()
    assert (refund.status, bool(refund.provider_ref)) == ("CLAIMED", True)
    assert till.order(order.number).payment_state == "PAID"
    till.double.books.end_refund(refund.provider_ref or "", "succeeded")
    till.tell_all(till.payment(order.id).provider_ref or "", "refund.updated")
    assert till.refunds()[0].status == "SUCCEEDED"
    assert till.order(order.number).payment_state == "REFUNDED"


def test_a_refund_whose_notice_is_lost_is_looked_up(till: Till) -> None:
    order = till.sold(source=REFUND_PENDING)
    till.refund(order)
    till.work()
    till.double.books.end_refund(till.refunds()[0].provider_ref or "", "succeeded")
    check = partial(sending_refunds.check_refunds, now=utc_now())
    with till.app.app_context():
        check()
    assert till.refunds()[0].status == "CLAIMED"  # it is too new to ask
    till.change(update(Refund).values(updated_at=utc_now() - timedelta(minutes=11)))
    with till.app.app_context():
        check()
    assert till.refunds()[0].status == "SUCCEEDED"


def test_a_refund_that_the_outbox_gave_up_is_sent_all_the_same(till: Till) -> None:
    order = till.sold()
    till.refund(order)
    till.change(update(Outbox).values(attempts=20))
    assert till.work() == 0
    till.change(update(Refund).values(updated_at=utc_now() - timedelta(minutes=11)))
    till.double.next("GET /v1/refunds", refuse=True)
    for _ in range(2):
        with till.app.app_context():
            sending_refunds.check_refunds(now=utc_now())
    assert till.double.books.given_back(order.number) == [2_000]
    assert till.refunds()[0].status == "SUCCEEDED"


def test_money_that_a_bank_sends_back_after_all_is_shown_and_can_be_sent_again(till: Till) -> None:
    order = till.sold()
    paid_at = till.order(order.number).paid_at
    till.refund(order)
    till.work()
    assert till.order(order.number).payment_state == "REFUNDED"
    ref = till.refunds()[0].provider_ref or ""
    till.double.books.end_refund(ref, "failed", "expired_or_canceled_card")
    till.tell_all(till.payment(order.id).provider_ref or "", "refund.failed", "charge.refund.updated")
    (refund,) = till.refunds()
    assert (refund.status, refund.error_code) == ("FAILED", "expired_or_canceled_card")
    now = till.order(order.number)
    assert (now.payment_state, now.attention, now.paid_at) == ("PAID", "REFUND_FAILED", paid_at)
    assert till.payment(order.id).refunded_minor == 0
    assert sum(total for _, _, total in till.sales()) == 2_000
    assert till.retry(order, refund.id).status_code == 201
    till.work()
    assert till.order(order.number).payment_state == "REFUNDED"
    assert sum(total for _, _, total in till.sales()) == 0


@on_sqlite
@pytest.mark.parametrize("wrong", [{"amount": 400}, {"currency": "eur"}])
def test_another_amount_than_was_asked_for_is_no_refund_and_is_shown(till: Till, wrong: Json) -> None:
    order = till.sold()
    till.refund(order, "5.00")
    till.double.next(SEND, after=lambda answer: answer.update(wrong))
    till.work()
    assert [refund.status for refund in till.refunds()] == ["CLAIMED"]
    now = till.order(order.number)
    assert (now.attention, now.payment_state) == ("PAYMENT_MISMATCH", "PAID")
    assert till.sales() == [("sale", 2, 2_000)]


@on_sqlite
def test_what_a_provider_says_twice_of_a_refund_is_written_down_once(till: Till) -> None:
    order = till.sold()
    till.refund(order, "5.00")
    till.work()
    (refund,) = till.refunds()
    before = everything_of(till.app, *CHECKED)
    with till.app.app_context():
        sending_refunds.send_refund(refund_id=refund.id, now=utc_now())
        sending_refunds.look_up_refund(refund_id=refund.id, now=utc_now())
    assert everything_of(till.app, *CHECKED) == before
    assert system().permissions
