"""The shop's cart: a page of its own, or a part of the others that opens by a click."""

from __future__ import annotations

from abc import abstractmethod
from typing import Final

from selenium.webdriver import Remote

from app.rpa.profiles.profile import MiniCart, Profile
from app.rpa.rules import rotting
from app.rpa.rules.codes import Code
from workers.chrome.page import Page
from workers.errors import TaskError
from workers.storefront import extraction
from workers.storefront.cart_lines import CartLine
from workers.storefront.extraction import SCRIPT, any_marker_holds, plan_markers
from workers.storefront.mouse import SENT, Mouse
from workers.storefront.pages import ProductPage, RawPage, ShopPage, cart_of

_QUIET_S: Final = 0.5
_NO_CART: Final = frozenset({Code.NOT_FOUND, Code.HTTP_4XX})


class Cart(ShopPage):
    """Whatever shows what is in the cart."""

    @abstractmethod
    def show(self, *, again: bool = False) -> None:
        """Bring it up; ``again`` when what is there may be old."""

    @abstractmethod
    def show_at_start(self) -> None:
        """Bring it up for a visitor who has added nothing yet; where there is none to bring up, it is empty."""

    def require_empty(self) -> None:
        """Raise TaskError(CART_NOT_EMPTY) when the cart has lines before anything was added.

        A page that says 404 to a visitor without a cart is an empty one.
        """
        self.show_at_start()
        raw = self._ask(extraction.plan_cart(self._profile, self._asin))
        try:
            self._check(raw)
        except TaskError as error:
            if error.code not in _NO_CART:
                raise
        count = extraction.count_lines(raw)
        if count:
            raise TaskError(Code.CART_NOT_EMPTY, f"The cart of a new visitor shows {count} lines.")

    def line(self, quantity: int) -> CartLine:
        """The product's line, waiting up to ``timeouts.ready_s`` for ``quantity`` of it.

        Raises TaskError like ``extraction.check_page`` and ``extraction.interpret_cart``; a cart that cannot be found
        is CART_NOT_CONFIRMED, as NOT_FOUND is said of products.
        """

        def is_there(raw: RawPage) -> bool:
            try:
                return extraction.interpret_cart(raw, self._profile, self._asin).quantity == quantity
            except TaskError:
                return self._is_error()

        plan = extraction.plan_cart(self._profile, self._asin)
        _, raw = self._page.wait_until(SCRIPT, plan, is_there, timeout_s=self._profile.timeouts.ready_s)
        raw = self._with_facts(raw)
        try:
            self._check(raw)
        except TaskError as error:
            if error.code is not Code.NOT_FOUND:
                raise
            raise TaskError(Code.CART_NOT_CONFIRMED, "The cart's address leads to a page that is none.") from error
        return extraction.interpret_cart(raw, self._profile, self._asin)


class CartPage(Cart):
    """The cart as a page."""

    def show(self, *, again: bool = False) -> None:
        """Load the cart; raises TaskError like ``Page.open``."""
        self._page.open(self._profile.cart_url())

    def show_at_start(self) -> None:
        """Load the cart and wait until its requests have come to rest."""
        self.show()
        self._page.wait_until_loaded(timeout_s=self._profile.timeouts.ready_s)
        self._page.wait_until_quiet(quiet_s=_QUIET_S, timeout_s=self._profile.timeouts.ready_s)


class MiniCartBox(Cart):
    """The cart as a drawer or menu of the product's page."""

    def __init__(self, page: Page, profile: Profile, asin: str, mini: MiniCart, driver: Remote) -> None:
        super().__init__(page, profile, asin)
        self._mini = mini
        self._mouse = Mouse(driver, page)
        self._product = ProductPage(page, profile, asin)

    def show(self, *, again: bool = False) -> None:
        """Open it on the page that is there, or on the product's with ``again``; raises SELECTOR_MISSING."""
        if again:
            self._load()
        if not self._is_open(0) and not self._open():
            detail = "The mini-cart does not open: no marker of cart.mini.ready held."
            raise TaskError(Code.SELECTOR_MISSING, detail, missing=rotting.CART_MINI)

    def show_at_start(self) -> None:
        """Open it on the product's page; where nothing is there that opens it, the shop shows no empty cart."""
        self._load()
        if not self._is_open(0):
            self._open()

    def _load(self) -> None:
        self._product.open()
        self._product.wait_until_ready()

    def _open(self) -> bool:
        limit = self._profile.timeouts.ready_s
        if self._mini.open is None or self._mouse.click(self._mini.open) in SENT:
            return self._is_open(limit)
        came = self._mouse.click_when_there(self._mini.open, within_s=limit, on_covered=self._product.dismiss_banners)
        return came in SENT and self._is_open(limit)

    def _is_open(self, within_s: float) -> bool:
        def holds(raw: RawPage) -> bool:
            return any_marker_holds(self._with_facts(raw), "mini", self._mini.ready)

        is_open, _ = self._page.wait_until(SCRIPT, plan_markers({"mini": self._mini.ready}), holds, timeout_s=within_s)
        return is_open


def cart_box(page: Page, profile: Profile, asin: str, driver: Remote) -> Cart:
    """What shows the cart of this shop, as its profile says."""
    mini = cart_of(profile).mini
    return CartPage(page, profile, asin) if mini is None else MiniCartBox(page, profile, asin, mini, driver)
