"""What the farm got done: tasks per minute or hour, stacked by how they ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from app.analytics.charts import style
from app.analytics.charts.clock import Bar, Period, WallClock
from app.analytics.charts.decimation import MOST_ROWS, width_of_bars
from app.analytics.charts.words import count_words, number_words, parts_words

if TYPE_CHECKING:
    from bokeh.plotting import figure as Figure  # noqa: N812

_LEAST: Final = 15
_FEW: Final = 120
"""Up to so many bars there is a gap between them."""
_HOUR_S: Final = 3600
_NOTHING: Final = "No task ended in this period."
_UNITS_S: Final = {"minute": 60, "hour": 3_600, "day": 86_400}
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


def job_throughput(
    rows: Sequence[OutcomeCounts],
    *,
    step: timedelta,
    zone: ZoneInfo,
    per: str = "minute",
    period: Period | None = None,
) -> Figure:
    """Draw tasks per minute, hour or day as stacked bars; ``rows`` are of ``step`` each, ascending, and may have gaps.

    The axis is that of the ``period`` that was asked for, if it is given, and else goes around the rows.
    Bars of more than about 240 stretches are wider, and then show the mean of their time and, by a mark, the highest of
    their stretches; the caption says so.
    """
    if not any(_total(row) for row in rows):
        return style.empty_figure(_NOTHING)
    clock = WallClock(zone)
    first, last = clock.seconds(rows[0].start_at), clock.seconds(rows[-1].start_at)
    step_s = int(step.total_seconds())
    width = width_of_bars(last - first + step_s, step_s)
    sums, highest = _summed(rows, clock, width)
    bars = sorted(sums)
    rates = [_UNITS_S[per] / bar.seconds for bar in bars]
    peaks = [highest[bar] * _UNITS_S[per] / step_s for bar in bars] if width > step_s else []
    edges = [(bar.start * 1000.0, bar.end * 1000.0) for bar in bars]
    counts = [sums[bar] for bar in bars]
    heights = [sum(each) * rate for each, rate in zip(counts, rates, strict=True)]
    span = style.value_range(0, max([*heights, *peaks]))
    around = style.range_around(edges, _LEAST, clock.axis(period))
    made = style.new_figure(unit=f"Tasks per {per}", x_axis_type="datetime", x_range=around, y_range=span)
    style.time_axis(made)
    style.number_axis(made.yaxis[0])
    marks = _stack(made, counts, edges, rates)
    if peaks:
        marks.append(_peaks(made, edges, peaks))
    words = []
    for at, (bar, each) in enumerate(zip(bars, counts, strict=True)):
        words.append(f"{clock.span(bar.start, bar.end)}: {_said(each, rates[at], per)}{_peak_words(peaks, at, per)}")
    style.say_at_columns(made, edges, span, words)
    table = [(clock.span(bar.start, bar.end), *map(number_words, sums[bar])) for bar in bars[-MOST_ROWS:]]
    wider = f"Each bar is {_long(width)}, drawn as its mean per {per}; the mark is the highest in it." if peaks else ""
    caption = " ".join(filter(None, (wider, clock.note() if width <= _HOUR_S else "")))
    columns = ["Time", *(name.capitalize() for name in OUTCOMES)]
    return style.with_facts(made, style.Facts(caption, columns, table, None, style.add_legend(made, marks)))


def _summed(rows: Sequence[OutcomeCounts], clock: WallClock, width: int) -> tuple[dict[Bar, list[int]], dict[Bar, int]]:
    """The counts of each bar, and of how many tasks the largest of its rows is."""
    sums: dict[Bar, list[int]] = {}
    highest: dict[Bar, int] = {}
    bar: Bar | None = None
    for row in rows:
        place = clock.seconds(row.start_at)
        if bar is None or not bar.start <= place < bar.end:
            bar = clock.bar_of(place, width)
        counts = sums.setdefault(bar, [0] * len(OUTCOMES))
        for at, name in enumerate(OUTCOMES):
            counts[at] += getattr(row, name)
        highest[bar] = max(highest.get(bar, 0), _total(row))
    return sums, highest


def _total(row: OutcomeCounts) -> int:
    return row.succeeded + row.refused + row.failed + row.skipped + row.cancelled


def _stack(
    made: Figure, counts: Sequence[Sequence[int]], edges: Sequence[tuple[float, float]], rates: Sequence[float]
) -> list[style.Mark]:
    floor, marks = [0.0] * len(counts), []
    gap = 0.06 if len(edges) <= _FEW else 0.0
    left = [one + (other - one) * gap for one, other in edges]
    right = [other - (other - one) * gap for one, other in edges]
    for at, (name, (color, hatch)) in enumerate(OUTCOMES.items()):
        if not any(each[at] for each in counts):
            continue
        top = [below + each[at] * rate for below, each, rate in zip(floor, counts, rates, strict=True)]
        drawn = made.quad(
            left=left, right=right, bottom=floor, top=top, fill_color=color, line_color=None,
            hatch_pattern=hatch, hatch_color=style.SURFACE, hatch_alpha=0.6, hatch_scale=6, hatch_weight=1,
        )  # fmt: skip
        marks.append(style.Mark(name.capitalize(), drawn, color, hatch=hatch))
        floor = top
    return marks


def _peaks(made: Figure, edges: Sequence[tuple[float, float]], peaks: Sequence[float]) -> style.Mark:
    """A mark across each wide bar at the highest that its mean hides."""
    left, right = zip(*edges, strict=True)
    drawn = made.segment(x0=left, x1=right, y0=peaks, y1=peaks, line_color=style.TEXT, line_width=1.5)
    return style.Mark("Highest", drawn, style.TEXT)


def _peak_words(peaks: Sequence[float], at: int, per: str) -> str:
    return f"; {_rate_words(peaks[at])} a {per} at most" if peaks and peaks[at] else ""


def _said(counts: Sequence[int], rate: float, per: str) -> str:
    total = sum(counts)
    said = f"{count_words(total, 'task')}, {_rate_words(total * rate)} a {per}"
    return f"{said}; {parts_words(dict(zip(OUTCOMES, counts, strict=True)))}" if total else "no task ended"


def _rate_words(rate: float) -> str:
    """A rate with about three digits."""
    decimals = next((few for few, least in enumerate((100, 10, 1)) if rate >= least), 3)
    return number_words(Decimal(str(rate)), 0 if rate == int(rate) else decimals)


def _long(width_s: int) -> str:
    for unit_s, name in ((86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second")):
        if width_s % unit_s == 0:
            return count_words(width_s // unit_s, name)
    return f"{width_s} seconds"
