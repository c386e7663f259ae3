"""The main figures of a period, each beside that of the period before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from app.analytics.charts import style
from app.analytics.charts.ranks import MOST_RANKS, Rank, ranked
from app.analytics.charts.words import amount_words, change_words, number_words

if TYPE_CHECKING:
    from bokeh.plotting import figure as Figure  # noqa: N812

_PER_MEASURE = 2
"""Bars: of the period, and of the one before."""


@dataclass(frozen=True, slots=True)
class Measure:
    """A figure now and before: minor units of ``currency``, or a count where that is None."""

    name: str
    now: int
    before: int
    currency: str | None = None


def now_and_before(rows: Sequence[Measure]) -> Figure:
    """Draw two bars for each figure, now and before, as long as the larger of both allows: units differ."""
    shown = [row for row in rows[: MOST_RANKS // _PER_MEASURE] if row.now or row.before]
    if not shown:
        return style.empty_figure("Nothing was sold in this period, nor in the one before.")
    ranks, table = [], []
    for row in shown:
        words = _words_of(row)
        most = max(abs(row.now), abs(row.before))
        change = change_words(row.now, row.before, "in the period before")
        said = f"{row.name}: {words(row.now)}, {change} ({words(row.before)})"
        ranks.append(Rank(row.name, _percent(row.now, most), words(row.now), said))
        before = f"{row.name}, in the period before: {words(row.before)}"
        ranks.append(Rank("Before", _percent(row.before, most), words(row.before), before, style.QUIET, "/"))
        table.append((row.name, words(row.now), words(row.before)))
    caption = "Striped: the period before. Of each two bars the longer one fills the width."
    return ranked(ranks, style.Facts(caption, ("Figure", "Now", "Before"), table))


def _words_of(row: Measure) -> Callable[[int], str]:
    currency = row.currency
    return number_words if currency is None else lambda minor: amount_words(minor, currency)


def _percent(part: int, whole: int) -> float:
    return float(Decimal(part) * 100 / whole)
