"""The time series of what storefronts showed: every visit for a while, what a day comes to for ever."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from app.core.extensions import db
from app.core.orm import utc_now
from app.products.errors import ProductNotFound
from app.products.models.products import Product
from app.rpa.errors import StorefrontUnknown
from app.rpa.models.jobs import Task
from app.rpa.models.observations import Observation, ObservationDay
from app.rpa.queries.observations import list_days, list_observations
from app.rpa.rules.series import fold, new_day
from app.rpa.services import folding
from app.rpa.services.folding import fold_observations, purge_observations
from tests.rpa.conftest import ASINS, FarmDriver, stock_master
from tests.rpa.keeping import add_observation
from tests.servers import on_sqlite

ALL: dict[str, Any] = {"storefront": "shop", "since": None, "until": None, "limit": 100, "cursor": None}


def today() -> datetime:
    """The midnight that was last."""
    return utc_now().replace(hour=0, minute=0, second=0, microsecond=0)


@pytest.fixture
def tasks(farm: FarmDriver) -> list[int]:
    """Tasks to hang observations on: of each product five."""
    return [task_id for _ in range(5) for task_id in farm.task_ids(farm.submit())]


def seen(task_id: int, days_ago: int, price: int | None = 1000, *, hour: int = 6, **others: Any) -> Observation:
    """An observation of a task's product so many days ago."""
    about = {"price_minor": price, "currency": None if price is None else "USD"} | others
    return add_observation(
        task_id=task_id, observed_at=today() - timedelta(days=days_ago) + timedelta(hours=hour), **about
    )


def product_of(task_id: int) -> int:
    return db.session.scalars(select(Task.product_id).where(Task.id == task_id)).one()


def shown(product_id: int, **which: Any) -> list[tuple[int, int, int | None, int | None, int | None, int | None]]:
    """The days of a product: how many days ago, how many visits, and the prices."""
    db.session.rollback()
    page = list_days(product_id, **(ALL | which))
    return [
        (
            (today().date() - day.day).days,
            day.count,
            day.first_minor,
            day.last_minor,
            day.lowest_minor,
            day.highest_minor,
        )
        for day in page.items
    ]


def count(model: Any) -> int:
    db.session.rollback()
    return db.session.scalar(select(func.count()).select_from(model)) or 0


def test_a_day_has_first_last_lowest_and_highest_price_and_how_often_it_could_be_bought(tasks: list[int]) -> None:
    a, b, c, d = tasks[0::5][:4]
    seen(a, 2, 1000, hour=1)
    seen(b, 2, 800, hour=2, availability="OUT_OF_STOCK")
    seen(c, 2, None, hour=3, availability=None)
    seen(d, 2, 900, hour=4)
    assert fold_observations() == 4
    (day,) = list_days(product_of(a), **ALL).items
    assert (day.count, day.priced_count, day.known_count, day.available_count) == (4, 3, 3, 2)
    assert (day.first_minor, day.last_minor, day.lowest_minor, day.highest_minor) == (1000, 900, 800, 1000)
    assert day.currency == "USD"


def test_prices_begin_anew_with_another_currency(tasks: list[int]) -> None:
    a, b, c = tasks[0::5][:3]
    seen(a, 2, 1000, hour=1)
    seen(b, 2, 700, hour=2, currency="EUR")
    seen(c, 2, 800, hour=3, currency="EUR")
    fold_observations()
    (day,) = list_days(product_of(a), **ALL).items
    assert (day.currency, day.first_minor, day.lowest_minor, day.highest_minor) == ("EUR", 700, 700, 800)
    assert day.priced_count == 3


def test_what_is_summed_up_twice_is_counted_once_and_nothing_is_forgotten(
    tasks: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folding, "CHUNK", 2)  # so that days and products are split among steps
    for at, task_id in enumerate(tasks):
        seen(task_id, 2 + at % 3, 1000 + at, hour=at % 24)
    expected = {product_of(task_id): shown(product_of(task_id)) for task_id in tasks[:5]}
    assert fold_observations() == len(tasks)
    assert fold_observations() == 0
    assert {product_id: shown(product_id) for product_id in expected} == expected
    assert db.session.scalar(select(func.sum(ObservationDay.count))) == len(tasks)


def test_a_fold_that_is_broken_off_goes_on_where_it_stopped(tasks: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folding, "CHUNK", 2)
    for task_id in tasks[0::5]:
        seen(task_id, 2)
    assert folding._fold_some() == 2
    product_id = product_of(tasks[0])
    assert [row[:2] for row in shown(product_id)] == [(2, 5)]  # a day that is summed up in part is not shown in part
    assert fold_observations() == 3
    assert [row[:2] for row in shown(product_id)] == [(2, 5)]


def test_today_is_shown_before_it_is_summed_up(tasks: list[int]) -> None:
    a, b, c = tasks[0::5][:3]
    seen(a, 3, 900)
    seen(b, 1, 1000)
    fold_observations()
    add_observation(task_id=c, price_minor=1100)
    assert [row[0] for row in shown(product_of(a))] == [0, 1, 3]
    assert count(ObservationDay) <= 2  # yesterday is left alone until it is over for an hour


def test_old_observations_go_when_they_are_summed_up_and_their_days_stay(tasks: list[int]) -> None:
    a, b = tasks[0::5][:2]
    seen(a, 91, 900)
    seen(b, 89, 1000)
    assert purge_observations() == 0  # not before
    fold_observations()
    before = shown(product_of(a))
    assert purge_observations() == 1
    assert purge_observations() == 0
    assert count(Observation) == 1
    assert shown(product_of(a)) == before
    assert [row[0] for row in before] == [89, 91]


def test_a_page_of_days_follows_the_other_through_what_is_and_what_is_not_summed_up(tasks: list[int]) -> None:
    for ago, task_id in zip((5, 4, 3), tasks[0::5], strict=False):
        seen(task_id, ago)
    fold_observations()
    for ago, task_id in zip((0, 0), tasks[15::5], strict=False):
        add_observation(task_id=task_id, observed_at=utc_now() + timedelta(days=ago))
    product_id, found, cursor = product_of(tasks[0]), [], None
    for _ in range(5):
        page = list_days(product_id, **(ALL | {"limit": 1, "cursor": cursor}))
        found += [(today().date() - day.day).days for day in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert found == [0, 3, 4, 5]


def test_a_series_is_cut_by_its_times(tasks: list[int]) -> None:
    for ago, task_id in zip((5, 4, 3, 2, 1), tasks[0::5], strict=True):
        seen(task_id, ago)
    product_id = product_of(tasks[0])
    for _ in range(2):
        which = {"since": today() - timedelta(days=4), "until": today() - timedelta(days=2)}
        assert [row[0] for row in shown(product_id, **which)] == [3, 4]
        cut = list_observations(product_id, **(ALL | which)).items
        assert [(today().date() - row.observed_at.date()).days for row in cut] == [3, 4]
        fold_observations()


def test_a_series_is_of_one_product_on_one_storefront_that_exist(farm: FarmDriver, tasks: list[int]) -> None:
    farm.storefront("other")
    seen(tasks[0], 1)
    assert len(list_observations(product_of(tasks[0]), **ALL).items) == 1
    assert list_observations(product_of(tasks[1]), **ALL).items == []
    assert list_days(product_of(tasks[0]), **(ALL | {"storefront": "other"})).items == []
    with pytest.raises(StorefrontUnknown):
        list_days(product_of(tasks[0]), **(ALL | {"storefront": "nobody"}))
    with pytest.raises(ProductNotFound):
        list_observations((db.session.scalar(select(func.max(Product.id))) or 0) + 1, **ALL)


@hypothesis_settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.one_of(st.none(), st.integers(0, 10**12)), min_size=1))
def test_any_prices_of_a_day_come_to_what_they_are(prices: list[int | None]) -> None:
    at = datetime(2026, 11, 21, 23, 59, tzinfo=UTC)
    rows = [
        Observation(product_id=1, storefront_id=1, observed_at=at, price_minor=price, currency=price and "USD")
        for price in prices
    ]
    day = new_day(rows[0])
    for row in rows:
        row.currency = None if row.price_minor is None else "USD"
        fold(day, row)
    known = [price for price in prices if price is not None]
    assert (day.day, day.count, day.priced_count) == (date(2026, 11, 21), len(prices), len(known))
    if known:
        assert (day.first_minor, day.last_minor) == (known[0], known[-1])
        assert (day.lowest_minor, day.highest_minor) == (min(known), max(known))


@on_sqlite
def test_the_api_gives_visits_and_days(client: FlaskClient, auth_headers: dict[str, str]) -> None:
    with client.application.app_context():
        stock_master()
        farm = FarmDriver(client.application)
        farm.storefront()
        (task_id,) = farm.task_ids(farm.submit([ASINS[0]]))
        row = seen(task_id, 1, 119900)
        product_id, observed_at = row.product_id, row.observed_at
    url = f"/api/v1/products/{product_id}/observations"
    (visit,) = client.get(f"{url}?storefront=shop", headers=auth_headers).get_json()["items"]
    assert (visit["price"], visit["currency"], visit["task_id"]) == ("1199.00", "USD", task_id)
    (day,) = client.get(f"{url}/days?storefront=shop", headers=auth_headers).get_json()["items"]
    assert (day["day"], day["lowest_price"], day["available_count"]) == (observed_at.date().isoformat(), "1199.00", 1)
    refused = client.get(f"{url}/days?storefront=nobody", headers=auth_headers)
    assert (refused.status_code, refused.get_json()["code"]) == (422, "STOREFRONT_UNKNOWN")
    assert client.get(url, headers=auth_headers).status_code == 422
