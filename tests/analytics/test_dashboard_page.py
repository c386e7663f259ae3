"""The dashboard in a real browser: it follows what happens, by connection or by asking, and says which."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from selenium import webdriver
from selenium.webdriver.common.by import By

from app.config import Settings
from app.core.orm import utc_now
from tests.analytics.live_process import live_server
from tests.analytics.test_dashboard import add_sale
from tests.auth.people import new_person
from tests.browsing import Visitor, complaints, log_in, served, started_chrome, wait_for
from tests.servers import on_sqlite

pytestmark = [pytest.mark.usefixtures("database"), on_sqlite]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    with started_chrome(tmp_path_factory.mktemp("chrome")) as driver:
        yield driver


def state(chrome: webdriver.Chrome) -> str:
    return str(chrome.find_element(By.CSS_SELECTOR, ".live-state").get_attribute("data-state"))


def asked(chrome: webdriver.Chrome) -> int:
    """How often the page has asked for the figures."""
    script = "return performance.getEntriesByType('resource').filter((one) => one.name.endsWith('/dashboard')).length"
    return int(chrome.execute_script(script))


def revenue(chrome: webdriver.Chrome) -> str:
    return chrome.find_element(By.CSS_SELECTOR, "[data-figure='sales.today.total']").text


def follows(app: Flask, chrome: webdriver.Chrome, wanted: str) -> None:
    """The page shows how it is kept up to date, and a sale a moment after it was made, without being loaded again."""
    wait_for(chrome, lambda browser: state(browser) == wanted)
    chrome.execute_script("window.isStill = true")
    assert revenue(chrome) == "$0.00"
    with app.app_context():
        add_sale(sold_at=utc_now(), total_minor=123456, key="line:1")
    wait_for(chrome, lambda browser: revenue(browser) == "$1,234.56")
    assert chrome.execute_script("return window.isStill") is True
    assert complaints(chrome) == []


def test_a_page_gets_changes_by_a_websocket_from_the_live_process(
    app: Flask, app_with: Any, settings: Settings, browser: webdriver.Chrome, tmp_path: Path
) -> None:
    new_person(app, "ada@example.org", role="admin")
    with live_server(settings, tmp_path) as live:
        other = app_with(live=dataclasses.replace(settings.live, port=live.port))
        with served(other) as address:
            log_in(browser, address, "ada@example.org")
            complaints(browser)
            browser.get(f"{address}/admin")
            follows(app, browser, "live")


def test_a_page_of_the_live_process_itself_gets_them_as_events(
    app: Flask, settings: Settings, browser: webdriver.Chrome, tmp_path: Path
) -> None:
    new_person(app, "ada@example.org", role="admin")
    with live_server(settings, tmp_path, environ={"PUBLIC_URL": "http://localhost:8000"}) as live:
        address = f"http://127.0.0.1:{live.port}"
        browser.get(f"{address}/healthz")
        browser.delete_all_cookies()
        log_in(browser, address, "ada@example.org")
        complaints(browser)
        browser.get(f"{address}/admin")
        follows(app, browser, "live")


def test_a_page_asks_every_few_seconds_where_no_live_process_is_there(app: Flask, browser: webdriver.Chrome) -> None:
    new_person(app, "ada@example.org", role="admin")
    with served(app) as address:
        browser.get(f"{address}/healthz")
        browser.delete_all_cookies()
        log_in(browser, address, "ada@example.org")
        complaints(browser)
        browser.get(f"{address}/admin")
        follows(app, browser, "polling")
        assert asked(browser) < 10


def test_the_tile_of_sales_is_called_as_the_page_it_leads_to_calls_the_same_figure(app: Flask) -> None:
    new_person(app, "mo@example.org", role="admin")
    visitor = Visitor(app, "mo@example.org")
    assert "Paid today" in visitor.get("/admin").text
    assert ">Paid<" in visitor.get("/admin/sales").text


def test_the_page_shows_the_tiles_that_its_reader_may_see(app: Flask) -> None:
    new_person(app, "eve@example.org", role="farm operator")
    page = Visitor(app, "eve@example.org").get("/admin").text
    assert "Tasks waiting" in page
    assert "Paid today" not in page
    answer = Visitor(app, "eve@example.org").get("/admin")
    assert "connect-src 'self' ws://localhost;" in answer.headers["Content-Security-Policy"]
