"""How long visits take: percentiles of each stage, and over time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from app.analytics.charts import style
from app.analytics.charts.clock import Period, WallClock
from app.analytics.charts.decimation import MOST, MOST_ROWS
from app.analytics.charts.lines import Line, Texts, drawn_lines
from app.analytics.charts.ranks import MOST_RANKS, Rank, ranked
from app.analytics.charts.words import count_words, duration_words, number_words
from app.analytics.rules.farm_figures import STAGES

if TYPE_CHECKING:
    from bokeh.plotting import figure as Figure  # noqa: N812


@dataclass(frozen=True, slots=True)
class StageLatency:
    """How long a stage of visits took, in milliseconds."""

    stage: str
    count: int
    p50_ms: int
    p95_ms: int
    p99_ms: int


@dataclass(frozen=True, slots=True)
class LatencyPoint:
    """How long visits, or a stage of them, took in a stretch of time that begins at an aware instant."""

    start_at: datetime
    count: int
    p50_ms: int
    p95_ms: int
    p99_ms: int


def latency_by_stage(rows: Sequence[StageLatency]) -> Figure:
    """Draw for each stage, in the order they come in, the median, and up to where 95 and 99 percent of them go."""
    if not rows:
        return style.empty_figure("No visit ended in this period.")
    ranks = [
        Rank(
            _name(row), row.p50_ms, f"{duration_words(row.p50_ms)} · 95 % {duration_words(row.p95_ms)}",
            f"{_name(row)}, {count_words(row.count, 'time')}: {_said(row)}", further=row.p95_ms,
        )
        for row in rows[:MOST_RANKS]
    ]  # fmt: skip
    table = [(_name(row), *_cells(row)) for row in rows[:MOST_ROWS]]
    caption = "The strong bar is the median, the pale one goes to where 95 % are done."
    return ranked(ranks, style.Facts(caption, ("Stage", "Count", "Median", "95 %", "99 %"), table))


def latency_percentiles(
    rows: Sequence[LatencyPoint],
    *,
    zone: ZoneInfo,
    step: timedelta = timedelta(minutes=1),
    period: Period | None = None,
) -> Figure:
    """Draw the median, the 95th and the 99th percentile over time; ``rows`` are of ``step`` each, and may have gaps.

    The axis is that of the ``period`` that was asked for, if it is given, and else goes around the rows.
    """
    if not rows:
        return style.empty_figure("No visit ended in this period.")
    clock = WallClock(zone)
    places = [clock.seconds(row.start_at) for row in rows]
    most_ms = max(row.p99_ms for row in rows)
    by, unit = (1, "Milliseconds") if most_ms < 2000 else (1000, "Seconds")
    lines = []
    for name, field in (("Median", "p50_ms"), ("95 %", "p95_ms"), ("99 %", "p99_ms")):
        values: list[int] = [getattr(row, field) for row in rows]
        texts = Texts(len(values), lambda at, values=values: duration_words(values[at]))  # type: ignore[misc]
        lines.append(Line(name, places, [value / by for value in values], texts))
    made, legend = drawn_lines(
        lines, unit=unit, when=clock.moment, lone_s=step.total_seconds(), axis=clock.axis(period)
    )
    table = [(clock.moment(place), *_cells(row)) for place, row in list(zip(places, rows, strict=True))[-MOST_ROWS:]]
    drawn = f"{number_words(len(rows))} stretches of time, drawn as the lowest and highest."
    caption = " ".join(filter(None, (drawn if len(rows) > MOST // len(lines) else "", clock.note())))
    facts = style.Facts(caption, ("Time", "Count", "Median", "95 %", "99 %"), table, None, legend)
    return style.with_facts(made, facts)


def _name(row: StageLatency) -> str:
    return STAGES.get(row.stage, row.stage.capitalize())


def _said(row: StageLatency | LatencyPoint) -> str:
    return (
        f"half within {duration_words(row.p50_ms)}, 95 % within {duration_words(row.p95_ms)}, "
        f"99 % within {duration_words(row.p99_ms)}"
    )


def _cells(row: StageLatency | LatencyPoint) -> tuple[str, ...]:
    return (number_words(row.count), *(duration_words(ms) for ms in (row.p50_ms, row.p95_ms, row.p99_ms)))
