"""Pages that need frames are read the same whether the browser draws them or runs them on demand."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO

import pytest
from PIL import Image

from app.core.money import Money
from app.rpa.profiles.profile import Profile
from app.rpa.rules.codes import Code
from app.rpa.rules.readings import ProductReading, TaskOutcome
from tests.workers.shop import FRAME_SCRIPTS, Shop
from workers.actions.view_product import view_product
from workers.chrome.browser import Browser


def view(browser: Browser, asin: str) -> TaskOutcome:
    return view_product(browser, browser.profile, asin, cancelled=lambda: False)


def name(outcome: TaskOutcome) -> str | None:
    assert isinstance(outcome.reading, ProductReading)
    return None if outcome.reading.name is None else outcome.reading.name.value


def price(outcome: TaskOutcome) -> Money:
    assert outcome.code is None, outcome
    assert isinstance(outcome.reading, ProductReading)
    assert outcome.reading.price is not None
    return outcome.reading.price.value


@pytest.mark.parametrize("asin", FRAME_SCRIPTS)
def test_a_price_that_comes_with_a_frame_is_read(either_browser: Browser, asin: str) -> None:
    assert price(view(either_browser, asin)) == Money(2499, "USD")


def test_what_a_page_puts_right_in_its_first_frame_is_read_right(
    warm_browsers: Callable[..., Browser], profile: Profile
) -> None:
    assert price(view(warm_browsers(profile, draws=False), "RAFVALUE01")) == Money(2499, "USD")


def test_without_frames_such_a_price_never_comes(
    warm_browsers: Callable[..., Browser], profile: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = warm_browsers(profile, draws=False)
    monkeypatch.setattr("workers.chrome.frames.FramesOnDemand._run", lambda _self: None)
    assert view(browser, "RAFPRICE01").code is Code.SELECTOR_MISSING


def test_a_page_is_photographed_as_it_looks_when_the_picture_is_taken(either_browser: Browser, shop: Shop) -> None:
    with either_browser.context() as page:
        page.open(f"{shop.address}/p/GOOD000001")
        for colour in ((200, 0, 0), (0, 0, 200)):
            page.run("colour => { document.documentElement.style.background = colour; }", f"rgb{colour}", timeout_s=5)
            page.idle(0.1)
            picture = Image.open(BytesIO(page.screenshot(timeout_s=10)))
            assert picture.size == (1366, 900)
            corner = picture.resize((1, 1), box=(1300, 850, 1301, 851)).tobytes()
            assert max(abs(seen - given) for seen, given in zip(corner, colour, strict=True)) < 12


def test_a_page_that_leaves_in_its_first_frame_is_read_as_one_or_as_the_other(
    warm_browsers: Callable[..., Browser], profile: Profile
) -> None:
    browser = warm_browsers(profile, draws=False)
    for _ in range(5):
        outcome = view(browser, "LEAVES0001")
        assert outcome.code is Code.WRONG_PRODUCT or name(outcome) == "Kettle LEAVES0001"
    assert view(browser, "GOOD000001").code is None


def test_a_frame_that_never_ends_costs_no_more_than_the_page_s_own_limit(
    warm_browsers: Callable[..., Browser], profile: Profile
) -> None:
    browser = warm_browsers(profile, draws=False)
    started = time.monotonic()
    assert view(browser, "RAFBUSY001").code is Code.NAV_TIMEOUT
    assert time.monotonic() - started < 30
    assert browser.is_alive
    assert view(browser, "GOOD000001").code is None


def test_full_chrome_and_storefronts_that_say_so_draw_every_frame(
    warm_browsers: Callable[..., Browser], profile: Profile
) -> None:
    assert (profile.draws, replace(profile, frames="always").draws, replace(profile, engine="chrome").draws) == (
        False,
        True,
        True,
    )
    assert warm_browsers(replace(profile, engine="chrome"), draws=False).draws
    with warm_browsers(profile, draws=True).context() as page:
        page.open(profile.product_url("GOOD000001"))
        moving = "() => new Promise(done => requestAnimationFrame(() => done(true)))"
        assert page.run(moving, None, timeout_s=10) is True
