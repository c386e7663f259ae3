"""The same cart sent again: it is the same order, changed by the difference while it is not bought, and never two."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import event, select, update

from app.config import Checkout
from app.core.extensions import db
from app.core.orm import utc_now
from app.orders.models.coupons import Coupon
from app.orders.models.orders import Hold, Order, OrderLine
from app.orders.models.payments import Payment
from app.orders.services.checkout.sweeping import sweep_holds
from app.orders.services.coupons.editing import create_coupon
from app.products.models.products import Product
from app.products.models.stock import StockMovement
from tests.conftest import AppWith
from tests.orders.making import ADDRESS, held_by, stock_of
from tests.orders.shopping import Customer, Shop, change, counts, everything, together
from tests.orders.stripe_server import StripeServer
from tests.products.stocking import ACTOR, assert_adds_up, receive

DECLINED = "pm_card_visa_chargeDeclined"


@pytest.fixture
def cards(app_with: AppWith, stripe_double: StripeServer) -> Shop:
    """A shop that takes cards."""
    return Shop(app_with(payments=stripe_double.payments(), checkout=Checkout(hold_s=60)))


def draft(customer: Customer, total: str, **more: Any) -> int:
    """Check out with a card that is declined: the order is a draft, and its stock is held. Its id."""
    answer = customer.order(total, payment_method="card", source=DECLINED, **more)
    assert answer.status_code == 402, answer.text
    return int(answer.get_json()["order"]) - 100_000


def lines_of(shop: Shop, order_id: int) -> dict[int, tuple[int, int, int]]:
    """Of each product of an order: the id of its line, its position and its quantity."""
    with shop.app.app_context():
        rows = db.session.scalars(select(OrderLine).where(OrderLine.order_id == order_id))
        return {line.product_id: (line.id, line.position, line.quantity) for line in rows}


def moved(shop: Shop, order_id: int) -> list[tuple[str, int, int]]:
    """What was moved for an order, oldest first: kind, product and by how much."""
    with shop.app.app_context():
        rows = db.session.scalars(
            select(StockMovement).where(StockMovement.reference_id == order_id).order_by(StockMovement.id)
        )
        return [(row.kind, row.product_id, row.allocated_delta) for row in rows]


def test_an_order_that_is_placed_is_answered_again_as_it_is(shop: Shop) -> None:
    lamp = shop.product()
    guest = shop.guest({lamp: 2})
    first = guest.order("20.00")
    before = everything(shop.app)
    change(shop.app, update(Product).values(price_minor=9_999))
    assert guest.order("20.00").get_json() == first.get_json()
    other = guest.order("1.00", payment_method="cash", shipping_address=ADDRESS | {"city": "Elsewhere"})
    assert (other.status_code, other.get_json()["code"]) == (409, "ALREADY_ORDERED")
    assert everything(shop.app) == before


def test_an_idempotency_key_gives_the_stored_answer(shop: Shop) -> None:
    guest = shop.guest({shop.product(): 1})
    first = guest.order("10.00", key="one")
    again = guest.order("10.00", key="one")
    assert again.headers["Idempotent-Replayed"] == "true"
    assert (again.status_code, again.get_json()) == (201, first.get_json())
    assert guest.order("11.00", key="one").get_json()["code"] == "IDEMPOTENCY_KEY_REUSED"
    assert counts(shop.app) == {"order": 1, "hold": 1, "payment": 1}


def test_a_key_is_free_again_after_a_refusal(shop: Shop) -> None:
    lamp = shop.product(on_hand=0)
    guest = shop.guest({lamp: 1})
    assert guest.order("10.00", key="one").get_json()["code"] == "OUT_OF_STOCK"
    assert guest.order("9.00", key="one").get_json()["code"] == "TOTAL_CHANGED"
    with shop.app.app_context():
        receive(lamp, 1)
    assert guest.order("10.00", key="one").status_code == 201


def test_an_answer_after_expired_holds_were_ended_is_stored_with_its_order(cards: Shop) -> None:
    """The first attempt finds nothing, and the second one is the work of the request: both exist or neither."""
    lamp = cards.product(on_hand=1)
    draft(cards.guest({lamp: 1}), "10.00")
    change(cards.app, update(Hold).values(expires_at=utc_now() - timedelta(seconds=1)))
    guest = cards.guest({lamp: 1})
    done: list[str] = []

    def listen(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        done.append(statement)

    def commit(_connection: Any) -> None:
        done.append("commit")

    with cards.app.app_context():
        engine = db.engine
    event.listen(engine, "before_cursor_execute", listen)
    event.listen(engine, "commit", commit)
    try:
        first = guest.order("10.00", key="one")
    finally:
        event.remove(engine, "before_cursor_execute", listen)
        event.remove(engine, "commit", commit)
    assert first.status_code == 201, first.text
    kept = next(at for at, what in enumerate(done) if what.startswith("UPDATE idempotency_key"))
    made = next(at for at, what in enumerate(done) if what.startswith("INSERT INTO order_line"))
    assert made < kept
    assert "commit" not in done[made:kept]
    again = guest.order("10.00", key="one")
    assert (again.headers.get("Idempotent-Replayed"), again.get_json()) == ("true", first.get_json())


def test_a_cart_that_was_changed_changes_its_draft_by_the_difference(cards: Shop) -> None:
    more, fewer, gone, new, same = (cards.product(on_hand=5) for _ in range(5))
    guest = cards.guest({gone: 2, more: 1, fewer: 4, same: 1})
    order_id = draft(guest, "80.00")
    first = lines_of(cards, order_id)
    known = len(moved(cards, order_id))
    guest.change(more, 3)
    guest.change(fewer, 1)
    guest.change(gone, 0)
    guest.put({new: 5})
    assert draft(guest, "100.00") == order_id
    second = lines_of(cards, order_id)
    assert {product: quantity for product, (_, _, quantity) in second.items()} == {more: 3, fewer: 1, same: 1, new: 5}
    assert [second[product][0] for product in (more, fewer, same)] == [
        first[product][0] for product in (more, fewer, same)
    ]
    assert sorted(position for _, position, _ in second.values()) == [0, 1, 2, 3]
    assert sorted(moved(cards, order_id)[known:]) == sorted(
        [("allocated", more, 2), ("released", fewer, -3), ("released", gone, -2), ("allocated", new, 5)]
    )
    with cards.app.app_context():
        assert held_by(order_id) == {more: 3, fewer: 1, same: 1, new: 5}
        order = db.session.get_one(Order, order_id)
        assert (order.subtotal_minor, order.total_minor) == (10_000, 10_000)
        assert_adds_up(more, fewer, gone, new, same)
    assert counts(cards.app) == {"order": 1, "hold": 1, "payment": 2}


def test_nobody_is_blocked_by_their_own_hold_not_even_of_the_last_one(cards: Shop) -> None:
    """cubecart#4223, woocommerce#67354, Sylius#3573."""
    lamp = cards.product(on_hand=3)
    guest = cards.guest({lamp: 3})
    order_id = draft(guest, "30.00")
    assert cards.guest({lamp: 1}).order("10.00").get_json()["code"] == "OUT_OF_STOCK"
    before = moved(cards, order_id)
    assert draft(guest, "30.00") == order_id
    assert moved(cards, order_id) == before
    assert guest.order("30.00", payment_method="card", source="pm_card_visa").status_code == 201
    assert moved(cards, order_id) == before
    with cards.app.app_context():
        assert stock_of(lamp) == (3, 3)


def test_more_than_is_left_besides_the_own_hold_is_refused_and_the_draft_stays(cards: Shop) -> None:
    lamp = cards.product(on_hand=3)
    guest = cards.guest({lamp: 2})
    order_id = draft(guest, "20.00")
    guest.change(lamp, 5)
    before = everything(cards.app)
    refused = guest.order("50.00").get_json()
    assert refused["code"] == "OUT_OF_STOCK"
    assert [(each["wanted"], each["available"]) for each in refused["products"]] == [(5, 3)]
    assert everything(cards.app) == before
    guest.change(lamp, 3)
    assert draft(guest, "30.00") == order_id


def test_after_a_decline_the_same_order_can_be_bought_on_invoice(cards: Shop, stripe_double: StripeServer) -> None:
    lamp = cards.product(on_hand=1)
    guest = cards.guest({lamp: 1})
    order_id = draft(guest, "10.00")
    placed = guest.order("10.00")
    assert (placed.status_code, int(placed.get_json()["number"]) - 100_000) == (201, order_id)
    with cards.app.app_context():
        order = db.session.get_one(Order, order_id)
        assert (order.state, order.payment_state, order.payment_method) == ("PLACED", "UNPAID", "invoice")
        payments = select(Payment.provider, Payment.status, Payment.attempt).order_by(Payment.id)
        assert [tuple(row) for row in db.session.execute(payments)] == [
            ("stripe", "FAILED", 1),
            ("manual", "CREATED", 2),
        ]
        assert db.session.scalars(select(Hold.state)).all() == ["CONSUMED"]
    assert stripe_double.books.taken(placed.get_json()["number"]) == []


def test_a_price_that_changed_since_the_decline_is_refused_and_nothing_is_charged(
    cards: Shop, stripe_double: StripeServer
) -> None:
    guest = cards.guest({cards.product(): 1})
    draft(guest, "10.00")
    change(cards.app, update(Product).values(price_minor=1_500))
    before = everything(cards.app)
    assert guest.order("10.00", payment_method="card", source="pm_card_visa").get_json()["code"] == "TOTAL_CHANGED"
    assert everything(cards.app) == before
    paid = guest.order("15.00", payment_method="card", source="pm_card_visa").get_json()
    assert (paid["state"], paid["total"]) == ("PLACED", "15.00")
    assert stripe_double.books.taken(paid["number"]) == [1_500]


def test_an_expired_checkout_begins_again_as_the_same_order(cards: Shop) -> None:
    lamp = cards.product(on_hand=1)
    guest = cards.guest({lamp: 1})
    order_id = draft(guest, "10.00")
    expire_all(cards)
    with cards.app.app_context():
        assert (db.session.get_one(Order, order_id).state, stock_of(lamp)) == ("EXPIRED", (1, 0))
    paid = guest.order("10.00", payment_method="card", source="pm_card_visa").get_json()
    assert (int(paid["number"]) - 100_000, paid["state"], paid["payment_state"]) == (order_id, "PLACED", "PAID")
    with cards.app.app_context():
        assert db.session.get_one(Order, order_id).ended_at is None
        assert_adds_up(lamp)


def test_an_expired_checkout_whose_stock_is_gone_is_refused_and_stays_expired(cards: Shop) -> None:
    lamp = cards.product(on_hand=1)
    guest = cards.guest({lamp: 1})
    draft(guest, "10.00")
    expire_all(cards)
    assert cards.guest({lamp: 1}).order("10.00").status_code == 201
    before = everything(cards.app)
    assert guest.order("10.00").get_json()["code"] == "OUT_OF_STOCK"
    assert everything(cards.app) == before


def test_coupons_of_a_draft_are_exchanged_given_back_and_counted_once(cards: Shop) -> None:
    for code, off in (("ONE", 100), ("TWO", 200)):
        with cards.app.app_context():
            create_coupon(actor=ACTOR, now=utc_now(), code=code, amount_minor=off, max_uses=1)

    def used() -> list[int]:
        with cards.app.app_context():
            return list(db.session.scalars(select(Coupon.used).order_by(Coupon.code)))

    guest = cards.guest({cards.product(): 1})
    draft(guest, "9.00", coupon="ONE")
    assert used() == [1, 0]
    draft(guest, "9.00", coupon="ONE")
    assert used() == [1, 0]
    draft(guest, "8.00", coupon="TWO")
    assert used() == [0, 1]
    draft(guest, "10.00")
    assert used() == [0, 0]
    draft(guest, "9.00", coupon="ONE")
    expire_all(cards)
    assert used() == [0, 0]
    assert guest.order("9.00", coupon="ONE").status_code == 201
    assert used() == [1, 0]


def test_nothing_is_charged_for_a_cart_that_another_window_changes(cards: Shop, stripe_double: StripeServer) -> None:
    """One request pays for what it saw, or is refused; never for what the other one made of it."""
    lamp = cards.product(on_hand=50)
    guest = cards.guest({lamp: 1})
    draft(guest, "10.00")

    def edit_and_order() -> Any:
        guest.put({lamp: 1})
        return guest.order("20.00", payment_method="card", source="pm_card_mastercard")

    answers = together(partial(guest.order, "10.00", payment_method="card", source="pm_card_visa"), edit_and_order)
    assert {answer.status_code for answer in answers} <= {201, 409, 503}
    with cards.app.app_context():
        order = db.session.scalars(select(Order)).one()
        (line,) = db.session.scalars(select(OrderLine))
        if order.state == "PLACED":
            assert order.total_minor == line.quantity * 1_000
            assert stripe_double.books.taken(order.number) == [order.total_minor]
        else:
            assert stripe_double.books.taken(order.number) == []
        assert_adds_up(lamp)


def expire_all(shop: Shop) -> None:
    """Let the time of all holds pass, and the sweeper come."""
    change(shop.app, update(Hold).values(expires_at=utc_now() - timedelta(seconds=1)))
    with shop.app.app_context():
        sweep_holds(clock=utc_now)
