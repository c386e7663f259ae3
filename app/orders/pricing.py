"""What an order costs: subtotal, coupon, shipping and tax, for every line and in all.

The one rounding rule of the product: every line's tax is computed on its goods (subtotal less its share of the
discount) and on its share of the shipping fee, each rounded half up to the minor unit; whatever an order costs is the
sum of its lines. So what is shown, charged, refunded and counted is made of the same whole numbers. Discount and fee
are divided over the lines by largest remainder (``app.orders.shares.split``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from app.orders.shares import split

MILLION: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What an order costs besides its goods (``Checkout`` of the settings), in minor units and millionths."""

    tax_rate_ppm: int
    tax_included: bool
    """Whether prices and the shipping fee contain the tax."""
    shipping_minor: int
    free_shipping_minor: int | None
    """The subtotal, less discount, from which on there is no fee; None: never."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Discount:
    """What a coupon takes off: millionths of the subtotal, or an amount in minor units."""

    code: str
    percent_ppm: int | None = None
    amount_minor: int | None = None

    def of(self, subtotal_minor: int) -> int:
        """What it takes off this much; never more than there is."""
        if self.percent_ppm is not None:
            return min(_half_up(subtotal_minor * self.percent_ppm, MILLION), subtotal_minor)
        return min(self.amount_minor or 0, subtotal_minor)


@dataclass(frozen=True, slots=True)
class Priced:
    """So many of one product, at this price each."""

    quantity: int
    unit_price_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LineAmounts:
    """The amounts of one line in minor units, named as the columns of ``OrderLine``."""

    subtotal_minor: int
    discount_minor: int
    shipping_minor: int
    shipping_tax_minor: int
    tax_minor: int
    """Of goods and shipping."""
    total_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """The amounts of an order in minor units, named as the columns of ``Order``: the sums of its lines."""

    lines: tuple[LineAmounts, ...]
    subtotal_minor: int
    discount_minor: int
    shipping_minor: int
    tax_minor: int
    total_minor: int


def price(items: Sequence[Priced], *, terms: Terms, discount: Discount | None = None) -> Totals:
    """What these cost together, in all and line by line in the order given."""
    subtotals = [item.quantity * item.unit_price_minor for item in items]
    discounts = split(discount.of(sum(subtotals)) if discount else 0, subtotals)
    goods = [subtotal - off for subtotal, off in zip(subtotals, discounts, strict=True)]
    fees = split(_fee(sum(goods), terms), goods)
    lines = tuple(_line(*of_line, terms) for of_line in zip(subtotals, discounts, fees, strict=True))
    return Totals(
        lines=lines,
        subtotal_minor=sum(line.subtotal_minor for line in lines),
        discount_minor=sum(line.discount_minor for line in lines),
        shipping_minor=sum(line.shipping_minor for line in lines),
        tax_minor=sum(line.tax_minor for line in lines),
        total_minor=sum(line.total_minor for line in lines),
    )


def _line(subtotal: int, discount: int, fee: int, terms: Terms) -> LineAmounts:
    goods = subtotal - discount
    fee_tax = _tax(fee, terms)
    tax = _tax(goods, terms) + fee_tax
    return LineAmounts(
        subtotal_minor=subtotal,
        discount_minor=discount,
        shipping_minor=fee,
        shipping_tax_minor=fee_tax,
        tax_minor=tax,
        total_minor=goods + fee + (0 if terms.tax_included else tax),
    )


def _fee(goods: int, terms: Terms) -> int:
    is_free = terms.free_shipping_minor is not None and goods >= terms.free_shipping_minor
    return 0 if is_free else terms.shipping_minor


def _tax(amount: int, terms: Terms) -> int:
    rate = terms.tax_rate_ppm
    return _half_up(amount * rate, MILLION + rate if terms.tax_included else MILLION)


def _half_up(dividend: int, divisor: int) -> int:
    """The quotient of whole numbers that are not negative, rounded half up."""
    return (2 * dividend + divisor) // (2 * divisor)
