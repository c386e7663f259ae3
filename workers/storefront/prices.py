"""Reading a price as a shop writes it. A price is exactly one amount, or an error that says why; never a guess.

The separators are CLDR's for the profile's locale (through Babel); the decimals are the currency's by ISO 4217.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Final

from babel import Locale

from app.core.money import Money, MoneyError, exponent
from app.rpa.rules.codes import Code
from workers.errors import TaskError
from workers.storefront.currency_words import FREE, OPEN_ENDED, folded, names_of

MAX_LENGTH: Final = 200
_MAX_DIGITS: Final = 15
_DASHES: Final = "-\u2010\u2011\u2012\u2013\u2014\u2212"
_MACHINE: Final = re.compile(r"[0-9]{1,16}(?:\.[0-9]{1,18})?")


class PriceUnparsed(TaskError):
    """The text is no amount in the locale and currency asked for."""

    def __init__(self, detail: str) -> None:
        super().__init__(Code.PRICE_UNPARSED, detail)


class PriceAmbiguous(TaskError):
    """The text names several amounts or one end of a range."""

    def __init__(self, detail: str) -> None:
        super().__init__(Code.PRICE_AMBIGUOUS, detail)


@dataclass(frozen=True, slots=True)
class _Notation:
    """How a locale writes numbers: ``decimals`` and ``groups`` are single characters, sizes from the right."""

    decimals: str
    groups: str
    sizes: frozenset[tuple[int, int]]
    number: re.Pattern[str]
    """Digits with any separator between them, the locale's own or not."""


def read_price(text: str, *, locale: str, currency: str) -> Money:
    """The one amount that ``text`` shows, as written in ``locale`` (``sv_SE``), in ``currency`` (ISO 4217).

    Raises PriceAmbiguous for ranges and several amounts; PriceUnparsed for anything else that is not an amount with at
    most the currency's name or sign: other words, another currency, unit prices, signs, wrong grouping, too many
    decimals, more than 200 characters.
    """
    if len(text) > MAX_LENGTH:
        raise PriceUnparsed(f"the text is longer than {MAX_LENGTH} characters")
    notation = _notation(locale)
    plain = _plain(text)
    if folded(plain) in FREE["en"] | FREE.get(Locale.parse(locale.replace("-", "_")).language, frozenset()):
        return Money(0, currency)
    number, before, after = _split(plain, notation)
    after = _without_empty_decimals(number, after, notation)
    _check_words(before, after, names_of(currency, locale))
    return _money(_amount(number, notation), currency)


def read_machine_price(value: object, currency: str) -> Money:
    """A price as structured data has it: a JSON number or a string of digits with ``.`` for the decimals.

    Raises PriceUnparsed for anything else. Exactly three decimals are refused where the currency has fewer: ``1.299``
    may be a thousand written in another locale.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise PriceUnparsed("the structured price is neither a number nor text")
    if isinstance(value, int) and value.bit_length() > 64:
        raise PriceUnparsed("the structured price is too large")
    if isinstance(value, Decimal) and (not value.is_finite() or not -18 <= value.adjusted() <= 16):
        raise PriceUnparsed("the structured price is no usable number")
    text = f"{value:f}" if isinstance(value, Decimal) else str(value).strip()
    if not _MACHINE.fullmatch(text):
        raise PriceUnparsed("the structured price is not a plain number")
    whole, _, decimals = text.partition(".")
    if len(decimals) == 3 and exponent(currency) < 3:
        raise PriceUnparsed("the structured price has three decimals, which may be thousands")
    return _money(Decimal(f"{whole}.{decimals.rstrip('0') or '0'}"), currency)


def read_structured_price(value: object, *, locale: str, currency: str) -> Money:
    """A price from structured data: the machine's format, else, for text, as ``read_price`` reads the locale's."""
    try:
        return read_machine_price(value, currency)
    except PriceUnparsed:
        if not isinstance(value, str):
            raise
    return read_price(value, locale=locale, currency=currency)


@lru_cache(maxsize=256)
def _notation(locale: str) -> _Notation:
    known = Locale.parse(locale.replace("-", "_"))
    symbols: dict[str, str] = dict(
        known.number_symbols.get("latn") or known.number_symbols[known.default_numbering_system]
    )
    decimals = {symbols["decimal"], symbols.get("currencyDecimal", symbols["decimal"])}
    groups = {_separator(symbols["group"]), _separator(symbols.get("currencyGroup", symbols["group"]))} - decimals
    patterns = (known.currency_formats["standard"], known.decimal_formats[None])
    sizes = frozenset({(3, 3), *((pattern.grouping[0], pattern.grouping[1]) for pattern in patterns)})
    marks = re.escape("".join({".", ",", "'", " "} | decimals | groups))
    return _Notation("".join(decimals), "".join(groups), sizes, re.compile(rf"[0-9](?:[0-9{marks}]*[0-9])?"))


def _separator(character: str) -> str:
    """One spelling for the separators that look alike: any blank, any apostrophe."""
    plain = unicodedata.normalize("NFKC", character)
    return {"\u2019": "'"}.get(plain, " " if plain.isspace() else plain)


def _plain(text: str) -> str:
    """NFKC with western digits, without format characters.

    Raised, circled and fraction digits are refused: NFKC would make 1299 of a 12 with a small 99.
    """
    if any(unicodedata.category(c) == "No" for c in text):
        raise PriceUnparsed("the text holds raised, circled or fraction digits")
    kept = (c for c in unicodedata.normalize("NFKC", text) if unicodedata.category(c) != "Cf")
    western = (str(unicodedata.decimal(c)) if c.isdecimal() else _separator(c) for c in kept)
    return " ".join("".join(western).split())


def _split(text: str, notation: _Notation) -> tuple[str, str, str]:
    """The only number of the text, what stands before and what stands after it."""
    first = notation.number.search(text)
    if first is None:
        raise PriceUnparsed("the text holds no digits")
    before, number, after = text[: first.start()], first.group(), text[first.end() :]
    if "%" in text or "‰" in text:
        raise PriceUnparsed("the text is a percentage")
    if "/" in text:
        raise PriceUnparsed("the text is a price per unit")
    if re.search(r"[0-9]", after):
        raise PriceAmbiguous("the text holds several numbers")
    if after.lstrip().startswith("+") or OPEN_ENDED & set(re.findall(r"[^\W\d_]+", folded(f"{before} {after}"))):
        raise PriceAmbiguous("the text is one end of a range")
    return number, before, after


def _without_empty_decimals(number: str, after: str, notation: _Notation) -> str:
    """Take away the dash that some shops write for no decimals (``12,-`` ``12.–`` ``129:-``)."""
    empty = re.match(rf"\s?([{re.escape(notation.decimals)}:])\s?[{_DASHES}]{{1,2}}", after)
    if empty is None:
        return after
    if set(number) & set(notation.decimals):
        raise PriceUnparsed("the number has decimals twice")
    return after[empty.end() :]


def _check_words(before: str, after: str, names: frozenset[str]) -> None:
    """Allow beside the number nothing but the currency's own names and a footnote's asterisk."""
    for part in (before, after.rstrip("* ")):
        word = folded(part)
        if not word or word in names or all(piece in names for piece in word.split()):
            continue
        if any(dash in part for dash in _DASHES) or "(" in part:
            raise PriceUnparsed("the amount is negative or has a dash beside it")
        raise PriceUnparsed(f"{part.strip()!r} is not a name of the currency")


def _amount(number: str, notation: _Notation) -> Decimal:
    """The value of digits and separators, each where the locale puts it."""
    point = max(number.rfind(mark) for mark in notation.decimals)
    whole, decimals = (number, "") if point < 0 else (number[:point], number[point + 1 :])
    if point >= 0 and not decimals.isdigit():
        raise PriceUnparsed("the decimals are not digits")
    digits = whole if whole.isdigit() else _ungrouped(whole, notation)
    if len(digits) > _MAX_DIGITS:
        raise PriceUnparsed("the number is too large")
    if len(digits) > 1 and digits.startswith("0"):
        raise PriceUnparsed("the number begins with zeros")
    return Decimal(f"{digits}.{decimals}" if decimals else digits)


def _ungrouped(whole: str, notation: _Notation) -> str:
    marks = set(re.sub(r"[0-9]", "", whole))
    if len(marks) != 1 or not marks <= set(notation.groups):
        raise PriceUnparsed("the number has separators that the locale does not use there")
    groups = whole.split(marks.pop())
    for last, others in notation.sizes:
        if (
            len(groups[-1]) == last
            and all(len(group) == others for group in groups[1:-1])
            and 1 <= len(groups[0]) <= others
        ):
            return "".join(groups)
    raise PriceUnparsed("the number's groups of digits do not have the locale's length")


def _money(amount: Decimal, currency: str) -> Money:
    """Money of an exact amount; decimals beyond the currency's are refused unless it has none and both are zero."""
    places = -int(amount.as_tuple().exponent)
    if places > max(exponent(currency), 2):
        raise PriceUnparsed(f"the amount has more decimals than {currency} allows")
    try:
        return Money.of(amount, currency)
    except MoneyError as error:
        raise PriceUnparsed(f"the amount {error}") from error
