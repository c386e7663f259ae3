"""Goods that come back: what is on the shelves again, what money goes back, and that two at once are one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select

from app.config import Checkout
from app.core.audit import AuditEvent
from app.core.errors import Invalid
from app.core.extensions import db
from app.core.money import Money
from app.core.outbox import Outbox
from app.orders.errors import (
    MoreThanLeft,
    NothingShipped,
    NothingToRefund,
    OrderChanged,
    PaymentUnknown,
    RefundTooLarge,
)
from app.orders.events import OrderMoved
from app.orders.models.fulfilment import OrderReturn, OrderReturnLine
from app.orders.models.orders import Order, OrderLine
from app.orders.models.payments import Payment, Refund, RefundLine
from app.orders.models.sales import Sale
from app.orders.queries.shipments import ReturnRecord
from app.orders.services.checkout.wanted import Ordered
from app.orders.services.creating import create_order
from app.orders.services.delivering import deliver_all
from app.orders.services.recording import record_payment
from app.orders.services.refunds import refund
from app.orders.services.returns import Returned, Wish, take_back
from app.orders.services.sending_refunds import send_refund
from app.orders.services.shipping import Tracking, ship
from app.products.services.products import delete_product
from tests.concurrency import at_once
from tests.conftest import AppWith
from tests.orders.making import (
    ADDRESS,
    NOW,
    STAFF,
    Made,
    events_of,
    lines_of,
    make_order,
    order_of,
    stock_of,
)
from tests.products.stocking import assert_adds_up, everything, heard, ledger, make_product

HOUR = timedelta(hours=1)
WHY = "The lid does not close."

pytestmark = pytest.mark.usefixtures("context")


def shipped(*quantities: int, **options: Any) -> Made:
    """An order of which everything was shipped."""
    made = make_order(*quantities, **options)
    send(made.id, version=1)
    return made


def send(order_id: int, *, version: int) -> None:
    tracking = Tracking(carrier="DHL")
    ship(actor=STAFF, now=NOW, order_id=order_id, expected_version=version, tracking=tracking)


def bring_back(
    made: Made, *units: tuple[int, int] | None, version: int = 2, refund: Wish | None = None, **options: Any
) -> ReturnRecord:
    """Take back (so many, of them resaleable) of each line; None of it where that is said."""
    returned = [Returned(line, *each) for line, each in zip(made.lines, units, strict=False) if each is not None]
    asked: dict[str, Any] = {"order_id": made.id, "expected_version": version, "units": returned, "refund": refund}
    return take_back(actor=STAFF, now=NOW + HOUR, reason=WHY, **(asked | options))


def state_of(made: Made) -> list[Any]:
    """All that a return changes."""
    order = order_of(made.id)
    counted = [db.session.scalar(select(func.count()).select_from(table)) for table in (OrderReturn, Refund, Outbox)]
    money = db.session.execute(select(Payment.status, Payment.amount_minor, Payment.refunded_minor)).all()
    now = [order.version, order.fulfilment_state, order.payment_state, order.cancelled_minor, lines_of(made.id)]
    return [*now, events_of(made.id), everything(), counted, money]


def test_what_can_be_sold_again_is_on_the_shelves_and_the_rest_is_only_noted() -> None:
    made = shipped(3, 2)
    with heard(OrderMoved) as told:
        record = bring_back(made, (2, 1), (1, 0))
    assert [stock_of(product) for product in made.products] == [(8, 0), (8, 0)]
    assert ledger(made.products[0])[-1] == ("returned", 1, 0)
    assert [line["returned"] for line in lines_of(made.id)] == [2, 1]
    order = order_of(made.id)
    assert (order.fulfilment_state, order.state, order.version) == ("PARTIALLY_RETURNED", "PLACED", 3)
    assert [(each.quantity, each.resaleable) for each in record.lines] == [(2, 1), (1, 0)]
    assert record.refund is None
    (row,) = db.session.scalars(select(OrderReturn))
    assert (row.reason, row.refund_id, row.actor_id, row.created_at) == (WHY, None, STAFF.id, NOW + HOUR)
    assert [event.what for event in told] == ["returned"]
    assert ("goods.returned", None, None, True) in events_of(made.id)
    assert db.session.scalar(select(func.count()).where(AuditEvent.action == "order.return")) == 1
    assert_adds_up(*made.products)


def test_an_order_comes_back_in_parts_until_all_of_it_has() -> None:
    made = shipped(3)
    bring_back(made, (1, 1))
    bring_back(made, (2, 2), version=3)
    assert order_of(made.id).fulfilment_state == "RETURNED"
    assert stock_of(made.products[0]) == (10, 0)
    with pytest.raises(MoreThanLeft) as refused:
        bring_back(made, (1, 1), version=4)
    assert refused.value.facts["lines"][0]["left"] == 0
    assert stock_of(made.products[0]) == (10, 0)


def test_more_than_was_shipped_does_not_come_back() -> None:
    made = make_order(3)
    one = [Returned(made.lines[0], 1, 1)]
    before = state_of(made)
    with pytest.raises(NothingShipped):
        take_back(actor=STAFF, now=NOW, order_id=made.id, expected_version=1, units=one, reason=WHY)
    assert state_of(made) == before
    send(made.id, version=1)
    before = state_of(made)
    with pytest.raises(MoreThanLeft) as refused:
        bring_back(made, (4, 0))
    assert [error.pointer for error in refused.value.errors] == ["/lines/0/quantity"]
    assert state_of(made) == before


@pytest.mark.parametrize(
    ("units", "pointer"),
    [
        ([(0, 1, 2)], "/lines/0/resaleable"),
        ([(0, 1, 1), (0, 1, 1)], "/lines/1/line_id"),
        ([(10**6, 1, 1)], "/lines/0/line_id"),
    ],
)
def test_a_return_that_cannot_be_is_refused_by_its_field(units: list[tuple[int, int, int]], pointer: str) -> None:
    made = shipped(3)
    before = state_of(made)
    with pytest.raises(Invalid) as refused:
        bring_back(made, units=[Returned(made.lines[0] + line, *counts) for line, *counts in units])
    assert [error.pointer for error in refused.value.errors] == [pointer]
    assert state_of(made) == before


def test_a_return_based_on_an_old_version_is_refused() -> None:
    made = shipped(3)
    bring_back(made, (1, 1))
    before = state_of(made)
    with pytest.raises(OrderChanged):
        bring_back(made, (1, 1))
    assert state_of(made) == before


def test_while_a_payment_is_under_way_nothing_is_taken_back() -> None:
    made = shipped(3, payment_state="PENDING")
    before = state_of(made)
    with pytest.raises(PaymentUnknown):
        bring_back(made, (1, 1))
    assert state_of(made) == before


def test_no_money_goes_back_twice_for_what_was_given_back_before_it_came() -> None:
    made = shipped(2, paid=True)
    give_all_back(made)
    before = state_of(made)
    for wish in (Wish(amount=Money(100, "USD")), Wish()):
        with pytest.raises(NothingToRefund) as refused:
            bring_back(made, (1, 1), version=order_of(made.id).version, refund=wish)
        assert [error.pointer for error in refused.value.errors] == ["/refund"]
        assert state_of(made) == before
    record = bring_back(made, (1, 1), version=order_of(made.id).version)
    assert (record.refund, lines_of(made.id)[0]["returned"], stock_of(made.products[0])) == (None, 1, (9, 0))


def test_what_comes_back_after_its_money_is_sold_no_longer_and_what_is_kept_stays_sold() -> None:
    made = shipped(2, 3, paid=True)
    give_all_back(made)
    bring_back(made, (2, 2), (1, 1), version=order_of(made.id).version)
    assert facts_of(made) == [(-2, 0), (-1, 0), (2, 2_000), (3, 3_000)]
    kept = shipped(2, paid=True)
    bring_back(kept, (1, 1), version=order_of(kept.id).version)
    assert facts_of(kept) == [(2, 2_000)]


def facts_of(made: Made) -> list[tuple[int, int]]:
    """Units and total of the sales facts of an order."""
    db.session.rollback()
    found = select(Sale.quantity, Sale.total_minor).where(Sale.order_id == made.id)
    return sorted((row.quantity, row.total_minor) for row in db.session.execute(found))


def give_all_back(made: Made) -> None:
    version = order_of(made.id).version
    refund(actor=STAFF, now=NOW, order_id=made.id, expected_version=version, amount=None, reason="x")


def test_a_product_that_was_deleted_meanwhile_comes_back_all_the_same() -> None:
    made = shipped(2)
    delete_product(actor=STAFF, now=NOW, product_id=made.products[0], expected_version=1)
    bring_back(made, (2, 2))
    assert stock_of(made.products[0]) == (10, 0)


def test_the_money_of_what_came_back_is_claimed_with_the_return_and_sent() -> None:
    made = shipped(3, 2, paid=True)
    record = bring_back(made, (2, 2), (1, 0), refund=Wish())
    assert record.refund is not None
    refund_id = record.refund.id
    assert (record.refund.amount_minor, record.refund.status, record.refund.reason) == (3000, "CLAIMED", WHY)
    assert order_of(made.id).payment_state == "PAID"
    parts = db.session.execute(select(RefundLine.order_line_id, RefundLine.quantity, RefundLine.amount_minor)).all()
    assert sorted(tuple(row) for row in parts) == [(made.lines[0], 2, 2000), (made.lines[1], 1, 1000)]
    assert db.session.scalars(select(OrderReturn.refund_id)).all() == [refund_id]
    send_refund(refund_id=refund_id, now=NOW + 2 * HOUR)
    assert order_of(made.id).payment_state == "PARTIALLY_REFUNDED"
    sold = select(func.sum(Sale.quantity), func.sum(Sale.total_minor)).where(Sale.order_id == made.id)
    assert tuple(db.session.execute(sold).one()) == (2, 2000)


def test_less_than_their_worth_may_go_back_and_never_more() -> None:
    made = shipped(3, paid=True)
    before = state_of(made)
    with pytest.raises(RefundTooLarge) as refused:
        bring_back(made, (2, 2), refund=Wish(amount=Money(2001, "USD")))
    assert {error.pointer.split("/")[1] for error in refused.value.errors} == {"refund"}
    assert refused.value.facts["refundable"] == {"amount": "20.00", "currency": "USD"}
    with pytest.raises(Invalid) as invalid:
        bring_back(made, (2, 2), refund=Wish(amount=Money(1000, "EUR")))
    assert [error.pointer for error in invalid.value.errors] == ["/refund/amount/currency"]
    assert state_of(made) == before
    record = bring_back(made, (2, 2), refund=Wish(amount=Money(1999, "USD")))
    assert record.refund is not None
    assert record.refund.amount_minor == 1999


def test_what_came_back_without_money_is_counted_so_that_the_rest_gets_its_own_worth() -> None:
    made = shipped(3, paid=True)
    bring_back(made, (1, 0))
    record = bring_back(made, (2, 2), version=3, refund=Wish())
    assert record.refund is not None
    assert record.refund.amount_minor == 2000


def _known(order_id: int) -> dict[str, Any]:
    """The order as it is known by now."""
    return {"order_id": order_id, "expected_version": order_of(order_id).version}


def test_nobody_gets_money_back_who_has_not_paid_and_what_came_back_need_not_be_paid() -> None:
    made = shipped(3)
    before = state_of(made)
    with pytest.raises(NothingToRefund) as refused:
        bring_back(made, (1, 1), refund=Wish())
    assert [error.pointer for error in refused.value.errors] == ["/refund"]
    assert state_of(made) == before
    bring_back(made, (1, 1))
    order = order_of(made.id)
    assert (order.cancelled_minor, order.payment_state) == (1000, "UNPAID")
    assert db.session.scalars(select(Payment.amount_minor)).all() == [2000]
    record_payment(actor=STAFF, now=NOW, **_known(made.id), amount=Money(2000, "USD"))
    assert order_of(made.id).payment_state == "PAID"
    assert db.session.scalar(select(func.sum(Sale.total_minor))) == 2000


def test_of_an_order_that_comes_back_as_a_whole_before_it_is_paid_nothing_is_to_be_paid() -> None:
    made = shipped(2)
    bring_back(made, (1, 1))
    bring_back(made, (1, 1), version=3)
    order = order_of(made.id)
    assert (order.state, order.payment_state, order.fulfilment_state) == ("COMPLETED", "VOIDED", "RETURNED")
    assert order.cancelled_minor == order.total_minor
    payment = db.session.execute(select(Payment.status, Payment.active_order_id, Payment.captured_minor)).one()
    assert tuple(payment) == ("CANCELLED", None, 0)


def test_what_comes_back_after_an_order_was_completed_leaves_it_completed() -> None:
    made = shipped(2, paid=True)
    deliver_all(actor=STAFF, now=NOW, order_id=made.id)
    assert order_of(made.id).state == "COMPLETED"
    bring_back(made, (2, 2), version=3, refund=Wish())
    order = order_of(made.id)
    assert (order.state, order.fulfilment_state) == ("COMPLETED", "RETURNED")


def test_a_paid_order_of_which_all_that_was_shipped_came_back_is_completed() -> None:
    made = shipped(2, paid=True)
    bring_back(made, (2, 0))
    assert order_of(made.id).state == "COMPLETED"


def test_returns_of_the_same_units_at_once_are_one(context: Flask) -> None:
    made = shipped(3, paid=True)
    results = at_once(context, *[partial(bring_back, made, (2, 2), refund=Wish())] * 4)
    assert sorted(type(result).__name__ for result in results) == [*["OrderChanged"] * 3, "ReturnRecord"]
    assert stock_of(made.products[0]) == (9, 0)
    assert lines_of(made.id)[0]["returned"] == 2
    assert db.session.scalars(select(Payment.refunded_minor)).all() == [2000]
    assert db.session.scalar(select(func.count()).select_from(OrderReturnLine)) == 1
    assert_adds_up(*made.products)


class TestShares:
    """Orders with shipping, tax and a customer who pays it."""

    @pytest.fixture
    def shop(self, app_with: AppWith) -> Iterator[Flask]:
        made = app_with(checkout=Checkout(shipping_minor=700, tax_rate_ppm=190_000, tax_included=False))
        with made.app_context():
            yield made

    @staticmethod
    def bought(*quantities: int, pays: bool = True) -> Made:
        products = [make_product(900 + at, on_hand=10) for at in range(len(quantities))]
        items = [Ordered(product, count) for product, count in zip(products, quantities, strict=True)]
        about: dict[str, Any] = {"email": "grace@example.org", "customer_id": None, "payment_method": "invoice"}
        addresses: dict[str, Any] = {"shipping_address": ADDRESS, "billing_address": ADDRESS}
        create_order(actor=STAFF, now=NOW, items=items, coupon=None, note="", **about, **addresses)
        order = db.session.scalars(select(Order)).one()
        if pays:
            amount = Money(order.total_minor, order.currency)
            record_payment(actor=STAFF, now=NOW, **_known(order.id), amount=amount)
        lines = tuple(db.session.scalars(select(OrderLine.id).order_by(OrderLine.position)))
        made = Made(order.id, order.number, lines, tuple(products), None)
        send(made.id, version=order_of(made.id).version)
        return made

    @pytest.mark.parametrize("steps", [[(1, 1), (1, 1), (1, 1)], [(2, 1), (1, 1)], [(3, 2)]])
    def test_whatever_the_steps_all_that_was_paid_goes_back(self, shop: Flask, steps: list[tuple[int, int]]) -> None:
        made = self.bought(3, 1)
        total = order_of(made.id).total_minor
        for step in steps:
            bring_back(made, step, version=order_of(made.id).version, refund=Wish())
        bring_back(made, None, (1, 1), version=order_of(made.id).version, refund=Wish())
        assert db.session.scalars(select(Payment.refunded_minor)).all() == [total]

    def test_the_fee_may_be_kept(self, shop: Flask) -> None:
        made = self.bought(3, 1)
        line = db.session.get_one(OrderLine, made.lines[0])
        goods = line.total_minor - line.shipping_minor - line.shipping_tax_minor
        assert goods < line.total_minor
        version = order_of(made.id).version
        with pytest.raises(RefundTooLarge):
            bring_back(
                made,
                (3, 3),
                version=version,
                refund=Wish(shipping=False, amount=Money(goods + 1, "USD")),
            )
        record = bring_back(made, (3, 3), version=version, refund=Wish(shipping=False))
        assert record.refund is not None
        assert record.refund.amount_minor == goods

    def test_before_it_is_paid_it_owes_exactly_what_the_facts_will_say(self, shop: Flask) -> None:
        made = self.bought(3, 1, pays=False)
        bring_back(made, (2, 2), version=order_of(made.id).version)
        order = order_of(made.id)
        due = order.total_minor - order.cancelled_minor
        record_payment(actor=STAFF, now=NOW, **_known(made.id), amount=Money(due, "USD"))
        assert db.session.scalar(select(func.sum(Sale.total_minor))) == due
        rest = bring_back(made, (1, 1), (1, 1), version=order_of(made.id).version, refund=Wish())
        assert rest.refund is not None
        assert rest.refund.amount_minor == due
