"""What all pages of figures have in common: charts and files that are there, for those who may see them."""

from __future__ import annotations

import re
from html import unescape

import pytest
from flask import Flask

from app.analytics.services.farm_adding import add_up
from tests.analytics.page_facts import add_fact, days_ago
from tests.analytics.pricing import HOUR, Shops
from tests.auth.people import new_person
from tests.browsing import Visitor
from tests.servers import on_sqlite

pytestmark = on_sqlite


def fill(app: Flask) -> None:
    with app.app_context():
        add_fact(days_ago(0), net=10_00)
        shops = Shops(app)
        shops.storefront()
        product = shops.product("10.00")
        shops.show(product, "9.00", at=product.created_at + HOUR)
        assert add_up(for_s=300)


@pytest.mark.parametrize(
    ("path", "charts"),
    [
        ("/admin", 3),
        ("/admin/sales?brand=Hearth&by=month", 3),
        ("/admin/sales?days=7", 4),
        ("/admin/farm?days=7", 0),
        ("/admin/stock?lead_days=20", 1),
        ("/admin/prices", 0),
        ("/admin/prices/B000000001?from=2026-02-30", 0),
    ],
    ids=["dashboard", "sales of a brand", "sales", "farm", "stock", "prices", "a product"],
)
def test_every_chart_and_file_of_a_page_is_answered(app: Flask, path: str, charts: int) -> None:
    fill(app)
    new_person(app, "ada@example.org", role="analyst")
    ada = Visitor(app, "ada@example.org")
    page = ada.get(path).text
    drawn = [unescape(each) for each in re.findall(r'data-chart-url="([^"]+)"', page)]
    assert len(drawn) >= charts
    for address in drawn:
        answer = ada.client.get(address)
        assert answer.status_code == 200, (address, answer.text)
        assert {"doc", "table", "empty"} <= answer.get_json().keys()
    for address in re.findall(r'class="file" href="([^"]+)"', page):
        answer = ada.client.get(unescape(address))
        assert (answer.status_code, answer.mimetype) == (200, "text/csv"), (address, answer.text)
