"""What a provider says becomes the state of an order, once, in whatever order it is heard of."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update

from app.config import Checkout, Payments
from app.core.extensions import db
from app.core.money import Money
from app.core.orm import utc_now
from app.core.outbox import Outbox
from app.core.permissions import system
from app.orders.errors import OrderNotFound
from app.orders.models.coupons import Coupon, CouponUse
from app.orders.models.orders import Hold, Order, OrderEvent, OrderLine
from app.orders.models.payments import Payment, Refund, RefundLine
from app.orders.models.sales import Sale
from app.orders.providers.port import Answer, ProviderState
from app.orders.services.cancelling import cancel_order
from app.orders.services.checkout.errors import Overtaken
from app.orders.services.checkout.paying import start_payment
from app.orders.services.checkout.preparing import prepare
from app.orders.services.checkout.settling import settle
from app.orders.services.checkout.stocking import expire
from app.orders.services.checkout.sweeping import sweep_holds
from app.orders.services.checkout.wanted import CheckedOut, Particulars, Wanted
from app.orders.services.coupons.editing import create_coupon
from app.products.services.products import delete_product
from tests.conftest import AppWith
from tests.orders.making import ADDRESS, STAFF, events_of, held_by, stock_of
from tests.orders.shopping import Customer, Shop, change, everything
from tests.products.stocking import ACTOR, assert_adds_up

CAPTURED, FAILED, WAITING, CANCELLED = (
    ProviderState.CAPTURED,
    ProviderState.FAILED,
    ProviderState.WAITING,
    ProviderState.CANCELLED,
)
NOBODY = "http://127.0.0.1:9"
"""A provider that nobody asks: these tests say what it says."""


@pytest.fixture
def shop(app_with: AppWith) -> Shop:
    payments = Payments(stripe_secret_key="sk_test_x", stripe_webhook_secret="whsec_x", stripe_url=NOBODY)
    return Shop(app_with(payments=payments, checkout=Checkout(hold_s=60)))


class Paying:
    """A checkout whose payment is under way."""

    def __init__(self, customer: Customer, total: int, *, coupon: str | None = None) -> None:
        self.app = customer.app
        self.customer = customer
        particulars = Particulars(
            email=customer.email or "guest@example.org",
            shipping_address=ADDRESS,
            billing_address=ADDRESS,
            method="card",
            coupon=coupon,
        )
        self.wanted = Wanted(
            shopper=customer.shopper(),
            cart_id=customer.cart_id,
            expected_total=Money(total, "USD"),
            particulars=particulars,
            source="pm_card_visa",
        )
        self.order_id = 0
        self.payment_id = 0
        self.prepare()
        self.start()

    def prepare(self) -> None:
        with self.app.app_context():
            self.order_id = prepare(wanted=self.wanted, now=utc_now()).order.id

    def start(self, *, version: int | None = None) -> None:
        with self.app.app_context():
            present = db.session.scalars(select(Order.version).where(Order.id == self.order_id)).one()
            self.payment_id = start_payment(
                order_id=self.order_id,
                version=present if version is None else version,
                source="pm_card_visa",
                return_url=None,
                actor=self.wanted.shopper.principal,
                now=utc_now(),
            )

    def settle(self, state: ProviderState, **said: Any) -> CheckedOut:
        """Let the provider say this of the payment."""
        with self.app.app_context():
            amount = db.session.scalars(select(Payment.amount_minor).where(Payment.id == self.payment_id)).one()
            about: dict[str, Any] = {"ref": "pi_1", "state": state, **said}
            if state == CAPTURED:
                about |= {"captured_minor": amount, "currency": "USD"}
            return settle(
                order_id=self.order_id,
                payment_id=self.payment_id,
                answer=Answer(**about),
                actor=system(),
                now=utc_now(),
            )

    def states(self) -> tuple[str, str, str, str]:
        """Of the order, of its payment axis, of the hold and of the payment."""
        with self.app.app_context():
            order = db.session.get_one(Order, self.order_id)
            hold = db.session.scalars(select(Hold).where(Hold.order_id == self.order_id)).one()
            payment = db.session.get_one(Payment, self.payment_id)
            return order.state, order.payment_state, hold.state, payment.status

    def held(self) -> dict[int, int]:
        with self.app.app_context():
            return held_by(self.order_id)


def paying(shop: Shop, items: dict[int, int], total: int, **options: Any) -> Paying:
    return Paying(shop.guest(items), total, **options)


def released(shop: Shop, items: dict[int, int], total: int, **options: Any) -> Paying:
    """A checkout whose stock was let go because the provider said that it would never be paid."""
    begun = paying(shop, items, total, **options)
    begun.settle(CANCELLED)
    assert begun.states() == GONE
    assert begun.held() == {}
    return begun


UNDER_WAY = ("DRAFT", "PENDING", "PAYING", "CREATED")
PAID = ("PLACED", "PAID", "CONSUMED", "CAPTURED")
GONE = ("EXPIRED", "VOIDED", "RELEASED", "CANCELLED")
DECLINED = ("DRAFT", "UNPAID", "HELD", "FAILED")


def test_captured_places_the_order_and_saying_so_again_changes_nothing(shop: Shop) -> None:
    lamp = shop.product(on_hand=2)
    begun = paying(shop, {lamp: 2}, 2_000)
    assert begun.states() == UNDER_WAY
    done = begun.settle(CAPTURED)
    assert (done.order.state, [line.quantity for line in done.lines]) == ("PLACED", [2])
    assert begun.states() == PAID
    before = everything(begun.app)
    for state in (CAPTURED, WAITING, FAILED, CANCELLED):
        assert begun.settle(state).order.state == "PLACED"
        assert everything(begun.app) == before
    with begun.app.app_context():
        payment = db.session.get_one(Payment, begun.payment_id)
        assert (payment.provider_ref, payment.captured_minor, payment.captured_at is not None) == ("pi_1", 2_000, True)
        assert db.session.scalars(select(Sale.total_minor)).all() == [2_000]
        assert_adds_up(lamp)


def test_failed_gives_the_customer_the_time_of_a_new_checkout(shop: Shop) -> None:
    lamp = shop.product(on_hand=1)
    begun = paying(shop, {lamp: 1}, 1_000)
    change(begun.app, update(Hold).values(expires_at=utc_now() - timedelta(hours=1)))
    begun.settle(FAILED, error_code="insufficient_funds" * 10)
    assert begun.states() == DECLINED
    with begun.app.app_context():
        hold = db.session.scalars(select(Hold)).one()
        assert timedelta(seconds=50) < hold.expires_at - utc_now() < timedelta(seconds=70)
        payment = db.session.get_one(Payment, begun.payment_id)
        assert (payment.active_order_id, len(payment.error_code or "")) == (None, 64)
    before = everything(begun.app)
    begun.settle(FAILED, error_code="other")
    assert everything(begun.app) == before
    assert begun.held() == {lamp: 1}


def test_a_hold_that_has_ended_stays_ended_whatever_failed(shop: Shop) -> None:
    begun = paying(shop, {shop.product(): 1}, 1_000)
    change(begun.app, update(Hold).values(state="RELEASED"))
    begun.settle(FAILED)
    assert begun.states() == ("DRAFT", "PENDING", "RELEASED", "FAILED")


def test_what_was_bought_is_let_go_by_no_cancelled_payment(shop: Shop) -> None:
    lamp = shop.product()
    begun = paying(shop, {lamp: 1}, 1_000)
    change(begun.app, update(Hold).values(state="CONSUMED"))
    begun.settle(CANCELLED)
    assert begun.states() == ("DRAFT", "PENDING", "CONSUMED", "CANCELLED")
    assert begun.held() == {lamp: 1}


def test_waiting_keeps_everything_and_notes_what_the_provider_calls_it(shop: Shop) -> None:
    begun = paying(shop, {shop.product(): 1}, 1_000)
    begun.settle(WAITING)
    assert begun.states() == ("DRAFT", "PENDING", "PAYING", "WAITING")
    before = everything(begun.app)
    begun.settle(WAITING)
    assert everything(begun.app) == before
    begun.settle(CAPTURED)
    assert begun.states() == PAID


def test_cancelled_lets_stock_and_coupon_go_once(shop: Shop) -> None:
    add_coupon(shop.app, "ONCE", amount_minor=100, max_uses=1)
    lamp = shop.product(on_hand=1)
    begun = released(shop, {lamp: 1}, 900, coupon="ONCE")
    with begun.app.app_context():
        assert (stock_of(lamp), db.session.scalars(select(Coupon.used)).all()) == ((1, 0), [0])
        assert db.session.scalars(select(CouponUse)).all() == []
        assert_adds_up(lamp)
    before = everything(begun.app)
    for state in (CANCELLED, FAILED, WAITING):
        begun.settle(state)
        assert everything(begun.app) == before


def test_the_end_of_an_earlier_payment_does_not_touch_what_a_later_one_holds(shop: Shop) -> None:
    lamp = shop.product(on_hand=1)
    begun = paying(shop, {lamp: 1}, 1_000)
    first = begun.payment_id
    begun.settle(FAILED)
    begun.start()
    second = begun.payment_id
    begun.payment_id = first
    begun.settle(CANCELLED)
    begun.payment_id = second
    assert begun.states() == UNDER_WAY
    assert begun.held() == {lamp: 1}
    begun.settle(CAPTURED, ref="pi_2")
    assert begun.states() == PAID


def test_what_failed_and_was_captured_all_the_same_is_the_order(shop: Shop) -> None:
    begun = paying(shop, {shop.product(): 1}, 1_000)
    begun.settle(FAILED)
    begun.settle(CAPTURED)
    assert begun.states() == PAID


# --- Before a provider is asked --------------------------------------------------------------------------------------


def test_a_draft_that_is_being_paid_for_is_not_paid_for_again(shop: Shop) -> None:
    begun = paying(shop, {shop.product(): 1}, 1_000)
    before = everything(shop.app)
    with pytest.raises(Overtaken):
        begun.start()
    assert everything(shop.app) == before


def test_what_has_expired_is_not_paid_for(shop: Shop) -> None:
    begun = released(shop, {shop.product(): 1}, 1_000)
    before = everything(shop.app)
    with pytest.raises(Overtaken):
        begun.start()
    assert everything(shop.app) == before


def test_a_draft_that_was_changed_since_it_was_agreed_is_not_paid_for(shop: Shop) -> None:
    begun = paying(shop, {shop.product(): 1}, 1_000)
    begun.settle(FAILED)
    with shop.app.app_context():
        version = db.session.get_one(Order, begun.order_id).version
    before = everything(shop.app)
    for other in (version - 1, version + 1):
        with pytest.raises(Overtaken):
            begun.start(version=other)
    assert everything(shop.app) == before
    begun.start(version=version)


# --- Captured when the stock had been let go -------------------------------------------------------------------------


def test_captured_late_with_stock_left_is_placed_with_stock_and_coupon_used_again(shop: Shop) -> None:
    add_coupon(shop.app, "ONCE", amount_minor=100, max_uses=1)
    lamp = shop.product(on_hand=1)
    begun = released(shop, {lamp: 1}, 900, coupon="ONCE")
    begun.settle(CAPTURED)
    assert begun.states() == PAID
    assert begun.held() == {lamp: 1}
    before = everything(begun.app)
    begun.settle(CAPTURED)
    assert everything(begun.app) == before
    with begun.app.app_context():
        assert db.session.scalars(select(Coupon.used)).all() == [1]
        assert [sale.total_minor for sale in db.session.scalars(select(Sale))] == [900]
        assert_adds_up(lamp)


def test_captured_late_keeps_its_price_where_the_coupon_is_used_up(shop: Shop) -> None:
    add_coupon(shop.app, "ONCE", amount_minor=100, max_uses=1)
    lamp = shop.product(on_hand=2)
    begun = released(shop, {lamp: 1}, 900, coupon="ONCE")
    assert shop.guest({lamp: 1}).order("9.00", coupon="ONCE").status_code == 201
    begun.settle(CAPTURED)
    assert begun.states() == PAID
    with begun.app.app_context():
        assert db.session.scalars(select(Coupon.used)).all() == [1]
        assert "coupon.not_counted" in [kind for kind, *_ in events_of(begun.order_id)]


@pytest.mark.parametrize("how", ["sold", "deleted"])
def test_captured_late_with_nothing_left_is_cancelled_shown_and_all_of_it_goes_back(shop: Shop, how: str) -> None:
    lamp, chair = shop.product(on_hand=1), shop.product(on_hand=5)
    begun = released(shop, {lamp: 1, chair: 2}, 3_000)
    if how == "sold":
        assert shop.guest({lamp: 1}).order("10.00").status_code == 201
    else:
        with begun.app.app_context():
            delete_product(actor=ACTOR, now=utc_now(), product_id=lamp, expected_version=1)
    done = begun.settle(CAPTURED)
    assert done.order.state == "CANCELLED"
    assert begun.states() == ("CANCELLED", "PAID", "RELEASED", "CAPTURED")
    assert begun.held() == {}
    before = everything(begun.app)
    begun.settle(CAPTURED)
    assert everything(begun.app) == before
    with begun.app.app_context():
        order = db.session.get_one(Order, begun.order_id)
        assert (order.attention, order.cancelled_minor, order.fulfilment_state) == (
            "CAPTURED_UNFULFILLABLE",
            3_000,
            "VOIDED",
        )
        refund = db.session.scalars(select(Refund)).one()
        assert (refund.amount_minor, refund.status, refund.payment_id) == (3_000, "CLAIMED", begun.payment_id)
        assert sorted(db.session.scalars(select(RefundLine.amount_minor))) == [1_000, 2_000]
        assert db.session.get_one(Payment, begun.payment_id).refunded_minor == 3_000
        assert [row.total_minor for row in db.session.scalars(select(Sale).where(Sale.order_id == order.id))] == [
            1_000,
            2_000,
        ]
        of_order = select(OrderLine.quantity - OrderLine.cancelled).where(OrderLine.order_id == order.id)
        assert set(db.session.scalars(of_order)) == {0}
        sending = select(Outbox.arguments).where(Outbox.kind == "send_refund")
        assert db.session.scalars(sending).all() == [{"refund_id": refund.id}]
        assert stock_of(chair) == (5, 0)
        assert_adds_up(lamp, chair)
    assert begun.customer.order("30.00").get_json()["state"] == "CANCELLED"


def test_captured_late_takes_stock_that_only_lies_in_a_forgotten_checkout(shop: Shop) -> None:
    lamp = shop.product(on_hand=1)
    begun = released(shop, {lamp: 1}, 1_000)
    other = paying(shop, {lamp: 1}, 1_000)
    other.settle(FAILED, ref="pi_other")
    change(shop.app, update(Hold).where(Hold.order_id == other.order_id).values(expires_at=long_ago()))
    begun.settle(CAPTURED)
    assert begun.states() == PAID
    assert other.states() == ("EXPIRED", "VOIDED", "RELEASED", "FAILED")
    with shop.app.app_context():
        assert_adds_up(lamp)


def test_captured_late_does_not_take_what_somebody_still_holds(shop: Shop) -> None:
    lamp = shop.product(on_hand=1)
    begun = released(shop, {lamp: 1}, 1_000)
    other = paying(shop, {lamp: 1}, 1_000)
    change(shop.app, update(Hold).where(Hold.order_id == other.order_id).values(expires_at=long_ago()))
    begun.settle(CAPTURED)
    assert begun.states()[0] == "CANCELLED"
    assert other.states() == UNDER_WAY
    assert other.held() == {lamp: 1}


# --- What should never be said ---------------------------------------------------------------------------------------


def test_a_second_payment_of_what_is_paid_otherwise_is_shown_and_changes_nothing_else(shop: Shop) -> None:
    lamp = shop.product(on_hand=1)
    begun = paying(shop, {lamp: 1}, 1_000)
    begun.settle(FAILED)
    assert begun.customer.order("10.00", email="guest@example.org").get_json()["payment_state"] == "UNPAID"
    begun.settle(CAPTURED)
    with begun.app.app_context():
        order = db.session.get_one(Order, begun.order_id)
        assert (order.state, order.payment_state, order.attention) == ("PLACED", "UNPAID", "PAYMENT_MISMATCH")
        assert db.session.get_one(Payment, begun.payment_id).status == "FAILED"
        shown = select(OrderEvent.details).where(OrderEvent.kind == "attention")
        assert db.session.scalars(shown).all() == [{"payment_id": begun.payment_id, "captured_minor": 1_000}]
    before = everything(begun.app)
    begun.settle(CAPTURED)
    assert everything(begun.app) == before


def test_an_earlier_payment_that_is_captured_after_all_leaves_the_later_one_alone(shop: Shop) -> None:
    lamp = shop.product(on_hand=1)
    begun = paying(shop, {lamp: 1}, 1_000)
    first = begun.payment_id
    begun.settle(FAILED)
    begun.start()
    second, begun.payment_id = begun.payment_id, first
    begun.settle(CAPTURED)
    begun.payment_id = second
    assert begun.states() == UNDER_WAY
    with begun.app.app_context():
        assert db.session.get_one(Order, begun.order_id).attention == "PAYMENT_MISMATCH"
    begun.settle(CAPTURED, ref="pi_2")
    assert begun.states() == PAID


def test_a_payment_of_an_order_that_was_cancelled_is_shown(shop: Shop) -> None:
    begun = paying(shop, {shop.product(): 1}, 1_000)
    begun.settle(FAILED)
    assert begun.customer.order("10.00").status_code == 201
    with begun.app.app_context():
        cancel_order(actor=STAFF, clock=utc_now, order_id=begun.order_id)
    begun.settle(CAPTURED)
    with begun.app.app_context():
        order = db.session.get_one(Order, begun.order_id)
        assert (order.state, order.payment_state, order.attention) == ("CANCELLED", "VOIDED", "PAYMENT_MISMATCH")
    assert begun.held() == {}


def test_a_payment_of_what_the_cart_no_longer_is_is_shown_and_places_nothing(shop: Shop) -> None:
    lamp = shop.product(on_hand=5)
    begun = paying(shop, {lamp: 1}, 1_000)
    begun.settle(FAILED)
    begun.customer.put({lamp: 1})
    begun.wanted = Wanted(
        shopper=begun.wanted.shopper,
        cart_id=begun.wanted.cart_id,
        expected_total=Money(2_000, "USD"),
        particulars=begun.wanted.particulars,
    )
    begun.prepare()
    begun.settle(CAPTURED)
    assert begun.states() == DECLINED
    with begun.app.app_context():
        assert db.session.get_one(Order, begun.order_id).attention == "PAYMENT_MISMATCH"


def test_a_payment_that_is_not_of_the_order_is_not_there(shop: Shop) -> None:
    begun, other = paying(shop, {shop.product(): 1}, 1_000), paying(shop, {shop.product(): 1}, 1_000)
    before = everything(shop.app)
    begun.payment_id = other.payment_id
    with pytest.raises(OrderNotFound):
        begun.settle(CAPTURED)
    assert everything(shop.app) == before


# --- The sweeper -----------------------------------------------------------------------------------------------------


def test_a_hold_that_has_not_expired_is_not_ended(shop: Shop) -> None:
    begun = paying(shop, {shop.product(): 1}, 1_000)
    begun.settle(FAILED)
    before = everything(shop.app)
    with shop.app.app_context():
        assert not expire(order_id=begun.order_id, actor=system(), now=utc_now())
        sweep_holds(clock=utc_now)
    assert everything(shop.app) == before


def long_ago() -> Any:
    return utc_now() - timedelta(hours=1)


def add_coupon(app: Flask, code: str, **values: Any) -> None:
    with app.app_context():
        create_coupon(actor=ACTOR, now=utc_now(), code=code, **values)
