"""The errand "view product": what the product's page really says."""

from __future__ import annotations

from collections.abc import Callable

from app.rpa.profiles.profile import Profile
from app.rpa.rules.readings import ProductReading, TaskOutcome
from workers.actions.visit import Visit, Wanted, nothing, run_errand
from workers.chrome.contexts import Contexts
from workers.storefront.extraction import raw_strings
from workers.storefront.pages import ProductPage


def view_product(
    browser: Contexts, profile: Profile, asin: str, *, cancelled: Callable[[], bool], wanted: Wanted = nothing
) -> TaskOutcome:
    """Read a product's page in a fresh context; the outcome holds a ProductReading or the code that says why not.

    ``cancelled`` is asked before each stage; a stage under way is ended by ``Contexts.kill`` from another thread.
    ``wanted`` says of which ends the page is captured.
    """

    def errand(visit: Visit) -> ProductReading:
        page = ProductPage(visit.page, profile, asin)
        with visit.stage("navigate"):
            page.open()
        with visit.stage("ready"):
            page.wait_until_ready()
        with visit.stage("extract"):
            raw = page.read()
            visit.raw = dict(raw_strings(raw, profile))
            return page.interpret(raw)

    return run_errand(browser, errand, cancelled=cancelled, wanted=wanted)
