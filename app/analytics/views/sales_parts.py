"""What the page of sales figures is made of (docs/metrics.md defines every number)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

from flask import url_for

from app.analytics.errors import PeriodTooWide
from app.analytics.forms.sales import SalesForm
from app.analytics.queries.sales_figures import comparison, series
from app.analytics.queries.sales_shares import MAX_SHARES, by_category, top_brands, top_products
from app.analytics.rules.sales_figures import Comparison, Point, Share
from app.analytics.views.tiles import Tile, count_tile, money_tile
from app.core.running import settings
from app.products.errors import CategoryNotFound
from app.products.models.categories import Category
from app.products.queries.categories import AT_THE_TOP, CategoryRecord, get_category, list_categories

FIRST: Final = 10
MOST_PARTS: Final = 120
"""Days, weeks or months that the page lists, the newest ones; the file has all."""
_MOST_CATEGORIES: Final = 100
MEANINGS: Final = (
    ("net", "Net", "What the goods bring: sales less refunds, without discount, tax and shipping."),
    ("gross", "Gross", "Unit price × units of what was sold, as priced, before any discount and before refunds."),
    ("orders", "Orders", "Orders that were paid in the period. Imported sales belong to no order."),
    ("average", "Average order value", "Net of the sales of orders ÷ orders, before refunds and without imports."),
    ("units", "Units", "Pieces that were paid, less those that were cancelled afterwards or came back."),
    ("discount", "Discounts", "What coupons took off what was sold, as priced."),
    ("refunds", "Refunds", "What refunds take from net, on the day of the refund and not on that of the sale."),
    ("total", "Paid", "What was paid less what was paid back: always net + shipping + tax."),
    ("share", "Share", "Of net. A product counts in each of its categories, so these may add up to more than all."),
    ("before", "Before", "The same number of the period of as many days just before; days are the shop's."),
)


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
    categories: list[Share]
    products: list[Share]
    brands: list[Share]

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing in the period and nothing before it."""
        each = (self.compared.now, self.compared.before)
        return not any(one.lines or one.refund_minor or one.units_returned for one in each)


@dataclass(frozen=True, slots=True)
class Categories:
    """The categories to choose among, and the way to the chosen one."""

    top: list[Category]
    chosen: CategoryRecord | None = None
    path: list[Category] = field(default_factory=list)


def read_categories(form: SalesForm) -> Categories:
    """The categories at the top; says at the field that the chosen one is not there."""
    top = list_categories(limit=_MOST_CATEGORIES, parent_id=AT_THE_TOP).items
    if form.category_id is None:
        return Categories(list(top))
    try:
        chosen = get_category(form.category_id)
    except CategoryNotFound:
        form.lack_category()
        return Categories(list(top))
    return Categories(list(top), chosen, chosen.ancestors)


def read_sales(form: SalesForm) -> Sales | None:
    """The figures that a form asks for; None where they would take too long, which the form then says."""
    try:
        return _read(form)
    except PeriodTooWide as refusal:
        form.blame("from", refusal.detail)
        return None


def _read(form: SalesForm) -> Sales:
    compared = {each.now.currency: each for each in comparison(form.period, form.filters())}
    currency = form.choose(list(compared), settings().currency)
    chosen, filters = compared[currency], form.filters(currency)
    points = series(form.period, form.grouping, filters)[::-1]
    return Sales(
        currency=currency,
        currencies=list(compared),
        compared=chosen,
        tiles=tiles_of(chosen),
        points=points[:MOST_PARTS],
        parts=len(points),
        charts=_addresses(form, currency, kind="chart", compare=True, limit=FIRST),
        files=_addresses(form, currency, kind="csv", compare=False, limit=MAX_SHARES),
        categories=by_category(
            form.period, replace(filters, category_id=None), parent_id=form.category_id, limit=FIRST
        ),
        products=top_products(form.period, limit=FIRST, filters=filters),
        brands=top_brands(form.period, limit=FIRST, filters=filters),
    )


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


def _addresses(form: SalesForm, currency: str, *, kind: str, compare: bool, limit: int) -> dict[str, str]:
    """Addresses of the API that answer with the same numbers as the page, in a format."""
    asked = form.arguments(currency) | {"format": kind}
    below = {name: value for name, value in asked.items() if name != "category_id"} | {"limit": limit}
    below |= {} if form.category_id is None else {"parent_id": form.category_id}
    time = asked | {"group_by": str(form.grouping)} | ({"compare": "true"} if compare else {})
    return {
        "time": url_for("sales_figures.SalesAnalytics", **time),
        "products": url_for("sales_figures.TopProducts", **asked, limit=limit),
        "categories": url_for("sales_figures.SalesByCategory", **below),
        "brands": url_for("sales_figures.SalesAnalytics", **asked, group_by="brand", limit=limit),
    }
