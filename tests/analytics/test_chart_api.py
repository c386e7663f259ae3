"""Figures as charts by API: the numbers beside the figure are those of the JSON."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.auth.services.roles import restore_built_in
from app.core.orm import utc_now
from tests.analytics.baskets import sell
from tests.analytics.pricing import DAY, Shops
from tests.calls import add_person, token_of
from tests.orders.selling import make_goods
from tests.servers import on_sqlite

pytestmark = on_sqlite

NOON = utc_now().replace(hour=12, minute=0, second=0, microsecond=0) - DAY


@pytest.fixture
def get(context: Flask, client: FlaskClient) -> Callable[[str], Any]:
    """Asks as somebody who may see everything."""
    restore_built_in(now=utc_now())
    held = frozenset({"sales:read", "jobs:read", "stock:read", "products:read"})
    headers = {"Authorization": f"Bearer {token_of(context, add_person(email='ada@example.org', permissions=held))}"}

    def ask(path: str) -> Any:
        answer = client.get(f"/api/v1{path}", headers=headers)
        assert answer.status_code == 200, answer.text
        return answer.get_json()

    return ask


@pytest.mark.parametrize(
    "path",
    [
        "/inventory/insights",
        "/price-index",
        "/price-index/series",
        "/sales/analytics",
        "/sales/by-category",
        "/sales/funnel",
        "/sales/revenue/comparison",
        "/sales/top-products",
    ],
)
def test_where_there_is_nothing_a_chart_says_so(get: Callable[[str], Any], path: str) -> None:
    item = get(f"{path}?format=chart")
    assert item["empty"].endswith(".")


def test_a_products_prices_are_drawn_with_ours_held_to_the_end(context: Flask, get: Callable[[str], Any]) -> None:
    shops = Shops(context)
    shops.storefront("one")
    product = shops.product("10.00", at=NOON - 40 * DAY)
    for days_ago, price in ((5, "9.00"), (3, "8.50"), (1, "8.50")):
        shops.show(product, price, code="one", at=NOON - days_ago * DAY)
    item = get(f"/products/{product.asin}/price-history?format=chart")
    assert [row[2] for row in item["table"]["rows"]] == ["9.00 USD", "8.50 USD", "8.50 USD", "10.00 USD"]
    assert item["legend"][0]["name"] == "Our price"


def test_stock_that_ends_first_comes_first_whatever_the_order_of_the_list(
    context: Flask, get: Callable[[str], Any]
) -> None:
    for on_hand in (9, 2, 5):
        goods = make_goods("19.99", now=NOON - 40 * DAY, on_hand=on_hand)
        sell(None, {goods: 3}, at=utc_now() - timedelta(days=2))
    item = get("/inventory/insights?format=chart&sort=value&limit=1")
    assert [row[1] for row in item["table"]["rows"]] == ["2", "5", "9"]
    assert "14 days" in item["caption"]
