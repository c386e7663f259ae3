"""What lies on the shelf, by what it is worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.analytics.charts import style
from app.analytics.charts.decimation import MOST_ROWS
from app.analytics.charts.ranks import MOST_RANKS, Rank, ranked
from app.analytics.charts.words import amount_float, amount_words, count_words, number_words

if TYPE_CHECKING:
    from bokeh.plotting import figure as Figure  # noqa: N812


@dataclass(frozen=True, slots=True)
class StockValue:
    """How many pieces of a product are available, and what they are worth in minor units."""

    asin: str
    name: str
    available: int
    value_minor: int


def stock_value(rows: Sequence[StockValue], *, currency: str) -> Figure:
    """Draw the products whose stock is worth most as bars, the first one first; all are in one currency."""
    if not rows:
        return style.empty_figure("No such stock lies on the shelf.")
    ordered = sorted(rows, key=lambda row: row.value_minor, reverse=True)
    ranks = [
        Rank(
            row.name, amount_float(row.value_minor, currency), amount_words(row.value_minor, currency),
            f"{row.name} ({row.asin}): {amount_words(row.value_minor, currency)}, "
            f"{count_words(row.available, 'unit')} available",
        )
        for row in ordered[:MOST_RANKS]
    ]  # fmt: skip
    table = [
        (f"{row.name} ({row.asin})", number_words(row.available), amount_words(row.value_minor, currency))
        for row in ordered[:MOST_ROWS]
    ]
    caption = f"The first {MOST_RANKS} of {count_words(len(rows), 'product')}." if len(rows) > MOST_RANKS else ""
    return ranked(ranks, style.Facts(caption, ("Product", "Available", "Value"), table))
