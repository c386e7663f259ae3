"""The documentation pages in a real browser: they show the API, and their content security policy blocks nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

import pytest
from flask import Flask
from flask.testing import FlaskClient
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from tests.browsing import served, started_chrome
from tests.servers import on_sqlite
from tests.test_api_docs_answers import Document
from tests.test_api_docs_examples import shown

SHOWN_S: Final = 100  # it takes some seconds, of many parts; the machine may be busy

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.timeout(900), on_sqlite]


@pytest.fixture
def address(app: Flask) -> Iterator[str]:
    """Where the application is served."""
    with served(app) as url:
        yield url


@pytest.fixture
def chrome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    with started_chrome(tmp_path_factory.mktemp("chrome")) as driver:
        driver.set_page_load_timeout(SHOWN_S)
        driver.set_window_size(1280, 1600)
        yield driver


def console(chrome: webdriver.Chrome) -> list[Any]:
    """What the page complained about."""
    return list(chrome.get_log("browser"))  # type: ignore[no-untyped-call]


def broken_images(chrome: webdriver.Chrome) -> list[str | None]:
    """Pictures for which the page shows a browser's own placeholder."""
    images = chrome.find_elements(By.TAG_NAME, "img")
    shown = [image for image in images if image.is_displayed()]
    return [image.get_attribute("alt") for image in shown if image.get_property("naturalWidth") == 0]


def wait_for(chrome: webdriver.Chrome, selector: str, at_least: int) -> None:
    WebDriverWait(chrome, SHOWN_S).until(
        lambda browser: len(browser.find_elements(By.CSS_SELECTOR, selector)) >= at_least
    )


def test_swagger_ui_shows_every_operation_and_opens_one(chrome: webdriver.Chrome, address: str) -> None:
    chrome.get(f"{address}/docs")
    wait_for(chrome, ".opblock", 15)
    chrome.find_element(By.CSS_SELECTOR, ".opblock-summary-control").click()
    wait_for(chrome, ".opblock-body .try-out__btn", 1)
    assert console(chrome) == []


def test_swagger_ui_shows_bodies_that_can_be_sent(client: FlaskClient, chrome: webdriver.Chrome, address: str) -> None:
    document = Document(client)
    chrome.set_window_size(1280, 30_000)  # Swagger UI makes only what is near the part one sees
    chrome.get(f"{address}/docs")
    wait_for(chrome, ".opblock", 15)
    for path in ("/api/v1/storefronts", "/api/v1/jobs", "/api/v1/auth/login", "/api/v1/roles", "/api/v1/products"):
        wait_for(chrome, f".opblock-post [data-path='{path}']", 1)
        block = chrome.find_element(By.XPATH, f"//*[contains(@class,'opblock-post')][.//*[@data-path='{path}']]")
        block.find_element(By.CSS_SELECTOR, ".opblock-summary-control").click()
        example = (By.CSS_SELECTOR, ".opblock-section-request-body .body-param__example")
        body = WebDriverWait(block, SHOWN_S).until(lambda opened: opened.find_element(*example)).text  # noqa: B023
        content = document.operations()[path, "POST"]["requestBody"]["content"]["application/json"]
        assert json.loads(body) == shown(document, content)
        block.find_element(By.CSS_SELECTOR, ".opblock-summary-control").click()


def test_redoc_shows_the_api_and_searches_in_it(chrome: webdriver.Chrome, address: str) -> None:
    chrome.get(f"{address}/redoc")
    wait_for(chrome, "[data-section-id*='/paths/']", 15)
    assert "Cartwright" in chrome.find_element(By.TAG_NAME, "h1").text
    assert broken_images(chrome) == []
    assert chrome.find_element(By.LINK_TEXT, "API docs by Redocly").is_displayed()
    chrome.find_element(By.CSS_SELECTOR, "input[type=text], input[placeholder]").send_keys("history")
    wait_for(chrome, "[data-role='search:results'] [role=menuitem]", 1)
    assert console(chrome) == []
