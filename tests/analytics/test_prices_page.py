"""The pages of prices: storefronts' indexes, where prices are apart, and the history of one product."""

from __future__ import annotations

from html import unescape

import pytest
from flask import Flask

from app.analytics.services.price_comparing import compare_prices
from app.core.orm import utc_now
from tests.analytics.page_facts import text_of
from tests.analytics.pricing import DAY, HOUR, Shops
from tests.auth.people import new_person
from tests.browsing import Visitor
from tests.servers import on_sqlite

pytestmark = on_sqlite
PAGE = "/admin/prices"
HOSTILE = "<script>alert(1)</script>"


def analyst(app: Flask, role: str = "analyst") -> Visitor:
    new_person(app, "ada@example.org", role=role)
    return Visitor(app, "ada@example.org")


def fill(app: Flask) -> str:
    """A storefront that is cheaper at one product and dearer at another; the ASIN of the first."""
    with app.app_context():
        shops, now = Shops(app), utc_now()
        shops.storefront()
        kettle = shops.product("10.00", at=now - 9 * DAY, name=HOSTILE)
        lamp = shops.product("10.00", at=now - 9 * DAY, brand="Nord")
        shops.show(kettle, "9.00", at=now - 2 * DAY)
        shops.show(kettle, "8.00", at=now - HOUR)
        shops.show(lamp, "12.50", at=now - HOUR)
        compare_prices(now=now)
        return kettle.asin


def test_storefronts_stand_with_their_index_and_differences_with_how_far_they_are(app: Flask) -> None:
    fill(app)
    said = text_of(analyst(app).get(PAGE).text)
    assert "shop 100 2 100% of 2 1 0 1" in said
    assert "$12.50 $10.00 ▲ 25% dearer $2.50" in said
    assert "$8.00 $10.00 ▼ 20% cheaper -$2.00" in said


def test_differences_are_filtered_by_direction_brand_and_storefront(app: Flask) -> None:
    fill(app)
    ada = analyst(app)
    assert "25% dearer" not in text_of(ada.get(f"{PAGE}?direction=cheaper").text)
    assert "20% cheaper" not in text_of(ada.get(f"{PAGE}?brand=Nord&storefront=shop").text)
    answer = ada.get(f"{PAGE}?storefront=none")
    assert answer.status_code == 422
    assert "There is no such storefront." in answer.text


def test_the_history_of_a_product_says_what_was_asked_on_each_day_and_where_it_changed(app: Flask) -> None:
    asin = fill(app)
    ada = analyst(app)
    said = text_of(ada.get(f"{PAGE}/{asin}").text)
    assert "$8.00 $8.00 $9.00 1" in said
    assert "$8.00 $8.00 $8.00 1 Changed" in said
    assert "Our price" in said
    assert ada.get(f"{PAGE}/B999999999").status_code == 404
    assert ada.get(f"{PAGE}/{asin}?from=1999-01-01").status_code == 422


def test_names_that_are_markup_are_only_text(app: Flask) -> None:
    fill(app)
    page = analyst(app).get(PAGE).text
    assert HOSTILE not in page
    assert HOSTILE in unescape(page)


def test_who_may_not_read_products_sees_neither_their_names_nor_our_prices(app: Flask) -> None:
    asin = fill(app)
    ada = analyst(app, role="farm operator")
    may_read = "Nord" in unescape(ada.get(PAGE).text)
    assert may_read == (ada.client.get("/api/v1/products").status_code == 200)
    assert ("Our price" in ada.get(f"{PAGE}/{asin}").text) == may_read


@pytest.mark.parametrize("path", [PAGE, f"{PAGE}/B000000001"], ids=["index", "product"])
def test_who_may_not_read_jobs_is_refused(app: Flask, path: str) -> None:
    assert analyst(app, role="customer").get(path).status_code == 403


def test_without_any_visit_it_says_what_to_do(app: Flask) -> None:
    assert "Run a job that views products on a storefront." in analyst(app).get(PAGE).text
