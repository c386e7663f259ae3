"""The HTML of a hostile page, looked at in a real browser on the page of its task."""

from __future__ import annotations

import gzip
from collections.abc import Iterator

import pytest
from flask import Flask
from selenium import webdriver
from selenium.webdriver.common.by import By

from app.rpa.rules.readings import Kind
from tests.auth.people import new_person
from tests.browsing import complaints, log_in, served, started_chrome, wait_for
from tests.rpa.conftest import FarmDriver, stock_master
from tests.rpa.keeping import add_evidence
from tests.servers import on_sqlite

pytestmark = [pytest.mark.usefixtures("database"), on_sqlite]

PAGE = """<!doctype html><title>Kettle</title><meta http-equiv="refresh" content="0;url=/account/security">
<base target="_top"><link rel="stylesheet" href="/admin/users?from=style">
<h1>Kettle for sale</h1><p id="said">as it came</p>
<script>document.getElementById("said").textContent = "it ran"; top.location = "/account";</script>
<img src="/admin/users?from=picture" onerror="document.getElementById('said').textContent = 'it ran'">
<iframe src="/account?from=frame"></iframe><object data="/account?from=object"></object>
<form id="f" action="/logout" method="post"><button autofocus>Buy</button></form>
<a id="out" href="/account?from=link">on</a>
"""


@pytest.fixture
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    with started_chrome(tmp_path_factory.mktemp("chrome")) as driver:
        yield driver


@pytest.fixture
def asked(app: Flask) -> list[str]:
    """Every address that the application is asked for."""
    found: list[str] = []
    inner = app.wsgi_app

    def noting(environ: dict[str, str], start: object) -> object:
        found.append(f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}?{environ.get('QUERY_STRING', '')}")
        return inner(environ, start)  # type: ignore[arg-type]

    app.wsgi_app = noting  # type: ignore[method-assign, assignment]
    return found


def test_a_hostile_page_is_read_in_its_frame_and_can_do_nothing(
    app: Flask, browser: webdriver.Chrome, asked: list[str]
) -> None:
    new_person(app, "ada@example.org", role="farm operator")
    with app.app_context():
        stock_master()
        farm = FarmDriver(app)
        farm.storefront()
        task_id = farm.task_ids(farm.submit())[0]
        html = add_evidence(task_id, gzip.compress(PAGE.encode()), kind=Kind.HTML).id
    with served(app) as address:
        log_in(browser, address, "ada@example.org")
        browser.get(f"{address}/admin/tasks/{task_id}")
        assert complaints(browser) == []
        assert not any("/evidence/" in path for path in asked)
        browser.find_element(By.CSS_SELECTOR, "details.frame summary").click()
        browser.switch_to.frame(browser.find_element(By.TAG_NAME, "iframe"))
        wait_for(browser, lambda chrome: "Kettle for sale" in chrome.find_element(By.TAG_NAME, "body").text)
        browser.find_element(By.CSS_SELECTOR, "#f button").click()
        browser.find_element(By.ID, "out").click()
        assert browser.find_element(By.ID, "said").text == "as it came"
        browser.switch_to.default_content()
        assert browser.current_url == f"{address}/admin/tasks/{task_id}"
        after = asked[asked.index(f"GET /api/v1/evidence/{html}?framed=true") :]
        assert after == [f"GET /api/v1/evidence/{html}?framed=true"]
        browser.get(f"{address}/account")
        assert browser.current_url == f"{address}/account"
