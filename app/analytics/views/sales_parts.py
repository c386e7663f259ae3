"""What the page of sales figures is made of (docs/metrics.md defines every number)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from flask import url_for

from app.analytics.errors import PeriodTooWide
from app.analytics.forms.sales import SalesForm
from app.analytics.queries.sales_analytics import shares_of
from app.analytics.queries.sales_figures import comparison, series
from app.analytics.queries.sales_narrowing import answered
from app.analytics.queries.sales_shares import MAX_SHARES
from app.analytics.queries.sales_sources import Dimension
from app.analytics.rules.periods import Period
from app.analytics.rules.sales_figures import Comparison, Figures, Point, Share
from app.analytics.views.tiles import Change, Tile, count_tile, money_change, money_tile
from app.core.running import settings

FIRST: Final = 10
MOST_PARTS: Final = 120
"""Days, weeks or months that the page lists, the newest ones; the file has all."""
MEANINGS: Final = (
    ("net", "Net", "What the goods bring: sales less refunds, without discount, tax and shipping."),
    ("gross", "Gross", "Unit price × units of what was sold, as priced, before any discount and before refunds."),
    ("orders", "Orders", "Orders that were paid in the period. Imported sales belong to no order."),
    ("average", "Average order value", "Net of the sales of orders ÷ orders, before refunds and without imports."),
    ("units", "Units", "Pieces that were paid, less those that were cancelled afterwards or came back."),
    ("discount", "Discounts", "What coupons took off what was sold, as priced."),
    ("refunds", "Refunds", "What refunds take from net, on the day of the refund and not on that of the sale."),
    ("total", "Paid", "What was paid less what was paid back: always net + shipping + tax."),
    ("change", "Change", "How net differs from that of the period of as many days just before; days are the shop's."),
    ("share", "Share", "Of net. A product counts in each of its categories, so these may add up to more than all."),
    ("before", "Before", "The same number of the period of as many days just before; days are the shop's."),
)


@dataclass(frozen=True, slots=True)
class Row:
    """A category, brand or product, and how its net differs from that of the period before."""

    key: str
    name: str | None
    figures: Figures
    change: Change | None


@dataclass(frozen=True, slots=True)
class Sales:
    """Everything that is shown of one currency."""

    currency: str
    currencies: list[str]
    compared: Comparison
    tiles: list[Tile]
    points: list[Point]
    """The newest first, MOST_PARTS at most."""
    parts: int
    """How many there are."""
    charts: dict[str, str]
    """Where the charts are that show the same numbers."""
    files: dict[str, str]
    """Where the same numbers are as files, by what they are cut by."""
    categories: list[Row]
    products: list[Row]
    brands: list[Row]

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing in the period and nothing before it."""
        each = (self.compared.now, self.compared.before)
        return not any(one.lines or one.refund_minor or one.units_returned for one in each)


def read_sales(form: SalesForm) -> Sales | None:
    """The figures that a form asks for; None where they would take too long, which the form then says."""
    try:
        return answered(lambda period: _read(form, period), form.period)
    except PeriodTooWide as refusal:
        form.blame("from", refusal.detail)
        form.narrower = refusal.facts.get("narrower")
        return None


def _read(form: SalesForm, period: Period) -> Sales:
    compared = {each.now.currency: each for each in comparison(period, form.filters())}
    currency = form.choose(list(compared), settings().currency)
    chosen, filters = compared[currency], form.filters(currency)
    points = series(period, form.grouping, filters)[::-1]

    def rows(dimension: Dimension) -> list[Row]:
        shares = shares_of(dimension, period, filters, limit=FIRST, compare=True, parent_id=form.category_id)
        return [_row(share) for share in shares]

    return Sales(
        currency=currency,
        currencies=list(compared),
        compared=chosen,
        tiles=tiles_of(chosen),
        points=points[:MOST_PARTS],
        parts=len(points),
        charts=_addresses(form, currency, kind="chart", limit=FIRST),
        files=_addresses(form, currency, kind="csv", limit=MAX_SHARES),
        categories=rows(Dimension.CATEGORY),
        products=rows(Dimension.PRODUCT),
        brands=rows(Dimension.BRAND),
    )


def _row(share: Share) -> Row:
    before = share.before or share.figures
    change = money_change(share.figures.net_minor, before.net_minor, share.figures.currency)
    return Row(share.key, share.name, share.figures, change)


def tiles_of(compared: Comparison) -> list[Tile]:
    """The totals of a period beside those of the one before; of a part of the shop without orders."""
    now, before = compared.now, compared.before

    def money(label: str, means: str, name: str, *, good: int = 1) -> Tile:
        values = getattr(now, name), getattr(before, name)
        return money_tile(label, means, values[0], values[1], now.currency, good=good)

    found = [money("Net", "net", "net_minor"), money("Gross", "gross", "gross_minor")]
    if now.orders is not None:
        found.append(count_tile("Orders", "orders", now.orders, before.orders or 0))
        found.append(money("Average order value", "average", "average_order_minor"))
    return [
        *found,
        count_tile("Units", "units", now.units, before.units),
        money("Discounts", "discount", "discount_minor", good=0),
        money("Refunds", "refunds", "refund_minor", good=-1),
        money("Paid", "total", "total_minor"),
    ]


def _addresses(form: SalesForm, currency: str, *, kind: str, limit: int) -> dict[str, str]:
    """Addresses of the API that answer with the same numbers as the page, in a format."""
    asked = form.arguments(currency) | {"format": kind, "compare": "true"}
    below = {name: value for name, value in asked.items() if name != "category_id"} | {"limit": limit}
    below |= {} if form.category_id is None else {"parent_id": form.category_id}
    return {
        "time": url_for("sales_figures.SalesAnalytics", **asked, group_by=str(form.grouping)),
        "products": url_for("sales_figures.TopProducts", **asked, limit=limit),
        "categories": url_for("sales_figures.SalesByCategory", **below),
        "brands": url_for("sales_figures.SalesAnalytics", **asked, group_by="brand", limit=limit),
    }
