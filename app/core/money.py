"""Amounts of money: whole minor units and a currency, never a float."""

from __future__ import annotations

import re
from copy import copy
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal, DecimalException, Inexact, InvalidOperation, Overflow
from functools import lru_cache
from typing import Final

from babel import Locale
from babel.numbers import get_currency_precision, list_currencies

_DIGITS: Final = 16
"""Of an amount in front of the decimal point, at most."""
_PLAIN: Final = re.compile(rf"(?:0|[1-9][0-9]{{0,{_DIGITS - 1}}})(?:\.[0-9]{{1,4}})?")
_NUMBER: Final = re.compile(r"(0|[1-9][0-9]*)(?:\.[0-9]+)?")
_KNOWN: Final = frozenset(list_currencies())
# where Unicode's table, which babel reads, says how people write amounts rather than what ISO 4217 defines
_ISO_4217: Final = {
    "IQD": 3,
    **dict.fromkeys(("AFN", "ALL", "IRR", "KPW", "LAK", "LBP", "MGA", "MMK", "RSD", "SOS", "SYP", "YER"), 2),
}
_BETWEEN: Final = re.compile(r"(?<=[^\W\d_])(?=\d)")
"""Where a sign of letters (KWD) meets the amount: there is a space (CLDR, currencySpacing)."""
_EXACT: Final = Context(prec=100, traps=[InvalidOperation, Overflow, Inexact])
MAX_MINOR: Final = 2**63 - 1


class MoneyError(ValueError):
    """The text or number is no amount in that currency; the message says why."""


@lru_cache(maxsize=512)
def exponent(currency: str) -> int:
    """How many decimals the currency has by ISO 4217 (JPY 0, EUR 2, KWD 3); raises MoneyError for an unknown code."""
    if currency not in _KNOWN:
        raise MoneyError(f"{currency!r} is not an ISO 4217 currency code.")
    return _ISO_4217.get(currency) or get_currency_precision(currency)


def decimal_text(minor: int, currency: str) -> str:
    """What ``Money(minor, currency).decimal_string()`` is, without making one; raises MoneyError likewise."""
    decimals = exponent(currency)
    if decimals == 0:
        return str(minor)
    digits = str(abs(minor)).rjust(decimals + 1, "0")
    return f"{'-' if minor < 0 else ''}{digits[:-decimals]}.{digits[-decimals:]}"


@dataclass(frozen=True, slots=True, order=False)
class Money:
    """An amount in whole minor units (cents) of one currency; equal only to the same amount in the same currency."""

    minor: int
    currency: str

    @classmethod
    def parse(cls, text: str, currency: str) -> Money:
        """Read a plain non-negative decimal such as ``1299.90``.

        Raises MoneyError for anything else: signs, exponents, grouping, or more decimals than the currency has
        (3.505 EUR is refused, not rounded).
        """
        if not _PLAIN.fullmatch(text):
            raise MoneyError(_what_is_wrong(text, currency))
        return cls.of(Decimal(text), currency)

    @classmethod
    def of(cls, amount: Decimal, currency: str) -> Money:
        """Make Money of an exact decimal; raises MoneyError where the currency cannot express it."""
        if not amount.is_finite():
            raise MoneyError("must be a finite amount.")
        decimals = exponent(currency)
        if abs(amount) > MAX_MINOR:
            raise _too_large(currency)
        try:
            minor = int(_EXACT.to_integral_exact(_EXACT.scaleb(amount, decimals)))
        except DecimalException:
            raise _too_fine(currency) from None
        if abs(minor) > MAX_MINOR:
            raise _too_large(currency)
        return cls(minor, currency)

    @property
    def amount(self) -> Decimal:
        """The amount in major units as an exact Decimal."""
        return Decimal(self.minor).scaleb(-exponent(self.currency))

    def divided_by(self, count: int) -> Money | None:
        """This amount split into ``count`` equal parts, or None where minor units do not divide evenly."""
        part, rest = divmod(self.minor, count)
        return None if rest else Money(part, self.currency)

    def percent_change_to(self, other: Money) -> Decimal | None:
        """How far ``other`` is from this amount in percent (one decimal), None without a base or across currencies."""
        if self.minor == 0 or self.currency != other.currency:
            return None
        return (Decimal(other.minor - self.minor) * 100 / self.minor).quantize(Decimal("0.1"), ROUND_HALF_UP)

    def decimal_string(self) -> str:
        """The amount as JSON carries it: all decimals of the currency, no grouping (``"1299.90"``)."""
        return decimal_text(self.minor, self.currency)

    def __str__(self) -> str:
        return f"{self.decimal_string()} {self.currency}"


def _what_is_wrong(text: str, currency: str) -> str:
    """The rule that a text breaks which is no amount."""
    number = _NUMBER.fullmatch(text)
    if number is None:
        return "must be a plain non-negative decimal such as 1299.90."
    return str(_too_large(currency) if len(number[1]) > _DIGITS else _too_fine(currency))


def _too_large(currency: str) -> MoneyError:
    largest = min(MAX_MINOR, 10 ** (_DIGITS + exponent(currency)) - 1)
    return MoneyError(f"is too large; at most {decimal_text(largest, currency)}.")


def _too_fine(currency: str) -> MoneyError:
    return MoneyError(f"has more decimals than {currency} allows ({exponent(currency)}).")


def readable(minor: int, currency: str, language: str = "en") -> str:
    """An amount as people of a language (BCP 47) read it, with all decimals of the currency (``$1,299.90``).

    Raises MoneyError for an unknown currency.
    """
    decimals, locale = exponent(currency), Locale.parse(language, sep="-")
    pattern = copy(locale.currency_formats["standard"])
    pattern.frac_prec = (decimals, decimals)  # babel's own table of currencies is not that of ISO 4217
    text: str = pattern.apply(Money(minor, currency).amount, locale, currency=currency, currency_digits=False)
    return _BETWEEN.sub("\N{NO-BREAK SPACE}", text)
