"""Sales by category, and the products that sold best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.analytics.charts import style
from app.analytics.charts.decimation import MOST_ROWS
from app.analytics.charts.ranks import MOST_RANKS, Rank, ranked
from app.analytics.charts.words import amount_float, amount_words, change_words, count_words, number_words

if TYPE_CHECKING:
    from bokeh.plotting import figure as Figure  # noqa: N812


@dataclass(frozen=True, slots=True)
class CategorySales:
    """What was sold of a category; a product may be in several, so these need not add up to all sales."""

    name: str
    amount_minor: int
    units: int
    before_minor: int | None = None
    """In the period before."""


@dataclass(frozen=True, slots=True)
class ProductSales:
    """What was sold of a product."""

    asin: str
    name: str
    amount_minor: int
    units: int
    before_minor: int | None = None
    """In the period before."""


def sales_by_category(rows: Sequence[CategorySales], *, currency: str, what: str = "category") -> Figure:
    """Draw the largest of ``rows`` as bars, the largest first; amounts are minor units. ``what`` may also be brand."""
    if not rows:
        return style.empty_figure("Nothing was sold in this period.")
    named = [(row.name, row.name, row) for row in rows]
    return _ranked(named, currency, (what, {"category": "categories"}.get(what, what + "s")))


def top_products(rows: Sequence[ProductSales], *, currency: str) -> Figure:
    """Draw the products that brought most as bars, the first one first; amounts are minor units."""
    if not rows:
        return style.empty_figure("No product was sold in this period.")
    named = [(row.name, f"{row.name} ({row.asin})", row) for row in rows]
    return _ranked(named, currency, ("product", "products"))


def _ranked(
    named: Sequence[tuple[str, str, CategorySales | ProductSales]], currency: str, nouns: tuple[str, str]
) -> Figure:
    ordered = sorted(named, key=lambda each: each[2].amount_minor, reverse=True)
    ranks = [
        Rank(
            label, amount_float(row.amount_minor, currency), amount_words(row.amount_minor, currency),
            f"{full}: {_said(row, currency)}",
        )
        for label, full, row in ordered[:MOST_RANKS]
    ]  # fmt: skip
    columns = (nouns[0].capitalize(), "Sales", "Units")
    table = [
        (full, amount_words(row.amount_minor, currency), number_words(row.units))
        for _, full, row in ordered[:MOST_ROWS]
    ]
    caption = f"The first {MOST_RANKS} of {number_words(len(named))} {nouns[1]}." if len(named) > MOST_RANKS else ""
    return ranked(ranks, style.Facts(caption, columns, table))


def _said(row: CategorySales | ProductSales, currency: str) -> str:
    said = f"{amount_words(row.amount_minor, currency)} with {count_words(row.units, 'unit')}"
    change = change_words(row.amount_minor, row.before_minor, "in the period before")
    return f"{said}, {change}" if change else said
