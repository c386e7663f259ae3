"""The marketplace's pages in a real browser, as a person uses them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest
from selenium import webdriver
from selenium.common.exceptions import ElementClickInterceptedException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support import expected_conditions
from selenium.webdriver.support.ui import WebDriverWait

from app.config_groups import CHROME_SHELL, CHROMEDRIVER
from demo.market import Article, Catalogue, spell

CONFIRM_S = 10


@pytest.fixture(scope="module")
def chrome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = os.environ.get("CHROME_BINARY", CHROME_SHELL)
    if os.geteuid() == 0:  # this test is about pages, not about the browser's sandbox
        options.add_argument("--no-sandbox")
    folder = str(tmp_path_factory.mktemp("chrome"))
    environ = {**os.environ, "TMPDIR": folder, "SE_OFFLINE": "true", "SE_AVOID_STATS": "true"}
    driver = webdriver.Chrome(options, Service(os.environ.get("CHROMEDRIVER", CHROMEDRIVER), env=environ))
    driver.set_page_load_timeout(20)
    yield driver
    driver.quit()


@pytest.fixture
def newcomer(chrome: webdriver.Chrome, market: str) -> webdriver.Chrome:
    """A browser without cookies of the marketplace."""
    chrome.get(f"{market}/health")
    chrome.delete_all_cookies()
    return chrome


def open_product(browser: webdriver.Chrome, market: str, article: Article) -> None:
    browser.get(f"{market}/p/{article.asin}")
    browser.find_element(By.ID, "cookie-accept").click()


def answer(browser: webdriver.Chrome) -> str:
    panel = (By.CSS_SELECTOR, "#answer > p")
    return str(WebDriverWait(browser, CONFIRM_S).until(expected_conditions.visibility_of_element_located(panel)).text)


def lines_of_cart(browser: webdriver.Chrome, market: str) -> list[str]:
    browser.get(f"{market}/cart")
    return [line.text for line in browser.find_elements(By.CSS_SELECTOR, ".cart-line .each")]


def one(catalogue: Catalogue, holds: Callable[[Article], bool]) -> Article:
    return next(article for article in catalogue.articles.values() if holds(article))


def test_the_banner_takes_every_click_until_it_is_accepted(
    newcomer: webdriver.Chrome, market: str, ordinary: Article
) -> None:
    newcomer.get(f"{market}/p/{ordinary.asin}")
    with pytest.raises(ElementClickInterceptedException):
        newcomer.find_element(By.ID, "add-to-cart").click()
    newcomer.find_element(By.ID, "cookie-accept").click()
    newcomer.find_element(By.ID, "add-to-cart").click()
    assert answer(newcomer).startswith("Added to your cart.")
    newcomer.refresh()
    assert newcomer.find_elements(By.ID, "cookie-wall") == []


def test_a_click_on_the_button_puts_the_product_into_the_cart(
    newcomer: webdriver.Chrome, market: str, ordinary: Article
) -> None:
    open_product(newcomer, market, ordinary)
    newcomer.find_element(By.ID, "add-to-cart").click()
    assert answer(newcomer) == "Added to your cart. See the cart"
    assert newcomer.find_element(By.ID, "cart-count").text == "1"
    assert lines_of_cart(newcomer, market) == [f"{spell(ordinary.price)} each"]


def test_the_dead_button_says_nothing_and_adds_nothing(
    newcomer: webdriver.Chrome, market: str, catalogue: Catalogue
) -> None:
    open_product(newcomer, market, one(catalogue, lambda a: a.page == "dead_button"))
    newcomer.find_element(By.ID, "add-to-cart").click()
    assert newcomer.find_elements(By.CSS_SELECTOR, "#answer > p") == []
    assert lines_of_cart(newcomer, market) == []


def test_a_product_that_sold_out_while_the_page_was_open_is_refused_in_words(
    newcomer: webdriver.Chrome, market: str, catalogue: Catalogue, ordinary: Article
) -> None:
    sold_out = one(catalogue, lambda a: a.sold_out)
    open_product(newcomer, market, ordinary)
    newcomer.execute_script("document.querySelector('#buy [name=asin]').value = arguments[0]", sold_out.asin)
    newcomer.find_element(By.ID, "add-to-cart").click()
    assert answer(newcomer) == "This product is sold out."
    assert lines_of_cart(newcomer, market) == []


def test_a_sold_out_product_has_a_button_that_cannot_be_clicked(
    newcomer: webdriver.Chrome, market: str, catalogue: Catalogue
) -> None:
    open_product(newcomer, market, one(catalogue, lambda a: a.sold_out))
    assert not newcomer.find_element(By.ID, "add-to-cart").is_enabled()
