"""The price index of earlier days, computed anew."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import delete, func, select, update

from app.analytics.models.prices import PriceIndexDay
from app.analytics.services import price_rebuilding
from app.analytics.services.price_comparing import compare_prices
from app.analytics.services.price_rebuilding import rebuild_prices
from app.core import permissions
from app.core.extensions import db
from app.core.orm import table_of, utc_now
from app.orders.services.sales import day_of
from app.products.services.products import delete_product
from app.rpa.models.storefronts import Storefront
from app.rpa.services.folding import fold_observations
from tests.analytics.pricing import DAY, Shops
from tests.servers import on_sqlite

NOON = utc_now().replace(hour=12, minute=0, second=0, microsecond=0)
MIDNIGHT = NOON + timedelta(hours=11, minutes=59)


@pytest.fixture
def shops(context: Flask) -> Shops:
    """Two storefronts that have been there for long."""
    shops = Shops(context)
    for code in ("one", "two"):
        shops.storefront(code)
    db.session.execute(update(Storefront).values(created_at=NOON - 200 * DAY))
    db.session.commit()
    return shops


def rows() -> dict[tuple[int, int], tuple[Any, ...]]:
    """All figures by how many days ago they are of, and the storefront."""
    db.session.rollback()
    names = [column.name for column in table_of(PriceIndexDay).columns if column.name not in {"day", "computed_at"}]
    return {
        ((day_of(NOON) - row.day).days, row.storefront_id): tuple(getattr(row, name) for name in names)
        for row in db.session.scalars(select(PriceIndexDay))
    }


def live_through(shops: Shops) -> None:
    """Twelve days of visits and changes, with what the timetable wrote at the end of each."""
    kettle, pot, lamp, late = (shops.product("10.00", at=NOON - 40 * DAY) for _ in range(4))
    shops.show(lamp, "7.00", code="one", at=NOON - 30 * DAY)
    for ago in range(12, 0, -1):
        at = NOON - ago * DAY
        if ago > 9:
            shops.show(kettle, f"{ago}.50", code="one", at=at)
        shops.show(pot, "8.00", "USD" if ago % 3 else "EUR", code="two", at=at)
        if ago == 8:
            shops.reprice(pot, "16.00", at=at)
        if ago == 6:
            shops.reprice(pot, "0.00", at=at)
            shops.reprice(kettle, "10.00", at=at, is_active=False)
        if ago == 5:
            delete_product(actor=permissions.system(), now=at, product_id=late.id, expected_version=1)
        if ago == 4:
            shops.reprice(kettle, "11.00", at=at, is_active=True)
            shops.show(kettle, "9.00", code="two", at=at)
            shops.show(shops.product("5.00", at=at), "4.00", code="two", at=at)
        compare_prices(now=MIDNIGHT - ago * DAY)


def test_days_that_are_computed_anew_are_what_the_timetable_wrote(
    shops: Shops, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(price_rebuilding, "CHUNK", 2)
    live_through(shops)
    before = rows()
    fold_observations()
    db.session.execute(delete(PriceIndexDay))
    db.session.commit()
    told: list[int] = []
    assert rebuild_prices(now=NOON, progress=told.append) == 90 - 1 - 7
    found = rows()
    assert {key: found[key] for key in before} == before
    assert sum(told) == 5
    one = db.session.scalars(select(Storefront.id).where(Storefront.code == "one")).one()
    assert found[82, one][1:4] == (0, 0, 0)


@on_sqlite
def test_days_of_which_visits_are_deleted_stay_as_they_are(shops: Shops) -> None:
    product = shops.product("10.00", at=NOON - 190 * DAY)
    shops.show(product, "5.00", code="one", at=NOON - 100 * DAY)
    compare_prices(now=MIDNIGHT - 100 * DAY)
    before = rows()
    rebuild_prices(now=NOON)
    found = rows()
    assert {key: found[key] for key in before} == before
    assert max(ago for ago, _ in found) == 100


@on_sqlite
def test_the_command_says_how_many_days_it_made(shops: Shops, app: Flask) -> None:
    shops.show(shops.product("10.00", at=NOON - 3 * DAY), "9.00", code="one", at=NOON - 2 * DAY)
    answer = app.test_cli_runner().invoke(args=["analytics", "rebuild-prices"])
    assert answer.exit_code == 0, answer.output
    assert "82 days made anew" in answer.output
    db.session.rollback()
    assert db.session.scalar(select(func.sum(PriceIndexDay.compared)))
