"""Sales facts: one for every line that was paid, on the shop's day, and for every part that was paid back."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.exc import DBAPIError

from app.config import Checkout
from app.core.extensions import db
from app.core.orm import table_of
from app.core.transactions import NoTransaction, in_transaction
from app.orders.models.orders import Order, OrderLine
from app.orders.models.payments import Refund
from app.orders.models.sales import Sale, SaleKind
from app.orders.services.moving import lock_order
from app.orders.services.returns import Wish
from app.orders.services.sales import day_of, record_refund, record_sale, undo_refund
from tests.concurrency import at_once
from tests.conftest import AppWith
from tests.orders.making import make_order
from tests.orders.selling import (
    AMOUNTS,
    cancel,
    come_back,
    facts_of,
    give,
    lines_of,
    make_coupon,
    make_goods,
    money_of,
    pay,
    place,
    send,
)
from tests.servers import on_sqlite

NOW: Final = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
LATER: Final = NOW + timedelta(days=40)


@pytest.fixture
def taxed(app_with: AppWith) -> Any:
    """A shop whose prices contain 19 % tax and that takes 4.90 for shipping."""
    app = app_with(checkout=Checkout(tax_rate_ppm=190_000, tax_included=True, shipping_minor=490))
    with app.app_context():
        yield app


def amounts(fact: Sale) -> dict[str, int]:
    return {name.removesuffix("_minor"): getattr(fact, name) for name in AMOUNTS}


def counted() -> int:
    db.session.rollback()
    return int(db.session.scalar(sa.select(sa.func.count()).select_from(Sale)) or 0)


def test_a_line_that_is_paid_is_one_fact_with_what_it_was_called_and_cost(taxed: Flask) -> None:
    make_coupon("TEN", now=NOW, percent_ppm=100_000)
    first = make_goods("19.99", now=NOW, name="Kettle", brand="Kettles & Co.")
    second = make_goods("5.00", now=NOW, name="Strainer", brand=None)
    order_id = place({first: 3, second: 1}, now=NOW, coupon="TEN")
    assert facts_of(order_id) == []
    pay(order_id, now=LATER)
    lines, facts = lines_of(order_id), facts_of(order_id)
    assert [fact.unique_key for fact in facts] == [f"line:{line.id}" for line in lines]
    kettle, strainer = facts
    assert (kettle.kind, kettle.sold_at, kettle.sold_on, kettle.created_at) == ("sale", LATER, LATER.date(), LATER)
    assert (kettle.product_id, kettle.name, kettle.brand, kettle.quantity) == (first, "Kettle", "Kettles & Co.", 3)
    assert (kettle.asin, kettle.currency, kettle.order_line_id) == (lines[0].asin, "USD", lines[0].id)
    assert (kettle.refund_id, kettle.operation_id, strainer.brand) == (None, None, None)
    assert amounts(kettle) == {
        "gross": 5997, "discount": 600, "net": 4535, "shipping": 380, "tax": 934, "total": 5849
    }  # fmt: skip
    assert sum(fact.total_minor for fact in facts) == money_of(order_id)[0] == 6337


def test_what_was_cancelled_or_came_back_before_the_payment_is_not_in_it(taxed: Flask) -> None:
    first, second, third = (make_goods(price, now=NOW) for price in ("19.99", "5.00", "7.77"))
    order_id = place({first: 5, second: 2, third: 1}, now=NOW)
    lines = lines_of(order_id)
    cancel(order_id, {lines[0].id: 1, lines[2].id: 1}, now=NOW)
    send(order_id, {lines[0].id: 4}, now=NOW)
    come_back(order_id, {lines[0].id: 1}, now=NOW)
    pay(order_id, now=LATER)
    facts = facts_of(order_id)
    assert [(fact.order_line_id, fact.quantity) for fact in facts] == [(lines[0].id, 3), (lines[1].id, 2)]
    assert sum(fact.total_minor for fact in facts) == money_of(order_id)[0]


def test_a_refund_is_rows_of_its_own_on_its_own_day_with_the_signs_turned_round(taxed: Flask) -> None:
    product = make_goods("19.99", now=NOW)
    order_id = place({product: 3}, now=NOW)
    pay(order_id, now=NOW)
    (line,) = lines_of(order_id)
    send(order_id, {line.id: 3}, now=NOW)
    come_back(order_id, {line.id: 1}, now=LATER, wish=Wish())
    sale, back = facts_of(order_id)
    assert (sale.sold_on, back.sold_on, back.sold_at) == (NOW.date(), LATER.date(), LATER)
    assert (back.kind, back.quantity, back.unique_key) == ("refund", -1, f"refund:{back.refund_id}:{line.id}")
    assert (back.asin, back.name, back.brand, back.product_id) == (sale.asin, sale.name, sale.brand, product)
    assert amounts(back)["gross"] == -1999
    assert amounts(back)["total"] == -(1999 + 163)
    assert max(amounts(back).values()) <= 0
    assert money_of(order_id)[1] == 1999 + 163


def test_money_that_goes_back_while_the_goods_stay_is_a_refund_of_no_units(taxed: Flask) -> None:
    order_id = place({make_goods("19.99", now=NOW): 3, make_goods("1.00", now=NOW): 1}, now=NOW)
    pay(order_id, now=NOW)
    give(order_id, 300, now=LATER)
    back = facts_of(order_id)[2:]
    assert [fact.quantity for fact in back] == [0, 0]
    assert sum(fact.total_minor for fact in back) == -300
    give(order_id, None, now=LATER)
    facts = facts_of(order_id)
    assert sum(fact.quantity for fact in facts) == 4
    assert {name: sum(amounts(fact)[name] for fact in facts) for name in amounts(facts[0])} == dict.fromkeys(
        amounts(facts[0]), 0
    )


def test_recording_the_same_payment_or_refund_again_adds_nothing(taxed: Flask) -> None:
    order_id = place({make_goods("19.99", now=NOW): 2}, now=NOW)
    pay(order_id, now=NOW)
    give(order_id, 100, now=NOW)
    before = [(fact.id, fact.sold_at, amounts(fact)) for fact in facts_of(order_id)]

    @in_transaction
    def again() -> list[int]:
        order = lock_order(order_id)
        lines = db.session.scalars(sa.select(OrderLine).where(OrderLine.order_id == order_id)).all()
        refund = db.session.scalars(sa.select(Refund).where(Refund.order_id == order_id)).one()
        return [record_sale(order, lines, now=LATER), record_refund(refund, now=LATER)]

    assert again() == [0, 0]
    assert [(fact.id, fact.sold_at, amounts(fact)) for fact in facts_of(order_id)] == before


def test_several_who_record_one_payment_at_once_record_it_once(app: Flask) -> None:
    with app.app_context():
        made = make_order(2, 3)

    @in_transaction
    def record() -> int:
        order = lock_order(made.id)
        lines = db.session.scalars(sa.select(OrderLine).where(OrderLine.order_id == made.id)).all()
        return record_sale(order, lines, now=NOW)

    assert sorted(at_once(app, *[record] * 6)) == [0] * 5 + [2]
    with app.app_context():
        assert [fact.total_minor for fact in facts_of(made.id)] == [2000, 3000]


def test_money_that_a_bank_sends_back_after_a_refund_is_taken_out_of_the_refunds_again(context: Flask) -> None:
    order_id = place({make_goods("10.00", now=NOW): 2}, now=NOW)
    pay(order_id, now=NOW)
    give(order_id, 500, now=NOW)

    @in_transaction
    def undo() -> int:
        refund = db.session.scalars(sa.select(Refund).where(Refund.order_id == order_id)).one()
        return undo_refund(refund, now=LATER)

    assert (undo(), undo()) == (1, 0)
    sale, back, returned = facts_of(order_id)
    assert (returned.kind, returned.sold_on) == ("refund", LATER.date())
    assert returned.unique_key == back.unique_key.replace("refund:", "refund-returned:")
    assert amounts(returned) == {name: -value for name, value in amounts(back).items()}
    assert sale.total_minor == 2000


def test_facts_exist_with_the_rest_of_their_transaction_or_not_at_all(context: Flask) -> None:
    made = make_order(2)

    @in_transaction
    def fail() -> None:
        lines = db.session.scalars(sa.select(OrderLine).where(OrderLine.order_id == made.id)).all()
        assert record_sale(lock_order(made.id), lines, now=NOW) == 1
        raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert counted() == 0
    order = db.session.get_one(Order, made.id)
    with pytest.raises(NoTransaction):
        record_sale(order, lines_of(made.id), now=NOW)
    assert counted() == 0


def test_an_order_that_costs_nothing_is_sold_when_it_is_placed(context: Flask) -> None:
    make_coupon("ALL", now=NOW, percent_ppm=1_000_000)
    order_id = place({make_goods("10.00", now=NOW): 2}, now=NOW, coupon="ALL")
    (fact,) = facts_of(order_id)
    assert amounts(fact) == {"gross": 2000, "discount": 2000, "net": 0, "shipping": 0, "tax": 0, "total": 0}
    assert (fact.quantity, fact.sold_at) == (2, NOW)


BERLIN, NEW_YORK, KATHMANDU, LINE_ISLANDS = "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Pacific/Kiritimati"


@on_sqlite
@pytest.mark.parametrize(
    ("zone", "at", "day"),
    [
        ("UTC", "2026-03-01T23:59:59.999999", "2026-03-01"),
        ("UTC", "2026-03-02T00:00:00", "2026-03-02"),
        # the day on which clocks go forward has 23 hours
        (BERLIN, "2026-03-28T22:59:59.999999", "2026-03-28"),
        (BERLIN, "2026-03-28T23:00:00", "2026-03-29"),
        (BERLIN, "2026-03-29T21:59:59.999999", "2026-03-29"),
        (BERLIN, "2026-03-29T22:00:00", "2026-03-30"),
        # and the one on which they go back has 25
        (BERLIN, "2026-10-24T21:59:59.999999", "2026-10-24"),
        (BERLIN, "2026-10-24T22:00:00", "2026-10-25"),
        (BERLIN, "2026-10-25T22:59:59.999999", "2026-10-25"),
        (BERLIN, "2026-10-25T23:00:00", "2026-10-26"),
        (NEW_YORK, "2026-03-08T04:59:59.999999", "2026-03-07"),
        (NEW_YORK, "2026-03-08T05:00:00", "2026-03-08"),
        (NEW_YORK, "2026-03-09T03:59:59.999999", "2026-03-08"),
        (NEW_YORK, "2026-03-09T04:00:00", "2026-03-09"),
        (KATHMANDU, "2026-06-30T18:14:59", "2026-06-30"),
        (KATHMANDU, "2026-06-30T18:15:00", "2026-07-01"),
        (LINE_ISLANDS, "2025-12-31T09:59:59", "2025-12-31"),
        (LINE_ISLANDS, "2025-12-31T10:00:00", "2026-01-01"),
    ],
)
def test_the_day_of_a_sale_is_the_shops_from_midnight_to_midnight(
    app_with: AppWith, zone: str, at: str, day: str
) -> None:
    instant = datetime.fromisoformat(at).replace(tzinfo=UTC)
    with app_with(timezone=ZoneInfo(zone)).app_context():
        assert day_of(instant) == date.fromisoformat(day)
        assert day_of(instant.astimezone(ZoneInfo("Asia/Tokyo"))) == date.fromisoformat(day)


def test_the_day_that_is_stored_is_the_shops(app_with: AppWith) -> None:
    with app_with(timezone=ZoneInfo(BERLIN)).app_context():
        order_id = place({make_goods("10.00", now=NOW): 2}, now=NOW)
        paid = datetime(2026, 3, 28, 23, 30, tzinfo=UTC)
        pay(order_id, now=paid)
        back = datetime(2026, 10, 25, 22, 30, tzinfo=UTC)
        give(order_id, 100, now=back)
        facts = facts_of(order_id)
        assert [(fact.sold_at, fact.sold_on) for fact in facts] == [
            (paid, date(2026, 3, 29)),
            (back, date(2026, 10, 25)),
        ]


@pytest.mark.parametrize("wrong", ["total_minor", "net_minor", "tax_minor", "shipping_minor"])
def test_the_database_refuses_a_fact_that_does_not_add_up(context: Flask, wrong: str) -> None:
    values: dict[str, Any] = {
        "created_at": NOW, "unique_key": "line:1", "kind": SaleKind.SALE, "sold_at": NOW, "sold_on": NOW.date(),
        "asin": "B000000001", "name": "Lamp", "quantity": 1, "currency": "USD", "gross_minor": 100,
        "discount_minor": 0, "tax_minor": 19, "shipping_minor": 5, "net_minor": 81, "total_minor": 105,
    }  # fmt: skip

    @in_transaction
    def add(**changes: Any) -> None:
        db.session.execute(sa.insert(table_of(Sale)).values(**(values | changes)))

    with pytest.raises(DBAPIError, match="total_adds_up"):
        add(**{wrong: values[wrong] + 1})
    assert counted() == 0
    add()
    with pytest.raises(DBAPIError):
        add()
    assert counted() == 1
