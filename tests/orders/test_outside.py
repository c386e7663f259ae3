"""What is done at Stripe itself: refunds of its dashboard are booked once, disputes are shown; both are looked up."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import select

from app.core.audit import AuditEvent
from app.core.extensions import db
from app.orders.models.orders import Hold, Order, OrderEvent, OrderLine
from app.orders.models.payments import Payment, ProviderEvent, Refund, RefundLine
from app.orders.models.sales import Sale
from app.orders.services import notices, outside
from app.products.models.stock import Allocation
from tests.orders.making import events_of
from tests.orders.paying import Till
from tests.orders.shopping import everything_of
from tests.orders.stripe_rules import REFUND_PENDING, Json
from tests.servers import on_sqlite

SEND = "POST /v1/refunds"
BOOKS = (Order, OrderLine, OrderEvent, Payment, Refund, RefundLine, Sale, Hold, Allocation, AuditEvent)
MONEY = (Payment, Refund, RefundLine, Sale)
ASKING = "pm_card_authenticationRequired"


def ref_of(till: Till, order: Order) -> str:
    """The id of an order's payment at Stripe."""
    return till.payment(order.id).provider_ref or ""


def kinds_of(app: Flask, order: Order) -> list[str]:
    """The kinds of what happened to an order."""
    with app.app_context():
        return [kind for kind, *_ in events_of(order.id)]


def audited(app: Flask, action: str) -> list[Json]:
    """What the audit trail says of such deeds."""
    with app.app_context():
        found = select(AuditEvent.after).where(AuditEvent.action == action).order_by(AuditEvent.id)
        return [dict(after or {}) for after in db.session.scalars(found)]


# --- Refunds ---------------------------------------------------------------------------------------------------------


def test_a_refund_of_the_dashboard_is_booked_once_and_moves_no_money(till: Till) -> None:
    order = till.sold()
    ref = ref_of(till, order)
    made = till.double.books.refund_in_dashboard(ref, 500)
    till.tell_all(ref, "refund.created", "charge.refunded")
    (refund,) = till.refunds()
    assert (refund.status, refund.amount_minor, refund.made_at, refund.provider_ref, refund.actor_kind) == (
        "SUCCEEDED",
        500,
        "stripe",
        made["id"],
        "system",
    )
    now = till.order(order.number)
    assert (now.state, now.payment_state, now.attention) == ("PLACED", "PARTIALLY_REFUNDED", None)
    assert till.payment(order.id).refunded_minor == 500
    assert till.sales() == [("sale", 2, 2_000), ("refund", 0, -500)]
    assert till.double.books.given_back(order.number) == [500]
    assert till.double.count(SEND) == 0
    assert kinds_of(till.app, order)[-3:] == ["refund.outside", "refund.succeeded", "payment.state"]
    assert [row["amount"] for row in audited(till.app, "refund.outside")] == ["5.00 USD"]

    before = everything_of(till.app, *BOOKS)
    for event in till.double.books.events_of(ref):
        till.double.books.add_event(event["type"], event["data"]["object"])  # the same under other ids
    till.tell_all(ref)
    till.wait()
    till.work()
    assert everything_of(till.app, *BOOKS) == before
    assert till.double.books.given_back(order.number) == [500]


def test_staff_see_where_a_refund_was_made(till: Till) -> None:
    order = till.sold()
    till.double.books.refund_in_dashboard(ref_of(till, order), 500)
    till.tell_all(ref_of(till, order), "refund.created")
    till.refund(order, "1.00")
    path = f"/admin/orders/{order.number}"
    listed = till.ask("GET", f"{path}/refunds").get_json()["items"]
    assert [(one["amount"], one["made_at"]) for one in listed] == [("1.00", None), ("5.00", "stripe")]
    shown = till.ask("GET", path).get_json()["refunds"]
    assert {one["made_at"] for one in shown} == {None, "stripe"}


def test_a_notice_of_a_refund_that_stripe_does_not_know_books_nothing(till: Till) -> None:
    order = till.sold()
    ref = ref_of(till, order)
    before = everything_of(till.app, *BOOKS)
    invented = {"id": "re_invented", "object": "refund", "amount": 500, "currency": "usd", "status": "succeeded"}
    till.tell(till.double.books.add_event("refund.created", invented | {"payment_intent": ref}))
    assert till.work() == 0
    assert everything_of(till.app, *BOOKS) == before
    assert till.notices()[-1].handled_at is not None


def test_a_refund_of_the_dashboard_that_is_on_its_way_succeeds_and_may_come_back(till: Till) -> None:
    order = till.sold(source=REFUND_PENDING)
    ref = ref_of(till, order)
    made = till.double.books.refund_in_dashboard(ref)
    till.tell_all(ref, "refund.created")
    assert [(one.status, one.amount_minor) for one in till.refunds()] == [("CLAIMED", 2_000)]
    assert (till.order(order.number).payment_state, till.sales()) == ("PAID", [("sale", 2, 2_000)])
    till.double.books.end_refund(made["id"], "succeeded")
    till.tell_all(ref, "refund.updated")
    assert till.order(order.number).payment_state == "REFUNDED"
    assert till.sales() == [("sale", 2, 2_000), ("refund", 0, -2_000)]
    till.double.books.end_refund(made["id"], "failed", "lost_or_stolen_card")
    till.tell_all(ref, "refund.failed")
    now = till.order(order.number)
    assert (now.payment_state, now.attention) == ("PAID", "REFUND_FAILED")
    assert (len(till.refunds()), till.payment(order.id).refunded_minor) == (1, 0)
    assert sum(amount for _, _, amount in till.sales()) == 2_000


def test_a_refund_of_the_dashboard_that_had_failed_before_it_was_heard_of_is_none(till: Till) -> None:
    order = till.sold()
    ref = ref_of(till, order)
    made = till.double.books.refund_in_dashboard(ref, 500)
    till.double.books.end_refund(made["id"], "failed", "declined")
    before = everything_of(till.app, *BOOKS)
    till.tell_all(ref, "refund.created", "refund.failed")
    assert everything_of(till.app, *BOOKS) == before


def test_refunds_of_the_dashboard_and_of_staff_are_all_booked_whichever_notice_comes_first(till: Till) -> None:
    order = till.sold()
    ref = ref_of(till, order)
    assert till.refund(order, "3.00").status_code == 201
    till.double.books.refund_in_dashboard(ref, 400)
    till.work("send_refund")
    till.double.books.refund_in_dashboard(ref, 500)
    for event in reversed(till.double.books.events_of(ref)):
        till.tell(event)
        till.work("handle_notice")
    found = sorted((one.amount_minor, one.status, one.made_at) for one in till.refunds())
    assert found == [(300, "SUCCEEDED", None), (400, "SUCCEEDED", "stripe"), (500, "SUCCEEDED", "stripe")]
    assert till.payment(order.id).refunded_minor == 1_200
    assert sorted(till.double.books.given_back(order.number)) == [300, 400, 500]
    assert till.double.count(SEND) == 1


def test_a_refund_of_ours_that_is_known_at_stripe_and_not_yet_here_is_not_taken_for_another(till: Till) -> None:
    order = till.sold()
    ref = ref_of(till, order)
    till.refund(order, "3.00")
    till.double.next(SEND, drop=True)
    assert till.work("send_refund") == 1  # it was made, and the answer was lost
    till.tell_all(ref, "refund.created")
    assert [(one.amount_minor, one.made_at) for one in till.refunds()] == [(300, None)]
    till.wait()
    assert till.work() == 0
    assert [(one.amount_minor, one.status) for one in till.refunds()] == [(300, "SUCCEEDED")]
    assert till.double.books.given_back(order.number) == [300]


def test_a_refund_of_the_dashboard_waits_for_one_of_ours_that_leaves_no_room_for_it(till: Till) -> None:
    order = till.sold()
    ref = ref_of(till, order)
    assert till.refund(order).status_code == 201
    till.double.books.refund_in_dashboard(ref, 1_500)
    till.tell(till.double.books.events_of(ref, "refund.created")[0])
    assert till.work("handle_notice") == 1
    assert [(one.amount_minor, one.status) for one in till.refunds()] == [(2_000, "CLAIMED")]
    assert (till.order(order.number).attention, till.notices()[0].handled_at) == (None, None)
    till.work("send_refund")
    till.wait()
    assert till.work() == 0
    found = [(one.amount_minor, one.status, one.made_at) for one in till.refunds()]
    assert found == [(2_000, "FAILED", None), (1_500, "SUCCEEDED", "stripe")]
    now = till.order(order.number)
    assert (now.payment_state, now.attention) == ("PARTIALLY_REFUNDED", "REFUND_FAILED")
    assert till.sales() == [("sale", 2, 2_000), ("refund", 0, -1_500)]


def test_a_refund_of_the_dashboard_that_is_more_than_is_left_is_shown_and_not_booked(till: Till) -> None:
    order = till.sold()
    ref = ref_of(till, order)
    till.double.next(SEND, status=400, code="charge_disputed")
    till.refund(order, "18.00")
    till.work()
    assert till.retry(order, till.refunds()[0].id, by_hand=True).status_code == 201
    till.work()
    before = everything_of(till.app, *MONEY)
    till.double.books.refund_in_dashboard(ref, 500)
    till.tell_all(ref, "refund.created")
    assert everything_of(till.app, *MONEY) == before
    assert till.payment(order.id).refunded_minor == 1_800
    assert till.order(order.number).attention == "PAYMENT_MISMATCH"
    till.tell_all(ref, "charge.refunded")
    assert everything_of(till.app, *MONEY) == before


def test_money_that_pays_for_nothing_here_and_goes_back_in_the_dashboard_is_not_booked(till: Till) -> None:
    customer, order, ref = till.begun(ASKING)
    till.double.books.authenticate(ref, success=False)
    till.tell_all(ref, "payment_intent.payment_failed")
    assert till.pay(customer, "20.00").status_code == 201
    till.double.books.change(ref, status="succeeded", amount_received=2_000)  # after it was cancelled
    till.double.books.refund_in_dashboard(ref)
    before = everything_of(till.app, *MONEY)
    till.tell_all(ref, "refund.created")
    assert everything_of(till.app, *MONEY) == before
    now = till.order(order.number)
    assert (now.payment_state, now.attention, till.refunds()) == ("PAID", "PAYMENT_MISMATCH", [])
    assert all(notice.handled_at for notice in till.notices())


def test_notices_of_one_refund_that_are_handled_at_once_book_it_once(till: Till) -> None:
    order = till.sold()
    ref = ref_of(till, order)
    till.double.books.refund_in_dashboard(ref, 1_500)
    for event in till.double.books.events_of(ref, "refund.created", "charge.refunded"):
        till.tell(event)
    till.double.next("GET /v1/refunds", wait_s=0.3, times=2)
    assert till.work_at_once(notices.HANDLE) == 2
    till.wait()
    till.work()
    assert [(one.amount_minor, one.status) for one in till.refunds()] == [(1_500, "SUCCEEDED")]
    assert till.payment(order.id).refunded_minor == 1_500


def test_a_refund_that_is_heard_of_before_the_payment_is_booked_after_it(till: Till) -> None:
    _, order, ref = till.begun(ASKING)
    till.double.books.authenticate(ref)
    till.double.books.refund_in_dashboard(ref)
    till.tell_all(ref, "refund.created")
    assert (till.order(order.number).state, till.order(order.number).payment_state) == ("PLACED", "REFUNDED")
    assert till.sales() == [("sale", 2, 2_000), ("refund", 0, -2_000)]
    till.tell_all(ref, "payment_intent.succeeded")
    assert till.order(order.number).payment_state == "REFUNDED"


def test_refunds_and_disputes_of_a_payment_that_is_not_ours_change_nothing(till: Till) -> None:
    till.sold()
    other = till.double.books.create_intent(
        {"amount": "900", "currency": "usd", "payment_method": "pm_card_visa", "confirm": "true"}
    )["id"]
    before = everything_of(till.app, *BOOKS)
    till.double.books.refund_in_dashboard(other, 100)
    till.double.books.dispute(other)
    till.tell_all(other)
    assert everything_of(till.app, *BOOKS) == before
    assert {notice.outcome for notice in till.notices()} == {"About a payment that is not ours."}


def test_while_stripe_is_away_refunds_and_disputes_wait(till: Till) -> None:
    order = till.sold()
    ref = ref_of(till, order)
    till.double.books.refund_in_dashboard(ref, 500)
    till.double.books.dispute(ref)
    till.double.next("GET /v1/refunds", refuse=True)
    till.double.next("GET /v1/disputes", refuse=True)
    for event in till.double.books.events_of(ref, "refund.created", "charge.dispute.created"):
        till.tell(event)
    assert till.work() == 2
    assert (till.refunds(), till.order(order.number).attention) == ([], None)
    till.wait()
    assert till.work() == 0
    assert (len(till.refunds()), till.order(order.number).attention) == (1, "DISPUTED")


# --- Disputes --------------------------------------------------------------------------------------------------------


def states_of(till: Till, order: Order) -> list[tuple[str | None, str | None]]:
    """How the disputes of an order moved."""
    with till.app.app_context():
        found = [each for each in events_of(order.id) if each[0] == outside.DISPUTE]
    assert not any(is_public for *_, is_public in found)
    return [(before, after) for _, before, after, _ in found]


def test_a_dispute_is_shown_once_with_an_event_and_an_audit_row_and_books_nothing(till: Till) -> None:
    order = till.sold()
    ref = ref_of(till, order)
    money = everything_of(till.app, *MONEY)
    till.double.books.dispute(ref, 1_200)
    till.tell_all(ref, "charge.dispute.created", "charge.dispute.funds_withdrawn")
    assert till.order(order.number).attention == "DISPUTED"
    assert states_of(till, order) == [(None, "OPEN")]
    (row,) = audited(till.app, "order.disputed")
    assert (row["state"], row["amount"], row["reason"]) == ("OPEN", "12.00 USD", "fraudulent")
    assert everything_of(till.app, *MONEY) == money
    assert till.order(order.number).payment_state == "PAID"
    listed = till.ask("GET", "/admin/orders?attention=DISPUTED").get_json()["items"]
    assert [one["number"] for one in listed] == [order.number]


def test_an_open_dispute_that_staff_have_dealt_with_is_not_shown_again_until_it_has_ended(till: Till) -> None:
    order = till.sold()
    ref = ref_of(till, order)
    dispute = till.double.books.dispute(ref)
    till.tell_all(ref, "charge.dispute.created")
    path = f"/admin/orders/{order.number}/attention"
    assert till.ask("DELETE", path, version=till.order(order.number).version).status_code == 200
    before = everything_of(till.app, *BOOKS)
    till.double.books.answer_dispute(dispute["id"])
    till.tell_all(ref, "charge.dispute.updated", "charge.dispute.funds_withdrawn")
    assert everything_of(till.app, *BOOKS) == before
    till.double.books.end_dispute(dispute["id"], "lost")
    till.tell_all(ref, "charge.dispute.closed")
    assert till.order(order.number).attention == "DISPUTE_LOST"


@pytest.mark.parametrize(("status", "attention"), [("won", None), ("lost", "DISPUTE_LOST"), ("warning_closed", None)])
def test_a_dispute_that_has_ended_is_shown_where_it_was_lost_and_else_no_more(
    till: Till, status: str, attention: str | None
) -> None:
    order = till.sold()
    ref = ref_of(till, order)
    money = everything_of(till.app, *MONEY)
    dispute = till.double.books.dispute(ref)
    till.tell_all(ref, "charge.dispute.created")
    till.double.books.end_dispute(dispute["id"], status)
    till.tell_all(ref, "charge.dispute.closed")
    assert till.order(order.number).attention == attention
    assert states_of(till, order) == [(None, "OPEN"), ("OPEN", "LOST" if attention else "WON")]
    assert everything_of(till.app, *MONEY) == money


@pytest.mark.parametrize(("status", "attention"), [("won", None), ("lost", "DISPUTE_LOST")])
def test_the_order_in_which_notices_of_a_dispute_come_does_not_matter(
    till: Till, status: str, attention: str | None
) -> None:
    order = till.sold()
    ref = ref_of(till, order)
    dispute = till.double.books.dispute(ref)
    till.double.books.answer_dispute(dispute["id"])
    till.double.books.end_dispute(dispute["id"], status)
    events = [event for event in till.double.books.events_of(ref) if "dispute" in event["type"]]
    for event in [*reversed(events), *events]:
        till.tell(event)
        till.work()
    assert till.order(order.number).attention == attention
    assert states_of(till, order) == [(None, "LOST" if attention else "WON")]
    assert len(audited(till.app, "order.disputed")) == 1


def test_an_order_is_shown_as_long_as_one_of_its_disputes_is_open(till: Till) -> None:
    order = till.sold()
    ref = ref_of(till, order)
    first, second = (till.double.books.dispute(ref, 500)["id"] for _ in range(2))
    till.tell_all(ref, "charge.dispute.created")
    till.double.books.end_dispute(first, "won")
    till.tell_all(ref, "charge.dispute.closed")
    assert till.order(order.number).attention == "DISPUTED"
    till.double.books.end_dispute(second, "won")
    till.tell_all(ref, "charge.dispute.closed", "charge.dispute.funds_reinstated")
    assert till.order(order.number).attention is None


def test_a_dispute_that_was_won_takes_away_no_other_reason_to_look_at_an_order(till: Till) -> None:
    order = till.sold()
    ref = ref_of(till, order)
    dispute = till.double.books.dispute(ref)
    till.tell_all(ref, "charge.dispute.created")
    till.double.next(SEND, status=400, code="charge_disputed")
    till.refund(order, "5.00")
    till.work()
    assert till.order(order.number).attention == "REFUND_FAILED"
    till.double.books.end_dispute(dispute["id"], "won")
    till.tell_all(ref, "charge.dispute.closed")
    assert till.order(order.number).attention == "REFUND_FAILED"


def test_a_dispute_that_stripe_does_not_know_changes_nothing(till: Till) -> None:
    order = till.sold()
    ref = ref_of(till, order)
    before = everything_of(till.app, *BOOKS)
    invented = {"id": "du_invented", "object": "dispute", "amount": 2_000, "currency": "usd", "status": "lost"}
    till.tell(till.double.books.add_event("charge.dispute.closed", invented | {"payment_intent": ref}))
    assert till.work() == 0
    assert everything_of(till.app, *BOOKS) == before


@on_sqlite
def test_nothing_of_who_disputes_is_kept(till: Till) -> None:
    order = till.sold()
    ref = ref_of(till, order)
    till.double.books.dispute(ref)
    till.tell_all(ref, "charge.dispute.created")
    assert len(everything_of(till.app, ProviderEvent)[0]) == 1
    assert till.leaks("Augusta King", "augusta@example.org") == []
