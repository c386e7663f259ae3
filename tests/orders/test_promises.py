"""Orders whose promised stock a count took away: shown to staff, and promised again."""

from __future__ import annotations

from functools import partial

import pytest
from flask import Flask
from sqlalchemy import func, select

from app.core.audit import AuditEvent
from app.core.extensions import db
from app.core.orm import utc_now
from app.core.outbox import Outbox
from app.core.permissions import system
from app.core.transactions import in_transaction
from app.orders.attention import REFUND_FAILED, STOCK_TAKEN
from app.orders.errors import OrderNotPlaced
from app.orders.events import OrderMoved
from app.orders.models.orders import OrderEvent, OrderState
from app.orders.models.payments import Payment, Refund, RefundStatus
from app.orders.services.cancelling import cancel_order
from app.orders.services.counting import Units
from app.orders.services.moving import flag, lock_order
from app.orders.services.promises import NOTE_STOCK_TAKEN, allocate_again, missing_units
from app.orders.services.refunds import refund, retry
from app.products.errors import OutOfStock
from app.products.services.allocations import allocate
from app.products.services.ledger import Reference
from app.products.services.stock import Shortfall
from tests.concurrency import at_once
from tests.mailing import deliver
from tests.orders.making import NOW, STAFF, Made, events_of, held_by, make_order, order_of, stock_of
from tests.products.stocking import ACTOR, adjust, assert_adds_up, buy, everything, heard, make_product, receive

pytestmark = pytest.mark.usefixtures("context")


def rob(product_id: int, count: int) -> None:
    """Find so many fewer on the shelf than was thought, whoever was promised them."""
    adjust(product_id, -count, shortfall=Shortfall.RELEASE)


def note_all(app: Flask) -> None:
    """Deliver what is in the outbox, but for mails, as a background worker does."""
    deliver(app)


def again(made: Made) -> None:
    allocate_again(actor=STAFF, now=NOW, order_id=made.id)


def taken(order_id: int) -> list[dict[str, object]]:
    db.session.rollback()
    kind = OrderEvent.kind == "stock.taken"
    return list(db.session.scalars(select(OrderEvent.details).where(OrderEvent.order_id == order_id, kind)))


def test_an_order_that_lost_stock_is_shown_to_staff_and_customers_see_nothing_of_it(context: Flask) -> None:
    made, other = make_order(3, on_hand=5), make_order(1)
    rob(made.products[0], 4)
    assert held_by(made.id) == {made.products[0]: 1}
    assert order_of(made.id).attention is None  # who counts waits for no order
    with heard(OrderMoved) as told:
        note_all(context)
    assert order_of(made.id).attention == STOCK_TAKEN
    assert [(event.order_id, event.what) for event in told] == [(made.id, "attention")]
    assert [(each["product_id"], each["quantity"]) for each in taken(made.id)] == [(made.products[0], 2)]
    assert [is_public for *_, is_public in events_of(made.id)] == [False, False]
    assert missing_units(made.id) == {made.products[0]: 2}
    assert order_of(other.id).attention is None
    assert_adds_up(*made.products)


def test_a_note_that_is_delivered_twice_is_made_once(context: Flask) -> None:
    made = make_order(3, on_hand=3)
    rob(made.products[0], 1)
    note_all(context)
    before = events_of(made.id), order_of(made.id).version

    @in_transaction
    def forget() -> None:
        row = db.session.scalars(select(Outbox).where(Outbox.kind == NOTE_STOCK_TAKEN)).one()
        row.done_at = row.lease_token = None
        row.arguments = arguments

    (details,) = taken(made.id)
    arguments = {"order_id": made.id} | details
    forget()
    note_all(context)
    assert (events_of(made.id), order_of(made.id).version) == before


def test_stock_of_what_is_no_order_is_nobodys_concern_here(context: Flask) -> None:
    product_id = make_product(77, on_hand=2)
    allocate(actor=ACTOR, now=NOW, reference=Reference("hold", 1, "Hold 1"), items={product_id: 2})
    rob(product_id, 1)
    assert db.session.scalar(select(func.count()).select_from(Outbox)) == 0


def test_it_is_promised_its_stock_again_when_there_is_some(context: Flask) -> None:
    made = make_order(3, 2, on_hand=3)
    rob(made.products[0], 2)
    note_all(context)
    receive(made.products[0], 5)
    again(made)
    order = order_of(made.id)
    assert order.attention is None
    assert held_by(made.id) == {made.products[0]: 3, made.products[1]: 2}
    assert stock_of(made.products[0]) == (6, 3)
    assert [kind for kind, *_ in events_of(made.id)][-2:] == ["stock.allocated", "attention"]
    assert db.session.scalar(select(func.count()).where(AuditEvent.action == "order.allocate")) == 1
    assert_adds_up(*made.products)
    version = order.version
    again(made)
    assert order_of(made.id).version == version
    assert db.session.scalar(select(func.count()).where(AuditEvent.action == "order.allocate")) == 1


def test_while_there_is_too_little_nothing_is_promised(context: Flask) -> None:
    made = make_order(3, on_hand=3)
    rob(made.products[0], 2)
    note_all(context)
    receive(made.products[0], 1)
    before = everything(), events_of(made.id), order_of(made.id).version
    with pytest.raises(OutOfStock):
        again(made)
    assert (everything(), events_of(made.id), order_of(made.id).version) == before
    assert order_of(made.id).attention == STOCK_TAKEN


@pytest.mark.parametrize("state", [OrderState.DRAFT, OrderState.CANCELLED, OrderState.EXPIRED, OrderState.COMPLETED])
def test_only_a_placed_order_is_promised_stock_again(state: OrderState) -> None:
    made = make_order(2, state=state)
    before = everything()
    with pytest.raises(OrderNotPlaced):
        again(made)
    assert (everything(), events_of(made.id)) == (before, [])


def test_cancelling_what_is_missing_resolves_it_and_keeps_what_is_there(context: Flask) -> None:
    made = make_order(5, on_hand=5)
    rob(made.products[0], 2)
    note_all(context)
    units = [Units(made.lines[0], 2)]
    cancel_order(actor=STAFF, clock=utc_now, order_id=made.id, units=units)
    assert order_of(made.id).attention is None
    assert held_by(made.id) == {made.products[0]: 3}
    assert stock_of(made.products[0]) == (3, 3)
    assert_adds_up(*made.products)


def test_cancelling_all_of_it_resolves_it(context: Flask) -> None:
    made = make_order(5, on_hand=5)
    rob(made.products[0], 2)
    note_all(context)
    cancel_order(actor=STAFF, clock=utc_now, order_id=made.id)
    assert (order_of(made.id).attention, order_of(made.id).state) == (None, "CANCELLED")
    assert stock_of(made.products[0]) == (3, 0)


def test_another_reason_to_look_at_an_order_stays(context: Flask) -> None:
    made = make_order(3, on_hand=3)

    @in_transaction
    def fail() -> None:
        flag(lock_order(made.id), REFUND_FAILED, actor=system(), now=NOW)

    fail()
    rob(made.products[0], 1)
    note_all(context)
    assert order_of(made.id).attention == REFUND_FAILED
    receive(made.products[0], 1)
    again(made)
    assert order_of(made.id).attention == REFUND_FAILED
    assert held_by(made.id) == {made.products[0]: 3}


def test_what_is_missing_is_shown_once_the_other_reason_is_gone(context: Flask) -> None:
    made = make_order(3, on_hand=3, paid=True)
    version = order_of(made.id).version
    refunded = refund(actor=STAFF, now=NOW, order_id=made.id, expected_version=version, amount=None, reason="x").id

    @in_transaction
    def fail() -> None:
        db.session.get_one(Refund, refunded).status = RefundStatus.FAILED
        db.session.get_one(Payment, made.payment_id).refunded_minor = 0
        flag(lock_order(made.id), REFUND_FAILED, actor=system(), now=NOW)

    fail()
    rob(made.products[0], 1)
    note_all(context)
    assert order_of(made.id).attention == REFUND_FAILED
    retry(actor=STAFF, now=NOW, order_id=made.id, refund_id=refunded, by_hand=True)
    assert order_of(made.id).attention == STOCK_TAKEN


def test_two_who_promise_it_at_once_promise_it_once_and_take_it_from_nobody_else(context: Flask) -> None:
    made = make_order(3, on_hand=3)
    rob(made.products[0], 3)
    note_all(context)
    receive(made.products[0], 5)
    buy(999_999, {made.products[0]: 2})
    assert at_once(context, *[partial(again, made)] * 4) == [None] * 4
    assert stock_of(made.products[0]) == (5, 5)
    assert held_by(made.id) == {made.products[0]: 3}
    assert_adds_up(*made.products)
