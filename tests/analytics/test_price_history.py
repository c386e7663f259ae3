"""A product's prices across storefronts, day by day, and our own."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.analytics.queries import price_history
from app.analytics.queries.price_history import get_price_history
from app.analytics.rules.periods import Period
from app.auth.services.roles import restore_built_in
from app.core.extensions import db
from app.core.orm import utc_now
from app.orders.services.sales import day_of
from app.products.errors import ProductNotFound
from app.products.models.products import Product
from app.rpa.services.folding import fold_observations
from tests.analytics.pricing import DAY, HOUR, Shops
from tests.calls import add_person, token_of
from tests.conftest import AppWith
from tests.servers import on_sqlite

NOON = utc_now().replace(hour=12, minute=0, second=0, microsecond=0) - DAY


@pytest.fixture
def shops(context: Flask) -> Shops:
    """Two storefronts."""
    shops = Shops(context)
    shops.storefront("one")
    shops.storefront("two")
    return shops


def history(product: Product, *, days: int = 30, shows_master: bool = True) -> dict[str, Any]:
    """The history of the days up to the last noon."""
    db.session.rollback()
    last_on = day_of(NOON)
    period = Period(last_on - timedelta(days=days - 1), last_on)
    return get_price_history(product.asin, period=period, shows_master=shows_master, now=NOON)


def days_of(found: dict[str, Any], code: str) -> list[tuple[int, int, bool]]:
    """How many days ago, the last price, and whether it changed."""
    (series,) = (one for one in found["storefronts"] if one["storefront"] == code)
    return [((day_of(NOON) - day.day).days, day.last, day.is_change) for day in series["days"]]


def test_each_storefront_has_its_days_with_changes_marked(shops: Shops) -> None:
    product = shops.product("10.00", at=NOON - 40 * DAY)
    for days_ago, price in ((5, "9.00"), (4, "9.00"), (3, "8.50"), (1, "8.50")):
        shops.show(product, price, code="one", at=NOON - days_ago * DAY)
    shops.show(product, "11.00", code="two", at=NOON)
    shops.show(shops.product("1.00"), "2.00", code="two", at=NOON)
    found = history(product)
    assert days_of(found, "one") == [(5, 900, False), (4, 900, False), (3, 850, True), (1, 850, False)]
    assert days_of(found, "two") == [(0, 1100, False)]
    assert found["utc_until"] is None


def test_our_own_price_stands_beside_them_from_the_beginning_of_the_period_on(shops: Shops) -> None:
    product = shops.product("10.00", at=NOON - 40 * DAY)
    shops.reprice(product, "12.00", at=NOON - 35 * DAY)
    shops.reprice(product, "11.00", at=NOON - 3 * DAY)
    assert [(point["price"], point["at"]) for point in history(product)["own"]][1:] == [(1100, NOON - 3 * DAY)]
    first = history(product)["own"][0]
    assert (first["price"], first["day"]) == (1200, day_of(NOON) - timedelta(days=29))
    assert [point["price"] for point in history(product, days=100)["own"]] == [1000, 1200, 1100]
    assert [point["price"] for point in history(product, days=2)["own"]] == [1100]
    assert history(product, shows_master=False)["own"] is None


def test_what_was_seen_of_another_price_changes_nothing_of_ours(shops: Shops) -> None:
    product = shops.product("10.00", at=NOON - 2 * DAY)
    shops.show(product, "9.00", code="one", at=NOON - HOUR)
    assert [point["price"] for point in history(product)["own"]] == [1000]


def test_what_is_older_than_single_visits_comes_by_days_of_utc(shops: Shops) -> None:
    product = shops.product("10.00", at=NOON - 200 * DAY)
    shops.show(product, "9.00", code="one", at=NOON - 100 * DAY)
    shops.show(product, "8.00", code="one", at=NOON - 3 * DAY)
    fold_observations()
    found = history(product, days=120)
    assert days_of(found, "one") == [(100, 900, False), (3, 800, True)]
    assert found["utc_until"] == day_of(NOON - 90 * DAY)
    assert days_of(history(product, days=10), "one") == [(3, 800, False)]


def test_of_very_many_visits_the_newest_are_looked_at_one_by_one(shops: Shops, monkeypatch: pytest.MonkeyPatch) -> None:
    product = shops.product("10.00", at=NOON - 9 * DAY)
    for days_ago in (5, 4, 3, 2):
        shops.show(product, f"{days_ago}.00", code="one", at=NOON - days_ago * DAY)
    fold_observations()
    monkeypatch.setattr(price_history, "MAX_VISITS", 2)
    found = history(product)
    assert days_of(found, "one") == [(5, 500, False), (4, 400, True), (3, 300, True), (2, 200, True)]
    assert found["utc_until"] == day_of(NOON - 3 * DAY)


@on_sqlite
@pytest.mark.parametrize(
    ("zone", "midnight"),
    [
        pytest.param("Europe/Berlin", datetime(2026, 10, 24, 22, tzinfo=UTC), id="into 25 hours"),
        pytest.param("America/New_York", datetime(2026, 11, 1, 4, tzinfo=UTC), id="in the west"),
    ],
)
def test_days_are_days_of_the_shop(shops: Shops, app_with: AppWith, zone: str, midnight: datetime) -> None:
    product = shops.product("10.00", at=midnight - 9 * DAY)
    today: date = midnight.astimezone(ZoneInfo(zone)).date()
    for at, price in ((midnight - timedelta(seconds=1), "9.00"), (midnight, "8.00"), (midnight + 24 * HOUR, "7.00")):
        shops.show(product, price, code="one", at=at)
    asin = product.asin
    db.session.rollback()
    with app_with(timezone=ZoneInfo(zone)).app_context():
        period = Period(today - DAY, today)
        found = get_price_history(asin, period=period, shows_master=True, now=midnight + DAY)
    days = [(day.day, day.first, day.last) for day in found["storefronts"][0]["days"]]
    assert days == [(today - DAY, 900, 900), (today, 800, 700)]


@on_sqlite
def test_the_api_shows_our_prices_to_who_may_read_products_only(shops: Shops, app: Flask, client: FlaskClient) -> None:
    product = shops.product("10.00", at=NOON - 2 * DAY)
    shops.show(product, "9.00", code="one", at=NOON - HOUR)
    restore_built_in(now=utc_now())
    answers = []
    for number, held in enumerate(({"jobs:read"}, {"jobs:read", "products:read"})):
        person = add_person(email=f"p{number}@example.org", permissions=frozenset(held))
        headers = {"Authorization": f"Bearer {token_of(app, person)}"}
        path = f"/api/v1/products/{product.asin.lower()}/price-history"
        answers.append(client.get(path, headers=headers).get_json())
    assert answers[0]["own"] is None
    assert [point["price"] for point in answers[1]["own"]] == ["10.00"]
    (day,) = answers[0]["storefronts"][0]["days"]
    assert (day["last_price"], day["visits"], day["is_change"]) == ("9.00", 1, False)


@on_sqlite
def test_a_product_that_is_not_there_has_no_history(context: Flask) -> None:
    with pytest.raises(ProductNotFound):
        get_price_history("B0000NONE0", period=Period(day_of(NOON), day_of(NOON)), shows_master=True, now=NOON)
