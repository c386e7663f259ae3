"""How amounts are divided without losing a minor unit: over lines, over units, and into what a part is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


class PricedLine(Protocol):
    """The amounts of an order's line, in minor units (``app.orders.models.orders.OrderLine``)."""

    @property
    def quantity(self) -> int: ...
    @property
    def subtotal_minor(self) -> int: ...
    @property
    def discount_minor(self) -> int: ...
    @property
    def shipping_minor(self) -> int: ...
    @property
    def shipping_tax_minor(self) -> int: ...
    @property
    def tax_minor(self) -> int: ...
    @property
    def total_minor(self) -> int: ...


@dataclass(frozen=True, slots=True)
class LineParts:
    """What a part of a line is made of, in minor units; none is negative, and total = net + shipping + tax."""

    gross: int
    """As priced, before any discount."""
    discount: int
    """As priced."""
    tax: int
    """Of goods and shipping."""
    shipping: int
    """Without tax."""
    total: int
    """What is paid."""

    @property
    def net(self) -> int:
        """What the goods bring: without discount, tax and shipping."""
        return self.total - self.shipping - self.tax

    @property
    def contained_tax(self) -> int:
        """The tax that the price of the goods contains; 0 where tax comes on top."""
        return self.gross - self.discount - self.net

    def __add__(self, other: LineParts) -> LineParts:
        return LineParts(
            self.gross + other.gross,
            self.discount + other.discount,
            self.tax + other.tax,
            self.shipping + other.shipping,
            self.total + other.total,
        )

    def __sub__(self, other: LineParts) -> LineParts:
        return LineParts(
            self.gross - other.gross,
            self.discount - other.discount,
            self.tax - other.tax,
            self.shipping - other.shipping,
            self.total - other.total,
        )


NOTHING = LineParts(0, 0, 0, 0, 0)


def split(amount: int, weights: Sequence[int]) -> list[int]:
    """Divide ``amount`` by ``weights`` (none negative) so that the parts sum to it: the largest-remainder method.

    What rounding down leaves over goes, one each, to those with the largest remainders, of equals to the first.
    Without any weight all count the same. Nobody gets more than their weight while the amount is within their sum.
    """
    if not weights:
        return []
    whole = sum(weights)
    if whole == 0:
        return split(amount, [1] * len(weights))
    parts = [amount * weight // whole for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda at: (-(amount * weights[at] % whole), at))
    for at in by_remainder[: amount - sum(parts)]:
        parts[at] += 1
    return parts


def part(value: int, of: int, before: int, after: int) -> int:
    """What of ``value`` falls to the units ``before``..``after`` out of ``of``: parts that adjoin sum to the whole.

    Nothing has no parts: 0 where ``of`` is 0.
    """
    return value * after // of - value * before // of if of else 0


def parts_of(line: PricedLine, before: int, after: int) -> LineParts:
    """What the units ``before``..``after`` of a line are made of.

    Units are counted as they leave the order: ``cancelled + returned`` before and after. The price of a unit is whole;
    the discount and the fee follow the units, and tax follows what it was raised on, so no part is ever negative,
    whatever comes back in whatever steps.
    """
    whole, begun, done = _priced(line, line.quantity), _priced(line, before), _priced(line, after)
    goods, fee = done.goods - begun.goods, done.fee - begun.fee
    goods_tax = part(line.tax_minor - line.shipping_tax_minor, whole.goods, begun.goods, done.goods)
    fee_tax = part(line.shipping_tax_minor, whole.fee, begun.fee, done.fee)
    tax = goods_tax + fee_tax
    gross, discount = done.gross - begun.gross, done.gross - done.goods - (begun.gross - begun.goods)
    if _contains_tax(line):
        return LineParts(gross, discount, tax, fee - fee_tax, goods + fee)
    return LineParts(gross, discount, tax, fee, goods + fee + tax)


def all_of(line: PricedLine) -> LineParts:
    """What the whole line is made of."""
    return parts_of(line, 0, line.quantity)


def portion(parts: LineParts, total: int) -> LineParts:
    """A part whose total is exactly ``total`` (within 0 and that of ``parts``) and that has something of everything.

    For money that goes back while the goods stay. ``parts`` less the portion is again a part without anything negative.
    """
    if total == parts.total:
        return parts
    pieces = [parts.net, parts.contained_tax, parts.tax - parts.contained_tax, parts.shipping]
    net, contained_tax, other_tax, shipping = split(total, pieces)
    discount = part(parts.discount, parts.total, 0, total)
    return LineParts(net + contained_tax + discount, discount, contained_tax + other_tax, shipping, total)


def fitted(wanted: LineParts, rest: LineParts) -> LineParts:
    """``wanted`` where ``rest``, what of a line was not given back yet, still has all of it; else as much as it has.

    What came back without units before may have taken some of what units that come back later were made of.
    """
    left = rest - wanted
    fits = min(left.gross, left.discount, left.tax, left.shipping, left.total, left.net, left.contained_tax) >= 0
    return wanted if fits else portion(rest, min(wanted.total, rest.total))


def _contains_tax(line: PricedLine) -> bool:
    """Whether the line was priced with tax: then what is paid is what the prices say."""
    return line.total_minor == line.subtotal_minor - line.discount_minor + line.shipping_minor


@dataclass(frozen=True, slots=True)
class _Priced:
    """The first units of a line, as priced."""

    gross: int
    goods: int
    """Less discount."""
    fee: int


def _priced(line: PricedLine, units: int) -> _Priced:
    gross = part(line.subtotal_minor, line.quantity, 0, units)
    discount = part(line.discount_minor, line.quantity, 0, units)
    return _Priced(gross, gross - discount, part(line.shipping_minor, line.quantity, 0, units))
