"""The errand "add to cart": whether the product can really be bought, and at what price."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from app.core.money import Money
from app.rpa.profiles.profile import CartPage, Profile
from app.rpa.rules.codes import Code
from app.rpa.rules.readings import MAX_CLICKED, MAX_QUANTITY, CartReading, Read, TaskOutcome
from workers.actions.visit import Visit, Wanted, nothing, run_errand
from workers.chrome.browser import Browser
from workers.errors import TaskError
from workers.storefront.buying import BuyBox
from workers.storefront.cart_lines import CartLine
from workers.storefront.carts import Cart, cart_box
from workers.storefront.choices import Seen, names_variant
from workers.storefront.choosing import Chooser, Counter
from workers.storefront.extraction import raw_strings
from workers.storefront.pages import ProductPage, RawPage, cart_of

_MISSING_WHERE_SOLD_OUT: Final = frozenset(
    {Code.SELECTOR_MISSING, Code.VARIANT_REQUIRED, Code.VARIANT_UNAVAILABLE, Code.QUANTITY_LIMITED}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """How many pieces of which variant; ``options`` are values by the profile's names for options."""

    quantity: int = 1
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Added:
    """What the product's page said and did."""

    page_price: Read[Money] | None = None
    chosen: dict[str, Seen] = field(default_factory=dict)
    refusal: TaskError | None = None
    """What the page said against buying in spite of its button."""
    limit: TaskError | None = None
    is_confirmed: bool = True
    """Whether every click was."""


def add_to_cart(
    browser: Browser,
    profile: Profile,
    asin: str,
    *,
    cancelled: Callable[[], bool],
    wish: Wish | None = None,
    wanted: Wanted = nothing,
) -> TaskOutcome:
    """Put a product into the empty cart of a fresh context and read it back; never logs in, never checks out.

    Success is the product's line in the cart with exactly the quantity and variant asked for; its price may differ
    from the page's, the CartReading holds both. A cart that took fewer pieces is QUANTITY_LIMITED with what it took.
    Raises ValueError for a quantity outside of 1 to MAX_QUANTITY, or above MAX_CLICKED without a quantity field.
    """
    wish = wish or Wish()
    cart = profile.cart
    if not 1 <= wish.quantity <= (MAX_CLICKED if cart is not None and cart.quantity_field is None else MAX_QUANTITY):
        raise ValueError("the quantity is out of range")

    def errand(visit: Visit) -> CartReading:
        known = {option.name for option in cart_of(profile).options}
        if not wish.options.keys() <= known:
            missing = ", ".join(sorted(wish.options.keys() - known))
            raise TaskError(Code.SELECTOR_MISSING, f"The storefront's profile does not say how to choose {missing}.")
        with visit.stage("context"):
            browser.select(visit.page)
        shown = cart_box(visit.page, profile, asin, browser.driver)
        with visit.stage("empty"):
            shown.require_empty()
        added = _Purchase(visit, browser, profile, asin, wish).make()
        with visit.stage("cart"):
            line = _read_back(shown, wish.quantity, added)
        return _judged(line, wish, added, cart_of(profile), asin)

    return run_errand(browser, errand, cancelled=cancelled, wanted=wanted)


class _Purchase:
    """Adding a product to the cart: once, or piece by piece where the shop has no field for the quantity."""

    def __init__(self, visit: Visit, browser: Browser, profile: Profile, asin: str, wish: Wish) -> None:
        self._visit = visit
        self._browser = browser
        self._profile = profile
        self._asin = asin
        self._wish = wish
        self._page = ProductPage(visit.page, profile, asin)
        self._added = _Added()

    def make(self) -> _Added:
        """Visit and click; stops after a click of which nobody knows whether it has worked."""
        cart = cart_of(self._profile)
        per_visit = 1 if cart.quantity_field is None else self._wish.quantity
        for _ in range(self._wish.quantity // per_visit):
            box = self._add(per_visit)
            self._added.refusal = box.standing_refusal
            self._added.limit = box.limit
            self._added.is_confirmed = self._added.is_confirmed and box.is_confirmed
            if box.is_unsure or box.limit is not None or (cart.confirm and not box.is_confirmed):
                break
        return self._added

    def _add(self, quantity: int) -> BuyBox:
        """Visit the product's page, say what is wanted there, and click once."""
        stage = self._visit.stage
        with stage("navigate"):
            self._page.open_to_buy(quantity)
        with stage("ready"):
            self._page.wait_until_ready()
        with stage("extract"):
            raw = self._read()
        cart = cart_of(self._profile)
        if cart.options or cart.quantity_field is not None:
            with stage("choose"):
                raw = self._choose(raw, quantity)
        box = BuyBox(self._visit.page, self._profile, self._asin, self._browser.driver)
        with stage("click"), self._sold_out_first(raw):
            box.press()
        with stage("confirm"):
            box.wait_for_answer()
        return box

    def _read(self) -> RawPage:
        raw = self._page.read()
        self._visit.raw = dict(raw_strings(raw, self._profile))
        self._added.page_price = self._page.price_before_buying(raw)
        return raw

    def _choose(self, raw: RawPage, quantity: int) -> RawPage:
        """Choose variant and quantity; the page as it is then, which must still show the product."""
        about = (self._visit.page, self._profile, self._asin, self._browser.driver)
        with self._sold_out_first(raw):
            self._added.chosen = Chooser(*about).choose(self._wish.options)
        if self._added.chosen:
            self._page.wait_until_ready()
            raw = self._read()
        with self._sold_out_first(raw):
            Counter(*about).set(quantity)
        return raw

    @contextmanager
    def _sold_out_first(self, raw: RawPage) -> Iterator[None]:
        """A page that says it has none left need not show anything to choose or click."""
        try:
            yield
        except TaskError as error:
            if error.code in _MISSING_WHERE_SOLD_OUT and self._page.is_sold_out(raw):
                raise TaskError(Code.OUT_OF_STOCK, "The page says so and does not let it be bought.") from error
            raise


def _read_back(shown: Cart, quantity: int, added: _Added) -> CartLine:
    """The product's line in the cart; where there is none, what the product's page said is the better reason.

    A cart that lacks something nobody has confirmed is brought up once more: the shop may have been slow.
    """
    shown.show()
    try:
        line = shown.line(quantity)
        if line.quantity >= quantity or added.is_confirmed or added.limit is not None:
            return line
    except TaskError as error:
        if error.code is not Code.CART_NOT_CONFIRMED:
            raise
        if added.refusal is not None:
            raise added.refusal from error
        if added.limit is not None:
            raise TaskError(added.limit.code, added.limit.detail, reading=CartReading(0, None, None)) from error
        if added.is_confirmed:
            raise
    shown.show(again=True)
    return shown.line(quantity)


def _judged(line: CartLine, wish: Wish, added: _Added, cart: CartPage, asin: str) -> CartReading:
    """What was read, if it is what was asked for."""
    for option, wanted in wish.options.items() if cart.variant else ():
        seen = added.chosen[option]
        if not names_variant(line.variant, [wanted, *seen.words, *seen.codes]):
            says = ", ".join(line.variant)[:200]
            raise TaskError(Code.CART_NOT_CONFIRMED, f"The line of {asin} says {says!r}, not {option} {wanted!r}.")
    reading = CartReading(
        quantity=line.quantity,
        unit_price=line.unit_price,
        page_price=added.page_price,
        line_price=line.line_price,
        options={option: seen.label for option, seen in added.chosen.items()},
    )
    if line.quantity == wish.quantity:
        return reading
    sentence = f"The cart holds {line.quantity} of the product, not {wish.quantity}."
    is_all = cart.quantity_field is not None or added.is_confirmed or added.limit is not None
    if line.quantity < wish.quantity and is_all:
        raise TaskError(Code.QUANTITY_LIMITED, sentence, reading=reading)
    raise TaskError(Code.CART_NOT_CONFIRMED, sentence)
