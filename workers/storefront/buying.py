"""The part of a product's page that puts it into the cart."""

from __future__ import annotations

from typing import Any, Final

from selenium.common.exceptions import TimeoutException
from selenium.webdriver import Remote

from app.rpa.profiles.profile import Profile
from app.rpa.rules import rotting
from app.rpa.rules.codes import Code
from workers.chrome.page import Page
from workers.errors import TaskError
from workers.storefront.extraction import SCRIPT, any_marker_holds, plan_markers
from workers.storefront.mouse import SENT, Click, Mouse
from workers.storefront.pages import ProductPage, RawPage, ShopPage, cart_of

_QUIET_S: Final = 0.5


class BuyBox(ShopPage):
    """The button, what the shop asks after it, and its answer. One object is one wish: it clicks once."""

    def __init__(self, page: Page, profile: Profile, asin: str, driver: Remote) -> None:
        super().__init__(page, profile, asin)
        self._mouse = Mouse(driver, page)
        self._cart = cart_of(profile)
        self._to_proceed = list(self._cart.proceed)
        self.standing_refusal: TaskError | None = None
        """What the page said against buying before the click, in spite of its button."""
        self.limit: TaskError | None = None
        """What the page said after the click about the number of pieces: the cart knows how many it took."""
        self.is_confirmed = False
        """Whether the shop said that the click has worked."""
        self.is_unsure = False
        """Whether the browser did not say in time that it clicked, or what came of it: then only the cart knows."""

    def press(self) -> None:
        """Click the button as a person does, once.

        Raises TaskError: the refusal the page shows (OUT_OF_STOCK, VARIANT_REQUIRED, ...) when there is no button to
        click, SELECTOR_MISSING when the page shows none within ``timeouts.ready_s``.
        """
        self.standing_refusal = self._refusal()
        limit = 0.0 if self.standing_refusal is not None else self._profile.timeouts.ready_s
        came = self._mouse.click_when_there(self._cart.add, within_s=limit, on_covered=self._dismiss)
        if came in SENT:
            self.is_unsure = came is Click.UNSURE
            return
        missing = TaskError(Code.SELECTOR_MISSING, self._obstacle(came), missing=rotting.CART_ADD)
        raise self.standing_refusal or self._refusal() or missing

    def wait_for_answer(self) -> None:
        """Wait for the shop's word on the click: a confirmation, a refusal (raised as its code), or neither.

        What the shop asks meanwhile (``cart.proceed``) is clicked, each once. After ``timeouts.confirm_s`` without a
        word it just returns: the cart knows. A profile without confirm markers waits until the page's requests have
        come to rest. A page that is on its way to an answer that does not come says nothing either.
        """
        try:
            self._listen()
        except TimeoutException:
            self.is_unsure = True
        except TaskError as error:
            if error.code is not Code.NAV_TIMEOUT:
                raise
            self.is_unsure = True

    def _listen(self) -> None:
        limit = self._profile.timeouts.confirm_s
        if not self._cart.confirm:
            self._page.wait_until_quiet(quiet_s=_QUIET_S, timeout_s=limit)
            while self._proceed():
                self._page.wait_until_quiet(quiet_s=_QUIET_S, timeout_s=limit)
            self._take(self._refusal())
            return

        def is_answered(raw: RawPage) -> bool:
            raw = self._with_facts(raw)
            self.is_confirmed = any_marker_holds(raw, "confirm", self._cart.confirm)
            if self.is_confirmed and not self._to_proceed:
                return True
            self._take(self._refusal_in(raw))
            return (not self._proceed() and self.is_confirmed) or self.limit is not None

        self._page.wait_until(SCRIPT, plan_markers(self._answers()), is_answered, timeout_s=limit)

    def _proceed(self) -> bool:
        """Click what the shop asks for next; whether there was anything."""
        for css in self._to_proceed:
            came = self._mouse.click(css)
            if came in SENT:
                self._to_proceed.remove(css)
                self.is_unsure = self.is_unsure or came is Click.UNSURE
                return True
        return False

    def _take(self, refusal: TaskError | None) -> None:
        """Raise a refusal, unless the page showed one before the click already: then the cart decides."""
        if refusal is None or self.standing_refusal is not None:
            return
        if refusal.code is not Code.QUANTITY_LIMITED:
            raise refusal
        self.limit = refusal

    def _dismiss(self) -> None:
        ProductPage(self._page, self._profile, self._asin).dismiss_banners()

    def _obstacle(self, came: Click) -> str:
        words = {
            Click.MISSING: f"There is no button {self._cart.add}.",
            Click.DISABLED: f"The button {self._cart.add} is disabled.",
            Click.COVERED: f"The button {self._cart.add} is covered by something; see product.dismiss.",
        }
        return words.get(came, f"The button {self._cart.add} cannot be clicked.")

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
