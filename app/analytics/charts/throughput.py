"""What the farm got done: tasks per minute or hour, stacked by how they ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from app.analytics.charts import style
from app.analytics.charts.decimation import MOST_ROWS, WallClock, width_of_bars
from app.analytics.charts.words import count_words, parts_words, span_words

if TYPE_CHECKING:
    from bokeh.plotting import figure as Figure  # noqa: N812

_LEAST: Final = 15
_NOTHING: Final = "No task ended in this period."
_UNITS_S: Final = {"minute": 60, "hour": 3600}
OUTCOMES: Final = {
    "succeeded": (style.GOOD, " "),
    "refused": (style.WARNING, "/"),
    "failed": (style.BAD, "x"),
    "skipped": (style.QUIET, "."),
    "cancelled": (style.PALE, "-"),
}
"""The colour and pattern of each."""


@dataclass(frozen=True, slots=True)
class OutcomeCounts:
    """How many tasks ended, and how, in a stretch of time that begins at an aware instant."""

    start_at: datetime
    succeeded: int = 0
    refused: int = 0
    failed: int = 0
    skipped: int = 0
    cancelled: int = 0


def job_throughput(rows: Sequence[OutcomeCounts], *, step: timedelta, zone: ZoneInfo, per: str = "minute") -> Figure:
    """Draw tasks per minute or hour as stacked bars; ``rows`` are of ``step`` each, ascending, and may have gaps.

    Bars of more than about 240 stretches are wider, and then show the mean of their time; the caption says so.
    """
    if not rows:
        return style.empty_figure(_NOTHING)
    clock = WallClock(zone)
    first, last = clock.seconds(rows[0].start_at), clock.seconds(rows[-1].start_at)
    width = width_of_bars(last - first + step.total_seconds(), int(step.total_seconds()))
    sums = _summed(rows, clock, width)
    starts = sorted(sums)
    totals = [sum(sums[start]) for start in starts]
    if not any(totals):
        return style.empty_figure(_NOTHING)
    rate = _UNITS_S[per] / width
    edges = [(start * 1000.0, (start + width) * 1000.0) for start in starts]
    span = style.value_range(0, max(totals) * rate)
    made = style.new_figure(
        unit=f"Tasks per {per}", x_axis_type="datetime", x_range=style.range_around(edges, _LEAST), y_range=span
    )
    style.time_axis(made)
    style.number_axis(made.yaxis[0])
    legend = _stack(made, [sums[start] for start in starts], edges, rate)
    words = [f"{span_words(start, start + width)}: {_said(sums[start], rate, per)}" for start in starts]
    style.say_at_columns(made, edges, span, words)
    table = [
        (span_words(start, start + width), *(f"{count:,}" for count in sums[start])) for start in starts[-MOST_ROWS:]
    ]
    wider = width > step.total_seconds()
    caption = f"Each bar is {_long(width)}, drawn as its mean per {per}." if wider else ""
    columns = ["Time", *(name.capitalize() for name in OUTCOMES)]
    return style.with_facts(made, style.Facts(caption, columns, table, None, legend))


def _summed(rows: Sequence[OutcomeCounts], clock: WallClock, width: int) -> dict[int, list[int]]:
    """The counts of each bar by where it begins, on the shop's clock."""
    names = [field.name for field in fields(OutcomeCounts)][1:]
    monday = 4 * 86_400 if width % (7 * 86_400) == 0 else 0  # the clock begins on a Thursday
    sums: dict[int, list[int]] = {}
    for row in rows:
        start = int((clock.seconds(row.start_at) - monday) // width) * width + monday
        counts = sums.setdefault(start, [0] * len(names))
        for at, name in enumerate(names):
            counts[at] += getattr(row, name)
    return sums


def _stack(
    made: Figure, counts: Sequence[Sequence[int]], edges: Sequence[tuple[float, float]], rate: float
) -> style.Legend:
    floor, marks = [0.0] * len(counts), []
    gap = 0.06 if len(edges) <= 120 else 0.0
    left = [one + (other - one) * gap for one, other in edges]
    right = [other - (other - one) * gap for one, other in edges]
    for at, (name, (color, hatch)) in enumerate(OUTCOMES.items()):
        if not any(each[at] for each in counts):
            continue
        top = [below + each[at] * rate for below, each in zip(floor, counts, strict=True)]
        drawn = made.quad(
            left=left, right=right, bottom=floor, top=top, fill_color=color, line_color=None,
            hatch_pattern=hatch, hatch_color=style.SURFACE, hatch_alpha=0.6, hatch_scale=6, hatch_weight=1,
        )  # fmt: skip
        marks.append(style.Mark(name.capitalize(), drawn, color, hatch=hatch))
        floor = top
    return style.add_legend(made, marks)


def _said(counts: Sequence[int], rate: float, per: str) -> str:
    total = sum(counts)
    said = f"{count_words(total, 'task')}, {total * rate:,.3g} a {per}"
    return f"{said}; {parts_words(dict(zip(OUTCOMES, counts, strict=True)))}" if total else "no task ended"


def _long(width_s: int) -> str:
    for unit_s, name in ((86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second")):
        if width_s % unit_s == 0:
            return count_words(width_s // unit_s, name)
    return f"{width_s} seconds"
