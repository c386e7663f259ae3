"""What is worth knowing about a product that went into the cart: a finding on a success, never a failure. Pure."""

from __future__ import annotations

from typing import Any

from app.core.money import Money
from app.rpa.rules.readings import CartReading


def differs(reading: CartReading) -> bool:
    """Whether the cart asks another price than the product's page showed, for the pieces that are in it."""
    if reading.page_price is None:
        return False
    page = reading.page_price.value
    if reading.line_price is not None:
        return reading.line_price.value != _times(page, reading.quantity)
    return reading.unit_price is not None and reading.unit_price.value != page


def findings(reading: CartReading) -> list[dict[str, Any]]:
    """Each with a stable ``code`` and a sentence: PRICE_DIFFERS, and PRICE_OF_LINE where the profile may be why."""
    if not differs(reading) or reading.page_price is None:
        return []
    page, price = reading.page_price.value, reading.line_price or reading.unit_price
    shown = "" if price is None else str(price.value)
    pieces = f" for {reading.quantity}" if reading.line_price is not None else ""
    found = [{"code": "PRICE_DIFFERS", "detail": f"The product's page shows {page}, the cart {shown}{pieces}."}]
    if reading.line_price is None and price is not None and price.value == _times(page, reading.quantity):
        hint = f"It is {reading.quantity} times the page's: cart.price_is of the profile is likely to be line."
        found.append({"code": "PRICE_OF_LINE", "detail": hint})
    return found


def _times(price: Money, quantity: int) -> Money:
    return Money(price.minor * quantity, price.currency)
