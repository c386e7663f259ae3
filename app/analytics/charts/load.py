"""How the farm stood: tasks that wait and run, and the workers there are for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from app.analytics.charts import style
from app.analytics.charts.clock import Period, WallClock
from app.analytics.charts.decimation import MOST, MOST_ROWS, extremes
from app.analytics.charts.words import count_words, number_words

if TYPE_CHECKING:
    from bokeh.plotting import figure as Figure  # noqa: N812


@dataclass(frozen=True, slots=True)
class LoadSample:
    """The farm at an aware instant: tasks that wait (released or not), tasks that run, and workers alive."""

    at: datetime
    waiting: int
    running: int
    workers: int


def queue_and_workers(rows: Sequence[LoadSample], *, zone: ZoneInfo, period: Period | None = None) -> Figure:
    """Draw waiting and running tasks on the left axis and workers on the right one; ``rows`` ascend.

    The axis is that of the ``period`` that was asked for, if it is given, and else goes around the rows.
    """
    from bokeh.models import LinearAxis, Range1d

    if not rows:
        return style.empty_figure("Nothing is known of how the farm stood in this period.")
    clock = WallClock(zone)
    few = [rows[at] for at in _kept(rows)]
    places = [clock.seconds(row.at) * 1000 for row in few]
    span = style.value_range(0, max(max(row.waiting, row.running) for row in few))
    axis = clock.axis(period)
    edges = style.columns_around(places, 60_000, axis)
    around = style.range_around(edges, 3, axis)
    made = style.new_figure(unit="Tasks (left), workers (right)", x_axis_type="datetime", x_range=around, y_range=span)
    style.time_axis(made)
    style.number_axis(made.yaxis[0], whole=True)
    made.extra_y_ranges = {"workers": Range1d(0, style.value_range(0, max(row.workers for row in few))[1])}
    right = LinearAxis(y_range_name="workers")
    made.add_layout(right, "right")
    style.dress(right)
    right.axis_line_color = right.major_tick_line_color = None
    style.number_axis(right, whole=True)
    marks = []
    for name, values, at, more in (
        ("Waiting", [row.waiting for row in few], 0, {}),
        ("Running", [row.running for row in few], 1, {}),
        ("Workers", [row.workers for row in few], 2, {"y_range_name": "workers"}),
    ):
        look = {"line_color": style.SERIES[at], "line_dash": style.DASHES[at], "line_width": 2, "mode": "after"}
        drawn = made.step(places, values, **look, **more)
        if len(places) == 1:
            made.scatter(
                places, values, marker=style.MARKERS[at], size=8, fill_color=style.SERIES[at], line_color=None, **more
            )
        marks.append(style.Mark(name, drawn, style.SERIES[at], style.DASHES[at]))
    style.say_at_columns(made, edges, span, [f"{clock.moment(clock.seconds(row.at))}: {_said(row)}" for row in few])
    table = [
        (clock.moment(clock.seconds(row.at)), *map(number_words, (row.waiting, row.running, row.workers)))
        for row in rows[-MOST_ROWS:]
    ]
    drawn = f"{number_words(len(rows))} moments, drawn as the lowest and highest of each stretch."
    caption = " ".join(filter(None, (drawn if len(few) < len(rows) else "", clock.note())))
    columns = ("Time", "Waiting", "Running", "Workers")
    return style.with_facts(made, style.Facts(caption, columns, table, None, style.add_legend(made, marks)))


def _said(row: LoadSample) -> str:
    running, workers = number_words(row.running), count_words(row.workers, "worker")
    return f"{count_words(row.waiting, 'task')} waiting, {running} running, {workers}"


def _kept(rows: Sequence[LoadSample]) -> Sequence[int]:
    """Which samples are drawn: the lowest and highest of each of the three figures."""
    if len(rows) <= MOST:
        return range(len(rows))
    figures = ([row.waiting for row in rows], [row.running for row in rows], [row.workers for row in rows])
    return sorted(set().union(*(extremes(values, MOST // len(figures)) for values in figures)))
