"""Which attributes of a product changed on a storefront: decided with plain values, written elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, DecimalException

from app.core.money import Money, MoneyError
from app.core.text import normalised as in_form
from app.rpa.rules.readings import Availability, ProductReading


@dataclass(frozen=True, slots=True)
class Change:
    """One attribute whose value differs from the last known one."""

    attribute: str
    previous: str | None
    current: str


def normalised(text: str) -> str:
    """Text as it is compared: NFKC, white space collapsed."""
    return " ".join(in_form(text, "NFKC").split())


def money_of(text: str) -> Money | None:
    """The amount that a price kept as text is (``19.90 EUR``, also ``1.99E+1 EUR``); None for what is none."""
    amount, _, currency = normalised(text).rpartition(" ")
    try:
        return Money.of(Decimal(amount), currency.upper())
    except (MoneyError, DecimalException):
        return None


def canonical(attribute: str, text: str) -> str:
    """A value in the one spelling in which it is compared and kept: prices as exact amounts, all else as plain text."""
    price = money_of(text) if attribute == "price" else None
    return normalised(text) if price is None else str(price)


def observed_values(reading: ProductReading) -> dict[str, str]:
    """The attributes that a reading knows, each as the text it is compared and kept by; unknown ones are absent."""
    values: dict[str, str] = {}
    if reading.name is not None:
        values["name"] = normalised(reading.name.value)
    if reading.brand is not None:
        values["brand"] = normalised(reading.brand.value)
    if reading.price is not None:
        values["price"] = str(reading.price.value)
    if reading.availability is not None and reading.availability.value is not Availability.UNKNOWN:
        values["availability"] = reading.availability.value.value
    return {attribute: value for attribute, value in values.items() if value}


def decide_changes(
    observed: Mapping[str, str], known: Mapping[str, str], master: Mapping[str, str | None]
) -> list[Change]:
    """Compare what a visit saw with that storefront's last known values, at a first visit with the product master.

    ``known`` and ``master`` map attribute names to values; what the visit did not read is never a change.
    """
    changes = []
    for attribute, current in observed.items():
        before = known.get(attribute, master.get(attribute))
        previous = None if before is None else canonical(attribute, before)
        if previous != current:
            changes.append(Change(attribute, previous, current))
    return changes
