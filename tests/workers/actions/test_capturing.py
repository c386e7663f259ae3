"""Pictures and HTML of pages as they stood when a visit ended."""

from __future__ import annotations

import gzip
import time
from collections.abc import Callable

import pytest

from app.rpa.profiles.profile import Profile
from app.rpa.rules.codes import Code
from app.rpa.rules.evidence import MAX_HTML_BYTES, Ended
from app.rpa.rules.readings import CartReading, Kind, ProductReading, TaskOutcome
from tests.workers.shop import Shop
from workers.actions.add_to_cart import add_to_cart
from workers.actions.capturing import CUT, PIECE_S, compress
from workers.actions.view_product import view_product
from workers.chrome.browser import Browser
from workers.storefront.extraction import SCRIPT, interpret, plan

JPEG = b"\xff\xd8\xff"


@pytest.fixture
def browser(either_browser: Browser) -> Browser:
    """Pages are read alike whether they are drawn or not."""
    return either_browser


def view(browser: Browser, asin: str, profile: Profile | None = None, *, wanted: bool = True) -> TaskOutcome:
    used = profile or browser.profile
    return view_product(
        browser, used, asin, cancelled=lambda: False, wanted=lambda _: frozenset(Kind) if wanted else frozenset()
    )


def html_of(outcome: TaskOutcome) -> bytes:
    (piece,) = (piece for piece in outcome.captured if piece.kind is Kind.HTML)
    return gzip.decompress(piece.content)


def kinds(outcome: TaskOutcome) -> list[Kind]:
    return [piece.kind for piece in outcome.captured]


def test_of_a_failure_there_are_a_picture_and_the_document(browser: Browser) -> None:
    outcome = view(browser, "ROBOT00001")
    assert outcome.code is Code.BLOCKED
    assert kinds(outcome) == [Kind.SCREENSHOT, Kind.HTML]
    assert outcome.captured[0].content.startswith(JPEG)
    assert html_of(outcome) == b"<html><head></head><body><h1>Are you a robot?</h1></body></html>"
    assert (outcome.facts.evidence, list(outcome.facts.timings_ms)[-1]) == (None, "capture")


def test_of_a_success_there_is_a_picture_where_it_is_wanted_and_nothing_else(browser: Browser) -> None:
    asked: list[Ended] = []

    def wanted(ended: Ended) -> set[Kind]:
        asked.append(ended)
        return {Kind.SCREENSHOT}

    outcome = view_product(browser, browser.profile, "GOOD000001", cancelled=lambda: False, wanted=wanted)
    assert kinds(outcome) == [Kind.SCREENSHOT]
    assert asked == [outcome.reading]
    assert isinstance(asked[0], ProductReading)
    plain = view(browser, "GOOD000001", wanted=False)
    assert (plain.captured, "capture" in plain.facts.timings_ms) == ((), False)


def test_of_a_success_the_document_alone_can_be_wanted(browser: Browser) -> None:
    outcome = view_product(
        browser, browser.profile, "GOOD000001", cancelled=lambda: False, wanted=lambda _: {Kind.HTML}
    )
    assert (kinds(outcome), outcome.facts.evidence) == ([Kind.HTML], None)
    assert b"<h1>Kettle GOOD000001</h1>" in html_of(outcome)


@pytest.mark.parametrize("asin", ["SHADOWLIES", "SLOTTED001"])
def test_a_captured_document_has_its_open_shadow_roots_and_reads_as_the_page_did(browser: Browser, asin: str) -> None:
    outcome = view_product(browser, browser.profile, asin, cancelled=lambda: False, wanted=lambda _: {Kind.HTML})
    document = html_of(outcome)
    assert document.startswith(b'<!doctype html><html lang="en"><head>')
    assert document.endswith(b"</body></html>")
    assert b'<template shadowrootmode="open">' in document
    with browser.context() as page:
        page.show(browser.profile.product_url(asin), document, status=200)
        raw = page.run(SCRIPT, plan(browser.profile), timeout_s=browser.profile.timeouts.script_s)
    assert outcome.reading == interpret({**raw, "url": outcome.facts.final_url, "status": 200}, browser.profile, asin)


def test_of_a_cart_there_is_a_picture_of_the_cart(warm: Callable[[str], Browser]) -> None:
    browser = warm("shell")
    outcome = add_to_cart(
        browser,
        browser.profile,
        "GOOD000001",
        cancelled=lambda: False,
        wanted=lambda ended: {Kind.SCREENSHOT} if isinstance(ended, CartReading) else set(),
    )
    assert kinds(outcome) == [Kind.SCREENSHOT]


def test_a_page_over_its_limit_is_captured_all_the_same(browser: Browser) -> None:
    outcome = view(browser, "HUGE000001")
    assert (outcome.code, kinds(outcome)[:1]) == (Code.PAGE_TOO_LARGE, [Kind.SCREENSHOT])


def test_a_page_that_is_busy_for_ever_costs_seconds_and_its_picture(browser: Browser) -> None:
    before = time.monotonic()
    plain = view(browser, "BUSYLATER1", wanted=False)
    without = time.monotonic() - before
    before = time.monotonic()
    outcome = view(browser, "BUSYLATER1")
    assert time.monotonic() - before < without + PIECE_S + 10
    assert (outcome.code, outcome.captured) == (plain.code, ())
    assert outcome.facts.evidence == "no screenshot: the page did not give it"
    assert view(browser, "GOOD000001", wanted=False).code is None


@pytest.mark.parametrize("asin", ["RESET00001", "OFFSITE001", "LOOP000001", "DOWNLOAD01", "NOCONTENT1"])
def test_where_no_page_came_nothing_is_captured_and_nothing_missed(browser: Browser, asin: str) -> None:
    outcome = view(browser, asin)
    assert (outcome.code is None, outcome.captured, outcome.facts.evidence) == (False, (), None)


def test_alerts_are_not_in_the_way(browser: Browser) -> None:
    assert kinds(view(browser, "ALERT00001")) == [Kind.SCREENSHOT, Kind.HTML]


def test_a_huge_document_with_half_characters_is_cut_and_says_so(
    browser: Browser, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.actions.capturing.PIECE_S", 60)  # the machine may be busy
    never = shop.document()["product"] | {"ready": [{"css": "#never"}]}
    outcome = view(browser, "BIGDOM0001", shop.profile(product=never))
    assert outcome.code is Code.SELECTOR_MISSING
    document = html_of(outcome)
    assert document.startswith(b"<!doctype html><html")
    assert (len(document), document.endswith(CUT)) == (MAX_HTML_BYTES, True)
    assert "é\ufffdé".encode() in document
    assert kinds(outcome) == [Kind.SCREENSHOT, Kind.HTML]


def test_a_visit_that_was_cancelled_is_not_captured(browser: Browser) -> None:
    stops = iter([False, False, True])
    outcome = view_product(
        browser,
        browser.profile,
        "GOOD000001",
        cancelled=lambda: next(stops),
        wanted=lambda ended: set() if ended is Code.CANCELLED else set(Kind),
    )
    assert (outcome.code, outcome.captured) == (Code.CANCELLED, ())


def test_a_document_of_just_the_limit_is_whole() -> None:
    assert gzip.decompress(compress("x" * MAX_HTML_BYTES)) == b"x" * MAX_HTML_BYTES
    assert gzip.decompress(compress("x" * (MAX_HTML_BYTES + 1))).endswith(CUT)
    assert compress("same") == compress("same")
