"""The errand "suggest a profile": look at one or two product pages of a shop that nobody has described."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from importlib.resources import files
from typing import Any, Final

from app.rpa.profiles.addresses import ProductAddress
from app.rpa.profiles.profile import Profile
from app.rpa.rules.codes import Code
from workers.chrome.browser import Browser
from workers.chrome.page import Page
from workers.errors import TaskError
from workers.storefront.extraction import SCRIPT, check_page, interpret_each, plan, plan_markers
from workers.storefront.page_data import PageData
from workers.suggesting.parts import Proposal
from workers.suggesting.proposing import probes, propose
from workers.suggesting.reports import LONGEST_SELECTOR, MOST_SELECTORS, Report
from workers.suggesting.words import CART_PATH, LANGUAGES

_SCRIPT: Final = files("workers.suggesting").joinpath("suggest.js").read_text(encoding="utf-8")
_LIMITS: Final = {"elements": 20_000, "read": 4_000, "candidates": 12, "selectors": MOST_SELECTORS}
_LOAD_S: Final = 10.0
_QUIET_S: Final = 0.5
_READ_S: Final = 10.0


def suggest_profile(
    browser: Browser, address: ProductAddress, urls: Sequence[str], *, gap_s: float, cancelled: Callable[[], bool]
) -> dict[str, Any]:
    """Visit the pages, ``gap_s`` seconds between them, propose a profile, and read them by it; JSON values.

    Raises TaskError where a page cannot be visited, is none of a product, or has no name or price to be found.
    """
    with ExitStack() as stack:
        pages: list[Page] = []
        for url in urls:
            if cancelled():
                raise TaskError(Code.CANCELLED)
            page = stack.enter_context(browser.context())
            page.idle(gap_s if pages else 0)
            pages.append(_opened(page, url, browser.profile))
        reports = [_report(page, asin) for page, asin in zip(pages, address.asins, strict=True)]
        wanted = probes(reports)
        answers = [page.run(SCRIPT, _probing(wanted), timeout_s=_READ_S) for page in pages]
        proposal = propose(reports, answers, address)
        document = proposal.document(address)
        profile = Profile.from_document(document)
        read = [_read(page, profile, asin) for page, asin in zip(pages, address.asins, strict=True)]
    return _described(proposal, document, address, read)


def visiting_profile(address: ProductAddress) -> Profile:
    """What a browser needs to know before anything is known of the shop: its host, and nothing else is reachable."""
    nothing = [{"css": "title"}]
    return Profile.from_document(
        {
            "base_url": address.base_url, "allowed_hosts": [address.host], "locale": "en_US", "currency": "USD",
            "product": {"url": address.template, "name": nothing, "price": nothing},
        }
    )  # fmt: skip


def _opened(page: Page, url: str, profile: Profile) -> Page:
    page.open(url)
    page.wait_until_loaded(timeout_s=_LOAD_S)
    page.wait_until_quiet(quiet_s=_QUIET_S, timeout_s=_LOAD_S)
    raw = page.run(SCRIPT, plan_markers({}), timeout_s=_READ_S)
    check_page({**raw, "url": page.url, "status": page.status}, profile)
    return page


def _report(page: Page, asin: str) -> Report:
    every = list(LANGUAGES.values())
    words = {
        "stock": [word for one in every for word in (*one.gone, *one.few, *one.there)],
        "buy": [word for one in every for word in one.buy],
        "cart": [word for one in every for word in one.cart],
        "paths": CART_PATH,
    }
    raw = page.run(_SCRIPT, {"words": words, "limits": _LIMITS}, timeout_s=_READ_S)
    stated = page.run(SCRIPT, {**plan_markers({}), "structured": True}, timeout_s=_READ_S)
    return Report(raw if isinstance(raw, dict) else {}, PageData({**stated, "url": page.url}), asin)


def _probing(wanted: dict[str, str]) -> dict[str, Any]:
    sources = {
        key: {"css": [css], "attribute": None, "number": key.startswith("price/"), "length": LONGEST_SELECTOR}
        for key, css in wanted.items()
    }
    return {**plan_markers({}), "sources": sources}


def _read(page: Page, profile: Profile, asin: str) -> dict[str, Any]:
    raw = page.run(SCRIPT, plan(profile), timeout_s=_READ_S)
    return {
        "url": page.url[:2000],
        "fields": interpret_each({**raw, "url": page.url, "status": page.status}, profile, asin),
    }


def _described(
    proposal: Proposal, document: dict[str, Any], address: ProductAddress, read: list[dict[str, Any]]
) -> dict[str, Any]:
    code = "".join(c if c.isascii() and c.isalnum() else "-" for c in address.host.lower()).strip("-")[:64]
    return {
        "storefront": {"code": code, "name": proposal.name[:255], "profile": document},
        "parts": [asdict(part) for part in proposal.parts],
        "cart": [asdict(part) for part in proposal.cart],
        "read": read,
    }
