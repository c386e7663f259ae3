"""What checkouts leave behind: what nobody will pay for is let go, and what somebody may have paid for is not."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update

from app.config import Checkout
from app.core.extensions import db
from app.core.orm import utc_now
from app.orders.models.coupons import Coupon
from app.orders.models.orders import Hold, Order
from app.orders.models.payments import Payment
from app.orders.services.checkout import sweeping
from app.orders.services.checkout.sweeping import SWEEP_HOLDS, sweep_holds
from app.orders.services.coupons.editing import create_coupon
from tests.conftest import AppWith
from tests.orders.making import events_of, stock_of
from tests.orders.shopping import Customer, Shop, change, everything
from tests.orders.stripe_rules import SLOW
from tests.orders.stripe_server import StripeServer
from tests.products.stocking import ACTOR, assert_adds_up
from tests.servers import on_sqlite
from workers.jobs.outbox import HANDLERS
from workers.schedule import TIMETABLE

GOOD, DECLINED, ASKING = "pm_card_visa", "pm_card_visa_chargeDeclined", "pm_card_authenticationRequired"
CREATE = "POST /v1/payment_intents"


@pytest.fixture
def cards(app_with: AppWith, stripe_double: StripeServer) -> Shop:
    """A shop that takes cards."""
    return Shop(app_with(payments=stripe_double.payments(timeout_s=2.0), checkout=Checkout(hold_s=60)))


def pay(customer: Customer, total: str, source: str, **more: Any) -> Any:
    return customer.order(total, payment_method="card", source=source, **more)


def time_passes(app: Flask, *, state: str | None = None) -> None:
    """All holds (of a state) expire now."""
    expired = update(Hold).values(expires_at=utc_now() - timedelta(seconds=1))
    change(app, expired if state is None else expired.where(Hold.state == state))


def sweep(app: Flask) -> None:
    with app.app_context():
        sweep_holds(clock=utc_now)


def states(app: Flask) -> list[tuple[str, str, str]]:
    """Of all orders: order, payment axis and hold."""
    with app.app_context():
        rows = select(Order.state, Order.payment_state, Hold.state).join(Hold, Hold.order_id == Order.id)
        return [(row[0], row[1], row[2]) for row in db.session.execute(rows.order_by(Order.id))]


def the_payment(app: Flask) -> Payment:
    with app.app_context():
        return db.session.scalars(select(Payment)).one()


def test_an_expired_hold_is_ended_with_stock_and_coupon_free_again(cards: Shop) -> None:
    with cards.app.app_context():
        create_coupon(actor=ACTOR, now=utc_now(), code="ONCE", amount_minor=100, max_uses=1)
    lamp = cards.product(on_hand=2)
    assert pay(cards.guest({lamp: 2}), "19.00", DECLINED, coupon="ONCE").status_code == 402
    sweep(cards.app)
    assert states(cards.app) == [("DRAFT", "UNPAID", "HELD")]
    time_passes(cards.app)
    sweep(cards.app)
    assert states(cards.app) == [("EXPIRED", "VOIDED", "RELEASED")]
    with cards.app.app_context():
        order = db.session.scalars(select(Order)).one()
        assert order.ended_at is not None
        assert (stock_of(lamp), db.session.scalars(select(Coupon.used)).all()) == ((2, 0), [0])
        assert events_of(order.id)[-1][:3] == ("order.state", "DRAFT", "EXPIRED")
        assert_adds_up(lamp)
    before = everything(cards.app)
    sweep(cards.app)
    assert everything(cards.app) == before


def test_orders_that_are_placed_are_never_swept(cards: Shop) -> None:
    """Of invoices as well (shopper#607)."""
    lamp = cards.product(on_hand=5)
    assert cards.guest({lamp: 1}).order("10.00").status_code == 201
    assert pay(cards.guest({lamp: 1}), "10.00", GOOD).status_code == 201
    time_passes(cards.app)
    before = everything(cards.app)
    sweep(cards.app)
    assert everything(cards.app) == before


def test_a_payment_that_nobody_finished_is_cancelled_at_the_provider_before_its_stock_goes(
    cards: Shop, stripe_double: StripeServer
) -> None:
    lamp = cards.product(on_hand=1)
    pay(cards.guest({lamp: 1}), "10.00", ASKING)
    ref = the_payment(cards.app).provider_ref
    seen: list[Any] = []
    stripe_double.next(f"{CREATE}/{ref}/cancel", before=lambda: seen.append(states(cards.app)))
    time_passes(cards.app)
    sweep(cards.app)
    assert seen == [[("DRAFT", "PENDING", "PAYING")]]
    assert stripe_double.books.retrieve_intent(ref or "")["status"] == "canceled"
    assert states(cards.app) == [("EXPIRED", "VOIDED", "RELEASED")]
    with cards.app.app_context():
        assert stock_of(lamp) == (1, 0)


def test_a_payment_that_was_captured_and_nobody_told_us_becomes_an_order(
    cards: Shop, stripe_double: StripeServer
) -> None:
    lamp = cards.product(on_hand=1)
    pay(cards.guest({lamp: 1}), "10.00", ASKING)
    stripe_double.books.authenticate(the_payment(cards.app).provider_ref or "")
    time_passes(cards.app)
    sweep(cards.app)
    assert states(cards.app) == [("PLACED", "PAID", "CONSUMED")]
    with cards.app.app_context():
        assert stock_of(lamp) == (1, 1)


@pytest.mark.parametrize("fault", [{"drop": True}, {"refuse": True}], ids=["taken", "not taken"])
def test_a_payment_whose_answer_was_lost_is_found_by_its_own_key(
    cards: Shop, stripe_double: StripeServer, fault: dict[str, Any]
) -> None:
    """Whether the money was taken or not: asked again it is one charge, and the customer gets what they ordered."""
    stripe_double.next(CREATE, **fault)
    assert pay(cards.guest({cards.product(on_hand=1): 1}), "10.00", GOOD).status_code == 503
    sweep(cards.app)
    assert states(cards.app) == [("DRAFT", "PENDING", "PAYING")]
    time_passes(cards.app)
    sweep(cards.app)
    assert states(cards.app) == [("PLACED", "PAID", "CONSUMED")]
    with cards.app.app_context():
        number = db.session.scalars(select(Order)).one().number
    assert stripe_double.books.taken(number) == [1_000]
    keys = {key for _, path, key in stripe_double.requests if path == "/v1/payment_intents"}
    assert keys == {the_payment(cards.app).idempotency_key}


def test_an_unreachable_provider_lets_nothing_go_and_is_asked_again_later(
    cards: Shop, stripe_double: StripeServer
) -> None:
    lamp = cards.product(on_hand=1)
    pay(cards.guest({lamp: 1}), "10.00", ASKING)
    time_passes(cards.app)
    stripe_double.next("POST", refuse=True, times=9)
    sweep(cards.app)
    asked = len(stripe_double.requests)
    assert states(cards.app) == [("DRAFT", "PENDING", "PAYING")]
    sweep(cards.app)
    assert len(stripe_double.requests) == asked  # not before a minute has passed
    with cards.app.app_context():
        hold = db.session.scalars(select(Hold)).one()
        assert timedelta(seconds=30) < hold.expires_at - utc_now() < timedelta(seconds=90)
        assert stock_of(lamp) == (1, 1)
    stripe_double.calm()
    time_passes(cards.app)
    sweep(cards.app)
    assert states(cards.app) == [("EXPIRED", "VOIDED", "RELEASED")]


@on_sqlite
def test_a_provider_that_does_not_answer_is_asked_once_a_run(cards: Shop, stripe_double: StripeServer) -> None:
    lamp = cards.product(on_hand=5)
    for _ in range(3):
        pay(cards.guest({lamp: 1}), "10.00", ASKING)
    time_passes(cards.app)
    before = len(stripe_double.requests)
    stripe_double.next("POST", refuse=True, times=9)
    asked = []
    for _ in range(4):
        sweep(cards.app)
        asked.append(len(stripe_double.requests) - before)
    assert asked == [1, 2, 3, 3]  # the others in their turn, and none again before a minute has passed


@on_sqlite
def test_a_hold_that_cannot_be_ended_keeps_none_of_the_others_waiting(cards: Shop) -> None:
    lamp = cards.product(on_hand=5)
    for source in (DECLINED, DECLINED, ASKING, ASKING):
        pay(cards.guest({lamp: 1}), "10.00", source)
    time_passes(cards.app)
    with cards.app.app_context():
        ids = db.session.scalars(select(Order.id).order_by(Order.id)).all()
    change(cards.app, update(Order).where(Order.id.in_(ids[::2])).values(state="COMPLETED"))  # as nothing makes it
    sweep(cards.app)
    assert [(state, hold) for state, _, hold in states(cards.app)] == [
        ("COMPLETED", "HELD"),
        ("EXPIRED", "RELEASED"),
        ("COMPLETED", "PAYING"),
        ("EXPIRED", "RELEASED"),
    ]


def test_what_a_bank_is_at_keeps_its_stock_until_it_has_ended(cards: Shop, stripe_double: StripeServer) -> None:
    pay(cards.guest({cards.product(on_hand=1): 1}), "10.00", SLOW)
    time_passes(cards.app)
    sweep(cards.app)
    assert states(cards.app) == [("DRAFT", "PENDING", "PAYING")]
    stripe_double.books.finish(the_payment(cards.app).provider_ref or "", success=False)
    time_passes(cards.app)
    sweep(cards.app)
    assert states(cards.app) == [("EXPIRED", "VOIDED", "RELEASED")]


@on_sqlite
def test_one_run_ends_a_bounded_number_and_the_next_one_the_rest(cards: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeping, "MAX_HELD", 2)
    lamp = cards.product(on_hand=5)
    for _ in range(5):
        pay(cards.guest({lamp: 1}), "10.00", DECLINED)
    time_passes(cards.app)
    left = []
    for _ in range(3):
        sweep(cards.app)
        left.append(sum(state == "DRAFT" for state, _, _ in states(cards.app)))
    assert left == [3, 1, 0]


@on_sqlite
def test_the_sweeper_comes_every_half_minute(cards: Shop) -> None:
    assert TIMETABLE[SWEEP_HOLDS] == timedelta(seconds=30)
    pay(cards.guest({cards.product(): 1}), "10.00", DECLINED)
    time_passes(cards.app)
    with cards.app.app_context():
        HANDLERS[SWEEP_HOLDS]()
    assert states(cards.app) == [("EXPIRED", "VOIDED", "RELEASED")]


def test_a_hold_of_half_a_second_ends_after_half_a_second(app_with: AppWith, stripe_double: StripeServer) -> None:
    shop = Shop(app_with(payments=stripe_double.payments(), checkout=Checkout(hold_s=0.5)))
    lamp = shop.product(on_hand=1)
    pay(shop.guest({lamp: 1}), "10.00", DECLINED)
    with shop.app.app_context():
        hold = db.session.scalars(select(Hold)).one()
        assert hold.expires_at - hold.updated_at < timedelta(seconds=5)
    buyer = shop.guest({lamp: 1})
    answers = []
    deadline = utc_now() + timedelta(seconds=20)
    while utc_now() < deadline and 201 not in answers:
        answers.append(buyer.order("10.00").status_code)
    assert answers[-1] == 201
    assert states(shop.app) == [("EXPIRED", "VOIDED", "RELEASED"), ("PLACED", "UNPAID", "CONSUMED")]
