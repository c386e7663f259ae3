"""Reading a product's line back from the cart. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.core.money import Money
from app.rpa.profiles.profile import CartPage, Profile, Source
from app.rpa.rules import rotting
from app.rpa.rules.codes import Code
from app.rpa.rules.readings import Read
from workers.errors import TaskError
from workers.storefront.page_data import PageData, shown
from workers.storefront.prices import PriceAmbiguous, read_price
from workers.storefront.structured import names_asin


@dataclass(frozen=True, slots=True)
class CartLine:
    """The one line of the cart that names the product."""

    quantity: int
    unit_price: Read[Money] | None
    """None without a source for it, or for a line's price that the quantity does not divide evenly."""
    line_price: Read[Money] | None
    """Of all pieces together, where the profile says that this is what the line shows."""
    variant: tuple[str, ...]
    """What its sources say that was chosen."""


def interpret_cart(raw: Mapping[str, Any], profile: Profile, asin: str) -> CartLine:
    """The one cart line that names the ASIN: the script's answer to ``plan_cart``.

    Raises TaskError: CART_NOT_CONFIRMED when no line or several name the ASIN, or the quantity cannot be read;
    PRICE_MISSING, PRICE_UNPARSED or PRICE_AMBIGUOUS. The page itself is checked by ``extraction.check_page``.
    """
    cart = profile.cart
    if cart is None:
        raise ValueError("the profile describes no cart")
    lines = PageData(raw).lines()
    named = [line for line in lines if _names(line, cart, asin)]
    if len(named) != 1:
        found = "Several lines of the cart name" if named else f"None of the cart's {len(lines)} lines names"
        raise TaskError(Code.CART_NOT_CONFIRMED, f"{found} {asin}.")
    line = named[0]
    quantity = _quantity(line, cart)
    price = _price(line, cart, profile) if cart.price else None
    variant = tuple(text for at, source in enumerate(cart.variant) for text in line.values(f"variant/{at}", source))
    if price is None or cart.price_is == "each":
        return CartLine(quantity, price, None, variant)
    return CartLine(quantity, _each(price, quantity), price, variant)


def count_lines(raw: Mapping[str, Any]) -> int:
    """How many lines the cart shows, whatever stands in them."""
    return len(PageData(raw).lines())


def _names(line: PageData, cart: CartPage, asin: str) -> bool:
    values, _ = _first(line, "identity", cart.identity)
    return bool(values) and names_asin(values[0], asin)


def _first(line: PageData, field: str, sources: Sequence[Source]) -> tuple[list[str], str]:
    """The values of the first source that has any, and where it stood."""
    for at, source in enumerate(sources):
        values = line.values(f"{field}/{at}", source)
        if values:
            return values, f"cart {'css ' + source.css if source.css else 'regex ' + str(source.regex)}"[:100]
    return [], ""


def _quantity(line: PageData, cart: CartPage) -> int:
    values, _ = _first(line, "quantity", cart.quantity)
    numbers = {_whole_number(value) for value in values}
    quantity = numbers.pop() if len(numbers) == 1 else None
    if quantity is None:
        seen = shown(", ".join(values), 100)
        raise TaskError(Code.CART_NOT_CONFIRMED, f"The line's quantity cannot be read from {seen!r}.")
    return quantity


def _whole_number(text: str) -> int | None:
    """The only number of a text such as ``Qty: 2``; None for none, several, signs, decimals and zero."""
    match = re.fullmatch(r"[^0-9]*?(?<![-\u2212.,0-9])([1-9][0-9]{0,3})(?![.,]?[0-9])[^0-9]*", shown(text, 100))
    return int(match.group(1)) if match else None


def _price(line: PageData, cart: CartPage, profile: Profile) -> Read[Money]:
    values, source = _first(line, "price", cart.price)
    if not values:
        raise TaskError(Code.PRICE_MISSING, "No source of cart.price has a value.", missing=rotting.CART_PRICE)
    amounts = {read_price(value, locale=profile.locale, currency=profile.currency) for value in values}
    if len(amounts) > 1:
        raise PriceAmbiguous("The cart's line shows " + ", ".join(shown(value, 40) for value in values[:5]) + ".")
    return Read(amounts.pop(), source, values[0][:500])


def _each(price: Read[Money], quantity: int) -> Read[Money] | None:
    part = price.value.divided_by(quantity)
    return None if part is None else Read(part, price.source, price.raw)
