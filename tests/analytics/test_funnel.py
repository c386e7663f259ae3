"""How many carts become orders, counted where it happens."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select

from app.analytics.models.funnel import FunnelDay, FunnelMark
from app.analytics.queries.funnel import get_funnel
from app.analytics.rules.funnel import STEPS, conversion, shares
from app.analytics.rules.periods import Period
from app.analytics.services import funnel
from app.analytics.services.funnel import fold_funnel
from app.cart.events import CartBegun
from app.cart.services.merging import merge_guest
from app.core.extensions import db
from app.core.orm import utc_now
from app.core.transactions import in_transaction
from app.orders.events import OrderReached
from app.orders.models.orders import Order
from app.orders.services.delivering import deliver_all
from app.orders.services.sales import day_of
from tests.conftest import AppWith
from tests.orders.making import STAFF
from tests.orders.selling import cancel, lines_of, pay, place, send
from tests.orders.shopping import Shop, together
from tests.servers import on_sqlite
from tests.statements import statements


@pytest.fixture
def shop(app: Flask) -> Shop:
    return Shop(app)


def counts(first_on: date | None = None, last_on: date | None = None) -> tuple[int, ...]:
    """Carts, checkouts, placed, paid and delivered of a period, by itself of today and yesterday."""
    db.session.rollback()
    today = day_of(utc_now())
    found = get_funnel(period=Period(first_on or today - timedelta(days=1), last_on or today))
    return tuple(share.count for share in found["steps"])


@in_transaction
def begin_cart(*, at: datetime) -> None:
    funnel.count_cart(CartBegun(1, at))


@in_transaction
def reach(*, at: datetime, steps: tuple[str, ...], cart_id: int | None = 1) -> None:
    funnel.count_order(OrderReached(1, cart_id, steps, at))


def test_a_cart_that_is_ordered_paid_and_delivered_is_counted_at_every_step(shop: Shop, context: Flask) -> None:
    product = shop.product()
    shop.guest()  # an empty cart is none that was begun
    shop.guest({product: 1})
    buyer = shop.guest({product: 2})
    assert counts() == (2, 0, 0, 0, 0)
    assert buyer.order("20.00").status_code == 201
    assert counts() == (2, 1, 1, 0, 0)
    order_id = db.session.scalars(select(Order.id)).one()
    pay(order_id, now=utc_now())
    assert counts() == (2, 1, 1, 1, 0)
    (line,) = lines_of(order_id)
    send(order_id, {line.id: 2}, now=utc_now())
    deliver_all(actor=STAFF, now=utc_now(), order_id=order_id)
    deliver_all(actor=STAFF, now=utc_now(), order_id=order_id)
    assert counts() == (2, 1, 1, 1, 1)
    assert fold_funnel() == 6
    assert counts() == (2, 1, 1, 1, 1)
    assert db.session.scalar(select(func.count()).select_from(FunnelMark)) == 0


def test_a_cart_is_begun_once_however_often_it_is_emptied_and_filled(shop: Shop, context: Flask) -> None:
    product, other = shop.product(), shop.product()
    buyer = shop.person({product: 1, other: 1})
    buyer.change(product, 0)
    buyer.change(other, 0)
    buyer.put({product: 3})
    assert counts() == (1, 0, 0, 0, 0)


def test_what_a_guest_brings_to_an_empty_cart_is_the_cart_that_was_begun(shop: Shop, context: Flask) -> None:
    product, other = shop.product(), shop.product()
    guest, person = shop.guest({product: 1}), shop.person()
    assert person.user_id is not None
    token_hash = guest.shopper().cart_token_hash
    assert token_hash is not None
    assert in_transaction(merge_guest)(user_id=person.user_id, token_hash=token_hash, now=utc_now())
    person.put({other: 1})
    assert counts() == (1, 0, 0, 0, 0)


def test_orders_that_staff_place_are_of_no_cart(context: Flask, shop: Shop) -> None:
    order_id = place({shop.product(): 1}, now=utc_now())
    pay(order_id, now=utc_now())
    assert counts() == (0, 0, 0, 0, 0)


def test_a_refused_checkout_leaves_no_mark(shop: Shop, context: Flask) -> None:
    product = shop.product(on_hand=1)
    assert shop.guest({product: 2}).order("20.00").status_code == 409
    assert counts() == (1, 0, 0, 0, 0)


def test_an_order_that_is_cancelled_was_placed_all_the_same(shop: Shop, context: Flask) -> None:
    assert shop.guest({shop.product(): 1}).order("10.00").status_code == 201
    cancel(db.session.scalars(select(Order.id)).one(), now=utc_now())
    assert counts() == (1, 1, 1, 0, 0)


def test_marks_are_added_once_whoever_adds_them_and_in_whatever_portions(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(funnel, "CHUNK", 3)
    now = utc_now()
    with app.app_context():
        fold_funnel()
        for _ in range(7):
            begin_cart(at=now)
        reach(at=now, steps=("checkouts", "placed", "paid"))

    def fold() -> int:
        with app.app_context():
            return fold_funnel()

    with app.app_context():
        fold()  # the day is there: two that make it at once take turns by the outbox
        begin_cart(at=now)
        begin_cart(at=now)
    folded = together(fold, fold)
    with app.app_context():
        fold()
        assert sum(folded) <= 2
        assert counts() == (9, 1, 1, 1, 0)


@pytest.mark.parametrize(
    ("zone", "midnight"),
    [
        pytest.param("Europe/Berlin", datetime(2026, 3, 28, 23, tzinfo=UTC), id="before 23 hours"),
        pytest.param("Europe/Berlin", datetime(2026, 10, 25, 23, tzinfo=UTC), id="behind 25 hours"),
        pytest.param("America/New_York", datetime(2026, 11, 1, 4, tzinfo=UTC), id="in the west"),
    ],
)
@on_sqlite
def test_days_are_days_of_the_shop(app: Flask, app_with: AppWith, zone: str, midnight: datetime) -> None:
    today = midnight.astimezone(ZoneInfo(zone)).date()
    with app_with(timezone=ZoneInfo(zone)).app_context():
        begin_cart(at=midnight - timedelta(microseconds=1))
        begin_cart(at=midnight)
        begin_cart(at=midnight)
        assert counts(today, today)[0] == 2
        fold_funnel()
        found = get_funnel(period=Period(today - timedelta(days=1), today))
        assert [(day["day"], day["carts"]) for day in found["days"]] == [(today - timedelta(days=1), 1), (today, 2)]


@on_sqlite
def test_counting_takes_one_statement_more_for_each_request(shop: Shop, context: Flask) -> None:
    product, buyer = shop.product(), shop.guest()
    with statements() as sent:
        buyer.put({product: 1})
    assert [one.split()[:3] for one in sent if "funnel" in one] == [["INSERT", "INTO", "funnel_mark"]]
    with statements() as sent:
        assert buyer.order("10.00").status_code == 201
    assert [one.split()[:3] for one in sent if "funnel" in one] == [["INSERT", "INTO", "funnel_mark"]]


@on_sqlite
def test_a_period_is_read_in_as_many_statements_for_a_year_as_for_a_day(context: Flask) -> None:
    now = utc_now()
    for days_ago in range(40):
        begin_cart(at=now - timedelta(days=days_ago))
    fold_funnel()
    begin_cart(at=now)
    taken = []
    for days in (1, 366):
        db.session.rollback()
        with statements() as sent:
            get_funnel(period=Period(day_of(now) - timedelta(days=days - 1), day_of(now)))
        taken.append(len(sent))
    assert taken[0] == taken[1] <= 3


def test_conversion_is_paid_orders_by_carts_begun() -> None:
    found: dict[str, int] = dict(zip(STEPS, (200, 100, 50, 25, 20), strict=True))
    assert conversion(found) == "12.5"
    assert [(one.of_previous_percent, one.of_carts_percent) for one in shares(found)] == [
        (None, "100.0"), ("50.0", "50.0"), ("50.0", "25.0"), ("50.0", "12.5"), ("80.0", "10.0"),
    ]  # fmt: skip
    nothing: dict[str, int] = dict.fromkeys(STEPS, 0)
    assert conversion(nothing) is None
    assert {one.of_carts_percent for one in shares(nothing)} == {None}


def test_the_api_shows_every_day_of_the_period(
    context: Flask, client: FlaskClient, auth_headers: dict[str, str]
) -> None:
    now = utc_now()
    begin_cart(at=now - timedelta(days=1))
    begin_cart(at=now)
    reach(at=now, steps=("checkouts", "placed", "paid"))
    fold_funnel()
    begin_cart(at=now)
    answer: dict[str, Any] = client.get("/api/v1/sales/funnel", headers=auth_headers).get_json()
    assert len(answer["days"]) == 30
    assert answer["counted_from"] == day_of(now - timedelta(days=1)).isoformat()
    assert answer["conversion_percent"] == "33.3"
    assert answer["steps"][3] == {
        "step": "paid", "count": 1, "of_previous_percent": "100.0", "of_carts_percent": "33.3",
    }  # fmt: skip
    assert answer["days"][-1]["carts"] == 2
    assert answer["days"][0]["conversion_percent"] is None
    assert db.session.scalar(select(func.count()).select_from(FunnelDay)) == 2
    file = client.get("/api/v1/sales/funnel?format=csv", headers=auth_headers).text.splitlines()
    assert file[0] == "day,carts,checkouts,placed,paid,delivered,conversion_percent"
    assert len(file) == 31
    assert file[-1] == f"{day_of(now)},2,1,1,1,0,50.0"


@on_sqlite
@pytest.mark.parametrize(
    ("query", "pointer"),
    [("from=2026-03-02&to=2026-03-01", "/from"), ("to=2999-01-01", "/to"), ("group=day", "/group")],
)
def test_periods_that_make_no_sense_are_refused(
    client: FlaskClient, auth_headers: dict[str, str], query: str, pointer: str
) -> None:
    answer = client.get(f"/api/v1/sales/funnel?{query}", headers=auth_headers)
    assert (answer.status_code, answer.get_json()["errors"][0]["pointer"]) == (422, pointer)
