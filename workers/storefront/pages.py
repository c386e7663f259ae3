"""Page objects that know a shop only through its profile: a product's page and the cart.

Documents are opened and read over the browser's websocket; what a person does with a mouse is done by Selenium.
"""

from __future__ import annotations

from importlib.resources import files
from typing import Any, Final

from selenium.common.exceptions import (
    ElementClickInterceptedException,
    ElementNotInteractableException,
    NoSuchElementException,
    StaleElementReferenceException,
    TimeoutException,
)
from selenium.webdriver import Remote
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from app.core.money import Money
from app.rpa.codes import Code
from app.rpa.profile import CartPage as CartProfile
from app.rpa.profile import Profile
from app.rpa.readings import ProductReading, Read
from workers.chrome.page import Page
from workers.errors import TaskError
from workers.storefront import extraction
from workers.storefront.extraction import SCRIPT, any_marker_holds, plan_markers
from workers.storefront.plans import refusals

_DISMISS: Final = files("workers.storefront").joinpath("dismiss.js").read_text(encoding="utf-8")
_POLL_S: Final = 0.1
_QUIET_S: Final = 0.5
_FIRST_ERROR_STATUS: Final = 400
_SCROLL: Final = "arguments[0].scrollIntoView({block: 'center', inline: 'center', behavior: 'instant'})"
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
            raise TaskError(Code.SELECTOR_MISSING, f"No marker of product.ready held within {limit:g} s.")
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


class BuyBox(ShopPage):
    """The part of a product's page that puts it into the cart."""

    def __init__(self, page: Page, profile: Profile, asin: str, driver: Remote) -> None:
        super().__init__(page, profile, asin)
        self._driver = driver
        self._cart = cart_of(profile)
        self._obstacle = ""
        self.standing_refusal: TaskError | None = None
        """What the page said against buying before the click, in spite of its button."""

    def press(self) -> None:
        """Click the button as a person does.

        Raises TaskError: the refusal the page shows (OUT_OF_STOCK, VARIANT_REQUIRED, ...) when there is no button to
        click, SELECTOR_MISSING when the page shows none within ``timeouts.ready_s``.
        """
        self.standing_refusal = self._refusal()
        if self.standing_refusal is not None:
            if not self._click():
                raise self.standing_refusal
            return
        try:
            wait = WebDriverWait(self._driver, self._profile.timeouts.ready_s, poll_frequency=_POLL_S)
            wait.until(lambda _: self._click())
        except TimeoutException:
            raise self._refusal() or TaskError(Code.SELECTOR_MISSING, self._obstacle) from None

    def wait_for_answer(self) -> None:
        """Wait for the shop's word on the click: a confirmation, a refusal (raised as its code), or neither.

        After ``timeouts.confirm_s`` without a word it just returns: the cart knows. A profile without confirm markers
        waits until the page's requests have come to rest.
        """
        limit = self._profile.timeouts.confirm_s
        if not self._cart.confirm:
            self._page.wait_until_quiet(quiet_s=_QUIET_S, timeout_s=limit)
            self._raise_new(self._refusal())
            return

        def is_answered(raw: RawPage) -> bool:
            raw = self._with_facts(raw)
            if any_marker_holds(raw, "confirm", self._cart.confirm):
                return True
            self._raise_new(self._refusal_in(raw))
            return False

        self._page.wait_until(SCRIPT, plan_markers(self._answers()), is_answered, timeout_s=limit)

    def _raise_new(self, refusal: TaskError | None) -> None:
        """Raise a refusal, unless the page showed one before the click already: then the cart decides."""
        if refusal is not None and self.standing_refusal is None:
            raise refusal

    def _click(self) -> bool:
        """Whether the button was there, enabled and not covered, and has been clicked."""
        try:
            button = self._driver.find_element(By.CSS_SELECTOR, self._cart.add)
            if not button.is_enabled() or button.get_attribute("aria-disabled") == "true":
                self._obstacle = f"The button {self._cart.add} is disabled."
                return False
            self._driver.execute_script(_SCROLL, button)
            button.click()
        except NoSuchElementException:
            self._obstacle = f"There is no button {self._cart.add}."
        except ElementClickInterceptedException:
            self._obstacle = f"The button {self._cart.add} is covered by something; see product.dismiss."
            ProductPage(self._page, self._profile, self._asin).dismiss_banners()
        except (ElementNotInteractableException, StaleElementReferenceException):
            self._obstacle = f"The button {self._cart.add} cannot be clicked."
        else:
            return True
        return False

    def _answers(self) -> dict[str, Any]:
        refuse = {f"refuse{at}": [refusal.marker] for at, refusal in enumerate(self._cart.refuse)}
        return {"confirm": self._cart.confirm, **refuse, "blocked": self._profile.product.blocked}

    def _refusal(self) -> TaskError | None:
        return self._refusal_in(self._ask(plan_markers(self._answers())))

    def _refusal_in(self, raw: RawPage) -> TaskError | None:
        if any_marker_holds(raw, "blocked", self._profile.product.blocked):
            return TaskError(Code.BLOCKED, "A marker of product.blocked holds.")
        for at, refusal in enumerate(self._cart.refuse):
            if any_marker_holds(raw, f"refuse{at}", [refusal.marker]):
                return TaskError(refusal.code, "The shop's page says so.")
        return None


class CartPage(ShopPage):
    """The shop's cart."""

    def open(self) -> None:
        """Load the cart; raises TaskError like ``Page.open``."""
        self._page.open(self._profile.cart_url())

    def line(self, quantity: int) -> tuple[int, Read[Money] | None]:
        """Quantity and unit price of the product's line, waiting up to ``timeouts.ready_s`` for ``quantity`` of it.

        Raises TaskError like ``extraction.check_page`` and ``extraction.interpret_cart``.
        """
        plan = extraction.plan_cart(self._profile, self._asin)

        def is_there(raw: RawPage) -> bool:
            try:
                return extraction.interpret_cart(raw, self._profile, self._asin)[0] == quantity
            except TaskError:
                return self._is_error()

        _, raw = self._page.wait_until(SCRIPT, plan, is_there, timeout_s=self._profile.timeouts.ready_s)
        raw = self._with_facts(raw)
        self._check(raw)
        return extraction.interpret_cart(raw, self._profile, self._asin)


def cart_of(profile: Profile) -> CartProfile:
    """The profile's cart part; raises TaskError(SELECTOR_MISSING) when it describes none."""
    if profile.cart is None:
        raise TaskError(Code.SELECTOR_MISSING, "The storefront's profile describes no cart.")
    return profile.cart
