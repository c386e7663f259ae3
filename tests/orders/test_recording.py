"""Recording that an invoice was paid: all that is due, once, with its sales facts."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select, update

from app.core.audit import AuditEvent
from app.core.extensions import db
from app.orders.models.orders import Order, OrderEvent, OrderLine
from app.orders.models.payments import Payment
from app.orders.models.sales import Sale
from tests.orders.paying import Till
from tests.orders.shopping import everything_of, together
from tests.orders.stripe_rules import Json
from tests.servers import on_sqlite

CHECKED = (Order, OrderEvent, Payment, Sale, AuditEvent)


def invoice(till: Till, *, method: str = "invoice", **more: Any) -> Order:
    """An order of two at 10.00 that is to be paid to staff."""
    answer = till.guest({till.product(): 2}).order("20.00", payment_method=method, **more)
    assert answer.status_code == 201, answer.text
    return till.order(answer.get_json()["number"])


def record(till: Till, order: Order, amount: str = "20.00", *, version: int | None = None) -> Any:
    body = {"amount": {"amount": amount, "currency": "USD"}, "reference": "Bank slip 17"}
    now = version or till.order(order.number).version
    return till.ask("POST", f"/admin/orders/{order.number}/payments", body, version=now)


@pytest.mark.parametrize("method", ["invoice", "cash"])
def test_what_was_paid_to_us_is_recorded_with_its_sales(till: Till, method: str) -> None:
    order = invoice(till, method=method)
    answer = record(till, order)
    assert answer.status_code == 200, answer.text
    paid = answer.get_json()
    assert (paid["status"], paid["captured"], paid["reference"]) == ("CAPTURED", "20.00", "Bank slip 17")
    now = till.order(order.number)
    assert (now.payment_state, now.paid_at is not None) == ("PAID", True)
    assert till.sales() == [("sale", 2, 2_000)]
    with till.app.app_context():
        (row,) = db.session.scalars(select(AuditEvent).where(AuditEvent.action == "payment.recorded"))
        assert (row.subject_id, row.after and row.after["amount"]) == (paid["id"], "20.00 USD")
    listed = till.ask("GET", f"/admin/orders/{order.number}/payments").get_json()["items"]
    assert [each["status"] for each in listed] == ["CAPTURED"]


def test_a_payment_that_two_record_at_once_is_recorded_once(till: Till) -> None:
    order = invoice(till)
    answers = together(*[lambda: record(till, order, version=order.version).status_code] * 3)
    assert sorted(answers) == [200, 412, 412]
    assert till.sales() == [("sale", 2, 2_000)]


@on_sqlite
def test_a_payment_is_recorded_of_the_order_as_it_is_known(till: Till) -> None:
    order = invoice(till)
    before = everything_of(till.app, *CHECKED)
    stale = record(till, order, version=order.version + 1)
    assert (stale.status_code, stale.get_json()["code"]) == (412, "ORDER_CHANGED")
    body = {"amount": {"amount": "20.00", "currency": "USD"}}
    blind = till.ask("POST", f"/admin/orders/{order.number}/payments", body)
    assert (blind.status_code, blind.get_json()["code"]) == (428, "VERSION_REQUIRED")
    assert everything_of(till.app, *CHECKED) == before
    assert record(till, order, version=order.version).status_code == 200


@on_sqlite
@pytest.mark.parametrize("amount", ["19.99", "20.01", "0.01"])
def test_an_order_is_paid_as_a_whole(till: Till, amount: str) -> None:
    order = invoice(till)
    before = everything_of(till.app, *CHECKED)
    answer = record(till, order, amount)
    problem = answer.get_json()
    assert (answer.status_code, problem["code"]) == (409, "AMOUNT_NOT_DUE")
    assert problem["due"] == {"amount": "20.00", "currency": "USD"}
    assert everything_of(till.app, *CHECKED) == before


@on_sqlite
@pytest.mark.parametrize(
    ("amount", "pointer"),
    [
        ({"amount": "20.00", "currency": "EUR"}, "/amount/currency"),
        ({"amount": "20.00", "currency": "XXXX"}, "/amount/currency"),
        ({"amount": "20.00", "currency": "ZZZ"}, "/amount/amount"),
        ({"amount": "0.00", "currency": "USD"}, "/amount/amount"),
        ({"amount": "-20.00", "currency": "USD"}, "/amount/amount"),
        ({"amount": "2e1", "currency": "USD"}, "/amount/amount"),
        ({"amount": 20, "currency": "USD"}, "/amount/amount"),
        (None, "/amount"),
    ],
)
def test_an_amount_that_breaks_a_rule_is_named_and_changes_nothing(till: Till, amount: Json, pointer: str) -> None:
    order = invoice(till)
    before = everything_of(till.app, *CHECKED)
    answer = till.ask("POST", f"/admin/orders/{order.number}/payments", {"amount": amount}, version=order.version)
    assert (answer.status_code, answer.get_json()["errors"][0]["pointer"]) == (422, pointer)
    assert everything_of(till.app, *CHECKED) == before


@on_sqlite
def test_what_was_cancelled_before_is_not_due(till: Till) -> None:
    order = invoice(till)
    (line,) = till.ask("GET", f"/admin/orders/{order.number}").get_json()["lines"]
    units = {"lines": [{"line_id": line["id"], "quantity": 1}], "reason": "One will do"}
    cancelled = till.ask("POST", f"/admin/orders/{order.number}/cancel", units, version=order.version)
    assert cancelled.status_code == 200, cancelled.text
    assert record(till, order).get_json()["due"] == {"amount": "10.00", "currency": "USD"}
    assert record(till, order, "10.00").get_json()["amount"] == "10.00"
    assert till.sales() == [("sale", 1, 1_000)]
    till.refund(order)
    till.work()
    assert till.order(order.number).payment_state == "REFUNDED"
    assert sum(total for _, _, total in till.sales()) == 0


@on_sqlite
def test_nothing_is_recorded_of_what_is_paid_over_or_paid_at_a_provider(till: Till) -> None:
    paid, cancelled = invoice(till), invoice(till)
    assert record(till, paid).status_code == 200
    assert (
        till.ask("POST", f"/admin/orders/{cancelled.number}/cancel", {}, version=cancelled.version).status_code == 200
    )
    _, by_card, _ = till.begun("pm_card_authenticationRequired")
    before = everything_of(till.app, *CHECKED)
    for order in (paid, cancelled, by_card):
        answer = record(till, order)
        assert (answer.status_code, answer.get_json()["code"]) == (409, "NOTHING_TO_PAY")
        problem, now = answer.get_json(), till.order(order.number)
        assert problem["payment_method"] == order.payment_method
        known = {"state": now.state, "payment_state": now.payment_state, "fulfilment_state": now.fulfilment_state}
        assert (problem["order"], set(problem["allowed"])) == (known, {"order", "payment", "fulfilment"})
        assert record(till, order, "1.00").get_json()["code"] == "NOTHING_TO_PAY"
    assert everything_of(till.app, *CHECKED) == before
    body = {"amount": {"amount": "1.00", "currency": "USD"}}
    assert till.ask("POST", "/admin/orders/999999/payments", body, version=1).status_code == 404


@on_sqlite
def test_money_of_an_invoice_goes_back_by_staff(till: Till) -> None:
    order = invoice(till)
    record(till, order)
    assert till.refund(order, "5.00").get_json()["provider"] == "manual"
    till.work()
    assert [refund.status for refund in till.refunds()] == ["SUCCEEDED"]
    assert till.order(order.number).payment_state == "PARTIALLY_REFUNDED"
    assert till.double.requests == []


def test_a_payment_is_recorded_only_where_it_was_not_captured_behind_our_back(till: Till) -> None:
    order = invoice(till)
    till.change(update(Payment).values(status="CANCELLED", active_order_id=None))
    assert record(till, order).get_json()["code"] == "NOTHING_TO_PAY"
    assert till.sales() == []


@on_sqlite
def test_nothing_is_due_for_what_came_back_before_it_was_paid(till: Till) -> None:
    order = invoice(till)
    till.change(update(OrderLine).values(shipped=2, returned=2))
    answer = record(till, order, "0.01")
    assert (answer.status_code, answer.get_json()["code"]) == (409, "NOTHING_TO_PAY")
    assert till.sales() == []
