"""How long stock lasts, what nobody buys, and what to buy again: against the same figures computed the plain way."""

from __future__ import annotations

import csv
import io
import math
import random
import statistics
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from app.analytics.errors import PeriodTooWide
from app.analytics.queries import inventory_insights
from app.analytics.queries.inventory_insights import Insight, Sort, Status, list_insights
from app.analytics.queries.limited import TakesTooLong
from app.analytics.rules.replenishing import Demand, Policy, order_quantity, reorder_point
from app.analytics.services.sales_folding import fold_sales
from app.core.extensions import db
from app.core.permissions import system
from app.core.transactions import in_transaction
from app.orders.services.sales import day_of
from app.products.models.products import Product
from app.products.services.categories import create_category
from app.products.services.products import update_product
from tests.analytics.baskets import sell
from tests.orders.selling import make_goods
from tests.products.stocking import make_product
from tests.servers import on_sqlite

NOW: Final = datetime(2026, 3, 31, 12, 0, tzinfo=UTC)
TODAY: Final = date(2026, 3, 31)
POLICY: Final = Policy(days=10, dead_days=30, lead_days=4, order_days=7, service_percent=95)


@in_transaction
def _age(*, days: int) -> None:
    """Let all products have been there for so long."""
    db.session.execute(sa.update(Product).values(created_at=NOW - timedelta(days=days)))


def _all(*, limit: int = 100, **which: Any) -> list[Insight]:
    """Every page, one after the other."""
    found: list[Insight] = []
    cursor: str | None = None
    while True:
        page = list_insights(policy=POLICY, today=TODAY, limit=limit, cursor=cursor, **which)
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            db.session.rollback()
            return found


def _sell_daily(product_id: int, *units: int) -> None:
    """So many units on each day of the window, the last one yesterday."""
    for back, quantity in enumerate(reversed(units), start=1):
        if quantity:
            sell(None, {product_id: quantity}, at=NOW - timedelta(days=back))


def test_an_example_by_hand(context: Flask) -> None:
    kettle = make_goods("19.99", now=NOW, on_hand=12)
    _sell_daily(kettle, 2, 0, 4, 2, 0, 2, 4, 2, 6, 2)
    sell(None, {kettle: 50}, at=NOW - timedelta(days=11))
    sell(None, {kettle: 50}, at=NOW)
    sell(None, {kettle: -4}, at=NOW - timedelta(days=1))
    _age(days=100)

    (found,) = _all()

    # Of ten days 20 units are left, 2 a day. Their squares are 4+0+16+4+0+4+16+4+36+4 = 88, the last one of 2 - 4;
    # the variance is (88 - 40) / 9 = 5.33, sigma 2.309; 2 x 4 + 1.645 x 2.309 x 2 = 15.6
    assert (found.row.units, found.demand.squares, found.units_per_day) == (20, 88.0, "2.000")
    assert found.days_of_cover == "6.0"
    assert (found.reorder_point, found.is_to_reorder) == (16, True)
    # 2 x 11 + 1.645 x 2.309 x 3.317 = 34.6, 12 of which are there
    assert found.order_quantity == 23
    assert (found.value_minor, found.last_sold_on, found.is_dead) == (12 * 1999, TODAY, False)


@pytest.mark.parametrize("seed", [1, 2])
def test_figures_filters_and_orders_are_those_of_the_plain_way(context: Flask, seed: int) -> None:
    chosen = random.Random(seed)
    sold: dict[int, list[int]] = {}
    for _ in range(12):
        product_id = make_goods(f"{chosen.randrange(1, 90)}.50", now=NOW, on_hand=chosen.choice([1, 2, 5, 9, 40]))
        sold[product_id] = [chosen.choice([0, 0, 1, 2, 5, -1]) for _ in range(POLICY.days)]
        if chosen.random() < 0.3:
            sold[product_id] = [0] * POLICY.days
        _sell_daily(product_id, *sold[product_id])
        if chosen.random() < 0.3:
            sell(None, {product_id: 3}, at=NOW - timedelta(days=25))
        if chosen.random() < 0.2:
            fold_sales()  # what was sold so far is in the rollups from now on, the rest is not yet
    _age(days=40)

    found = {each.row.id: each for each in _all(limit=5)}

    assert found.keys() == sold.keys()
    for product_id, units in sold.items():
        each, total = found[product_id], sum(units)
        assert each.row.units == total
        point = 0
        if total > 0:
            spread = POLICY.safety_factor * statistics.stdev(units) * math.sqrt(POLICY.lead_days)
            point = math.ceil(round(total / POLICY.days * POLICY.lead_days + spread, 9))
        assert each.reorder_point == point
        assert each.is_to_reorder == (total > 0 and each.row.available <= point)
        assert (each.days_of_cover is None) == (total <= 0)
    covers = [math.inf if each.days_of_cover is None else float(each.days_of_cover) for each in found.values()]
    assert covers == sorted(covers)
    assert [each.value_minor for each in _all(sort=Sort.VALUE, limit=5)] == sorted(
        (each.value_minor for each in found.values()), reverse=True
    )
    units_sold = [each.row.units for each in _all(sort=Sort.UNITS, limit=5)]
    assert units_sold == sorted(units_sold, reverse=True)
    for status, name in ((Status.REORDER, "is_to_reorder"), (Status.DEAD, "is_dead")):
        listed = {each.row.id for each in _all(status=status, limit=3)}
        assert listed == {product_id for product_id, each in found.items() if getattr(each, name)}


def test_dead_stock_lies_there_and_is_not_new(context: Flask) -> None:
    dead, sold_lately, came_back = (make_goods("2.00", now=NOW, on_hand=3) for _ in range(3))
    empty = make_product()
    for product_id, back in ((dead, 31), (sold_lately, 30), (came_back, 60)):
        sell(None, {product_id: 1}, at=NOW - timedelta(days=back))
    sell(None, {came_back: -1}, at=NOW - timedelta(days=2))
    _age(days=31)
    new = make_goods("2.00", now=NOW - timedelta(days=29), on_hand=3)

    assert {each.row.id for each in _all(status=Status.DEAD)} == {dead, came_back}
    assert {each.row.id for each in _all() if each.is_dead} == {dead, came_back}
    assert {each.row.id for each in _all()} == {dead, sold_lately, came_back, empty, new}


def test_products_are_found_by_asin_brand_and_category(context: Flask) -> None:
    kitchen = create_category(actor=system(), now=NOW, name="Kitchen").id
    tea = create_category(actor=system(), now=NOW, name="Tea", parent_id=kitchen).id
    kettle, lamp = (make_goods("2.00", now=NOW, brand=brand) for brand in ("Hearth", "Lumo"))
    update_product(actor=system(), now=NOW, product_id=kettle, expected_version=1, categories=[tea])
    asin = db.session.scalars(sa.select(Product.asin).where(Product.id == lamp)).one()

    assert [each.row.id for each in _all(category=kitchen)] == [kettle]
    assert [each.row.id for each in _all(brand="Hearth")] == [kettle]
    assert [each.row.id for each in _all(asin=asin)] == [lamp]
    assert _all(asin=asin, brand="Hearth") == []


def test_numbers_without_measure_are_still_numbers(context: Flask) -> None:
    most = make_goods("90000000000000.00", now=NOW, on_hand=1_000_000_000)
    for back in range(1, 10):
        sell(None, {most: 1_000_000_000}, at=NOW - timedelta(days=back))
    _age(days=31)

    for sort in Sort:
        (found,) = _all(sort=sort, status=Status.REORDER)
        assert found.value_minor == 9 * 10**24
        assert found.days_of_cover == "1.1"


@on_sqlite
def test_nothing_sold_is_nothing_to_buy(context: Flask) -> None:
    for demand in (Demand(10, 0, 0), Demand(10, -3, 9)):
        assert (reorder_point(demand, POLICY), order_quantity(demand, POLICY, 0)) == (0, 0)
    steady = Demand(10, 20, 40)
    assert (steady.variance, reorder_point(steady, POLICY), order_quantity(steady, POLICY, 3)) == (0, 8, 19)


@on_sqlite
@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("days=6", "/days"),
        ("days=366", "/days"),
        ("dead_days=0", "/dead_days"),
        ("lead_days=-1", "/lead_days"),
        ("order_days=0", "/order_days"),
        ("service_percent=100", "/service_percent"),
        ("service_percent=nan", "/service_percent"),
        ("sort=name", "/sort"),
        ("status=low", "/status"),
        ("category=0", "/category"),
        ("category=99999", "/category"),
        ("cursor=nonsense", "/cursor"),
        ("limit=101", "/limit"),
    ],
)
def test_nonsense_is_refused_by_name(
    client: FlaskClient, auth_headers: dict[str, str], query: str, pointer: str
) -> None:
    answer = client.get(f"/api/v1/inventory/insights?{query}", headers=auth_headers)

    assert answer.status_code == 422
    assert [each["pointer"] for each in answer.get_json()["errors"]] == [pointer]


@on_sqlite
def test_the_api_answers_with_texts_and_pages(app: Flask, client: FlaskClient, auth_headers: dict[str, str]) -> None:
    with app.app_context():
        today = datetime.now(UTC)
        kettle, lamp = (make_goods("19.99", now=today, on_hand=12) for _ in range(2))
        sell(None, {kettle: 6}, at=today - timedelta(days=2))
        sold_on = day_of(today - timedelta(days=2)).isoformat()

    query = "/api/v1/inventory/insights?limit=1&days=30&lead_days=5&service_percent=97.5"
    first = client.get(query, headers=auth_headers).get_json()
    rest = client.get(f"{query}&cursor={first['next_cursor']}", headers=auth_headers).get_json()

    (found,), (other,) = first["items"], rest["items"]
    assert (found["product_id"], other["product_id"], rest["next_cursor"]) == (kettle, lamp, None)
    assert (found["units_sold"], found["units_per_day"], found["days_of_cover"]) == (6, "0.200", "60.0")
    assert (found["value"], found["last_sold_on"]) == ("239.88", sold_on)
    assert (other["days_of_cover"], other["last_sold_on"], other["order_quantity"]) == (None, None, 0)


@on_sqlite
def test_the_file_says_the_same_of_all_products(app: Flask, client: FlaskClient, auth_headers: dict[str, str]) -> None:
    with app.app_context():
        for at in range(3):
            product_id = make_goods("19.99", now=NOW, name=f'=Lamp "{at}", large', on_hand=5 + at)
            sell(None, {product_id: 3}, at=datetime.now(UTC) - timedelta(days=3))

    query = "/api/v1/inventory/insights?sort=units"
    items = client.get(query, headers=auth_headers).get_json()["items"]
    file = client.get(f"{query}&format=csv&limit=1", headers=auth_headers)

    assert file.content_type == "text/csv; charset=utf-8"
    lines = list(csv.DictReader(io.StringIO(file.text)))
    assert [line["name"] for line in lines] == ["'" + item["name"] for item in items]
    for line, item in zip(lines, items, strict=True):
        assert line.keys() == item.keys()
        same = line.keys() - {"name"}
        said = {name: str(item[name]).lower() if isinstance(item[name], bool) else str(item[name]) for name in same}
        assert {name: line[name] for name in same} == said


@on_sqlite
def test_the_chart_begins_with_what_is_left_and_says_how_much_is_used_up(
    app: Flask, client: FlaskClient, auth_headers: dict[str, str]
) -> None:
    with app.app_context():
        for on_hand in (30, 3):
            product_id = make_goods("19.99", now=NOW, name=f"Lamp {on_hand}", on_hand=on_hand)
            sell(None, {product_id: 30}, at=datetime.now(UTC) - timedelta(days=3))
        make_goods("19.99", now=NOW, name="Nobody's lamp")
        for at in range(2):
            sell(None, {make_product(900 + at): 30}, at=datetime.now(UTC) - timedelta(days=3))

    item = client.get("/api/v1/inventory/insights?format=chart", headers=auth_headers).get_json()

    assert [row[0].split(" (")[0] for row in item["table"]["rows"]] == ["Lamp 3", "Lamp 30"]
    assert "2 products are used up." in item["caption"]
    assert "1 product without sales" in item["caption"]
    gone = client.get("/api/v1/inventory/insights?format=chart&status=used_up", headers=auth_headers).get_json()
    assert gone["empty"] == "2 products are used up. Nothing else of it sells."
    listed = client.get("/api/v1/inventory/insights?status=used_up", headers=auth_headers).get_json()
    assert [each["available"] for each in listed["items"]] == [0, 0]


def test_a_window_that_takes_too_long_is_refused_by_name(context: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    def give_up(*_args: Any, **_options: Any) -> None:
        raise TakesTooLong

    monkeypatch.setattr(inventory_insights, "rows_within", give_up)
    with pytest.raises(PeriodTooWide) as refused:
        _all()
    assert [(each.pointer, each.detail) for each in refused.value.errors] == [("/days", "must be fewer, such as 7.")]
