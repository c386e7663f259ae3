"""Saying on a product's page which variant is wanted and how many pieces."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from selenium.common.exceptions import (
    ElementNotInteractableException,
    NoSuchElementException,
    StaleElementReferenceException,
)
from selenium.webdriver import Remote
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.select import Select

from app.rpa.profiles.profile import Option, Profile
from app.rpa.rules import rotting
from app.rpa.rules.codes import Code
from app.rpa.rules.readings import CartReading
from workers.chrome.page import Page
from workers.errors import TaskError
from workers.storefront import choices
from workers.storefront.choices import Seen
from workers.storefront.mouse import SENT, Click, Mouse
from workers.storefront.pages import ProductPage, cart_of

_QUIET_S: Final = 0.2
_CERTAINLY_QUIET_S: Final = 0.5


class _Form:
    """What a product's page wants to know before it sells."""

    def __init__(self, page: Page, profile: Profile, asin: str, driver: Remote) -> None:
        self._page = page
        self._limits = profile.timeouts
        self._cart = cart_of(profile)
        self._mouse = Mouse(driver, page)
        self._product = ProductPage(page, profile, asin)

    def _settle(self, quiet_s: float = _QUIET_S) -> None:
        """Let the page do what it does when something is chosen."""
        self._page.wait_until_quiet(quiet_s=quiet_s, timeout_s=self._limits.ready_s)

    def _press(self, css: str, at: int | None = None) -> Click:
        return self._mouse.click_when_there(
            css, at=at, label=True, within_s=self._limits.ready_s, on_covered=self._product.dismiss_banners
        )


class Chooser(_Form):
    """The options of a product."""

    def choose(self, wish: Mapping[str, str]) -> dict[str, Seen]:
        """Choose what was asked for, in the order of the profile; gives what is chosen now, by option.

        Raises TaskError: VARIANT_UNAVAILABLE for what is not there or cannot be bought, VARIANT_REQUIRED where the page
        wants a choice that nobody made (both with what it offers), SELECTOR_MISSING for what does not stay chosen.
        """
        chosen: dict[str, Seen] = {}
        for option in self._cart.options:
            wanted = wish.get(option.name)
            found = self._given(option) if wanted is None else self._choose(option, wanted)
            if found is not None:
                chosen[option.name] = found
        return chosen

    def _given(self, option: Option) -> Seen | None:
        """What the shop has chosen itself; None where there is nothing to choose, or need not be."""
        seen = self._look(option)
        made = next((choice for choice in seen if choice.is_chosen), None)
        if made is None and seen and option.required:
            raise choices.required(option.name, seen)
        return made

    def _choose(self, option: Option, wanted: str) -> Seen:
        choice = self._find(option, wanted)
        if choice.is_chosen:
            return choice
        if choice.inner is None:
            came = self._press(option.css, choice.at)
            if came not in SENT:
                raise TaskError(Code.SELECTOR_MISSING, f"The {option.name} {choice.label!r} is {came}.")
        else:
            self._select(option, choice)
        self._settle()
        self._require_chosen(option, wanted)
        return choice

    def _find(self, option: Option, wanted: str) -> Seen:
        """The choice asked for, looking twice: it may come, or become available, with the one before."""
        seen = self._look(option)
        choice = choices.find(seen, wanted)
        if choice is None or choice.is_disabled:
            self._settle(_CERTAINLY_QUIET_S)
            seen = self._look(option)
            choice = choices.find(seen, wanted)
        if choice is None or choice.is_disabled:
            raise choices.unavailable(option.name, wanted, seen)
        return choice

    def _select(self, option: Option, choice: Seen) -> None:
        element = self._mouse.find(option.css, choice.at)
        with _reachable(f"The list of {option.name}"):
            if element is None:
                raise StaleElementReferenceException
            Select(element).select_by_index(choice.inner or 0)

    def _require_chosen(self, option: Option, wanted: str) -> None:
        """Where the page shows what is chosen, it must be what was asked for."""

        def is_chosen(raw: object) -> bool:
            seen = choices.read_choices(raw, option.name)
            made = [choice for choice in seen if choice.is_chosen]
            return not made or choices.find(made, wanted) is not None

        plan = choices.plan_choices([option])
        stays, _ = self._page.wait_until(choices.SCRIPT, plan, is_chosen, timeout_s=self._limits.ready_s)
        if not stays:
            raise TaskError(Code.SELECTOR_MISSING, f"The page does not keep the {option.name} {wanted[:100]!r} chosen.")

    def _look(self, option: Option) -> list[Seen]:
        plan = choices.plan_choices([option])
        return choices.read_choices(self._page.run(choices.SCRIPT, plan, timeout_s=self._limits.script_s), option.name)


class Counter(_Form):
    """The number of pieces."""

    def set(self, quantity: int) -> None:
        """Say how many; nothing where the page's address or the number of clicks says it.

        Raises TaskError: QUANTITY_LIMITED where the page does not take the number, SELECTOR_MISSING.
        """
        field = self._cart.quantity_field
        if field is None:
            return
        if field.plus is not None:
            self._count_up(field.plus, quantity)
        elif field.select is not None:
            self._pick(self._field(field.select), quantity)
        elif field.input is not None:
            self._type(self._field(field.input), quantity)

    def _field(self, css: str) -> WebElement:
        element = self._mouse.find(css)
        if element is None:
            self._settle(_CERTAINLY_QUIET_S)
            element = self._mouse.find(css)
        if element is None:
            detail = f"There is no quantity field {css}."
            raise TaskError(Code.SELECTOR_MISSING, detail, missing=rotting.CART_QUANTITY)
        return element

    def _count_up(self, css: str, quantity: int) -> None:
        for count in range(1, quantity):
            came = self._press(css)
            if came is Click.DISABLED:
                raise _limited(f"The page counts up to {count}, not {quantity}.")
            if came is not Click.SENT:
                detail = f"The quantity button {css} is {came}."
                raise TaskError(Code.SELECTOR_MISSING, detail, missing=rotting.CART_QUANTITY)
        if quantity > 1:
            self._settle()

    def _pick(self, element: WebElement, quantity: int) -> None:
        select = Select(element)
        numbers: dict[int, int] = {}
        for at, option in enumerate(select.options[:1000]):
            number = _number(option.get_attribute("value") or "") or _number(option.text)
            if number is not None and option.is_enabled():
                numbers.setdefault(number, at)
        if quantity not in numbers:
            known = f"{min(numbers)} to {max(numbers)}" if numbers else "none"
            raise _limited(f"The numbers to choose from are {known}, without {quantity}.")
        with _reachable("The quantity list"):
            select.select_by_index(numbers[quantity])
        self._settle()

    def _type(self, element: WebElement, quantity: int) -> None:
        most, least = (_number(element.get_attribute(name) or "") for name in ("max", "min"))
        if (most is not None and quantity > most) or (least is not None and quantity < least):
            raise _limited(f"The page takes {least or 1} to {most if most is not None else 'any'}, not {quantity}.")
        if _number(element.get_property("value")) == quantity:
            return
        with _reachable("The quantity field"):
            element.send_keys(Keys.CONTROL, "a")
            element.send_keys(str(quantity), Keys.TAB)
            self._settle()
            stands = element.get_property("value")
        if _number(stands) != quantity:
            raise _limited(f"The page makes {str(stands)[:20]!r} of the quantity {quantity}.")


@contextmanager
def _reachable(what: str) -> Iterator[None]:
    """Tell what a form's field does not let happen as a part of the page that is missing."""
    try:
        yield
    except (ElementNotInteractableException, NoSuchElementException, StaleElementReferenceException) as error:
        raise TaskError(Code.SELECTOR_MISSING, f"{what} cannot be used.") from error


def _number(text: object) -> int | None:
    plain = str(text).strip()
    return int(plain) if plain.isascii() and plain.isdigit() and len(plain) < 10 else None


def _limited(detail: str) -> TaskError:
    """The shop says before the click that it does not sell so many: nothing went into the cart."""
    return TaskError(Code.QUANTITY_LIMITED, detail, reading=CartReading(0, None, None))
