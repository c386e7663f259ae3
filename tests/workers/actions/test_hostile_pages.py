"""Hostile pages end in bounded time with the right code, and the next visit of the same browser is unharmed."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from app.core.money import Money
from app.rpa.profiles.profile import Profile
from app.rpa.rules.codes import Code
from app.rpa.rules.readings import Kind, ProductReading, TaskOutcome
from tests.faults.sizes import FULL
from tests.workers.hostile import CLICKS, PAGES, Hostile
from tests.workers.shop import Shop
from workers.actions.view_product import view_product
from workers.chrome.browser import Browser
from workers.errors import TaskError

DOCS = Path(__file__).parents[3] / "docs" / "hostile-pages.md"
HASTY = {"page_load_s": 3, "ready_s": 1, "script_s": 3}
PATIENT = {"page_load_s": 60, "ready_s": 2, "script_s": 30}
"""For what ends by itself: the machine may be busy."""
MARGIN_S = 20
"""What a visit may take beyond the limits of its profile on a busy machine."""
IN_FULL_CHROME = {
    "AFILE00001",
    "ASKS000001",
    "DIALOGS002",
    "FRAMELOAD1",
    "FRAMES0001",
    "JSAPP00001",
    "JSLOAD0001",
    "PASSWORD01",
    "PRERENDER1",
    "PRINTS0001",
    "WINDOWS001",
}
"""Where full Chrome has windows, viewers and questions that the shell has not; ``make faults`` tries them all."""
CASES = [
    pytest.param("chrome" if full else "shell", page, id=f"{page.asin}-{'chrome' if full else 'shell'}")
    for page in PAGES
    for full in (False, True)
    if FULL or not full or page.asin in IN_FULL_CHROME
]


def profile_for(shop: Shop, page: Hostile, engine: str = "shell") -> Profile:
    product = shop.document()["product"] | {"not_found": [{"text": "page not found"}]}
    timeouts = HASTY if page.code is Code.NAV_TIMEOUT else PATIENT
    return shop.profile(product=product, timeouts=timeouts, engine=engine)


def view(browser: Browser, asin: str) -> TaskOutcome:
    return view_product(browser, browser.profile, asin, cancelled=lambda: False, wanted=lambda _: set(Kind))


def assert_reads_the_kettle(outcome: TaskOutcome, asin: str) -> None:
    assert outcome.code is None, outcome
    assert isinstance(outcome.reading, ProductReading)
    assert outcome.reading.name is not None
    assert outcome.reading.price is not None
    assert outcome.reading.name.value == f"Kettle {asin}"
    assert outcome.reading.price.value == Money(2499, "USD")


@pytest.mark.parametrize(("engine", "page"), CASES)
def test_a_hostile_page_ends_in_time_with_its_code_and_leaves_the_next_visit_alone(
    warm_browsers: Callable[..., Browser], shop: Shop, other_shop: Shop, engine: str, page: Hostile
) -> None:
    browser = warm_browsers(profile_for(shop, page, engine), draws=False)
    limits = browser.profile.timeouts
    before = len(other_shop.requests)
    started = time.monotonic()
    outcome = view(browser, page.asin)
    assert time.monotonic() - started < limits.page_load_s + limits.ready_s + limits.script_s + MARGIN_S
    if page.code is None:
        assert_reads_the_kettle(outcome, page.asin)
    else:
        assert (outcome.code, outcome.reading) == (page.code, None), outcome
    assert browser.is_alive
    assert_reads_the_kettle(view(browser, "GOOD000001"), "GOOD000001")
    assert other_shop.paths[before:] == []


@pytest.mark.parametrize("asin", ["NOCONTENT1", "DOWNLOAD01", "RESET00205", "OLDNEWS304", "AFILE00001"])
def test_what_is_no_page_is_never_read_as_the_one_before(browser: Browser, shop: Shop, asin: str) -> None:
    with browser.context() as page:
        page.open(f"{shop.address}/p/GOOD000001")
        with pytest.raises(TaskError) as refused:
            page.open(f"{shop.address}/p/{asin}")
    assert refused.value.code is Code.NO_DOCUMENT


def test_without_identity_the_asin_must_stand_where_the_profile_has_it(
    warm_browsers: Callable[[Profile], Browser], shop: Shop
) -> None:
    product = {key: value for key, value in shop.document()["product"].items() if key != "identity"}
    browser = warm_browsers(shop.profile(product=product, timeouts=PATIENT))
    assert_reads_the_kettle(view(browser, "GOOD000001"), "GOOD000001")
    outcome = view(browser, "NAMED00001")
    assert (outcome.code, outcome.reading) == (Code.WRONG_PRODUCT, None)


def test_the_guide_lists_every_hostile_page_with_its_code() -> None:
    rows = [tuple(cell.strip() for cell in line.split("|")[1:3]) for line in DOCS.read_text().splitlines()]
    told = {row for row in rows if len(row) == 2}
    for pages, good in ((PAGES, "read"), (CLICKS, "added")):
        for page in pages:
            assert (page.about, f"`{page.code}`" if page.code else good) in told
