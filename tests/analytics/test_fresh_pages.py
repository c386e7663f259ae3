"""Pages of figures in a real browser: they keep themselves up to date, and leave alone what the reader is at."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from app.config import Settings
from app.core.orm import utc_now
from tests.analytics.live_process import live_server
from tests.analytics.test_dashboard import add_sale
from tests.auth.people import new_person
from tests.browsing import complaints, log_in, served, started_chrome, wait_for
from tests.faults.servers import free_port
from tests.servers import on_sqlite

pytestmark = [pytest.mark.usefixtures("database"), on_sqlite]

LIMIT_S = 90
WATCH = """
window.isStill = true;
const place = document.querySelector('#chart-time [data-chart]');
setInterval(() => {
  const drawn = [...(place.shadowRoot?.children ?? [])];
  if (!drawn.some((one) => one.style.visibility !== 'hidden' && one.firstChild)) window.wasBlank = true;
}, 5);
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    with started_chrome(tmp_path_factory.mktemp("chrome")) as driver:
        yield driver


def net(chrome: webdriver.Chrome) -> str:
    return chrome.find_element(By.CSS_SELECTOR, ".totals .value").text


def reads(chrome: webdriver.Chrome) -> int:
    """How often the page has read itself again."""
    script = "return performance.getEntriesByType('resource').filter((one) => one.name.endsWith('/admin/sales')).length"
    return int(chrome.execute_script(script))


def state(chrome: webdriver.Chrome) -> str:
    return str(chrome.find_element(By.CSS_SELECTOR, ".live-state").get_attribute("data-state"))


def in_time(chrome: webdriver.Chrome, condition: Any) -> None:
    WebDriverWait(chrome, LIMIT_S).until(condition)


def sell(app: Flask, number: int) -> None:
    with app.app_context():
        add_sale(sold_at=utc_now(), total_minor=1000, key=f"line:{number}")


def test_a_page_of_figures_follows_what_is_sold_and_leaves_the_reader_alone(
    app: Flask, app_with: Any, settings: Settings, browser: webdriver.Chrome, tmp_path: Path
) -> None:
    new_person(app, "ada@example.org", role="admin")
    sell(app, 1)
    with ExitStack() as open_:
        live = open_.enter_context(live_server(settings, tmp_path))
        address = open_.enter_context(served(app_with(live=dataclasses.replace(settings.live, port=live.port))))
        log_in(browser, address, "ada@example.org")
        complaints(browser)
        browser.get(f"{address}/admin/sales")
        in_time(browser, lambda chrome: state(chrome) == "live")
        in_time(browser, lambda chrome: chrome.find_elements(By.CSS_SELECTOR, "#chart-time[data-chart-drawn]"))
        browser.find_element(By.CSS_SELECTOR, "#chart-time summary").click()
        browser.find_element(By.ID, "brand").send_keys("Hea")
        browser.execute_script("document.querySelector('.totals a').focus(); scrollTo(0, 300)")
        browser.execute_script(WATCH)
        assert net(browser) == "$10.00"
        began = time.monotonic()
        for number in range(2, 12):
            sell(app, number)
        in_time(browser, lambda chrome: net(chrome) == "$110.00")
        assert reads(browser) <= 1 + (time.monotonic() - began) / 10, "ten sales are not ten questions"
        last_row = "#chart-time tbody tr:last-child"
        in_time(browser, lambda chrome: "110" in chrome.find_element(By.CSS_SELECTOR, last_row).text)
        assert browser.execute_script("return window.isStill && !window.wasBlank") is True
        assert browser.execute_script("return document.activeElement.matches('.totals a')") is True
        assert browser.execute_script("return scrollY") == 300
        assert browser.find_element(By.CSS_SELECTOR, "#chart-time details").get_attribute("open") == "true"
        assert browser.find_element(By.ID, "brand").get_attribute("value") == "Hea"
        assert complaints(browser) == []


def test_a_page_finds_back_to_a_live_process_that_was_killed(
    app: Flask, app_with: Any, settings: Settings, browser: webdriver.Chrome, tmp_path: Path
) -> None:
    new_person(app, "ada@example.org", role="admin")
    port = free_port()
    other = app_with(live=dataclasses.replace(settings.live, port=port))
    with served(other) as address, ExitStack() as processes:
        first = processes.enter_context(live_server(settings, tmp_path, port=port))
        browser.get(f"{address}/healthz")
        browser.delete_all_cookies()
        log_in(browser, address, "ada@example.org")
        browser.get(f"{address}/admin")
        in_time(browser, lambda chrome: state(chrome) == "live")
        browser.execute_script("window.isStill = true")
        first.kill()
        in_time(browser, lambda chrome: state(chrome) == "polling")
        sell(app, 1)
        shown = "[data-figure='sales.today.total']"
        in_time(browser, lambda chrome: chrome.find_element(By.CSS_SELECTOR, shown).text == "$10.00")
        processes.enter_context(live_server(settings, tmp_path, port=port))
        in_time(browser, lambda chrome: state(chrome) == "live")
        sell(app, 2)
        in_time(browser, lambda chrome: chrome.find_element(By.CSS_SELECTOR, shown).text == "$20.00")
        assert browser.execute_script("return window.isStill") is True


def test_every_page_of_figures_asks_where_no_live_process_is_there(app: Flask, browser: webdriver.Chrome) -> None:
    new_person(app, "ada@example.org", role="admin")
    with served(app) as address:
        browser.get(f"{address}/healthz")
        browser.delete_all_cookies()
        log_in(browser, address, "ada@example.org")
        complaints(browser)
        for page in ("sales", "farm", "stock", "prices"):
            browser.get(f"{address}/admin/{page}")
            wait_for(browser, lambda chrome: state(chrome) == "polling")
        assert complaints(browser) == []
