"""What the page of sales figures is made of: tiles, and what each number means (docs/metrics.md)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from app.analytics.views.tiles import Tile, count_tile, money_tile
from app.core.running import settings

_NAMES: Final = ("orders", "quantity", "gross_minor", "discount_minor", "net_minor", "total_minor")
MEANINGS: Final = (
    ("net", "Net", "What the goods bring: sales less refunds, without discount, tax and shipping."),
    ("gross", "Gross", "Unit price × units of what was sold, as priced, before any discount and before refunds."),
    ("orders", "Orders", "Different orders that were paid in the period. Imported sales belong to no order."),
    ("units", "Units", "Pieces that were paid, less those that were cancelled afterwards or came back."),
    ("discount", "Discounts", "What coupons took off what was sold, as priced."),
    ("refunds", "Refunds", "What refunds take from net, on the day of the refund and not on that of the sale."),
    ("total", "Paid", "What was paid less what was paid back: always net + shipping + tax."),
    ("before", "Before", "The same number of the period of as many days just before; days are the shop's."),
)


def currency_of(sums: Sequence[Mapping[str, Any]], asked: str | None) -> tuple[str, list[str]]:
    """The currency that is shown, and all there are: the asked one where it is known, else the shop's."""
    own = settings().currency
    known = sorted({own, *(str(each["currency"]) for both in sums for each in both["currencies"])})
    return (asked if asked is not None and asked in known else own), known


def tiles_of(now: Mapping[str, Any], before: Mapping[str, Any], currency: str) -> list[Tile]:
    """The totals of a period beside those of the one before; amounts of other currencies are not in them."""
    new, old = _of(now, currency), _of(before, currency)

    def money(label: str, means: str, kind: str, name: str, *, good: int = 1) -> Tile:
        sign = -1 if kind == "refund" else 1
        value, was = (sign * each[kind][f"{name}_minor"] for each in (new, old))
        return money_tile(label, means, value, was, currency, good=good)

    return [
        money("Net", "net", "altogether", "net"),
        money("Gross", "gross", "sale", "gross"),
        count_tile("Orders", "orders", new["sale"]["orders"], old["sale"]["orders"]),
        count_tile("Units", "units", new["altogether"]["quantity"], old["altogether"]["quantity"]),
        money("Discounts", "discount", "sale", "discount", good=0),
        money("Refunds", "refunds", "refund", "net", good=-1),
        money("Paid", "total", "altogether", "total"),
    ]


def _of(sums: Mapping[str, Any], currency: str) -> Any:
    empty = {kind: dict.fromkeys(_NAMES, 0) for kind in ("sale", "refund", "altogether")}
    return next((each for each in sums["currencies"] if each["currency"] == currency), empty)
