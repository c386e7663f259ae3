"""Checking rows of an import fast: the rules of the API's schema without its cost, which tests hold against it.

A row of texts becomes values of a product, or reasons by column. What a file may say more loosely than a request (yes
for true, an apostrophe before a formula, numbers in cells) is said here and nowhere else.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Final

import orjson

from app.core.errors import AddressRefused
from app.core.money import Money, MoneyError
from app.core.outgoing import MAX_URL, check_url
from app.core.text import UNPRINTABLE_IN_LINES, TextRefused, cleaned
from app.operations.files.table import Cells
from app.operations.files.values import MAX_REASON, Refused, read_asin, read_text, require_currency
from app.operations.services.imports.rows import MISSING, Reason, Values
from app.products import gtin
from app.products.attributes import AttributesRefused, clean
from app.products.columns import ATTRIBUTE
from app.products.models.products import MAX_BRAND, MAX_DESCRIPTION, MAX_IMAGES, MAX_NAME
from app.products.models.stock import MAX_QUANTITY

_PRICE: Final = re.compile(r"(0|[1-9][0-9]{0,11})(?:\.([0-9]{1,4}))?")
_WHOLE: Final = re.compile(r"[0-9]{1,10}")
_TRUE: Final = frozenset({"true", "1", "yes", "y"})
_FALSE: Final = frozenset({"false", "0", "no", "n"})
_SEPARATOR: Final = re.compile(r"[|\n]")
_PLAIN_URL: Final = re.compile(r"(https?://[a-z0-9.-]+)/[A-Za-z0-9/._~%-]*")
"""Addresses of which nothing but the host can be wrong."""
_MAX_HOSTS: Final = 1_000
MAX_CATEGORY_TEXT: Final = 1000


class RowChecker:
    """Makes values of rows whose columns are mapped to attributes of products."""

    def __init__(
        self,
        *,
        targets: Sequence[str | None],
        names: Sequence[str],
        currency: str,
        decimals: int,
        private: frozenset[tuple[str, int]],
    ) -> None:
        self._currency = currency
        self._decimals = decimals
        self._private = private
        self._hosts: set[str] = set()
        kinds: dict[str, Callable[[Any], Any]] = {
            "asin": read_asin, "name": _name, "brand": _brand, "price": self._price, "currency": self._shops,
            "description": _description, "is_active": _flag, "gtin": _gtin, "images": self._images,
            "categories": _categories, "attributes": _attributes, "low_stock_threshold": _threshold,
        }  # fmt: skip
        self._columns = [
            (at, target, kinds.get(target, _attribute), names[at])
            for at, target in enumerate(targets)
            if target is not None
        ]

    def check(self, cells: Cells) -> tuple[Values, list[Reason]]:
        """The values of a row, by attribute, and what is wrong with it; values count only where nothing is.

        ``price`` is whole minor units; single attributes are together in ``attribute``, by name. A cell that JSON Lines
        leave out is no value at all.
        """
        values: Values = {}
        reasons: list[Reason] = []
        for at, target, check, name in self._columns:
            if isinstance(cells, dict) and at not in cells:
                continue
            try:
                value = check(cells[at])
            except Refused as problem:
                reasons.append((name, str(problem)[:MAX_REASON]))
                continue
            if target.startswith(ATTRIBUTE):
                values.setdefault("attribute", {})[target[len(ATTRIBUTE) :]] = value
            else:
                values[target] = value
        if "attribute" in values and not reasons:
            self._check_single(values, reasons)
        if "asin" not in values and not reasons:
            reasons.append(("asin", MISSING))
        if values.get("is_active", False) is None:
            del values["is_active"]
        values.pop("currency", None)
        return values, reasons

    @staticmethod
    def _check_single(values: Values, reasons: list[Reason]) -> None:
        try:
            values["attribute"] = clean(values["attribute"], removals=True)
        except AttributesRefused as refused:
            found = refused.problems.items()
            reasons += [(f"{ATTRIBUTE}{name}", _flat(problem)[:MAX_REASON]) for name, problem in found]

    def _price(self, value: Any) -> int:
        if not isinstance(value, str):
            raise Refused('must be a text such as "12.50": a number cannot hold every amount exactly.')
        text = value.strip()
        found = _PRICE.fullmatch(text)
        if found is not None:
            units, parts = found.groups("")
            if len(parts) <= self._decimals:
                return int(units + parts.ljust(self._decimals, "0"))
        if len(text) > 40:
            raise Refused("Longer than maximum length 40.")
        try:
            return Money.parse(text, self._currency).minor
        except MoneyError as problem:
            raise Refused(str(problem)) from None

    def _shops(self, value: Any) -> None:
        require_currency(value, self._currency)

    def _images(self, value: Any) -> list[str]:
        """Addresses, in a cell with spaces or line breaks between them."""
        found = value.split() if isinstance(value, str) else [] if value is None else value
        if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
            raise Refused("must be a list of addresses.")
        found = [one.strip() for one in found]
        if len(found) > MAX_IMAGES:
            raise Refused(f"Longer than maximum length {MAX_IMAGES}.")
        for url in found:
            self._check_address(url)
        return found

    def _check_address(self, url: str) -> None:
        """Check an address; of plain ones on a host that is known to be good only the length is left to check."""
        plain = _PLAIN_URL.fullmatch(url)
        if plain is not None and plain[1] in self._hosts and len(url) <= MAX_URL:
            return
        if len(url) > MAX_URL:
            raise Refused(f"Longer than maximum length {MAX_URL}.")
        try:
            check_url(url, private=self._private)
        except AddressRefused as refused:
            raise Refused(f"{url[:80]} {refused.detail}") from None
        if plain is not None and len(self._hosts) < _MAX_HOSTS:
            self._hosts.add(plain[1])


def _name(value: Any) -> str:
    return read_text(value, longest=MAX_NAME)


def _brand(value: Any) -> str | None:
    return read_text(value, longest=MAX_BRAND, shortest=0) or None


def _description(value: Any) -> str:
    return read_text(value, longest=MAX_DESCRIPTION, shortest=0, unprintable=UNPRINTABLE_IN_LINES)


def _flag(value: Any) -> bool | None:
    """True or false; an empty cell says nothing."""
    if value is None or isinstance(value, bool):
        return value
    text = value.strip().lower() if isinstance(value, str) else None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if text == "":
        return None
    raise Refused("must be true or false.")


def _gtin(value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise Refused("Not a valid string.")
    text = value.strip()
    problem = gtin.problem_of(text) if text else None
    if problem:
        raise Refused(problem)
    return text or None


def _categories(value: Any) -> list[str]:
    """Slugs or paths of names (``Kitchen > Kettles``), in a cell with | or line breaks between them."""
    found = _SEPARATOR.split(value) if isinstance(value, str) else [] if value is None else value
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise Refused("must be a list of slugs or paths.")
    try:
        names = [cleaned(one, shortest=0, longest=MAX_CATEGORY_TEXT) for one in found]
    except TextRefused:
        raise Refused("must be slugs or paths such as Kitchen > Kettles.") from None
    return [name for name in names if name]


def _attributes(value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        value = _parsed(value)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Refused("must be a JSON object.")
    try:
        return clean(value)
    except AttributesRefused as refused:
        raise Refused("; ".join(f"{name}: {_flat(problem)}" for name, problem in refused.problems.items())) from None


def _parsed(text: str) -> Any:
    if not text.strip():
        return None
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        raise Refused("must be a JSON object.") from None


def _attribute(value: Any) -> Any:
    """One attribute alone: an empty cell takes it away."""
    return (value.strip() or None) if isinstance(value, str) else value


def _threshold(value: Any) -> int | None:
    """How much left is low; an empty cell is never."""
    if value is None:
        return None
    if isinstance(value, str):
        text = value.strip()
        if not text:
            return None
        value = int(text) if _WHOLE.fullmatch(text) else -1
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_QUANTITY:
        raise Refused(f"must be a whole number from 0 to {MAX_QUANTITY}.")
    return value


def _flat(problem: Any) -> str:
    """The sentences of nested problems."""
    if isinstance(problem, dict):
        return " ".join(_flat(inner) for inner in problem.values())
    return " ".join(map(str, problem))
