"""The page of insights into stock: how long it lasts, and what to buy again."""

from __future__ import annotations

from html import unescape

import pytest
from flask import Flask
from sqlalchemy import update

from app.core.extensions import db
from app.products.models.products import Product
from tests.analytics.page_facts import add_fact, days_ago, text_of
from tests.auth.people import new_person
from tests.browsing import Visitor
from tests.products.stocking import make_product
from tests.servers import on_sqlite

pytestmark = on_sqlite
PAGE = "/admin/stock"
HOSTILE = "<script>alert(1)</script>"


def analyst(app: Flask, role: str = "analyst") -> Visitor:
    new_person(app, "ada@example.org", role=role)
    return Visitor(app, "ada@example.org")


def fill(app: Flask) -> None:
    """A product of which one a day is sold and ten are left."""
    with app.app_context():
        product_id = make_product(on_hand=10)
        db.session.execute(update(Product).values(name=HOSTILE))
        db.session.commit()
        for days in range(1, 31):
            add_fact(days_ago(days), net=1000, product_id=product_id, asin="B000000001")


def test_what_lasts_for_how_long_and_what_to_buy_is_what_the_api_says(app: Flask) -> None:
    fill(app)
    ada = analyst(app)
    (item,) = ada.client.get("/api/v1/inventory/insights").get_json()["items"]
    assert (item["days_of_cover"], item["is_to_reorder"]) == ("10.0", True)
    said = text_of(ada.get(PAGE).text)
    assert f"10 {item['units_sold']} 10 days" in said
    assert f" {item['reorder_point']} {item['order_quantity']} " in said


def test_products_are_filtered_and_assumptions_changed(app: Flask) -> None:
    fill(app)
    ada = analyst(app)
    assert "10 days" in text_of(ada.get(f"{PAGE}?status=reorder&sort=value&asin=b000000001&lead_days=20").text)
    assert "No product fits" in ada.get(f"{PAGE}?status=reorder&lead_days=0&order_days=1").text
    assert "No product fits" in ada.get(f"{PAGE}?brand=Nobody").text


@pytest.mark.parametrize(
    "asked",
    ["days=6", "days=x", "service_percent=100", "status=none", "asin=short", f"brand={'x' * 256}", "lead_days=-1"],
    ids=["few days", "no number", "too sure", "no status", "no ASIN", "long brand", "negative"],
)
def test_a_mistake_is_said_and_the_page_goes_on(app: Flask, asked: str) -> None:
    fill(app)
    answer = analyst(app).get(f"{PAGE}?{asked}")
    assert answer.status_code == 422
    assert "was left out" in answer.text
    assert "10 days" in text_of(answer.text)


def test_names_that_are_markup_are_only_text(app: Flask) -> None:
    fill(app)
    page = analyst(app).get(PAGE).text
    assert HOSTILE not in page
    assert HOSTILE in unescape(page)


def test_who_may_not_read_stock_is_refused(app: Flask) -> None:
    assert analyst(app, role="customer").get(PAGE).status_code == 403
