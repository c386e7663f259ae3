"""What is told of sales, out of the sums of facts: docs/metrics.md defines every number."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from operator import add
from typing import Final

from app.analytics.rules.periods import Period

SUMS: Final = ("facts", "quantity", "gross_minor", "discount_minor", "tax_minor", "shipping_minor", "net_minor")
ORDER_SUMS: Final = ("orders", "ordered_minor")
MEASURES: Final = ("net", "units")
"""What can be ranked by."""
NOTHING: Final = (0,) * (len(SUMS) + len(ORDER_SUMS))
Pair = tuple[Sequence[int], Sequence[int]]
"""The sums of sales and those of refunds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Of which facts; None is of all."""

    currency: str | None = None
    category_id: int | None = None
    """With all categories below it."""
    brand: str | None = None
    asin: str | None = None

    @property
    def is_whole_shop(self) -> bool:
        """Whether orders can be counted: an order may have lines of several brands, categories and products."""
        return self.category_id is None and self.brand is None and self.asin is None


EVERYTHING: Final = Filters()


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The figures of one currency; money in minor units."""

    currency: str
    orders: int | None
    """Orders that were paid; None of a part of the shop."""
    lines: int
    """Lines that were paid, or imported."""
    units: int
    """Pieces that were paid less those that came back."""
    units_returned: int
    gross_minor: int
    """Of sales, before discounts and refunds."""
    discount_minor: int
    refund_minor: int
    """What refunds took from net, as a positive amount."""
    net_minor: int
    """What the goods brought: sales less refunds, without discount, tax and shipping."""
    tax_minor: int
    shipping_minor: int
    total_minor: int
    """What was paid less what was paid back: net, shipping and tax."""
    average_order_minor: int | None
    """Net of the sales of an order on average; None without orders."""


FIGURES: Final = (
    "orders", "lines", "units", "units_returned", "gross_minor", "discount_minor", "refund_minor", "net_minor",
    "tax_minor", "shipping_minor", "total_minor", "average_order_minor",
)  # fmt: skip
MONEY: Final = frozenset(name for name in FIGURES if name.endswith("_minor"))


@dataclass(frozen=True, slots=True)
class Point:
    """The figures of a part of a period, by currency in the order of their codes."""

    period: Period
    figures: Figures


@dataclass(frozen=True, slots=True)
class Share:
    """The figures of one category, brand or product."""

    key: str
    """The category's id, the brand or the ASIN; empty for no category or no brand."""
    name: str | None
    """What it is called now; None where it is not there any more, or is no category or brand."""
    figures: Figures
    product_id: int | None = None
    before: Figures | None = None
    """Those of the equally long period before; None where nobody asked."""

    @property
    def compared(self) -> Comparison | None:
        """Its figures beside those of the period before; None where nobody asked."""
        return None if self.before is None else compare(self.figures, self.before)


@dataclass(frozen=True, slots=True)
class Comparison:
    """The figures of a period beside those of the equally long one before it."""

    now: Figures
    before: Figures
    growth: dict[str, Decimal | None]
    """Percent by the name of the figure, one decimal; None where there was nothing before."""


def figures_of(currency: str, pair: Pair, *, whole_shop: bool) -> Figures:
    """The figures that sums of sales and of refunds make."""
    sold, back = pair
    sales, sold_units, gross, discount, sold_tax, sold_shipping, sold_net = sold[:7]
    _, back_units, _, _, back_tax, back_shipping, back_net = back[:7]
    net, tax, shipping = sold_net + back_net, sold_tax + back_tax, sold_shipping + back_shipping
    orders, ordered = (sold[7], sold[8]) if whole_shop else (None, 0)
    return Figures(
        currency=currency,
        orders=orders,
        lines=sales,
        units=sold_units + back_units,
        units_returned=-back_units,
        gross_minor=gross,
        discount_minor=discount,
        refund_minor=-back_net,
        net_minor=net,
        tax_minor=tax,
        shipping_minor=shipping,
        total_minor=net + tax + shipping,
        average_order_minor=_divided(ordered, orders) if orders else None,
    )


def added(pairs: Iterable[Pair]) -> Pair:
    """Sums added up."""
    sold: Sequence[int] = NOTHING
    back: Sequence[int] = NOTHING
    for one in pairs:
        sold, back = tuple(map(add, sold, one[0])), tuple(map(add, back, one[1]))
    return sold, back


def compare(now: Figures, before: Figures) -> Comparison:
    """Two periods side by side."""
    return Comparison(now, before, {name: growth_of(getattr(before, name), getattr(now, name)) for name in FIGURES})


def growth_of(before: int | None, now: int | None) -> Decimal | None:
    """How far a figure is from what it was, in percent with one decimal, rounded half up; None without a base."""
    if not before or now is None:
        return None
    return (Decimal(now - before) * 100 / abs(before)).quantize(Decimal("0.1"), ROUND_HALF_UP)


def month_of(day: date) -> date:
    """The first day of its month."""
    return day.replace(day=1)


def _divided(amount: int, count: int) -> int:
    """An amount by a count, rounded half up."""
    half_up = (2 * abs(amount) + count) // (2 * count)
    return half_up if amount >= 0 else -half_up
