"""What a bulk action makes of one product: plain functions from the value of an attribute to its next one.

An action is about one attribute. It is kept as a document with that attribute's name, as a request sends it::

    {"price": {"set": "12.50"}}     {"price": {"percent": "-10", "ending": "0.99"}}     {"is_active": false}
    {"categories": {"add": [3], "remove": [7]}}     {"categories": {"set": [3]}}        {"threshold": 5}
    {"is_deleted": true}
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from app.core.money import MAX_MINOR, Money, MoneyError, exponent
from app.products.changes import DELETED, THRESHOLD
from app.products.models.categories import MAX_PER_PRODUCT
from app.products.models.stock import MAX_QUANTITY

MAX_PERCENT: Final = 10_000
MAX_DIGITS: Final = 16
"""Before the decimal point: what a request may set a price to."""
_PERCENT: Final = re.compile(r"([+-]?)(0|[1-9][0-9]{0,4})(?:\.([0-9]{1,4}))?")
_SCALE: Final = 10_000
"""Of a percentage, which has at most four decimals."""
_WHOLE: Final = 100 * _SCALE


class ActionRefused(ValueError):
    """A document that is no action: ``field`` of it breaks the rule that the message says."""

    def __init__(self, field_name: str, detail: str) -> None:
        super().__init__(detail)
        self.field = field_name
        self.detail = detail


class RowRefused(Exception):
    """This product cannot have what the action would give it; the message says why."""


@dataclass(frozen=True, slots=True)
class Action:
    """What is to become of one attribute; ``document`` is what it was made of."""

    attribute: str
    new: Callable[[Any], Any]
    """The next value for a present one; raises RowRefused."""
    document: Mapping[str, Any]
    named: Sequence[int] = field(default=())
    """Categories that it names."""

    @property
    def permissions(self) -> frozenset[str]:
        """What is needed besides ``products:write``."""
        return frozenset({"stock:write"}) if self.attribute == THRESHOLD else frozenset()


def read_action(document: Mapping[str, Any], *, currency: str) -> Action:
    """The action that a document describes, of a shop that sells in a currency; raises ActionRefused."""
    if len(document) != 1:
        raise ActionRefused("_schema", f"must name exactly one of {', '.join(_READERS)}.")
    ((attribute, wanted),) = document.items()
    if attribute not in _READERS:
        raise ActionRefused(attribute, "Unknown field.")
    new, named = _READERS[attribute](wanted, currency)
    return Action(attribute, new, document, named)


def change_by_percent(minor: int, percent: int, *, ending: int | None = None, unit: int = 100) -> int:
    """An amount in minor units, changed by ``percent`` ten-thousandths of a percent, exactly, halves rounded up.

    With ``ending`` (minor units below ``unit``, one whole) it is the nearest amount that ends so, the higher one of two
    as near; what became 0 stays 0.
    """
    exact = minor * (_WHOLE + percent)
    changed = (2 * exact + _WHOLE) // (2 * _WHOLE)
    if ending is None or changed <= 0:
        return changed
    return max(0, (changed - ending + unit // 2) // unit) * unit + ending


def _read_price(wanted: Mapping[str, Any], currency: str) -> tuple[Callable[[Any], Any], Sequence[int]]:
    if set(wanted) == {"set"}:
        return partial(_always, _money("price.set", wanted["set"], currency)), ()
    if not {"percent"} <= set(wanted) <= {"percent", "ending"}:
        raise ActionRefused("price", "must have either set, or percent and perhaps ending.")
    percent = _percent(wanted["percent"])
    unit = 10 ** exponent(currency)
    ending = None
    if wanted.get("ending") is not None:
        ending = _money("price.ending", wanted["ending"], currency).minor
        if ending >= unit:
            raise ActionRefused("price.ending", "must be below 1, such as 0.99.")
    most = min(MAX_MINOR, 10**MAX_DIGITS * unit - 1)
    return partial(_by_percent, percent=percent, ending=ending, unit=unit, currency=currency, most=most), ()


def _always(value: Any, _before: Any) -> Any:
    return value


def _by_percent(before: Money, *, percent: int, ending: int | None, unit: int, currency: str, most: int) -> Money:
    if before.currency != currency:
        raise RowRefused(f"The price is in {before.currency}, the shop's are in {currency}.")
    minor = change_by_percent(before.minor, percent, ending=ending, unit=unit)
    if minor > most:
        raise RowRefused("The price would be larger than any may be.")
    return Money(minor, currency)


def _money(name: str, text: str, currency: str) -> Money:
    try:
        return Money.parse(text, currency)
    except MoneyError as error:
        raise ActionRefused(name, str(error)) from None


def _percent(text: str) -> int:
    found = _PERCENT.fullmatch(text)
    if found is None:
        raise ActionRefused("price.percent", "must be a plain decimal such as -12.5, with at most four decimals.")
    sign, whole, decimals = found.groups(default="")
    percent = int(whole) * _SCALE + int(decimals.ljust(4, "0"))
    percent = -percent if sign == "-" else percent
    if not -_WHOLE <= percent <= MAX_PERCENT * _SCALE:
        raise ActionRefused("price.percent", f"must be from -100 to {MAX_PERCENT}.")
    return percent


def _read_flag(wanted: bool, _currency: str) -> tuple[Callable[[Any], Any], Sequence[int]]:
    return partial(_always, wanted), ()


def _read_categories(wanted: Mapping[str, Any], _currency: str) -> tuple[Callable[[Any], Any], Sequence[int]]:
    if "set" in wanted and len(wanted) == 1:
        return partial(_always, sorted(set(wanted["set"]))), sorted(set(wanted["set"]))
    add, remove = set(wanted.get("add", ())), set(wanted.get("remove", ()))
    if "set" in wanted or not add | remove:
        raise ActionRefused("categories", "must have either set, or add and remove, or one of these.")
    if add & remove:
        raise ActionRefused("categories", "must not add and remove the same category.")
    return partial(_put, add, remove), sorted(add | remove)


def _put(add: set[int], remove: set[int], before: Sequence[int]) -> list[int]:
    after = sorted((set(before) - remove) | add)
    if len(after) > max(MAX_PER_PRODUCT, len(before)):
        raise RowRefused(f"It would be in more than {MAX_PER_PRODUCT} categories.")
    return after


def _read_threshold(wanted: int | None, _currency: str) -> tuple[Callable[[Any], Any], Sequence[int]]:
    if wanted is not None and not 0 <= wanted <= MAX_QUANTITY:
        raise ActionRefused("threshold", f"must be from 0 to {MAX_QUANTITY}.")
    return partial(_always, wanted), ()


_READERS: Final[Mapping[str, Callable[[Any, str], tuple[Callable[[Any], Any], Sequence[int]]]]] = {
    "price": _read_price,
    "is_active": _read_flag,
    "categories": _read_categories,
    THRESHOLD: _read_threshold,
    DELETED: _read_flag,
}
