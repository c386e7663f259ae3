"""Things by size: a bar for each, its name above it and its figure at the right, which fits every width."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from app.analytics.charts import style
from app.analytics.charts.words import shortened

if TYPE_CHECKING:
    from bokeh.plotting import figure as Figure  # noqa: N812

MOST_RANKS: Final = 12
_ROW_PX: Final = 42
_LETTERS: Final = 90
_LETTERS_ON_A_PHONE: Final = 40


@dataclass(frozen=True, slots=True)
class Rank:
    """One bar: what it is called, how long it is, what is written at its end and what is said about it."""

    label: str
    value: float
    figure: str
    words: str
    color: str = style.ACCENT
    hatch: str | None = None
    further: float | None = None
    """Up to where a lighter bar goes behind it."""


def ranked(ranks: Sequence[Rank], facts: style.Facts) -> Figure:
    """Draw bars below each other in the order they come in; there is at least one."""
    from bokeh.models import ColumnDataSource, Range1d

    low = min(0.0, *(rank.value for rank in ranks))
    high = max(0.0, *(max(rank.value, rank.further or 0.0) for rank in ranks))
    high = high if high > low else low + 1
    made = style.new_figure(
        height=len(ranks) * _ROW_PX + 10, x_range=Range1d(low, high), y_range=Range1d(len(ranks) - 0.5, -0.5)
    )
    made.axis.visible = False
    made.grid.visible = False
    made.min_border_left = 2
    rows = range(len(ranks))
    source = {
        "row": list(rows),
        "at": [row + 0.2 for row in rows],
        "text_at": [row - 0.02 for row in rows],
        "value": [rank.value for rank in ranks],
        "zero": [0.0] * len(ranks),
        "low": [low] * len(ranks),
        "high": [high] * len(ranks),
        "further": [rank.further if rank.further is not None else rank.value for rank in ranks],
        "label": [shortened(rank.label, _LETTERS) for rank in ranks],
        "short": [shortened(rank.label, max(8, _LETTERS_ON_A_PHONE - len(rank.figure))) for rank in ranks],
        "figure": [rank.figure for rank in ranks],
        "words": [rank.words for rank in ranks],
        "color": [rank.color for rank in ranks],
        "hatch": [rank.hatch or " " for rank in ranks],
    }
    data = ColumnDataSource(source)
    made.hbar(
        y="at",
        left="low",
        right="high",
        height=0.28,
        source=data,
        fill_color=style.GRID,
        fill_alpha=0.45,
        line_color=None,
    )
    made.hbar(
        y="at", left="zero", right="further", height=0.28, source=data, fill_color="color", fill_alpha=0.35,
        line_color=None,
    )  # fmt: skip
    made.hbar(
        y="at", left="zero", right="value", height=0.28, source=data, fill_color="color", line_color=None,
        hatch_pattern="hatch", hatch_color=style.SURFACE, hatch_alpha=0.6, hatch_scale=7, hatch_weight=1,
    )  # fmt: skip
    style.write(made, "low", "text_at", "label", source=data, text_baseline="bottom")
    style.write(
        made, "high", "text_at", "figure", source=data, color=style.SOFT, text_baseline="bottom", text_align="right"
    )
    edges = made.hbar(
        y="row", left="low", right="high", height=1, line_alpha=0, fill_alpha=0, hover_fill_color=style.SOFT,
        hover_fill_alpha=0.16, hover_line_alpha=0, source=data,
    )  # fmt: skip
    style.say_at(made, edges)
    return style.with_facts(made, facts)
