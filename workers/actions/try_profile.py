"""The errand "try a profile": what its sources read on one product's page, field by field."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from app.rpa.profiles.profile import Profile
from app.rpa.rules.readings import Kind, ProductReading, TaskOutcome
from workers.actions.visit import Visit, run_errand
from workers.chrome.browser import Browser
from workers.errors import TaskError
from workers.storefront.extraction import check_page, interpret_each
from workers.storefront.pages import ProductPage, RawPage


def try_profile(
    browser: Browser, profile: Profile, asin: str, *, cancelled: Callable[[], bool]
) -> tuple[TaskOutcome, dict[str, Any]]:
    """Visit a product like "view product" does; its outcome, with a picture whatever the end, and what each field read.

    The fields are those of ``interpret_each``; empty where there was no page of the shop's to read.
    """
    fields: dict[str, Any] = {}

    def errand(visit: Visit) -> ProductReading:
        page = ProductPage(visit.page, profile, asin)
        with visit.stage("navigate"):
            page.open()
        try:
            with visit.stage("ready"):
                page.wait_until_ready()
        finally:
            with visit.stage("extract"):
                raw = page.read()
                fields.update(_fields(raw, profile, asin))
        return page.interpret(raw)

    return run_errand(browser, errand, cancelled=cancelled, wanted=lambda _ended: {Kind.SCREENSHOT}), fields


def _fields(raw: RawPage, profile: Profile, asin: str) -> dict[str, Any]:
    """What each field reads; nothing of a robot check or an error page."""
    try:
        check_page(raw, profile)
    except TaskError:
        return {}
    return interpret_each(raw, profile, asin)
