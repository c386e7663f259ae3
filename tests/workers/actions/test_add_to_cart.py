"""Adding to the cart with real clicks."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest

from app.core.money import Money
from app.rpa.profiles.profile import Profile
from app.rpa.rules.codes import Code
from app.rpa.rules.readings import CartReading, TaskOutcome
from tests.workers.shop import Shop
from workers.actions.add_to_cart import Wish, add_to_cart
from workers.chrome.browser import Browser


def add(browser: Browser, asin: str, *, profile: Profile | None = None, quantity: int = 1) -> TaskOutcome:
    wish = Wish(quantity=quantity)
    return add_to_cart(browser, profile or browser.profile, asin, cancelled=lambda: False, wish=wish)


def reading_of(outcome: TaskOutcome) -> CartReading:
    assert outcome.code is None, outcome
    assert isinstance(outcome.reading, CartReading)
    return outcome.reading


def test_success_is_the_line_read_back_from_the_cart(browser: Browser) -> None:
    outcome = add(browser, "GOOD000001")
    reading = reading_of(outcome)
    assert reading.quantity == 1
    assert reading.unit_price is not None
    assert reading.page_price is not None
    assert reading.unit_price.value == reading.page_price.value == Money(2499, "USD")
    assert outcome.facts.final_url is not None
    assert outcome.facts.final_url.endswith("/cart")
    stages = ["context", "empty", "navigate", "ready", "extract", "click", "confirm", "cart"]
    assert list(outcome.facts.timings_ms) == stages


def test_every_errand_starts_with_an_empty_cart(browser: Browser) -> None:
    assert [reading_of(add(browser, "GOOD000001")).quantity for _ in range(3)] == [1, 1, 1]


def test_the_quantity_asked_for_is_read_back(browser: Browser) -> None:
    assert reading_of(add(browser, "GOOD000001", quantity=2)).quantity == 2


def test_full_chrome_adds_to_the_cart(full_browser: Browser) -> None:
    assert reading_of(add(full_browser, "GOOD000001")).quantity == 1


def test_another_price_in_the_cart_is_a_finding_on_a_success(browser: Browser) -> None:
    reading = reading_of(add(browser, "DIFFERS001"))
    assert reading.unit_price is not None
    assert reading.page_price is not None
    assert (reading.unit_price.value.minor, reading.page_price.value.minor) == (2650, 2499)


def test_a_page_that_says_sold_out_but_sells_is_a_success(browser: Browser) -> None:
    assert reading_of(add(browser, "SOLDOUT002")).quantity == 1


def test_a_button_under_a_banner_is_clicked_after_dismissing_it(browser: Browser) -> None:
    assert reading_of(add(browser, "BANNER0001")).quantity == 1


@pytest.mark.parametrize(
    ("asin", "code"),
    [
        ("DEADBUTTON", Code.CART_NOT_CONFIRMED),
        ("SOLDOUT001", Code.OUT_OF_STOCK),
        ("SOLDOUT003", Code.OUT_OF_STOCK),
        ("DISABLED01", Code.SELECTOR_MISSING),
        ("COVERED001", Code.SELECTOR_MISSING),
        ("GONE000404", Code.NOT_FOUND),
        ("WRONG00001", Code.WRONG_PRODUCT),
        ("ROBOT00001", Code.BLOCKED),
    ],
)
def test_what_cannot_be_bought_ends_with_its_code(browser: Browser, asin: str, code: Code) -> None:
    outcome = add(browser, asin)
    assert (outcome.code, outcome.reading) == (code, None), outcome
    assert outcome.missing == ("cart.add" if code is Code.SELECTOR_MISSING else None)
    assert reading_of(add(browser, "GOOD000001")).quantity == 1


def test_a_sold_out_page_without_a_button_needs_no_refusal_marker(browser: Browser, shop: Shop) -> None:
    cart = {name: part for name, part in shop.document()["cart"].items() if name != "refuse"}
    outcome = add(browser, "SOLDOUT001", profile=shop.profile(cart=cart))
    assert (outcome.code, outcome.reading) == (Code.OUT_OF_STOCK, None), outcome


def test_without_confirm_markers_the_cart_is_read_after_the_page_came_to_rest(browser: Browser, shop: Shop) -> None:
    cart = {
        "add": "#add",
        "url": "/cart",
        "line": ".line",
        "identity": [{"css": "a", "attribute": "href"}],
        "quantity": [{"css": "input", "attribute": "value"}],
        "price": [{"css": ".each"}],
    }
    assert reading_of(add(browser, "GOOD000001", profile=shop.profile(cart=cart))).quantity == 1


def test_a_profile_without_a_cart_is_refused_before_any_visit(browser: Browser, shop: Shop) -> None:
    before = len(shop.requests)
    assert add(browser, "GOOD000001", profile=shop.profile(cart=None)).code is Code.SELECTOR_MISSING
    assert shop.paths[before:] == []


def test_a_quantity_of_zero_is_a_callers_mistake(browser: Browser) -> None:
    with pytest.raises(ValueError, match="quantity"):
        add(browser, "GOOD000001", quantity=0)


def test_a_killed_browser_ends_the_errand(browser: Browser) -> None:
    timer = threading.Timer(1.0, browser.kill)
    timer.start()
    outcome = add(browser, "HANG000001")
    timer.join()
    assert outcome.code is Code.CHROME_CRASH
    assert not browser.is_alive


def test_a_driver_that_stops_answering_is_killed_with_its_browser(browser: Browser) -> None:
    driver_pid = browser.process_group.id
    executor = browser.driver.command_executor
    assert not isinstance(executor, str)
    executor.client_config.timeout = 1
    os.kill(driver_pid, signal.SIGSTOP)
    outcome = add(browser, "GOOD000001")
    assert outcome.code is Code.DRIVER_TIMEOUT
    assert not browser.is_alive
    assert not Path(f"/proc/{driver_pid}").exists()
