"""Page objects that know a shop only through its profile: any page, and a product's.

Documents are opened and read over the browser's websocket; what a person does with a mouse is done by Selenium
(``buying.py``).
"""

from __future__ import annotations

from importlib.resources import files
from typing import Any, Final

from app.core.money import Money
from app.rpa.profiles.profile import CartPage as CartProfile
from app.rpa.profiles.profile import Profile
from app.rpa.rules import rotting
from app.rpa.rules.codes import Code
from app.rpa.rules.readings import ProductReading, Read
from workers.chrome.page import Page
from workers.errors import TaskError
from workers.storefront import extraction
from workers.storefront.extraction import SCRIPT, any_marker_holds, plan_markers
from workers.storefront.plans import refusals

_DISMISS: Final = files("workers.storefront").joinpath("dismiss.js").read_text(encoding="utf-8")
_FIRST_ERROR_STATUS: Final = 400
_PATIENCE: Final = frozenset({Code.RATE_LIMITED, Code.HTTP_5XX, Code.BLOCKED})
"""Refusals that may come with Retry-After (RFC 9110, 10.2.3)."""
_PRICE_CODES: Final = frozenset({Code.PRICE_MISSING, Code.PRICE_UNPARSED, Code.PRICE_AMBIGUOUS})

RawPage = dict[str, Any]


class ShopPage:
    """What every page of a shop can do: be asked by a script, and refuse."""

    def __init__(self, page: Page, profile: Profile, asin: str) -> None:
        self._page = page
        self._profile = profile
        self._asin = asin

    def _ask(self, plan: dict[str, Any]) -> RawPage:
        """Run the extraction script; the network's status and address replace what the page says of itself."""
        return self._with_facts(self._page.run(SCRIPT, plan, timeout_s=self._profile.timeouts.script_s))

    def _with_facts(self, raw: RawPage) -> RawPage:
        return {**raw, "url": self._page.url, "status": self._page.status}

    def _is_error(self) -> bool:
        return (self._page.status or 0) >= _FIRST_ERROR_STATUS

    def _check(self, raw: RawPage) -> None:
        """Raise the page's refusal, one that asks for patience with the seconds the shop named."""
        try:
            extraction.check_page(raw, self._profile)
        except TaskError as refusal:
            if refusal.code in _PATIENCE:
                raise TaskError(refusal.code, refusal.detail, retry_after_s=self._page.retry_after_s) from None
            raise


class ProductPage(ShopPage):
    """The page of one product."""

    def open(self) -> None:
        """Load the page; raises TaskError like ``Page.open``."""
        self._page.open(self._profile.product_url(self._asin))

    def open_to_buy(self, quantity: int) -> None:
        """Load the page that is to put so many pieces into the cart; raises TaskError like ``Page.open``."""
        self._page.open(self._profile.buying_url(self._asin, quantity))

    def wait_until_ready(self) -> None:
        """Dismiss banners and wait until a ready marker holds, or the page turns out to be a refusal.

        Without ready markers it waits for the load event instead, and no longer than ``timeouts.ready_s``. Raises
        TaskError: SELECTOR_MISSING when no marker holds within that limit, or the refusal that the page is.
        """
        groups = {"ready": self._profile.product.ready, **refusals(self._profile)}

        def is_settled(raw: RawPage) -> bool:
            raw = self._with_facts(raw)
            if self._is_error() or any(any_marker_holds(raw, group, markers) for group, markers in groups.items()):
                return True
            self.dismiss_banners()
            return False

        limit = self._profile.timeouts.ready_s
        if not self._profile.product.ready:
            self._page.wait_until_loaded(timeout_s=limit)
            self.dismiss_banners()
            return
        settled, _ = self._page.wait_until(SCRIPT, plan_markers(groups), is_settled, timeout_s=limit)
        if not settled:
            raw = self.read()
            self._check(raw)
            extraction.check_robot_check(raw, self._profile, self._asin)
            detail = f"No marker of product.ready held within {limit:g} s."
            raise TaskError(Code.SELECTOR_MISSING, detail, missing=rotting.READY)
        self.dismiss_banners()

    def dismiss_banners(self) -> None:
        """Click away what covers the page, where it is there."""
        selectors = list(self._profile.product.dismiss)
        if selectors:
            self._page.run(_DISMISS, selectors, timeout_s=self._profile.timeouts.script_s)

    def read(self) -> RawPage:
        """Everything the profile asks for, as the page has it."""
        return self._ask(extraction.plan(self._profile))

    def interpret(self, raw: RawPage) -> ProductReading:
        """The product that ``read`` brought; raises TaskError like ``extraction.interpret``."""
        self._check(raw)
        return extraction.interpret(raw, self._profile, self._asin)

    def price_before_buying(self, raw: RawPage) -> Read[Money] | None:
        """The price on a page that must show the product asked for; None where it cannot be read."""
        self._check(raw)
        extraction.check_robot_check(raw, self._profile, self._asin)
        extraction.check_identity(raw, self._profile, self._asin)
        try:
            return extraction.interpret(raw, self._profile, self._asin).price
        except TaskError as error:
            if error.code in _PRICE_CODES:
                return None
            raise

    def is_sold_out(self, raw: RawPage) -> bool:
        """Whether the profile's sources say that the product cannot be bought now."""
        try:
            read = extraction.interpret(raw, self._profile, self._asin).availability
        except TaskError:
            return False
        return read is not None and read.value in extraction.NOT_SELLABLE


def cart_of(profile: Profile) -> CartProfile:
    """The profile's cart part; raises TaskError(SELECTOR_MISSING) when it describes none."""
    if profile.cart is None:
        raise TaskError(Code.SELECTOR_MISSING, "The storefront's profile describes no cart.")
    return profile.cart
