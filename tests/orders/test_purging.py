"""Checkouts that nobody finished are deleted when no payment of theirs can come any more, and nothing else is."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy import insert, select, update

from app.config import Checkout
from app.core import outbox
from app.core.extensions import db
from app.core.orm import table_of, utc_now
from app.core.schedule import fire_due
from app.orders.models.coupons import Coupon, CouponUse
from app.orders.models.orders import Hold, Order, OrderEvent, OrderLine
from app.orders.models.payments import Payment, Refund
from app.orders.models.sales import Sale
from app.orders.services.checkout import purging
from app.orders.services.checkout.purging import purge_checkouts
from app.orders.services.checkout.sweeping import sweep_holds
from app.orders.services.coupons.editing import create_coupon
from app.products.models.stock import StockMovement
from tests.conftest import AppWith
from tests.faults.invariants import violations
from tests.faults.world import books_of
from tests.orders.paying import Till
from tests.orders.shopping import Customer, everything, everything_of, together
from tests.orders.stripe_server import StripeServer
from tests.products.stocking import ACTOR
from tests.servers import on_sqlite
from workers.jobs.outbox import HANDLERS
from workers.schedule import TIMETABLE

ASKING = "pm_card_authenticationRequired"
DAY = timedelta(days=1)
PARTS = (Order, OrderLine, OrderEvent, Hold, Payment)


def purge(app: Flask, *, in_days: float = 31) -> int:
    """Delete what is over in so many days; how many checkouts that were."""
    with app.app_context():
        return purge_checkouts(now=utc_now() + in_days * DAY)


def abandoned(till: Till) -> tuple[Customer, Order, str]:
    """A checkout that expired when its customer did not answer their bank, and its payment's id at Stripe."""
    customer, order, ref = till.begun(ASKING)
    till.change(update(Hold).where(Hold.order_id == order.id).values(expires_at=utc_now() - timedelta(seconds=1)))
    with till.app.app_context():
        sweep_holds(clock=utc_now)
    assert till.order(order.number).state == "EXPIRED"
    return customer, order, ref


def capture_late(till: Till, ref: str) -> None:
    """Stripe has captured a payment although it had said that it was cancelled, and tells us."""
    till.double.books.change(ref, status="succeeded", amount_received=2_000)
    till.tell(till.double.books.add_event("payment_intent.succeeded", till.double.books.retrieve_intent(ref)))
    till.work()


def parts_of(till: Till, order: Order) -> list[list[tuple[Any, ...]]]:
    """All rows of one checkout."""
    with till.app.app_context():
        tables = [table_of(model) for model in PARTS]
        keys = [table.c["id" if table.name == "order" else "order_id"] for table in tables]
        found = [
            select(table).where(key == order.id).order_by(table.c.id) for table, key in zip(tables, keys, strict=True)
        ]
        return [[tuple(row) for row in db.session.execute(each)] for each in found]


def wrong(till: Till) -> list[str]:
    """The rules of the whole database that do not hold."""
    with till.app.app_context():
        return [str(one) for one in violations(books_of(till.double), at_rest=False)]


def test_an_expired_checkout_goes_after_its_days_with_all_of_it_and_nothing_else(till: Till) -> None:
    bought = till.sold()
    others = everything_of(till.app, *PARTS)
    customer, order, _ = abandoned(till)
    ledger = everything_of(till.app, StockMovement)
    assert till.leaks(f"guest{customer.cart_id}@example.org") == ["order"]
    assert purge(till.app, in_days=29.9) == 0
    assert till.order(order.number).state == "EXPIRED"
    assert purge(till.app, in_days=30.1) == 1
    assert everything_of(till.app, *PARTS) == others
    assert till.leaks(f"guest{customer.cart_id}@example.org") == []
    assert everything_of(till.app, StockMovement) == ledger
    assert till.order(bought.number).state == "PLACED"
    assert till.app.test_client().get(f"/api/v1/orders/{order.number}", headers=customer.headers).status_code == 404
    assert wrong(till) == []
    assert purge(till.app, in_days=400) == 0


@on_sqlite
def test_how_long_is_configured(app_with: AppWith, stripe_double: StripeServer, auth_headers: dict[str, str]) -> None:
    app = app_with(payments=stripe_double.payments(), checkout=Checkout(hold_s=60, keep_days=7))
    till = Till(app, stripe_double, auth_headers)
    abandoned(till)
    assert (purge(app, in_days=6.9), purge(app, in_days=7.1)) == (0, 1)


def test_a_payment_that_is_captured_before_the_days_are_over_is_an_order_that_stays(till: Till) -> None:
    _, order, ref = abandoned(till)
    assert purge(till.app, in_days=29) == 0
    capture_late(till, ref)
    assert (till.order(order.number).state, till.order(order.number).payment_state) == ("PLACED", "PAID")
    before = everything(till.app)
    assert purge(till.app, in_days=4000) == 0
    assert everything(till.app) == before
    assert wrong(till) == []


def purge_while(app: Flask, happens: Callable[[], None]) -> int:
    """Delete what is over, and let something happen between finding it and locking it."""
    happened: list[threading.Thread] = []

    def meanwhile(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        is_first = not happened and statement.startswith("SELECT") and "FOR UPDATE" not in statement
        if is_first and "ended_at" in statement:
            happened.append(threading.Thread(target=happens))
            happened[0].start()
            happened[0].join(60)

    with app.app_context():
        engine = db.engine
    sa.event.listen(engine, "after_cursor_execute", meanwhile)
    try:
        return purge(app)
    finally:
        sa.event.remove(engine, "after_cursor_execute", meanwhile)
        assert len(happened) == 1


def test_a_payment_that_is_captured_while_checkouts_are_deleted_is_an_order_that_stays(till: Till) -> None:
    (_, order, ref), _ = abandoned(till), abandoned(till)
    assert purge_while(till.app, lambda: capture_late(till, ref)) == 1
    assert till.order(order.number).state == "PLACED"
    assert [row[0] for row in everything_of(till.app, Order)[0]] == [order.id]
    assert till.sales() == [("sale", 2, 2_000)]
    assert wrong(till) == []


def test_a_checkout_that_staff_are_asked_to_look_at_while_checkouts_are_deleted_stays(till: Till) -> None:
    (_, order, _), _ = abandoned(till), abandoned(till)
    shown = update(Order).where(Order.id == order.id).values(attention="PAYMENT_MISMATCH")
    assert purge_while(till.app, lambda: till.change(shown)) == 1
    assert [row[0] for row in everything_of(till.app, Order)[0]] == [order.id]


def test_who_goes_on_with_a_checkout_while_it_is_deleted_has_one_order(till: Till) -> None:
    customer, _, _ = abandoned(till)

    def again() -> int:
        return till.pay(customer, "20.00").status_code

    answer, _ = together(again, lambda: purge(till.app))
    assert answer == 201
    (bought,) = till.ask("GET", "/admin/orders?state=PLACED").get_json()["items"]
    assert till.double.books.taken(bought["number"]) == [2_000]
    assert till.sales() == [("sale", 2, 2_000)]
    assert wrong(till) == []


def test_a_cart_whose_checkout_is_gone_can_be_ordered_under_another_number(till: Till) -> None:
    customer, order, _ = abandoned(till)
    assert purge(till.app) == 1
    answer = till.pay(customer, "20.00")
    assert answer.status_code == 201, answer.text
    assert int(answer.get_json()["number"]) > int(order.number)
    assert till.double.books.taken(answer.get_json()["number"]) == [2_000]


def test_what_is_captured_after_all_is_said_to_be_without_a_checkout(
    till: Till, caplog: pytest.LogCaptureFixture
) -> None:
    _, _, ref = abandoned(till)
    assert purge(till.app) == 1
    with caplog.at_level(logging.ERROR, logger="app.orders.services.notices"):
        capture_late(till, ref)
    assert till.notices()[-1].outcome == (
        "It was captured, and its checkout is not here (any more): give it back at the provider."
    )
    assert ref in caplog.text
    assert till.sales() == []


def _refund(order_id: int, payment_id: int) -> Any:
    values = {"order_id": order_id, "payment_id": payment_id, "provider": "manual", "status": "FAILED"}
    values |= {"amount_minor": 1, "currency": "USD", "reason": "", "idempotency_key": "x", "actor_kind": "system"}
    return insert(table_of(Refund)).values(**values, created_at=utc_now(), updated_at=utc_now())


def _sale(order_id: int, _payment_id: int) -> Any:
    zero = dict.fromkeys(
        ("gross_minor", "discount_minor", "tax_minor", "shipping_minor", "net_minor", "total_minor"), 0
    )
    values = {"unique_key": "line:1", "kind": "sale", "sold_on": utc_now().date(), "order_id": order_id} | zero
    values |= {"asin": "B000000001", "name": "Lamp", "quantity": 1, "currency": "USD"}
    return insert(table_of(Sale)).values(**values, created_at=utc_now(), sold_at=utc_now())


def _use(order_id: int, _payment_id: int) -> Any:
    values = {"coupon_id": select(Coupon.id).scalar_subquery(), "order_id": order_id, "customer_hash": "0" * 64}
    return insert(table_of(CouponUse)).values(**values, created_at=utc_now())


NEEDED: dict[str, Callable[[int, int], Any]] = {
    "staff are asked to look at it": lambda order_id, _: (
        update(Order).where(Order.id == order_id).values(attention="PAYMENT_MISMATCH")
    ),
    "it was placed once": lambda order_id, _: update(Order).where(Order.id == order_id).values(placed_at=utc_now()),
    "it was cancelled": lambda order_id, _: update(Order).where(Order.id == order_id).values(state="CANCELLED"),
    "it is a draft again": lambda order_id, _: update(Order).where(Order.id == order_id).values(state="DRAFT"),
    "a payment waits": lambda _, payment_id: update(Payment).where(Payment.id == payment_id).values(status="WAITING"),
    "a payment was begun": lambda _, payment_id: (
        update(Payment).where(Payment.id == payment_id).values(status="CREATED")
    ),
    "a payment was captured": lambda _, payment_id: (
        update(Payment).where(Payment.id == payment_id).values(captured_minor=1)
    ),
    "its stock is held": lambda order_id, _: update(Hold).where(Hold.order_id == order_id).values(state="PAYING"),
    "money went back": _refund,
    "it is in the sales": _sale,
    "it uses a coupon": _use,
}


@pytest.mark.parametrize("why", NEEDED)
def test_a_checkout_that_somebody_may_still_need_stays(till: Till, why: str) -> None:
    with till.app.app_context():
        create_coupon(actor=ACTOR, now=utc_now(), code="ONCE", amount_minor=100)
    (_, needed, _), (_, other, _) = abandoned(till), abandoned(till)
    till.change(NEEDED[why](needed.id, till.payment(needed.id).id))
    before = parts_of(till, needed)
    assert purge(till.app, in_days=400) == 1
    assert parts_of(till, needed) == before
    assert parts_of(till, other) == [[], [], [], [], []]
    assert [row[0] for row in everything_of(till.app, Order)[0]] == [needed.id]


def test_two_that_delete_at_once_delete_each_checkout_once(till: Till) -> None:
    for _ in range(3):
        abandoned(till)
    assert sum(together(lambda: purge(till.app), lambda: purge(till.app))) == 3
    assert everything_of(till.app, *PARTS) == [[], [], [], [], []]


@on_sqlite
def test_many_are_deleted_some_at_a_time_whatever_stays_in_front_of_them(till: Till) -> None:
    _, first, _ = abandoned(till)
    till.change(update(Order).values(attention="PAYMENT_MISMATCH"))
    many = 2 * purging.CHUNK + 7
    with till.app.app_context(), db.engine.begin() as connection:
        columns = {column.name: column for column in table_of(Order).columns if column.name not in {"id", "cart_id"}}
        same = [select(*columns.values()).where(table_of(Order).c.id == first.id)]
        for _ in range(many):
            connection.execute(insert(table_of(Order)).from_select(list(columns), same[0]))
        connection.execute(update(table_of(Order)).where(table_of(Order).c.id > first.id).values(attention=None))
        needed = insert(table_of(Sale)).values(
            created_at=utc_now(), unique_key="line:9", kind="sale", sold_at=utc_now(), sold_on=utc_now().date(),
            order_id=first.id + 1, asin="B000000001", name="Lamp", quantity=1, currency="USD", gross_minor=0,
            discount_minor=0, tax_minor=0, shipping_minor=0, net_minor=0, total_minor=0,
        )  # fmt: skip
        connection.execute(needed)
    deleted: list[int] = []

    def note(_connection: object, cursor: Any, statement: str, *_rest: object) -> None:
        if statement.startswith('DELETE FROM "order" '):
            deleted.append(cursor.rowcount)

    with till.app.app_context():
        engine = db.engine
    sa.event.listen(engine, "after_cursor_execute", note)
    try:
        assert purge(till.app) == many - 1
    finally:
        sa.event.remove(engine, "after_cursor_execute", note)
    assert deleted == [purging.CHUNK - 1, purging.CHUNK, 7]
    assert [row[0] for row in everything_of(till.app, Order)[0]] == [first.id, first.id + 1]


@on_sqlite
def test_the_timetable_has_it_done_every_hour_by_the_background(till: Till) -> None:
    assert TIMETABLE[purging.PURGE] == timedelta(hours=1)
    abandoned(till)
    till.change(update(Order).values(ended_at=utc_now() - 31 * DAY))
    with till.app.app_context():
        assert fire_due(name=purging.PURGE, every=TIMETABLE[purging.PURGE])
        row = db.session.scalars(select(outbox.Outbox).where(outbox.Outbox.kind == purging.PURGE)).one()
        assert outbox.deliver(row.id, HANDLERS)
    assert everything_of(till.app, *PARTS) == [[], [], [], [], []]
