"""Carts that nobody touches are deleted, and no others."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from app.cart.errors import CartNotFound
from app.cart.models import Cart, CartItem, CartState
from app.cart.services import purging
from app.cart.services.closing import close_cart, lock_cart, look_at_cart
from app.cart.services.purging import purge_carts
from app.core import outbox
from app.core.extensions import db
from app.core.orm import utc_now
from app.core.schedule import fire_due
from app.core.transactions import in_transaction
from app.orders.models.orders import OrderState
from tests.cart.carting import CART, Buyer, change_carts, new_customer, new_guest, rows, sell
from tests.cart.drafts import add_order, set_order_state
from tests.servers import on_sqlite
from workers.jobs.outbox import HANDLERS
from workers.schedule import TIMETABLE

DAY = timedelta(days=1)


def purge(app: Flask, *, in_days: float) -> int:
    with app.app_context():
        return purge_carts(now=utc_now() + in_days * DAY)


def test_a_cart_goes_when_nobody_has_touched_it_for_so_long_and_not_before(app: Flask) -> None:
    lamp = sell(app)
    guest, customer = new_guest(app), new_customer(app)
    guest.add(lamp)
    customer.add(lamp)
    assert purge(app, in_days=29.9) == 0
    assert purge(app, in_days=30.1) == 1
    assert guest.send("GET", CART).status_code == 404
    assert purge(app, in_days=89.9) == 0
    assert customer.quantities() == {lamp: 1}
    assert purge(app, in_days=90.1) == 1
    assert customer.cart()["id"] is None
    assert rows(app) == ([], [])


def test_an_empty_cart_of_a_guest_goes_after_a_day_and_a_filled_one_does_not(app: Flask) -> None:
    empty, filled = new_guest(app), new_guest(app)
    filled.add(sell(app))
    assert purge(app, in_days=1.1) == 1
    assert (empty.send("GET", CART).status_code, filled.send("GET", CART).status_code) == (404, 200)


def test_carts_that_became_orders_or_went_into_others_go_after_thirty_days(app: Flask) -> None:
    ordered, merged, customer = new_guest(app), new_guest(app), new_customer(app)
    lamp = sell(app)
    ordered.add(lamp)
    merged.add(lamp)
    with app.app_context():
        in_transaction(close_cart)(ordered.cart()["id"])
    answer = app.test_client().post(CART, headers=customer.headers | merged.headers)
    assert answer.status_code == 201
    assert purge(app, in_days=29.9) == 0
    assert purge(app, in_days=30.1) == 2
    assert ordered.send("GET", CART).status_code == 404
    assert customer.quantities() == {lamp: 1}


def test_a_cart_whose_checkout_is_not_finished_is_put_off(app: Flask) -> None:
    lamp = sell(app)
    drafts, others = [new_guest(app) for _ in range(2)], [new_guest(app) for _ in range(3)]
    for buyer in (*drafts, *others):
        buyer.add(lamp)
    orders = [add_order(app, cart_id=buyer.cart()["id"]) for buyer in drafts]
    add_order(app, cart_id=others[0].cart()["id"], state=OrderState.EXPIRED)
    assert purge(app, in_days=31) == 3
    put_off = {datetime.fromisoformat(buyer.cart()["expires_at"]) for buyer in drafts}
    assert {(moment - utc_now()).days for moment in put_off} == {31}  # no longer in the way of those behind them
    assert purge(app, in_days=31.9) == 0
    assert purge(app, in_days=32.1) == 0
    set_order_state(app, orders[0], OrderState.PLACED)
    assert purge(app, in_days=34) == 1
    assert [buyer.send("GET", CART).status_code for buyer in drafts] == [404, 200]


def test_a_cart_that_is_touched_between_being_found_and_being_locked_stays(app: Flask) -> None:
    lamp = sell(app)
    customer, other = new_customer(app), new_customer(app, "other@example.org")
    customer.add(lamp)
    other.add(lamp)
    change_carts(app, expires_at=utc_now() - DAY)
    touched: list[threading.Thread] = []

    def touch(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        if not touched and "FROM cart" in statement and "LIMIT" in statement:
            touched.append(threading.Thread(target=customer.add, args=(lamp,)))
            touched[0].start()
            touched[0].join(60)

    with app.app_context():
        engine = db.engine
    sa.event.listen(engine, "after_cursor_execute", touch)
    try:
        assert purge(app, in_days=0) == 1
    finally:
        sa.event.remove(engine, "after_cursor_execute", touch)
    assert len(touched) == 1
    assert (customer.quantities(), other.cart()["id"]) == ({lamp: 2}, None)


@on_sqlite
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", CART, None),
        ("PATCH", CART, {"note": "x"}),
        ("POST", f"{CART}/seen", None),
        ("POST", f"{CART}/items", {"product_id": 1}),
        ("DELETE", f"{CART}/items", None),
        ("PATCH", f"{CART}/items/1", {"quantity": 3}),
        ("DELETE", f"{CART}/items/1", None),
    ],
    ids=str,
)
def test_a_guests_cart_whose_time_is_over_is_gone_before_it_is_deleted(
    app: Flask, method: str, path: str, body: Any
) -> None:
    guest, customer = new_guest(app), new_customer(app)
    lamp = sell(app)
    guest.add(lamp)
    customer.add(lamp)
    change_carts(app, expires_at=utc_now())
    before = rows(app)
    answer = guest.send(method, path, body)
    assert (answer.status_code, answer.get_json()["code"]) == (404, "CART_NOT_FOUND")
    assert rows(app) == before
    assert customer.quantities() == {lamp: 1}  # a person's has no token that runs out


def test_a_guests_cart_whose_time_is_over_becomes_no_order_and_is_not_merged(app: Flask) -> None:
    guest, customer = new_guest(app), new_customer(app)
    lamp = sell(app)
    guest.add(lamp)
    cart_id = guest.cart()["id"]
    change_carts(app, expires_at=utc_now())
    before = rows(app)
    with app.app_context():
        for read in (in_transaction(lock_cart), look_at_cart):
            with pytest.raises(CartNotFound):
                read(cart_id, guest.shopper())
    assert guest.send("GET", f"/api/v1/orders/quote?cart_id={cart_id}").status_code == 404
    assert rows(app) == before
    answer = app.test_client().post(CART, headers=customer.headers | guest.headers)
    assert (answer.status_code, customer.quantities()) == (201, {})
    assert len(rows(app)[1]) == 1


def test_a_guests_cart_is_not_gone_while_its_checkout_is_not_finished(app: Flask) -> None:
    guest = new_guest(app)
    lamp = sell(app)
    guest.add(lamp)
    cart_id = guest.cart()["id"]
    order_id = add_order(app, cart_id=cart_id)
    change_carts(app, expires_at=utc_now())
    assert guest.quantities() == {lamp: 1}
    with app.app_context():
        assert in_transaction(lock_cart)(cart_id, guest.shopper()).id == cart_id
    assert guest.add(lamp)["quantity"] == 2
    change_carts(app, expires_at=utc_now())
    set_order_state(app, order_id, OrderState.EXPIRED)
    assert guest.send("GET", CART).status_code == 404


def _fill(count: int, *, days_left: int) -> None:
    """Many carts of guests, each with a lamp."""
    now = utc_now()
    known = dict.fromkeys(("created_at", "updated_at"), now) | {"state": CartState.OPEN, "note": "", "version": 1}
    carts = [known | {"token_hash": f"{at:064d}", "expires_at": now + days_left * DAY} for at in range(count)]
    db.session.execute(sa.insert(Cart), carts)
    seen = {"seen_price_minor": 1000, "seen_is_available": True, "added_at": now, "quantity": 1, "product_id": 1}
    ids = db.session.scalars(sa.select(Cart.id)).all()
    db.session.execute(sa.insert(CartItem), [seen | {"cart_id": cart_id} for cart_id in ids])


@on_sqlite
def test_many_carts_are_deleted_some_at_a_time(app: Flask) -> None:
    assert sell(app) == 1
    count = 2 * purging.CHUNK + 7
    with app.app_context():
        in_transaction(_fill)(count, days_left=1)
    assert purge(app, in_days=0) == 0
    deleted: list[int] = []

    def note(_connection: object, cursor: sa.engine.interfaces.DBAPICursor, statement: str, *_rest: object) -> None:
        if statement.startswith("DELETE FROM cart "):
            deleted.append(cursor.rowcount)

    with app.app_context():
        engine = db.engine
    sa.event.listen(engine, "after_cursor_execute", note)
    try:
        assert purge(app, in_days=2) == count
    finally:
        sa.event.remove(engine, "after_cursor_execute", note)
    assert deleted == [purging.CHUNK, purging.CHUNK, 7]
    assert rows(app) == ([], [])


@on_sqlite
def test_the_timetable_has_it_done_every_hour_by_the_background(app: Flask) -> None:
    assert TIMETABLE["purge_carts"] == timedelta(hours=1)
    buyer: Buyer = new_guest(app)
    buyer.add(sell(app))
    change_carts(app, expires_at=utc_now() - DAY)
    with app.app_context():
        assert fire_due(name="purge_carts", every=TIMETABLE["purge_carts"])
        row = db.session.scalars(sa.select(outbox.Outbox).where(outbox.Outbox.kind == "purge_carts")).one()
        assert outbox.deliver(row.id, HANDLERS)
    assert rows(app) == ([], [])
