"""Insights into stock along what is kept: the same as those that are summed up, and of now where stock has moved."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import pytest
import sqlalchemy as sa
from flask import Flask

from app.analytics.models.stock_outlook import WINDOWS, StockOutlook, StockOutlookWindow
from app.analytics.queries import stock_outlook
from app.analytics.queries.inventory_insights import Insight, Sort, Status, list_insights
from app.analytics.rules.replenishing import Policy
from app.analytics.services.sales_folding import fold_sales
from app.analytics.services.stock_outlook import COUNT_EVERY, keep_stock_outlook
from app.core.extensions import db
from app.core.money import Money
from app.core.permissions import system
from app.core.transactions import in_transaction
from app.products.models.products import Product
from app.products.models.stock import MovementKind
from app.products.services.categories import create_category
from app.products.services.products import delete_product, update_product
from app.products.services.stock import change_stock
from tests.analytics.baskets import sell
from tests.orders.selling import make_goods

NOW: Final = datetime(2026, 3, 31, 12, 0, tzinfo=UTC)
TODAY: Final = date(2026, 3, 31)
MINUTE: Final = timedelta(minutes=1)


def policy(days: int) -> Policy:
    return Policy(days=days, dead_days=40, lead_days=4, order_days=7, service_percent=95)


def read(days: int, *, limit: int = 5, today: date = TODAY, **which: Any) -> list[Insight]:
    """All that there is, page by page."""
    found: list[Insight] = []
    cursor: str | None = None
    while True:
        page = list_insights(policy=policy(days), today=today, limit=limit, cursor=cursor, **which)
        db.session.rollback()
        assert len(page.items) <= limit
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            return found


def as_of(days: int, today: date = TODAY) -> datetime | None:
    found = list_insights(policy=policy(days), today=today, limit=1).as_of
    db.session.rollback()
    return found


def said(found: list[Insight]) -> list[tuple[Any, ...]]:
    """All figures, in their order."""
    names = (
        "days_of_cover",
        "last_sold_on",
        "is_dead",
        "value_minor",
        "reorder_point",
        "is_to_reorder",
        "order_quantity",
    )
    return [
        (each.row.id, each.row.available, each.demand.units, *(getattr(each, name) for name in names)) for each in found
    ]


@in_transaction
def _age(*, days: int) -> None:
    db.session.execute(sa.update(Product).values(created_at=NOW - timedelta(days=days)))


def _shop(chosen: random.Random, count: int = 10) -> list[int]:
    """Products of two brands and a category, sold at random on some days of a year; some facts are not counted yet."""
    kitchen = create_category(actor=system(), now=NOW, name="Kitchen").id
    ids = []
    for at in range(count):
        price, brand = f"{chosen.randrange(1, 90)}.50", chosen.choice(["Hearth", "Lumo"])
        goods = make_goods(price, now=NOW, brand=brand, on_hand=chosen.choice([1, 2, 5, 9, 40]))
        ids.append(goods)
        if at % 2:
            update_product(actor=system(), now=NOW, product_id=goods, expected_version=1, categories=[kitchen])
        if at % 5 == 0:
            continue
        for _ in range(chosen.randrange(1, 9)):
            units = {goods: chosen.choice([1, 1, 2, 5, -1])}
            sell(None, units, at=NOW - timedelta(days=chosen.choice([0, 1, 3, 7, 8, 29, 30, 31, 90, 91, 365, 366])))
        if chosen.random() < 0.3:
            fold_sales()
    _age(days=50)
    return ids


@pytest.mark.parametrize("seed", [3, 4])
def test_what_is_kept_says_the_same_as_what_is_summed_up(
    context: Flask, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    _shop(random.Random(seed))
    kitchen = db.session.scalars(sa.text("SELECT id FROM category")).one()
    asin = db.session.scalars(sa.select(Product.asin).order_by(Product.id)).all()[3]
    ways: list[dict[str, Any]] = [{}, {"brand": "Lumo"}, {"category": kitchen}, {"asin": asin}, {"is_left": True}]
    ways += [{"status": status, **way} for status in Status for way in ways[::2]]
    asked = [(days, {"sort": sort, **way}) for days in (7, 365) for sort in Sort for way in ways]
    plain = [said(read(days, **which)) for days, which in asked]
    assert as_of(30) is None

    assert keep_stock_outlook(now=NOW) > 0
    assert as_of(30) == NOW
    assert [said(read(days, **which)) for days, which in asked] == plain
    monkeypatch.setattr(stock_outlook, "LOOK_AT", (2, 3))
    monkeypatch.setattr(stock_outlook, "FEW", 0)
    assert [said(read(days, **which)) for days, which in asked] == plain
    assert [said(read(days, limit=1_000, **which)) for days, which in asked] == plain


def test_stock_and_prices_are_those_of_now_before_the_order_is(context: Flask) -> None:
    first, second = (make_goods("10.00", now=NOW, on_hand=10) for _ in range(2))
    for goods, units in ((first, 10), (second, 5)):
        sell(None, {goods: units}, at=NOW - timedelta(days=2))
    keep_stock_outlook(now=NOW)
    assert [each.days_of_cover for each in read(30)] == ["30.0", "60.0"]

    change_stock(actor=system(), now=NOW, product_id=first, kind=MovementKind.RECEIVED, delta=50)
    update_product(actor=system(), now=NOW, product_id=second, expected_version=1, price=Money(500, "USD"))
    assert {each.row.id: each.row.available for each in read(30)} == {first: 60, second: 10}
    assert {each.row.id: each.value_minor for each in read(30)} == {first: 60_000, second: 5_000}

    assert keep_stock_outlook(now=NOW + MINUTE) == 2 * len(WINDOWS)
    assert [each.row.id for each in read(30, limit=1)] == [second, first]
    assert [each.row.id for each in read(30, limit=1, sort=Sort.VALUE)] == [first, second]
    assert as_of(30) == NOW + MINUTE
    assert keep_stock_outlook(now=NOW + 2 * MINUTE) == 0


def test_new_products_come_with_what_was_sold_of_them_and_deleted_ones_go(context: Flask) -> None:
    first = make_goods("10.00", now=NOW, on_hand=10)
    keep_stock_outlook(now=NOW)
    second = make_goods("10.00", now=NOW, on_hand=8)
    sell(None, {second: 4}, at=NOW - timedelta(days=1))
    keep_stock_outlook(now=NOW + MINUTE)
    assert [(each.row.id, each.row.units) for each in read(7)] == [(second, 4), (first, 0)]

    delete_product(actor=system(), now=NOW, product_id=second, expected_version=1)
    assert [each.row.id for each in read(7)] == [first]
    keep_stock_outlook(now=NOW + 2 * MINUTE)
    assert set(db.session.scalars(sa.select(StockOutlook.product_id))) == {first}


def test_earlier_sales_are_counted_soon_and_until_then_it_says_as_of_when(context: Flask) -> None:
    goods = make_goods("10.00", now=NOW, on_hand=10)
    sell(None, {goods: 1}, at=NOW - timedelta(days=2))
    keep_stock_outlook(now=NOW)
    sell(None, {goods: 6}, at=NOW - timedelta(days=20))

    keep_stock_outlook(now=NOW + MINUTE)
    assert (as_of(7), as_of(30)) == (NOW + MINUTE, NOW)
    assert [each.row.units for each in read(30)] == [1]
    keep_stock_outlook(now=NOW + COUNT_EVERY)
    assert (as_of(30), [each.row.units for each in read(30)]) == (NOW + COUNT_EVERY, [7])

    with db.engine.begin() as opened:
        opened.execute(sa.text("DELETE FROM sale"))
    keep_stock_outlook(now=NOW + 2 * COUNT_EVERY)
    assert [(each.row.units, each.days_of_cover) for each in read(30)] == [(0, None)]


def test_another_day_is_summed_up_until_it_is_counted(context: Flask) -> None:
    goods = make_goods("10.00", now=NOW, on_hand=10)
    for days in (0, 7):
        sell(None, {goods: 3 + days}, at=NOW - timedelta(days=days))
    keep_stock_outlook(now=NOW)
    tomorrow = TODAY + timedelta(days=1)
    assert (as_of(7), as_of(7, tomorrow), as_of(10)) == (NOW, None, None)
    assert ([each.row.units for each in read(7)], [each.row.units for each in read(7, today=tomorrow)]) == ([10], [3])

    keep_stock_outlook(now=NOW + timedelta(days=1))
    assert (as_of(7), as_of(7, tomorrow)) == (None, NOW + timedelta(days=1))
    assert [each.row.units for each in read(7, today=tomorrow)] == [3]


def test_a_shop_without_products_keeps_nothing(context: Flask) -> None:
    assert keep_stock_outlook(now=NOW) == 0
    assert (as_of(30), read(30)) == (NOW, [])
    assert set(db.session.scalars(sa.select(StockOutlookWindow.days))) == set(WINDOWS)
