"""The pages of products: a list to search, and one product with what each reader may see of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest
from flask import Flask
from selenium import webdriver

from app.analytics.services.best_sellers import rank_best_sellers
from app.core.orm import utc_now
from app.products.search.upkeep import drain
from tests.analytics.page_facts import text_of, tiles
from tests.analytics.pricing import Shops
from tests.analytics.product_facts import ASIN, HOSTILE, fill_shop
from tests.analytics.test_charts_browser import keep_picture
from tests.auth.people import new_person
from tests.browsing import Visitor, complaints, log_in, served, started_chrome, wait_for
from tests.products.stocking import make_product
from tests.servers import on_sqlite
from tests.statements import statements

pytestmark = on_sqlite
LIST = "/admin/products"
PAGE = f"{LIST}/{ASIN}"


def analyst(app: Flask, role: str = "analyst") -> Visitor:
    new_person(app, "ada@example.org", role=role)
    return Visitor(app, "ada@example.org")


def fill(app: Flask, *, others: int = 2) -> None:
    with app.app_context():
        fill_shop(Shops(app), others=others)
        drain()


def test_a_product_is_shown_with_its_figures_stock_prices_and_changes(app: Flask) -> None:
    fill(app)
    ada = analyst(app, role="admin")
    page = ada.get(PAGE).text
    said = text_of(page)
    assert "Price $12.00" in said
    assert "7 available" in said
    assert "Kitchen › Kettles" in said
    assert tiles(page)["Net"].startswith("$30.00")
    assert tiles(page)["Units"].startswith("6")
    assert "Price 10.00 USD 12.00 USD By hand or API" in said
    assert "Added – – By hand or API" in said
    drawn = [unescape(each) for each in re.findall(r'data-chart-url="([^"]+)"', page)]
    assert len(drawn) == 2
    for address in drawn:
        answer = ada.client.get(address)
        assert (answer.status_code, answer.get_json()["empty"]) == (200, None), address


def test_what_goes_with_a_product_leads_to_its_page_and_says_where_it_stands_in(app: Flask) -> None:
    fill(app)
    ada = analyst(app)
    page = ada.get(PAGE).text
    assert [cup for cup in ("Cup 0", "Cup 1") if f"{cup}</bdi>" in page] == ["Cup 0", "Cup 1"]
    assert "in the same orders" in text_of(page)
    with app.app_context():
        make_product(90)
    alone = text_of(ada.get(f"{LIST}/B000000090").text)
    assert "Nothing to show yet" in alone
    assert "No change" not in alone


def test_a_new_product_is_shown_with_best_sellers_that_are_said_to_be_that(app: Flask) -> None:
    fill(app)
    with app.app_context():
        rank_best_sellers(now=utc_now())
        make_product(90)
    said = text_of(analyst(app).get(f"{LIST}/B000000090").text)
    assert "Too little is known of this product: best sellers stand in." in said
    assert "Sells best in the shop Best seller $5.00" in said


def test_each_sees_the_parts_that_the_api_would_answer_with(app: Flask) -> None:
    fill(app)
    ada = analyst(app, role="farm operator")
    answer = ada.get(PAGE)
    may = {part: ada.client.get(f"/api/v1{path}").status_code == 200 for part, path in (
        ("Product", "/products"), ("7 available", "/inventory"), ("Sold in the last", "/sales/analytics"),
        ("Prices of storefronts", "/price-index"),
    )}  # fmt: skip
    assert may.pop("Product") == (answer.status_code == 200)
    if answer.status_code == 200:
        assert {part: part in text_of(answer.text) for part in may} == may
    bob = Visitor(app)
    new_person(app, "bob@example.org", role="customer")
    bob.log_in("bob@example.org")
    assert (bob.get(PAGE).status_code, bob.get(LIST).status_code) == (403, 403)
    assert "/login" in Visitor(app).get(PAGE).headers["Location"]


def test_products_are_found_by_asin_and_by_words_and_listed_page_by_page(app: Flask) -> None:
    with app.app_context():
        for number in range(1, 56):
            make_product(number, on_hand=number)
        drain()
    ada = analyst(app, role="admin")
    first = ada.get(LIST).text
    assert first.count("/admin/products/B0000000") == 50
    assert "Lamp 7 B000000007 $1.00 7 Yes" in text_of(first)
    onward = re.search(r'href="([^"]+)" rel="next"', first)
    assert onward is not None
    assert ada.get(unescape(onward[1])).text.count("/admin/products/B0000000") == 5
    assert ada.get(f"{LIST}?q=b000000007").text.count("/admin/products/B0000000") == 1
    assert "Lamp 12 B000000012" in text_of(ada.get(f"{LIST}?q=lamp+12").text)
    assert "Nothing found" in ada.get(f"{LIST}?q=nonsense").text


def test_what_cannot_be_is_said(app: Flask) -> None:
    ada = analyst(app)
    assert "No product yet" in ada.get(LIST).text
    assert ada.get(f"{LIST}?q={'x' * 201}").status_code == 422
    assert ada.get(f"{LIST}/B999999999").status_code == 404
    assert ada.get(f"{LIST}?cursor=nonsense").status_code == 422
    fill(app)
    assert ada.get(f"{PAGE}?cursor=nonsense").status_code == 422


def test_names_that_are_markup_are_only_text(app: Flask) -> None:
    fill(app)
    ada = analyst(app)
    for path in (LIST, PAGE, "/admin/stock", "/admin/sales"):
        page = ada.get(path).text
        assert HOSTILE not in page
    assert HOSTILE in unescape(ada.get(PAGE).text)


def test_tables_of_other_pages_lead_to_a_products_page(app: Flask) -> None:
    fill(app)
    ada = analyst(app)
    for path in ("/admin/stock", "/admin/sales", f"/admin/prices/{ASIN}", LIST):
        assert f'href="{PAGE}"' in ada.get(path).text, path


@pytest.mark.parametrize("path", [LIST, PAGE])
def test_more_products_and_changes_take_no_more_statements(app: Flask, path: str) -> None:
    fill(app, others=1)
    ada = analyst(app, role="admin")
    ada.get(path)
    with app.app_context(), statements() as few:
        ada.get(path)
    with app.app_context():
        shops = Shops(app)
        product = shops.product("1.00", asin="B0000000XX")
        for price in range(2, 12):
            shops.reprice(product, f"{price}.00", at=product.created_at)
        for number in range(60, 70):
            make_product(number, on_hand=1)
    with app.app_context(), statements() as many:
        ada.get(path if path == LIST else f"{LIST}/B0000000XX")
    assert len(many) <= len(few) <= 45, "\n".join(many)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    with started_chrome(tmp_path_factory.mktemp("chrome")) as driver:
        yield driver


@pytest.mark.parametrize(("width", "theme"), [(360, "light"), (768, "dark"), (1440, "light")])
def test_in_a_browser_both_pages_are_whole_and_charts_draw(
    app: Flask, browser: webdriver.Chrome, width: int, theme: str
) -> None:
    fill(app)
    new_person(app, "ada@example.org", role="admin")
    checks = (Path(__file__).parents[1] / "auth" / "page_checks.js").read_text()
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    with served(app) as address:
        browser.get(f"{address}/healthz")
        browser.delete_all_cookies()
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        features = [{"name": "prefers-color-scheme", "value": theme}]
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        log_in(browser, address, "ada@example.org")
        complaints(browser)
        for path in (LIST, f"{LIST}?q=nonsense", PAGE):
            browser.get(address + path)
            wait_for(browser, lambda driver: not driver.execute_script(
                "return document.querySelectorAll('[data-chart-state=loading]').length"
            ))  # fmt: skip
            states = "return [...document.querySelectorAll('[data-chart-state]')].map(at => at.dataset.chartState)"
            assert browser.execute_script(states) == (["drawn", "drawn"] if path == PAGE else [])
            assert browser.execute_script(checks) == []
            assert complaints(browser) == []
            keep_picture(browser, f"{path.replace('/', '-').replace('?', '-')}-{width}-{theme}")
