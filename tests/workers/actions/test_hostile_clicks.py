"""Adding to the cart where the button, or the cart itself, does something else."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from app.rpa.profiles.profile import Profile
from app.rpa.rules.codes import Code
from app.rpa.rules.readings import CartReading, Kind, TaskOutcome
from tests.faults.sizes import FULL
from tests.workers.hostile.clicks import CLICKS
from tests.workers.hostile.page import Hostile
from tests.workers.shop import Shop
from workers.actions.add_to_cart import add_to_cart
from workers.chrome.browser import Browser
from workers.chrome.process import CLIENT_MARGIN_S

LIMITS = {"page_load_s": 10, "ready_s": 5, "script_s": 10, "confirm_s": 3}
MARGIN_S = 30
"""What an errand may take beyond its limits on a busy machine."""
ENGINES = pytest.mark.parametrize("engine", ["shell", "chrome"])

CASES = [
    pytest.param(engine, page, id=f"{page.asin}-{engine}")
    for engine in ("shell", "chrome")
    for page in CLICKS
    if FULL or engine == "shell" or page.code is None
]


def add(browser: Browser, asin: str, profile: Profile | None = None) -> TaskOutcome:
    return add_to_cart(browser, profile or browser.profile, asin, cancelled=lambda: False, wanted=lambda _: set(Kind))


@pytest.mark.parametrize(("engine", "page"), CASES)
def test_a_button_that_does_something_else_ends_with_its_code_and_the_next_cart_is_whole(
    warm_browsers: Callable[[Profile], Browser], shop: Shop, other_shop: Shop, engine: str, page: Hostile
) -> None:
    profile = shop.profile(timeouts=LIMITS, engine=engine)
    browser = warm_browsers(profile)
    before = len(other_shop.requests)
    started = time.monotonic()
    outcome = add(browser, page.asin)
    assert time.monotonic() - started < sum(LIMITS.values()) + CLIENT_MARGIN_S + MARGIN_S
    assert outcome.code is page.code, outcome
    if page.code is None:
        assert isinstance(outcome.reading, CartReading)
        assert outcome.reading.quantity == 1
    after = add(warm_browsers(profile), "GOOD000001")
    assert isinstance(after.reading, CartReading)
    assert after.reading.quantity == 1
    assert other_shop.paths[before:] == []


@ENGINES
def test_a_window_that_a_click_opens_is_closed(
    warm_browsers: Callable[[Profile], Browser], shop: Shop, engine: str
) -> None:
    browser = warm_browsers(shop.profile(timeouts=LIMITS, engine=engine))
    with browser.context() as page:
        page.open(f"{shop.address}/p/CLICKOPENS")
        browser.select(page)
        browser.driver.find_element("css selector", "#add").click()
        page.wait_until("() => document.querySelector('#added') !== null", None, bool, timeout_s=30)
        page.idle(0.5)
        assert len(browser.driver.window_handles) == 2  # the one that the driver began with, and the page


@pytest.mark.parametrize(
    ("asin", "code"),
    [
        ("DOWNLOAD01", Code.NO_DOCUMENT),
        ("NOCONTENT1", Code.NO_DOCUMENT),
        ("AFILE00001", Code.NO_DOCUMENT),
        ("RESET00001", Code.NAV_CONN),
        ("OFFSITE001", Code.REDIRECTED_OFFSITE),
        ("ROBOT00001", Code.BLOCKED),
        ("GOOD000001", Code.CART_NOT_EMPTY),
    ],
)
def test_what_comes_instead_of_the_cart_is_never_read_as_one(
    browser: Browser, shop: Shop, asin: str, code: Code
) -> None:
    cart = shop.document()["cart"] | {
        "url": f"/p/{asin}",
        "line": "#product",
        "identity": [{"css": "h1"}],
        "quantity": [{"css": "h1"}],
    }
    outcome = add(browser, "GOOD000001", shop.profile(cart=cart))
    assert (outcome.code, outcome.reading) == (code, None), outcome
