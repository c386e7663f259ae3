"""Amounts as Stripe counts them, which is not in all currencies as ISO 4217 does.

https://docs.stripe.com/currencies says: amounts are in the smallest unit, which of most currencies is a hundredth;
*zero-decimal* currencies are sent as they are; *three-decimal* ones in thousandths of which the last digit is 0; and
ISK and UGX, though without decimals by now, still in hundredths of which the last two digits are 00 (*special cases*,
which come before the list of zero-decimal ones that names UGX, too).
"""

from __future__ import annotations

from typing import Final

from app.core.money import Money, exponent
from app.orders.providers.port import ProviderRefused

ZERO_DECIMAL: Final = frozenset(
    {"BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF"}
)
THREE_DECIMAL: Final = frozenset({"BHD", "JOD", "KWD", "OMR", "TND"})
NOT_SENDABLE: Final = "amount_not_chargeable"


def to_stripe(amount: Money) -> int:
    """The amount as Stripe takes it; raises ProviderRefused for one that it has no number for."""
    sent, rest = divmod(amount.minor * _whole(_decimals(amount.currency)), _whole(exponent(amount.currency)))
    if rest or (amount.currency in THREE_DECIMAL and sent % 10):
        raise ProviderRefused(NOT_SENDABLE, f"Stripe has no number for {amount}: its last digits must be 0.")
    return sent


def from_stripe(number: int, currency: str) -> Money:
    """What a number of Stripe's means, in our minor units, rounded down; ``currency`` in either case."""
    code = currency.upper()
    return Money(number * _whole(exponent(code)) // _whole(_decimals(code)), code)


def _whole(decimals: int) -> int:
    """How many of the smallest units are one whole."""
    return int("1" + "0" * decimals)


def _decimals(currency: str) -> int:
    if currency in ZERO_DECIMAL:
        return 0
    return 3 if currency in THREE_DECIMAL else 2
