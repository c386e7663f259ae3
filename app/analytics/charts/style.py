"""How every chart looks: its colours in light and dark, type, axes, legend, and what is said where there is nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from bokeh.plotting import figure as Figure  # noqa: N812

FONT: Final = "Inter Variable, system-ui, -apple-system, Segoe UI, Noto Sans, sans-serif"
HEIGHT: Final = 300
POINTS: Final = "points"
"""The name of what pointers and keys find in a figure."""

TEXT: Final = "#142229"
SOFT: Final = "#4c5d66"
GRID: Final = "#dce3e6"
LINE: Final = "#c3ced3"
SURFACE: Final = "#ffffff"
ACCENT: Final = "#0b6077"
ORANGE: Final = "#c2570c"
GOOD: Final = "#1a7f4b"
WARNING: Final = "#b7791f"
BAD: Final = "#b3261e"
QUIET: Final = "#7b8a92"
PALE: Final = "#a9b6bc"
SERIES: Final = (ACCENT, ORANGE, "#7b4fa3", "#4d7c0f", "#b83280", "#6b5b4b")
"""Told apart with every kind of colour blindness, and never by colour alone: see DASHES, MARKERS and HATCHES."""
DASHES: Final = ("solid", "dashed", "dotdash", "dotted", "dashdot", "solid")
MARKERS: Final = ("circle", "square", "triangle", "diamond", "inverted_triangle", "hex")

DARK: Final = {
    TEXT: "#e3eaed", SOFT: "#a3b3bb", GRID: "#29353b", LINE: "#3b4a52", SURFACE: "#141b1f", ACCENT: "#62c3d8",
    ORANGE: "#f2a35e", GOOD: "#57c78d", WARNING: "#e3b341", BAD: "#f08a83", QUIET: "#93a4ad", PALE: "#5d6e77",
    "#7b4fa3": "#bfa0e6", "#4d7c0f": "#a3d163", "#b83280": "#f08cc0", "#6b5b4b": "#c8b8a6",
}  # fmt: skip
"""What each colour is in the dark look. Figures have the light one; the browser changes it, so one item draws both."""


Legend = Sequence[dict[str, str | None]]
"""Name, colour, dash and hatch of each thing that is drawn."""


@dataclass(frozen=True, slots=True)
class Mark:
    """What a legend says of one thing that is drawn: its name and how it looks."""

    name: str
    drawn: Any
    """Bokeh's renderer."""
    color: str
    dash: str = "solid"
    hatch: str | None = None
    """Of a bar; None for a line."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is said beside a figure: its caption, the same as a table, and a sentence where there is nothing to draw."""

    caption: str = ""
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    empty: str | None = None
    legend: Legend = ()


def new_figure(*, height: int = HEIGHT, unit: str = "", **more: Any) -> Figure:
    """A figure without a toolbar that is as wide as its place; ``unit`` is written above the axis of values."""
    from bokeh.models import Title
    from bokeh.plotting import figure

    made = figure(
        height=height, sizing_mode="stretch_width", toolbar_location=None, tools="", min_border=4,
        outline_line_color=None, background_fill_color=None, border_fill_color=None, **more,
    )  # fmt: skip
    made.min_border_right = 12
    made.title = Title(
        text=unit,
        text_color=SOFT,
        text_font=FONT,
        text_font_size="12px",
        text_font_style="normal",
        offset=0,
        standoff=8,
    )
    for axis in made.axis:
        dress(axis)
    made.yaxis.axis_line_color = None
    made.yaxis.major_tick_line_color = None
    made.grid.grid_line_color = GRID
    made.xgrid.grid_line_color = None
    return made


def dress(axis: Any) -> None:
    """Give an axis the type and the colours of all."""
    axis.update(
        axis_line_color=LINE, major_tick_line_color=LINE, minor_tick_line_color=None,
        major_tick_in=0, major_tick_out=4,
        major_label_text_color=SOFT, major_label_text_font=FONT, major_label_text_font_size="12px",
        axis_label_text_color=SOFT, axis_label_text_font=FONT, axis_label_text_font_size="12px",
        axis_label_text_font_style="normal",
    )  # fmt: skip


def time_axis(made: Figure) -> None:
    """Write the axis of time short, so that five labels fit on a phone; days and years stand below where they begin."""
    from bokeh.models import DatetimeTickFormatter

    days = dict.fromkeys(("seconds", "minsec", "minutes", "hourmin", "hours"), "%-d %b")
    below = DatetimeTickFormatter(**days, days="%Y", months="", years="", hide_repeats=True, boundary_scaling=False)
    made.xaxis[0].formatter.update(
        seconds="%H:%M:%S", minsec="%H:%M:%S", minutes="%H:%M", hourmin="%H:%M", hours="%H:%M", days="%-d %b",
        months="%b %Y", years="%Y", context=below, context_which="all", context_location="below", hide_repeats=False,
    )  # fmt: skip
    made.xaxis[0].ticker.desired_num_ticks = 7


def number_axis(axis: Any, *, whole: bool = False) -> None:
    """Write numbers short (12.5k); with ``whole`` no tick stands between two whole numbers."""
    from bokeh.models import BasicTicker, NumeralTickFormatter

    axis.formatter = NumeralTickFormatter(format="0a" if whole else "0.[00]a")
    axis.ticker = BasicTicker(desired_num_ticks=5, **({"min_interval": 1} if whole else {}))
    if whole:
        axis.formatter.format = "0.[0]a"


def value_range(lowest: float, highest: float, *, from_zero: bool = True) -> tuple[float, float]:
    """From where to where an axis of values goes: a little beyond them, and never of no height."""
    low, high = (min(0.0, lowest), max(0.0, highest)) if from_zero else (lowest, highest)
    room = (high - low) * 0.08 or abs(high) * 0.08 or 1.0
    return (low if from_zero and low == 0 else low - room), high + room


def say_at_columns(
    made: Figure, edges: Sequence[tuple[float, float]], span: tuple[float, float], words: Sequence[str]
) -> None:
    """Say in words what a column of the figure (left and right edge) shows, wherever in it the pointer is."""
    source = {
        "left": [left for left, _ in edges],
        "right": [right for _, right in edges],
        "words": list(words),
        "bottom": [span[0]] * len(edges),
        "top": [span[1]] * len(edges),
    }
    shown = made.quad(
        "left", "right", "top", "bottom", source=source, fill_alpha=0, line_alpha=0,
        hover_fill_color=SOFT, hover_fill_alpha=0.2, hover_line_alpha=0,
    )  # fmt: skip
    say_at(made, shown)


def say_at(made: Figure, shown: Any) -> None:
    """Say the column ``words`` of what was drawn where the pointer is on it, and where keys lead (``charts.js``)."""
    from bokeh.models import HoverTool

    shown.name = POINTS
    tool = HoverTool(
        tooltips="@words", renderers=[shown], point_policy="follow_mouse", attachment="vertical", show_arrow=False
    )
    made.add_tools(tool)


def range_around(
    edges: Sequence[tuple[float, float]], least: int, within: tuple[float, float] | None = None
) -> tuple[float, float]:
    """From where to where an axis goes that shows these columns.

    That is all of the period ``within``, where that is known, else there is room for at least so many columns.
    """
    left, right = edges[0][0], edges[-1][1]
    if within is not None:
        return min(left, within[0]), max(right, within[1])
    lacks = max(0.0, (edges[0][1] - left) * least - (right - left)) / 2
    return left - lacks, right + lacks


def columns_around(
    places: Sequence[float], usual: float, within: tuple[float, float] | None = None
) -> list[tuple[float, float]]:
    """The edges of columns around ascending places, halfway to the neighbours; ``usual`` is the width of a lone one.

    None goes beyond the period ``within``, where that is known, unless its place is there.
    """
    if len(places) == 1:
        return [(places[0] - usual / 2, places[0] + usual / 2)]
    halves = [(one + other) / 2 for one, other in pairwise(places)]
    first, last = places[0] - (halves[0] - places[0]), places[-1] + (places[-1] - halves[-1])
    if within is not None:
        first = max(first, min(within[0], places[0] - usual / 2))
        last = min(last, max(within[1], places[-1] + usual / 2))
    return list(zip([first, *halves], [*halves, last], strict=True))


def add_legend(made: Figure, marks: Sequence[Mark]) -> Legend:
    """Name what is drawn below the figure; answers the same for ``Facts``: the browser makes text of it that wraps."""
    from bokeh import models

    legend = models.Legend(
        items=[(mark.name, [mark.drawn]) for mark in marks], orientation="horizontal", location="left",
        border_line_color=None, background_fill_color=None, label_text_color=TEXT, label_text_font=FONT,
        label_text_font_size="12px", glyph_width=18, glyph_height=14, spacing=14, padding=0, margin=4, label_standoff=6,
    )  # fmt: skip
    made.add_layout(legend, "below")
    return [{"name": mark.name, "color": mark.color, "dash": mark.dash, "hatch": mark.hatch} for mark in marks]


def write(made: Figure, x: Any, y: Any, text: Any, *, color: str = TEXT, size: int = 12, **more: Any) -> None:
    """Write texts into the figure; ``x``, ``y`` and ``text`` are columns of ``source`` or lists."""
    from bokeh.core.properties import value

    made.text(x, y, text, text_color=color, text_font=value(FONT), text_font_size=f"{size}px", **more)


def with_facts(made: Figure, facts: Facts) -> Figure:
    """The figure with what is said beside it, for ``chart_item``."""
    table = [list(row) for row in facts.rows]
    made.tags = [facts.caption, list(facts.columns), table, facts.empty, list(facts.legend)]
    return made


def facts_of(made: Figure) -> Facts:
    """What ``with_facts`` put beside a figure."""
    return Facts(*made.tags) if made.tags else Facts()


def empty_figure(sentence: str) -> Figure:
    """A sentence where there is nothing to draw, without axes."""
    from bokeh.models import Range1d

    made = new_figure(height=120, x_range=Range1d(0, 1), y_range=Range1d(0, 1))
    made.axis.visible = False
    made.grid.visible = False
    write(made, [0.5], [0.5], [sentence], color=SOFT, text_align="center", text_baseline="middle")
    return with_facts(made, Facts(empty=sentence))
