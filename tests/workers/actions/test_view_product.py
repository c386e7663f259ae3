"""Viewing products on ordinary and hostile pages with a real browser."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.core.money import Money
from app.rpa.profiles.profile import Profile
from app.rpa.rules.codes import Code
from app.rpa.rules.readings import Availability, ProductReading, TaskOutcome
from tests.workers.shop import Shop
from workers.actions.view_product import view_product
from workers.chrome.browser import Browser


@pytest.fixture
def browser(either_browser: Browser) -> Browser:
    """Pages are read alike whether they are drawn or not."""
    return either_browser


def view(browser: Browser, asin: str, profile: Profile | None = None) -> TaskOutcome:
    return view_product(browser, profile or browser.profile, asin, cancelled=lambda: False)


def assert_reads_a_kettle(outcome: TaskOutcome, asin: str = "GOOD000001") -> None:
    assert outcome.code is None, outcome
    assert isinstance(outcome.reading, ProductReading)
    assert outcome.reading.name is not None
    assert outcome.reading.name.value == f"Kettle {asin}"
    assert outcome.reading.price is not None
    assert outcome.reading.price.value == Money(2499, "USD")


def test_an_ordinary_page_is_read_with_its_facts(browser: Browser, shop: Shop) -> None:
    outcome = view(browser, "GOOD000001")
    assert_reads_a_kettle(outcome)
    assert isinstance(outcome.reading, ProductReading)
    assert outcome.reading.brand is not None
    assert outcome.reading.brand.value == "Boil & Co"
    assert outcome.reading.availability is not None
    assert outcome.reading.availability.value is Availability.IN_STOCK
    facts = outcome.facts
    assert facts.final_url == f"{shop.address}/p/GOOD000001"
    assert facts.http_status == 200
    assert list(facts.timings_ms) == ["context", "navigate", "ready", "extract"]
    assert facts.browser == browser.version
    assert facts.raw["price"] == ["$24.99"]


def test_full_chrome_reads_the_same(full_browser: Browser) -> None:
    assert_reads_a_kettle(view(full_browser, "GOOD000001"))


@pytest.mark.parametrize("asin", ["LATE000001", "BANNER0001", "ALERT00001", "POPUP00001", "UNLOAD0001"])
def test_pages_that_are_late_covered_or_noisy_are_read(browser: Browser, shop: Shop, asin: str) -> None:
    before = len(shop.requests)
    assert_reads_a_kettle(view(browser, asin), asin)
    assert not [path for path in shop.paths[before:] if path.startswith("/popup")]


@pytest.mark.parametrize(
    ("asin", "code", "status"),
    [
        ("GONE000404", Code.NOT_FOUND, 404),
        ("EMPTY00404", Code.NOT_FOUND, 404),
        ("BROKEN0503", Code.HTTP_5XX, 503),
        ("LOGIN00401", Code.HTTP_4XX, 401),
        ("ROBOT00001", Code.BLOCKED, 200),
        ("WRONG00001", Code.WRONG_PRODUCT, 200),
        ("NEVERREADY", Code.SELECTOR_MISSING, 200),
        ("OFFSITE001", Code.REDIRECTED_OFFSITE, None),
        ("JSOFFSITE1", Code.REDIRECTED_OFFSITE, None),
        ("LOOP000001", Code.NO_DOCUMENT, None),
        ("DOWNLOAD01", Code.NO_DOCUMENT, None),
        ("NOCONTENT1", Code.NO_DOCUMENT, None),
        ("RESET00001", Code.NAV_CONN, None),
        ("HUGE000001", Code.PAGE_TOO_LARGE, None),
    ],
)
def test_a_page_that_is_no_product_ends_with_its_code(
    browser: Browser, other_shop: Shop, asin: str, code: Code, status: int | None
) -> None:
    before = len(other_shop.requests)
    outcome = view(browser, asin)
    assert (outcome.code, outcome.reading) == (code, None), outcome
    assert outcome.missing == ("product.ready" if code is Code.SELECTOR_MISSING else None)
    if status is not None:
        assert outcome.facts.http_status == status
    assert other_shop.paths[before:] == []
    assert browser.is_alive
    assert_reads_a_kettle(view(browser, "GOOD000001"))


def test_full_chrome_gives_the_same_codes(full_browser: Browser) -> None:
    asins = ["EMPTY00404", "LOGIN00401", "OFFSITE001", "DOWNLOAD01", "NOCONTENT1"]
    assert [view(full_browser, asin).code for asin in asins] == [
        Code.NOT_FOUND,
        Code.HTTP_4XX,
        Code.REDIRECTED_OFFSITE,
        Code.NO_DOCUMENT,
        Code.NO_DOCUMENT,
    ]


def test_too_many_requests_carries_the_seconds_the_shop_named(browser: Browser) -> None:
    outcome = view(browser, "LIMIT00429")
    assert (outcome.code, outcome.retry_after_s) == (Code.RATE_LIMITED, 120)


@pytest.mark.parametrize("asin", ["HANG000001", "HALF000001", "BUSY000001", "BUSYLATER1"])
def test_a_page_that_never_finishes_ends_in_time_and_the_browser_goes_on(browser: Browser, asin: str) -> None:
    started = time.monotonic()
    outcome = view(browser, asin)
    assert outcome.code is Code.NAV_TIMEOUT
    assert time.monotonic() - started < 30
    assert browser.is_alive
    assert_reads_a_kettle(view(browser, "GOOD000001"))


def test_a_cancelled_errand_asks_for_no_page(browser: Browser, shop: Shop) -> None:
    before = len(shop.requests)
    outcome = view_product(browser, browser.profile, "GOOD000001", cancelled=lambda: True)
    assert outcome.code is Code.CANCELLED
    assert shop.paths[before:] == []


def test_killing_the_browser_from_another_thread_ends_the_errand_at_once(browser: Browser) -> None:
    killed_at: list[float] = []

    def kill() -> None:
        browser.kill()
        killed_at.append(time.monotonic())

    timer = threading.Timer(0.5, kill)
    timer.start()
    outcome = view(browser, "HANG000001")
    ended_at = time.monotonic()
    timer.join()
    assert outcome.code is Code.CHROME_CRASH
    assert ended_at - killed_at[0] < 2
    assert not browser.is_alive


def test_the_visit_after_a_killed_browser_fails_without_waiting(browser: Browser) -> None:
    with ThreadPoolExecutor(1) as pool:
        pool.submit(browser.kill).result(timeout=5)
    started = time.monotonic()
    assert view(browser, "GOOD000001").code is Code.CHROME_CRASH
    assert time.monotonic() - started < 5
