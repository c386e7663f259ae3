"""Cancelling orders, units of orders and checkouts: stock, money, coupons and states are right afterwards."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select, update

from app.core.audit import AuditEvent
from app.core.errors import Invalid
from app.core.extensions import db
from app.core.money import Money
from app.core.outbox import Outbox
from app.core.permissions import Principal
from app.core.transactions import in_transaction
from app.orders.attention import STOCK_TAKEN
from app.orders.errors import (
    AlreadyShipped,
    MoreThanLeft,
    NothingToRefund,
    OrderChanged,
    OrderNotFound,
    OrderNotPlaced,
    OrderOver,
    PaymentUnknown,
)
from app.orders.events import OrderMoved
from app.orders.models.coupons import Coupon, CouponUse
from app.orders.models.orders import Order, OrderLine, OrderState
from app.orders.models.payments import Payment, Refund, RefundLine
from app.orders.models.sales import Sale
from app.orders.queries.orders import OrderRecord
from app.orders.services.cancelling import cancel_order
from app.orders.services.checkout.preparing import prepare
from app.orders.services.checkout.wanted import Particulars, Wanted
from app.orders.services.counting import Units, count_cancelled
from app.orders.services.coupons.editing import create_coupon
from app.orders.services.recording import record_payment
from app.orders.services.refunds import refund
from app.orders.services.sending_refunds import send_refund
from app.orders.services.shipping import Tracking, ship
from app.products.errors import StockInconsistent
from app.products.models.stock import Allocation, Stock
from app.products.services.stock import Shortfall
from tests.faults.invariants import violations
from tests.orders.making import (
    ADDRESS,
    NOW,
    STAFF,
    Made,
    events_of,
    held_by,
    lines_of,
    make_order,
    order_of,
    stock_of,
)
from tests.orders.shopping import Shop, everything
from tests.products.stocking import adjust, assert_adds_up, heard

pytestmark = pytest.mark.usefixtures("context")


def cancel(order_id: int, *units: Units, **options: Any) -> OrderRecord:
    """Cancel units of an order, or without any all that is left of it, as staff."""
    given: dict[str, Any] = {"actor": STAFF, "clock": lambda: NOW, "units": list(units) or None} | options
    return cancel_order(order_id=order_id, **given)


def ordered(shop: Shop, *quantities: int, **more: Any) -> int:
    """An order on invoice of so many of each of some products of 10.00; its id."""
    items = {shop.product(): quantity for quantity in quantities}
    return _order(shop, items, f"{10 * sum(quantities)}.00", **more)


def _order(shop: Shop, items: dict[int, int], total: str, **more: Any) -> int:
    with shop.app.app_context():  # of its own, because requests share it
        answer = shop.guest(items).order(total, **more)
    assert answer.status_code == 201, answer.text
    return int(answer.get_json()["number"]) - 100_000


def line_ids(order_id: int) -> list[int]:
    db.session.rollback()
    return list(db.session.scalars(select(OrderLine.id).where(OrderLine.order_id == order_id).order_by(OrderLine.id)))


def states(order_id: int) -> tuple[str, str, str]:
    order = order_of(order_id)
    return order.state, order.payment_state, order.fulfilment_state


def pay(order_id: int, minor: int) -> None:
    about: dict[str, Any] = {"order_id": order_id, "expected_version": order_of(order_id).version}
    record_payment(actor=STAFF, now=NOW, amount=Money(minor, "USD"), **about)


def send_refunds() -> None:
    """Have the provider of all refunds that are asked for do them."""
    db.session.rollback()
    for row in db.session.scalars(select(Outbox).where(Outbox.kind == "send_refund", Outbox.done_at.is_(None))):
        send_refund(refund_id=row.arguments["refund_id"], now=NOW)


def wrong() -> list[str]:
    """Everything that is wrong in the whole database."""
    db.session.rollback()
    return [str(each) for each in violations(at_rest=False)]


def test_cancelling_all_of_an_order_gives_its_stock_free_and_leaves_nothing_to_pay(shop: Shop) -> None:
    order_id = ordered(shop, 3, 1)
    held = held_by(order_id)
    shown = cancel(order_id, reason="Ordered twice")
    assert states(order_id) == ("CANCELLED", "VOIDED", "VOIDED")
    assert held_by(order_id) == {}
    for product in held:
        assert stock_of(product) == (10, 0)
        assert_adds_up(product)
    order = order_of(order_id)
    assert (order.cancelled_minor, order.total_minor, order.ended_at) == (4_000, 4_000, NOW)
    assert (shown.state, shown.version, shown.due_minor) == ("CANCELLED", order.version, 0)
    payment = db.session.scalars(select(Payment)).one()
    assert (payment.status, payment.active_order_id) == ("CANCELLED", None)
    kinds = [event for event in events_of(order_id) if event[0] != "units.cancelled"]
    assert kinds[-3:] == [
        ("payment.state", "UNPAID", "VOIDED", True),
        ("order.state", "PLACED", "CANCELLED", True),
        ("fulfilment.state", "UNFULFILLED", "VOIDED", True),
    ]
    audited = db.session.scalars(select(AuditEvent).where(AuditEvent.action == "order.cancel")).one()
    assert (audited.subject_id, audited.actor_id) == (order_id, STAFF.id)
    assert "Ordered twice" not in str(audited.after)
    assert wrong() == []


def test_cancelling_units_gives_back_exactly_these_and_less_is_due(shop: Shop) -> None:
    order_id = ordered(shop, 3, 2)
    first, second = line_ids(order_id)
    products = sorted(held_by(order_id))
    with heard(OrderMoved) as told:
        shown = cancel(order_id, Units(first, 2))
    assert [line["cancelled"] for line in lines_of(order_id)] == [2, 0]
    assert held_by(order_id) == {products[0]: 1, products[1]: 2}
    assert [stock_of(product) for product in products] == [(10, 1), (10, 2)]
    assert states(order_id) == ("PLACED", "UNPAID", "UNFULFILLED")
    assert (shown.cancelled_minor, shown.due_minor, shown.total_minor) == (2_000, 3_000, 5_000)
    assert db.session.scalars(select(Payment.amount_minor)).one() == 3_000
    assert [event.what for event in told] == ["cancelled"]
    assert wrong() == []
    cancel(order_id, Units(second, 2), Units(first, 1))
    assert states(order_id) == ("CANCELLED", "VOIDED", "VOIDED")
    assert wrong() == []


def test_what_was_paid_for_cancelled_units_goes_back_and_no_more(shop: Shop) -> None:
    order_id = ordered(shop, 3)
    pay(order_id, 3_000)
    (line,) = line_ids(order_id)
    cancel(order_id, Units(line, 1), reason="Broken")
    refund = db.session.scalars(select(Refund)).one()
    assert (refund.amount_minor, refund.status, refund.reason) == (1_000, "CLAIMED", "Broken")
    assert states(order_id) == ("PLACED", "PAID", "UNFULFILLED")
    send_refunds()
    assert states(order_id) == ("PLACED", "PARTIALLY_REFUNDED", "UNFULFILLED")
    cancel(order_id)
    send_refunds()
    assert states(order_id) == ("CANCELLED", "REFUNDED", "VOIDED")
    assert sorted(db.session.scalars(select(Refund.amount_minor))) == [1_000, 2_000]
    assert sorted(db.session.scalars(select(RefundLine.quantity))) == [1, 2]
    assert wrong() == []


def test_units_cancelled_before_and_after_the_payment_come_to_what_was_ordered(shop: Shop) -> None:
    order_id = ordered(shop, 3)
    (line,) = line_ids(order_id)
    cancel(order_id, Units(line, 1))
    pay(order_id, 2_000)
    cancel(order_id)
    send_refunds()
    assert db.session.scalars(select(Refund.amount_minor)).one() == 2_000
    assert (states(order_id), order_of(order_id).cancelled_minor) == (("CANCELLED", "REFUNDED", "VOIDED"), 3_000)
    assert wrong() == []


def test_the_rest_of_an_order_that_was_shipped_in_part_can_be_cancelled_and_completes_it(shop: Shop) -> None:
    order_id = ordered(shop, 3)
    (line,) = line_ids(order_id)
    (product,) = held_by(order_id)
    version = order_of(order_id).version
    ship(
        actor=STAFF,
        now=NOW,
        order_id=order_id,
        expected_version=version,
        tracking=Tracking(carrier="DHL"),
        units=[Units(line, 1)],
    )
    assert states(order_id)[2] == "PARTIALLY_SHIPPED"
    cancel(order_id)
    assert states(order_id) == ("PLACED", "UNPAID", "SHIPPED")
    assert lines_of(order_id) == [{"quantity": 3, "cancelled": 2, "shipped": 1, "returned": 0}]
    assert (stock_of(product), held_by(order_id)) == ((9, 0), {})
    pay(order_id, 1_000)
    assert wrong() == []
    with pytest.raises(OrderOver) as refused:
        cancel(order_id)
    assert refused.value.facts == {
        "state": "PLACED",
        "order": {"state": "PLACED", "payment_state": "PAID", "fulfilment_state": "SHIPPED"},
        "allowed": {
            "order": ["CANCELLED", "COMPLETED"],
            "payment": ["PARTIALLY_REFUNDED", "REFUNDED"],
            "fulfilment": ["DELIVERED", "PARTIALLY_RETURNED", "RETURNED"],
        },
    }
    assert "is SHIPPED" in refused.value.detail


def test_cancelling_twice_changes_nothing_and_says_so(app: Flask, shop: Shop) -> None:
    order_id = ordered(shop, 2)
    cancel(order_id)
    before = everything(app)
    with pytest.raises(OrderOver) as refused:
        cancel(order_id)
    assert (refused.value.facts["state"], refused.value.facts["allowed"]["order"]) == ("CANCELLED", [])
    assert "nothing was changed" in refused.value.detail
    with pytest.raises(OrderOver):
        cancel(order_id, Units(line_ids(order_id)[0], 1))
    assert everything(app) == before


@pytest.mark.parametrize("quantity", [3, 10**9])
def test_more_units_than_are_left_are_refused_and_nothing_changes(app: Flask, shop: Shop, quantity: int) -> None:
    order_id = ordered(shop, 2, 5)
    first, second = line_ids(order_id)
    before = everything(app)
    with pytest.raises(MoreThanLeft) as refused:
        cancel(order_id, Units(second, 1), Units(first, quantity))
    assert refused.value.facts["lines"][0]["left"] == 2
    assert refused.value.errors[0].pointer == "/lines/1/quantity"
    assert everything(app) == before


def test_lines_that_are_none_or_named_twice_are_refused_and_nothing_changes(app: Flask, shop: Shop) -> None:
    order_id, other = ordered(shop, 2), ordered(shop, 2)
    (line,), (foreign,) = line_ids(order_id), line_ids(other)
    before = everything(app)
    for units in ([Units(foreign, 1)], [Units(line, 1), Units(line, 1)]):
        with pytest.raises(Invalid):
            cancel(order_id, *units)
    assert everything(app) == before


def test_an_order_that_has_changed_since_or_is_not_there_is_not_cancelled(app: Flask, shop: Shop) -> None:
    order_id = ordered(shop, 2)
    before = everything(app)
    with pytest.raises(OrderChanged):
        cancel(order_id, expected_version=order_of(order_id).version + 1)
    with pytest.raises(OrderNotFound):
        cancel(order_id + 1)
    assert everything(app) == before


def test_a_customer_cancels_only_while_nothing_was_shipped(app: Flask, shop: Shop) -> None:
    order_id = ordered(shop, 2)
    (line,) = line_ids(order_id)
    about: dict[str, Any] = {"order_id": order_id, "expected_version": order_of(order_id).version}
    ship(actor=STAFF, now=NOW, tracking=Tracking(carrier="DHL"), units=[Units(line, 1)], **about)
    before = everything(app)
    customer = Principal(kind="user", id=1, name="Grace", permissions=frozenset(), user_id=1)
    with pytest.raises(AlreadyShipped):
        cancel(order_id, actor=customer, by_customer=True)
    assert everything(app) == before


def test_a_checkout_is_cancelled_as_a_whole_and_its_cart_can_be_ordered_again(app: Flask, shop: Shop) -> None:
    made = _draft(shop)
    (product,) = held_by(made)
    before = everything(app)
    with pytest.raises(OrderNotPlaced):
        cancel(made, Units(line_ids(made)[0], 1))
    assert everything(app) == before
    cancel(made)
    assert states(made)[:2] == ("EXPIRED", "VOIDED")
    assert (stock_of(product), held_by(made)) == ((10, 0), {})
    assert events_of(made)[-1] == ("checkout.cancelled", None, None, True)
    assert wrong() == []
    with pytest.raises(OrderOver) as refused:
        cancel(made)
    assert refused.value.facts["state"] == "EXPIRED"
    assert refused.value.facts["allowed"]["order"] == ["CANCELLED", "DRAFT", "PLACED"]


def _draft(shop: Shop) -> int:
    """A checkout whose stock is held and that nobody pays for; its id."""
    guest = shop.guest({shop.product(): 2})
    about = Particulars(email="ada@example.org", shipping_address=ADDRESS, billing_address=ADDRESS, method="card")
    wanted = Wanted(
        shopper=guest.shopper(), cart_id=guest.cart_id, expected_total=Money(2_000, "USD"), particulars=about
    )
    return prepare(wanted=wanted, now=NOW).order.id


def test_a_coupon_comes_back_when_all_is_cancelled_before_it_is_paid_and_only_then(shop: Shop) -> None:
    create_coupon(actor=STAFF, now=NOW, code="TEN", percent_ppm=100_000)
    unpaid, paid = (_with_coupon(shop) for _ in range(2))
    cancel(unpaid, Units(line_ids(unpaid)[0], 1))
    assert _used() == (2, 2)
    cancel(unpaid)
    assert _used() == (1, 1)
    pay(paid, 1_800)
    cancel(paid)
    assert _used() == (1, 1)
    send_refunds()
    assert wrong() == []


def test_of_an_order_that_cost_nothing_nothing_goes_back_but_its_coupon_and_its_units(shop: Shop) -> None:
    create_coupon(actor=STAFF, now=NOW, code="ALL", percent_ppm=1_000_000)
    order_id = _order(shop, {shop.product(): 2}, "0.00", coupon="ALL")
    (line,) = line_ids(order_id)
    cancel(order_id, Units(line, 1))
    assert (_used(), states(order_id)) == ((1, 1), ("PLACED", "PAID", "UNFULFILLED"))
    cancel(order_id)
    assert (_used(), states(order_id)) == ((0, 0), ("CANCELLED", "PAID", "VOIDED"))
    moves = [event for event in events_of(order_id) if event[0].endswith(".state")]
    assert moves == [
        ("order.state", None, "PLACED", True),
        ("payment.state", None, "PAID", True),
        ("fulfilment.state", None, "UNFULFILLED", True),
        ("order.state", "PLACED", "CANCELLED", True),
        ("fulfilment.state", "UNFULFILLED", "VOIDED", True),
    ]
    facts = db.session.execute(select(Sale.kind, Sale.quantity, Sale.total_minor).order_by(Sale.id)).all()
    assert [tuple(fact) for fact in facts] == [("sale", 2, 0), ("refund", -1, 0), ("refund", -1, 0)]
    assert db.session.scalars(select(Refund)).all() == []
    version = order_of(order_id).version
    with pytest.raises(NothingToRefund):
        refund(actor=STAFF, now=NOW, order_id=order_id, expected_version=version, amount=None, reason="x")
    assert (order_of(order_id).version, wrong()) == (version, [])


def _with_coupon(shop: Shop) -> int:
    return _order(shop, {shop.product(): 2}, "18.00", coupon="TEN")


def _used() -> tuple[int, int]:
    db.session.rollback()
    return db.session.scalars(select(Coupon.used)).one(), len(db.session.scalars(select(CouponUse)).all())


def test_units_that_a_count_had_taken_away_are_cancelled_without_touching_what_others_hold(shop: Shop) -> None:
    made = make_order(5, on_hand=8)
    (product,) = made.products
    other = make_order(3, products=[product])
    adjust(product, -4, shortfall=Shortfall.RELEASE)  # the newest loses all of its 3, the other one of its 5
    assert (held_by(made.id), held_by(other.id)) == ({product: 4}, {})
    cancel(other.id)
    assert (held_by(made.id), stock_of(product)) == ({product: 4}, (4, 4))
    cancel(made.id, Units(made.lines[0], 1))
    assert (held_by(made.id), stock_of(product)) == ({product: 4}, (4, 4))
    cancel(made.id, Units(made.lines[0], 3))
    assert (held_by(made.id), stock_of(product)) == ({product: 1}, (4, 1))
    assert_adds_up(product)


def test_cancelling_what_was_missing_says_that_all_is_well_again() -> None:
    made = make_order(5, on_hand=5, attention=STOCK_TAKEN)
    adjust(made.products[0], -2, shortfall=Shortfall.RELEASE)
    cancel(made.id, Units(made.lines[0], 1))
    assert order_of(made.id).attention == STOCK_TAKEN
    cancel(made.id, Units(made.lines[0], 1))
    assert order_of(made.id).attention is None


def test_an_order_that_holds_nothing_any_more_can_be_cancelled(app: Flask) -> None:
    made = make_order(2)
    with db.engine.begin() as connection:
        connection.execute(delete(Allocation))
        connection.execute(update(Stock).values(allocated=0))
    cancel(made.id)
    assert states(made.id)[0] == "CANCELLED"
    assert stock_of(made.products[0]) == (10, 0)


def test_counters_that_contradict_the_allocations_are_named_and_nothing_is_cancelled(app: Flask) -> None:
    made = make_order(2)
    with db.engine.begin() as connection:
        connection.execute(update(Stock).values(allocated=1))
    before = everything(app)
    with pytest.raises(StockInconsistent):
        cancel(made.id)
    assert everything(app) == before
    run = app.test_cli_runner().invoke
    assert run(args=["stock", "audit"]).exit_code == 1
    run(args=["stock", "audit", "--repair"])
    assert run(args=["stock", "audit"]).exit_code == 0
    cancel(made.id)
    assert states(made.id)[0] == "CANCELLED"
    assert stock_of(made.products[0]) == (10, 0)


def test_an_order_that_is_being_paid_at_this_moment_is_not_cancelled(app: Flask) -> None:
    made = make_order(2, payment_state="PENDING")
    before = everything(app)
    with pytest.raises(PaymentUnknown):
        cancel(made.id)
    assert everything(app) == before


@in_transaction
def _count(made: Made, quantity: int) -> None:
    count_cancelled([Units(made.lines[0], quantity)])


def test_a_line_never_counts_more_cancelled_than_is_left_whoever_asks() -> None:
    made = make_order(3)
    with db.engine.begin() as connection:
        connection.execute(update(OrderLine).values(shipped=1))
    with pytest.raises(MoreThanLeft):
        _count(made, 3)
    assert lines_of(made.id)[0]["cancelled"] == 0
    _count(made, 2)
    assert lines_of(made.id)[0]["cancelled"] == 2


@pytest.mark.parametrize("state", [OrderState.CANCELLED, OrderState.COMPLETED, OrderState.EXPIRED])
def test_what_is_over_cannot_be_cancelled(app: Flask, state: OrderState) -> None:
    made = make_order(2, state=state)
    before = everything(app)
    with pytest.raises(OrderOver):
        cancel(made.id)
    assert everything(app) == before


@given(
    parts=st.lists(st.integers(1, 3), min_size=1, max_size=4), paid_after=st.integers(0, 4), total=st.integers(1, 999)
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_in_whatever_parts_an_order_is_cancelled_its_whole_value_is_accounted_for(
    app: Flask, parts: list[int], paid_after: int, total: int
) -> None:
    quantity = sum(parts)
    made = make_order(quantity, on_hand=20)
    with db.engine.begin() as connection:  # an amount that does not divide evenly
        connection.execute(update(OrderLine).where(OrderLine.order_id == made.id).values(_amounts(total)))
        connection.execute(update(Order).where(Order.id == made.id).values(_amounts(total)))
        connection.execute(update(Payment).where(Payment.order_id == made.id).values(amount_minor=total))
    captured = 0
    for at, count in enumerate(parts):
        if at == paid_after:
            captured = total - order_of(made.id).cancelled_minor
            if captured:
                pay(made.id, captured)
        cancel(made.id, Units(made.lines[0], count))
    order = order_of(made.id)
    refunded = sum(db.session.scalars(select(Refund.amount_minor).where(Refund.order_id == made.id)))
    assert (order.state, order.cancelled_minor, refunded) == ("CANCELLED", total, captured)


def _amounts(total: int) -> dict[str, int]:
    return {"subtotal_minor": total, "total_minor": total}
