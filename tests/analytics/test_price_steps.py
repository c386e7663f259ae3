"""Comparing prices step by step: only what is new is looked at, and what comes of it is what a whole walk finds."""

from __future__ import annotations

import random
from datetime import datetime
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update

from app.analytics.models.prices import PriceGap, PriceIndexDay
from app.analytics.services import price_news
from app.analytics.services.price_comparing import compare_prices
from app.core import permissions
from app.core.extensions import db
from app.core.orm import table_of, utc_now
from app.products.models.products import Product
from app.products.services.products import delete_product
from app.rpa.models.jobs import Task
from app.rpa.services.reviewing import accept_change
from tests.analytics.pricing import DAY, HOUR, NOON, Shops
from tests.rpa.keeping import add_flagged


@pytest.fixture
def shops(context: Flask) -> Shops:
    shops = Shops(context)
    shops.storefront()
    return shops


def gaps() -> dict[tuple[int, int], tuple[Any, ...]]:
    """All that is known, by product and storefront."""
    db.session.rollback()
    rows = db.session.execute(select(table_of(PriceGap))).all()
    return {(row.product_id, row.storefront_id): tuple(row) for row in rows}


def prices() -> dict[int, tuple[int, int]]:
    """Our price and theirs, by product."""
    db.session.rollback()
    rows = db.session.execute(select(PriceGap.product_id, PriceGap.our_minor, PriceGap.their_minor))
    return {row.product_id: (row.our_minor, row.their_minor) for row in rows}


def spoil(product: Product) -> None:
    """Write something that only who looks at the product again puts right."""
    db.session.execute(update(PriceGap).where(PriceGap.product_id == product.id).values(their_minor=1))
    db.session.commit()


def test_only_what_is_new_is_looked_at_until_the_next_day(shops: Shops) -> None:
    old, visited, ours = (shops.product("10.00") for _ in range(3))
    for product in (old, visited, ours):
        shops.show(product, "9.00", at=NOON - HOUR)
    compare_prices(now=NOON)
    spoil(old)
    shops.show(visited, "8.00", at=NOON + HOUR)
    shops.reprice(ours, "11.00", at=NOON + HOUR)
    compare_prices(now=NOON + 2 * HOUR)
    assert prices() == {old.id: (1000, 1), visited.id: (1000, 800), ours.id: (1100, 900)}
    compare_prices(now=NOON + DAY)
    assert prices()[old.id] == (1000, 900)


def test_what_was_being_written_while_a_step_ran_is_found_by_the_next(shops: Shops) -> None:
    product, other = shops.product("10.00"), shops.product("10.00")
    compare_prices(now=NOON)
    shops.show(product, "9.00", at=NOON - HOUR / 6)
    shops.reprice(other, "11.00", at=NOON - HOUR / 6)
    shops.show(other, "9.00", at=NOON - HOUR / 6)
    compare_prices(now=NOON + HOUR)
    assert prices() == {product.id: (1000, 900), other.id: (1100, 900)}


def test_a_price_grows_too_old_between_two_steps_of_a_day(shops: Shops) -> None:
    old, older = shops.product("10.00"), shops.product("10.00")
    shops.show(old, "9.00", at=NOON - 7 * DAY + HOUR / 2)
    shops.show(older, "9.00", at=NOON - 7 * DAY - HOUR)
    compare_prices(now=NOON)
    rows = select(PriceIndexDay.compared, PriceIndexDay.stale)
    assert tuple(db.session.execute(rows).one()) == (1, 1)
    compare_prices(now=NOON + HOUR)
    assert tuple(db.session.execute(rows).one()) == (0, 2)
    assert [gap[3:4] + gap[7:8] for gap in gaps().values()] == [("USD", None)] * 2


def test_a_price_that_people_accept_long_after_its_visit_counts_with_the_next_step(shops: Shops) -> None:
    now = utc_now()
    compare_prices(now=now - HOUR)
    product = shops.product("10.00", at=now - DAY)
    shops.show(product, "10.00", at=now - 3 * HOUR)
    db.session.rollback()
    flagged = add_flagged(task_id=db.session.scalars(select(Task.id)).one())
    compare_prices(now=now)
    accept_change(actor=permissions.system(), change_id=flagged.id)
    compare_prices(now=now + HOUR)
    assert prices() == {product.id: (1000, 4000)}


@pytest.mark.parametrize("seed", [3, 11])
def test_steps_come_to_what_a_walk_over_all_comes_to(shops: Shops, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    monkeypatch.setattr(price_news, "CHUNK", 2)
    chance, at = random.Random(seed), datetime(2026, 11, 20, 1, tzinfo=NOON.tzinfo)
    shops.storefront("other")
    products = [shops.product("10.00", at=at - 30 * DAY) for _ in range(6)]
    for product in products:
        shops.show(product, "9.00", code="other", at=at - 7 * DAY + chance.random() * 20 * HOUR)
    compare_prices(now=at)
    for _ in range(8):
        for _ in range(chance.randint(0, 4)):
            _happen(shops, chance, products, at + chance.random() * HOUR)
        at += HOUR
        compare_prices(now=at)
        found = gaps()
        compare_prices(now=at, anew=True)
        assert found == gaps()


def _happen(shops: Shops, chance: random.Random, products: list[Product], at: datetime) -> None:
    product = chance.choice(products)
    kind = chance.choice(["show", "show", "price", "active", "delete"])
    if kind == "delete" and len(products) > 3:
        products.remove(product)
        version = db.session.get_one(Product, product.id, populate_existing=True).version
        delete_product(actor=permissions.system(), now=at, product_id=product.id, expected_version=version)
    elif kind == "price":
        shops.reprice(product, f"{chance.randint(0, 20)}.00", at=at)
    elif kind == "active":
        shops.reprice(product, "10.00", at=at, is_active=chance.random() < 0.5)
    else:
        shops.show(product, f"{chance.randint(0, 20)}.00", code=chance.choice(["shop", "other"]), at=at)
