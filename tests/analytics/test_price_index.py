"""Our prices beside those of storefronts, as the API shows them."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from app.analytics.models.prices import PriceGap, PriceIndexDay
from app.analytics.queries.price_differences import list_price_differences
from app.analytics.queries.price_index import get_price_index
from app.analytics.services import price_gaps
from app.analytics.services.price_comparing import compare_prices
from app.core import permissions
from app.core.extensions import db
from app.core.orm import utc_now
from app.orders.services.sales import day_of
from app.products.services.products import delete_product
from tests.analytics.pricing import DAY, HOUR, NOON, Shops
from tests.conftest import AppWith
from tests.servers import on_sqlite
from tests.statements import statements


@pytest.fixture
def shops(context: Flask) -> Shops:
    """A storefront called ``shop``, and no products yet."""
    shops = Shops(context)
    shops.storefront()
    return shops


def index(on: datetime | None = None) -> dict[str, Any]:
    """What is said of the one storefront."""
    db.session.rollback()
    (found,) = get_price_index(on=None if on is None else day_of(on))["storefronts"]
    return dict(found)


def differences(**which: Any) -> list[tuple[str, str, str]]:
    """ASIN, storefront and percent of each difference, page by page."""
    db.session.rollback()
    found, cursor = [], None
    about: dict[str, Any] = {"direction": "both", "limit": 2, "shows_master": True} | which
    while True:
        page = list_price_differences(cursor=cursor, **about)
        found += [(item["asin"], item["storefront"], item["difference_percent"]) for item in page.items]
        cursor = page.next_cursor
        if cursor is None:
            return found


def test_a_storefront_is_measured_against_ours_where_both_have_a_product(shops: Shops) -> None:
    cheaper, equal, dearer = (shops.product("10.00") for _ in range(3))
    for product, price in ((cheaper, "9.00"), (equal, "10.00"), (dearer, "12.00")):
        shops.show(product, price)
    shops.show(shops.product("10.00"), "8.00", "EUR")
    shops.show(shops.product("0.00"), "8.00")
    shops.show(shops.product("10.00"), "1.00", at=NOON - 8 * DAY)
    shops.product("5.00")
    compare_prices(now=NOON + HOUR)
    found = index()
    assert (found["index"], found["products"], found["compared"]) == ("102.60", 7, 3)
    assert (found["cheaper"], found["equal"], found["dearer"]) == (1, 1, 1)
    assert (found["other_currency"], found["free"], found["stale"], found["not_seen"]) == (1, 1, 1, 1)
    assert found["coverage_percent"] == "42.9"


def test_what_is_not_sold_any_more_is_not_compared(shops: Shops) -> None:
    deleted, inactive, sold = (shops.product("10.00") for _ in range(3))
    for product in (deleted, inactive, sold):
        shops.show(product, "9.00")
    compare_prices(now=NOON)
    assert index()["compared"] == 3
    delete_product(actor=permissions.system(), now=NOON, product_id=deleted.id, expected_version=1)
    shops.reprice(inactive, "10.00", at=NOON, is_active=False)
    compare_prices(now=NOON + HOUR)
    assert (index()["compared"], index()["products"]) == (1, 1)
    assert db.session.scalars(select(PriceGap.product_id)).all() == [sold.id]


def test_each_day_keeps_its_index(shops: Shops) -> None:
    product = shops.product("10.00")
    shops.show(product, "9.00", at=NOON)
    compare_prices(now=NOON)
    shops.reprice(product, "20.00", at=NOON + DAY)
    compare_prices(now=NOON + DAY)
    compare_prices(now=NOON + 9 * DAY)
    assert (index(NOON)["index"], index(NOON + DAY)["index"]) == ("90.00", "45.00")
    assert (index()["index"], index()["stale"]) == (None, 1)
    assert index(NOON + 5 * DAY)["day"] == day_of(NOON + DAY)
    assert get_price_index(on=day_of(NOON - DAY))["as_of"] is None


def test_what_is_compared_in_many_steps_and_twice_is_compared_once(
    shops: Shops, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(price_gaps, "CHUNK", 2)
    shops.storefront("other")
    for at in range(5):
        product = shops.product("10.00")
        shops.show(product, f"{at + 8}.00")
        shops.show(product, "10.00", code="other")
    compare_prices(now=NOON)
    before = get_price_index(on=None)
    assert [(row["storefront"], row["compared"]) for row in before["storefronts"]] == [("other", 5), ("shop", 5)]
    with statements() as sent:
        compare_prices(now=NOON)
    db.session.rollback()
    assert get_price_index(on=None) == before
    assert not [one for one in sent if "price_gap" in one and not one.startswith("SELECT")]


def test_a_price_goes_with_the_product_that_its_chunk_ends_with(shops: Shops, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(price_gaps, "CHUNK", 2)
    products = [shops.product("10.00") for _ in range(4)]
    for product in products:
        shops.show(product, "9.00")
    compare_prices(now=NOON)
    for product in products[1:]:
        shops.reprice(product, "10.00", at=NOON, is_active=False)
    compare_prices(now=NOON)
    assert db.session.scalars(select(PriceGap.product_id)).all() == [products[0].id]


def test_the_largest_difference_stands_first_in_both_directions(shops: Shops) -> None:
    shops.storefront("other")
    prices = ["5.00", "20.00", "9.00", "11.00", "10.00", "20.00", "5.00"]
    products = [shops.product("10.00") for _ in prices]
    for product, price in zip(products, prices, strict=True):
        shops.show(product, price)
    shops.show(products[0], "30.00", code="other")
    compare_prices(now=NOON)
    asins = [product.asin for product in products]
    cheaper = [(asins[0], "shop", "-50.0"), (asins[6], "shop", "-50.0"), (asins[2], "shop", "-10.0")]
    dearer = [
        (asins[0], "other", "200.0"),
        (asins[5], "shop", "100.0"),
        (asins[1], "shop", "100.0"),
        (asins[3], "shop", "10.0"),
    ]
    assert differences(direction="cheaper") == cheaper
    assert differences(direction="dearer") == dearer
    both = [dearer[0], *cheaper[:2], *dearer[1:3], cheaper[2], dearer[3]]
    for limit in (1, 2, 3, 100):
        assert differences(limit=limit) == both
    assert differences(storefront="other") == dearer[:1]


def test_differences_are_found_by_brand_and_category_in_bounded_looks(
    shops: Shops, monkeypatch: pytest.MonkeyPatch, client: FlaskClient, auth_headers: dict[str, str]
) -> None:
    made = {"name": "Kettles", "slug": "kettles"}
    category = client.post("/api/v1/categories", json=made, headers=auth_headers).get_json()["id"]
    products = [shops.product("10.00", brand="Hearth" if at % 3 else "Ember") for at in range(6)]
    for at, product in enumerate(products):
        shops.show(product, f"{at + 6}.00")
    shops.reprice(products[5], "10.00", at=NOON, categories=[category])
    monkeypatch.setattr("app.analytics.queries.price_differences.MAX_LOOKED_AT", 2)
    compare_prices(now=NOON)
    of_ember = [products[0].asin, products[3].asin]
    assert [asin for asin, _, _ in differences(brand="Ember")] == of_ember
    assert differences(brand="nobody's") == []
    assert [asin for asin, _, _ in differences(category_id=category)] == [products[5].asin]


def test_the_api_shows_the_index_its_series_and_the_differences(
    shops: Shops, client: FlaskClient, auth_headers: dict[str, str]
) -> None:
    now = utc_now()
    product = shops.product("10.00", at=now - 3 * DAY)
    shops.show(product, "9.00", at=now - HOUR)
    compare_prices(now=now - DAY)
    compare_prices(now=now)
    answer = client.get("/api/v1/price-index", headers=auth_headers).get_json()
    assert answer["as_of"] == day_of(now).isoformat()
    assert answer["stale_days"] == 7
    assert answer["storefronts"][0]["index"] == "90.00"
    series = client.get("/api/v1/price-index/series?storefront=shop", headers=auth_headers).get_json()
    assert [point["day"] for point in series["points"]] == [day_of(at).isoformat() for at in (now - DAY, now)]
    (item,) = client.get("/api/v1/price-index/differences", headers=auth_headers).get_json()["items"]
    assert (item["our_price"], item["their_price"], item["difference"]) == ("10.00", "9.00", "-1.00")
    assert (item["difference_percent"], item["name"]) == ("-10.0", product.name)


@on_sqlite
@pytest.mark.parametrize(
    ("path", "pointer"),
    [
        ("/price-index?on=2999-01-01", "/on"),
        ("/price-index?on=tomorrow", "/on"),
        ("/price-index?of=today", "/of"),
        ("/price-index/series?from=2026-03-02&to=2026-03-01", "/from"),
        ("/price-index/series?to=2999-01-01", "/to"),
        ("/price-index/series?storefront=nobody", "/storefront"),
        ("/price-index/differences?direction=up", "/direction"),
        ("/price-index/differences?storefront=nobody", "/storefront"),
        ("/price-index/differences?category_id=99", "/category_id"),
        ("/price-index/differences?cursor=nonsense", "/cursor"),
        ("/products/B000000001/price-history?from=2010-01-01&to=2020-01-01", "/from"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(
    client: FlaskClient, auth_headers: dict[str, str], path: str, pointer: str
) -> None:
    answer = client.get(f"/api/v1{path}", headers=auth_headers)
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.get_json()["errors"]] == [pointer]


@on_sqlite
def test_too_many_points_are_refused_with_the_period_that_would_do(
    shops: Shops, monkeypatch: pytest.MonkeyPatch, client: FlaskClient, auth_headers: dict[str, str]
) -> None:
    monkeypatch.setattr("app.analytics.queries.price_index.MAX_POINTS", 40)
    shops.storefront("other")
    path = "/api/v1/price-index/series"
    answer = client.get(path, headers=auth_headers)
    assert answer.status_code == 422
    assert "20 days" in answer.get_json()["errors"][0]["detail"]
    assert client.get(f"{path}?storefront=shop", headers=auth_headers).status_code == 200


@on_sqlite
@pytest.mark.parametrize(
    ("zone", "midnight"),
    [
        pytest.param("Europe/Berlin", datetime(2026, 3, 28, 23, tzinfo=UTC), id="before 23 hours"),
        pytest.param("Europe/Berlin", datetime(2026, 3, 29, 22, tzinfo=UTC), id="behind 23 hours"),
        pytest.param("Europe/Berlin", datetime(2026, 10, 25, 23, tzinfo=UTC), id="behind 25 hours"),
        pytest.param("Pacific/Auckland", datetime(2026, 4, 4, 11, tzinfo=UTC), id="far in the east"),
    ],
)
def test_the_index_changes_its_day_at_midnight_of_the_shop(
    shops: Shops, app_with: AppWith, zone: str, midnight: datetime
) -> None:
    shops.show(shops.product("10.00", at=midnight - DAY), "9.00", at=midnight - HOUR)
    db.session.rollback()
    with app_with(timezone=ZoneInfo(zone)).app_context():
        for at in (midnight - timedelta(seconds=1), midnight):
            compare_prices(now=at)
        days = db.session.scalars(select(PriceIndexDay.day).order_by(PriceIndexDay.day)).all()
    today = midnight.astimezone(ZoneInfo(zone)).date()
    assert days == [today - DAY, today]


@on_sqlite
def test_files_say_the_same_as_the_answers(shops: Shops, client: FlaskClient, auth_headers: dict[str, str]) -> None:
    now = utc_now()
    shops.show(shops.product("10.00", name="=1+1, a kettle"), "9.00", at=now - HOUR)
    for _ in range(3):
        shops.show(shops.product("10.00"), "12.00", at=now - HOUR)
    compare_prices(now=now)

    def rows(path: str) -> list[dict[str, str]]:
        sign = "&" if "?" in path else "?"
        answer = client.get(f"/api/v1{path}{sign}format=csv", headers=auth_headers)
        assert (answer.status_code, answer.mimetype) == (200, "text/csv")
        return list(csv.DictReader(io.StringIO(answer.text)))

    found = client.get("/api/v1/price-index", headers=auth_headers).get_json()["storefronts"]
    assert rows("/price-index") == [{name: str(found[0][name]) for name in rows("/price-index")[0]}]
    assert rows("/price-index/series") == rows("/price-index")
    differences = rows("/price-index/differences?limit=1")
    assert [row["difference"] for row in differences] == ["2.00", "2.00", "2.00", "-1.00"]
    assert differences[-1]["name"] == "'=1+1, a kettle"
    history = rows("/products/B000000001/price-history")
    assert [(row["seller"], row["last"], row["visits"]) for row in history] == [
        ("ours", "10.00", ""), ("storefront", "9.00", "1"),
    ]  # fmt: skip
