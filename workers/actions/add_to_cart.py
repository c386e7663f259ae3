"""The errand "add to cart": whether the product can really be bought, and at what price."""

from __future__ import annotations

from collections.abc import Callable

from app.core.money import Money
from app.rpa.codes import Code
from app.rpa.profile import Profile
from app.rpa.readings import MAX_QUANTITY, CartReading, Read, TaskOutcome
from workers.actions.visit import Visit, Wanted, nothing, run_errand
from workers.chrome.browser import Browser
from workers.errors import TaskError
from workers.storefront.extraction import raw_strings
from workers.storefront.pages import BuyBox, CartPage, ProductPage, cart_of


def add_to_cart(
    browser: Browser,
    profile: Profile,
    asin: str,
    *,
    cancelled: Callable[[], bool],
    quantity: int = 1,
    wanted: Wanted = nothing,
) -> TaskOutcome:
    """Put a product into the empty cart of a fresh context and read it back; never logs in, never checks out.

    Success is the product's line in the cart with exactly ``quantity`` (1 to 10, one click each); its price may differ
    from the page's, the CartReading holds both. Raises ValueError for another quantity.
    """
    if not 1 <= quantity <= MAX_QUANTITY:
        raise ValueError(f"quantity must be 1 to {MAX_QUANTITY}")

    def errand(visit: Visit) -> CartReading:
        cart_of(profile)
        with visit.stage("context"):
            browser.select(visit.page)
        page_price, refusal = _add_one(visit, browser, profile, asin)
        for _ in range(quantity - 1):
            _add_one(visit, browser, profile, asin)
        with visit.stage("cart"):
            found, unit_price = _read_back(visit, profile, asin, quantity, refusal)
        if found != quantity:
            raise TaskError(Code.CART_NOT_CONFIRMED, f"The cart holds {found} of the product, not {quantity}.")
        return CartReading(quantity=found, unit_price=unit_price, page_price=page_price)

    return run_errand(browser, errand, cancelled=cancelled, wanted=wanted)


def _add_one(
    visit: Visit, browser: Browser, profile: Profile, asin: str
) -> tuple[Read[Money] | None, TaskError | None]:
    """Visit the product's page and click once; returns its price and what it said against buying before the click."""
    page = ProductPage(visit.page, profile, asin)
    with visit.stage("navigate"):
        page.open()
    with visit.stage("ready"):
        page.wait_until_ready()
    with visit.stage("extract"):
        raw = page.read()
        visit.raw = dict(raw_strings(raw, profile))
        price = page.price_before_buying(raw)
    box = BuyBox(visit.page, profile, asin, browser.driver)
    with visit.stage("click"):
        try:
            box.press()
        except TaskError as error:
            if error.code is Code.SELECTOR_MISSING and page.is_sold_out(raw):
                raise TaskError(Code.OUT_OF_STOCK, "The page says so and has no button to click.") from error
            raise
    with visit.stage("confirm"):
        box.wait_for_answer()
    return price, box.standing_refusal


def _read_back(
    visit: Visit, profile: Profile, asin: str, quantity: int, refusal: TaskError | None
) -> tuple[int, Read[Money] | None]:
    """The product's line in the cart; where there is none, what the product's page said is the better reason."""
    cart = CartPage(visit.page, profile, asin)
    cart.open()
    try:
        return cart.line(quantity)
    except TaskError as error:
        if error.code is Code.CART_NOT_CONFIRMED and refusal is not None:
            raise refusal from error
        raise
