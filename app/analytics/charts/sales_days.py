"""Sales by day, week or month, beside an earlier period and with a moving average."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Final

from app.analytics.charts import style
from app.analytics.charts.decimation import MOST, MOST_ROWS, extremes
from app.analytics.charts.words import (
    amount_float,
    amount_words,
    change_words,
    count_words,
    day_words,
    month_words,
    number_words,
)

if TYPE_CHECKING:
    from bokeh.plotting import figure as Figure  # noqa: N812

_DAY_MS: Final = 86_400_000
_MOST_BARS: Final = 100
_LEAST: Final = 7
_WIDTHS: Final = {"day": 1, "week": 7, "month": 28}


@dataclass(frozen=True, slots=True)
class DaySales:
    """What was sold on a day; or in the week or month that begins on it."""

    on: date
    amount_minor: int
    orders: int | None = None


def sales_by_day(
    rows: Sequence[DaySales],
    *,
    currency: str,
    previous: Sequence[DaySales] = (),
    group: str = "day",
    average_of: int = 7,
    name: str = "Sales",
) -> Figure:
    """Draw sales over time: bars (a line for many), the earlier period dashed at the same places, and the average.

    ``rows`` are one per ``group`` (day, week, month) without gaps, ascending; of ``previous`` the first belongs to the
    first of ``rows``. The average is that of each day and the ``average_of - 1`` before it. Amounts are minor units.
    """
    if not rows or not any(row.amount_minor or row.orders for row in (*rows, *previous)):
        return style.empty_figure("Nothing was sold in this period.")
    average = _averages([row.amount_minor for row in rows], average_of) if group == "day" else [None] * len(rows)
    before = [row.amount_minor for row in previous[: len(rows)]]
    kept = _kept([row.amount_minor for row in rows], before)
    places = [_milliseconds(rows[at].on) for at in kept]
    shown = [amount_float(rows[at].amount_minor, currency) for at in kept]
    earlier = [
        (place, amount_float(before[at], currency)) for place, at in zip(places, kept, strict=True) if at < len(before)
    ]
    means = [
        (place, amount_float(mean, currency))
        for place, at in zip(places, kept, strict=True)
        if (mean := average[at]) is not None
    ]
    every = [*shown, *(value for _, value in earlier), *(value for _, value in means)]
    span = style.value_range(min(every), max(every))
    columns = style.columns_around(places, _WIDTHS[group] * _DAY_MS)
    made = style.new_figure(
        unit=currency, x_axis_type="datetime", x_range=style.range_around(columns, _LEAST), y_range=span
    )
    style.time_axis(made)
    style.number_axis(made.yaxis[0])
    bar = " " if len(places) <= _MOST_BARS else None
    marks = [style.Mark(name, _main(made, places, shown, columns), style.ACCENT, hatch=bar)]
    if earlier:
        drawn = _line(made, earlier, style.QUIET, "dashed", 1.5)
        marks.append(style.Mark("Period before", drawn, style.QUIET, "dashed"))
    if len(means) > 1:
        drawn = _line(made, means, style.ORANGE, "solid", 2.5)
        marks.append(style.Mark(f"Average of {average_of} days", drawn, style.ORANGE))
    words = [_words(rows, before, at, currency, group) for at in kept]
    style.say_at_columns(made, columns, span, words)
    facts = _facts(rows, before, currency, group, len(kept))
    return style.with_facts(made, replace(facts, legend=style.add_legend(made, marks)))


def _kept(amounts: Sequence[int], before: Sequence[int]) -> Sequence[int]:
    """Which places are drawn: the lowest and highest of the period and of the one before it."""
    if len(amounts) <= MOST or not before:
        return extremes(amounts)
    return sorted({*extremes(amounts, MOST // 2), *extremes(before, MOST // 2)})


def _main(made: Figure, places: Sequence[float], shown: Sequence[float], columns: Sequence[tuple[float, float]]) -> Any:
    if len(places) <= _MOST_BARS:
        widths = [(right - left) * 0.72 for left, right in columns]
        return made.vbar(x=places, top=shown, width=widths, fill_color=style.ACCENT, line_color=None, fill_alpha=0.85)
    return made.line(places, shown, line_color=style.ACCENT, line_width=1.25, line_alpha=0.6)


def _line(made: Figure, points: Sequence[tuple[float, float]], color: str, dash: str, width: float) -> Any:
    xs, ys = zip(*points, strict=True)
    drawn = made.line(xs, ys, line_color=color, line_dash=dash, line_width=width)
    if len(points) == 1:
        made.scatter(xs, ys, size=7, marker="square", fill_color=color, line_color=style.SURFACE)
    return drawn


def _averages(values: Sequence[int], of: int) -> list[float | None]:
    sums = [0, *accumulate(values)]
    return [None if at + 1 < of else (sums[at + 1] - sums[at + 1 - of]) / of for at in range(len(values))]


def _milliseconds(on: date) -> float:
    return datetime(on.year, on.month, on.day, tzinfo=UTC).timestamp() * 1000


def _name(on: date, group: str) -> str:
    if group == "month":
        return month_words(on)
    return day_words(on) if group == "day" else f"Week of {day_words(on)} to {day_words(on + timedelta(days=6))}"


def _words(rows: Sequence[DaySales], before: Sequence[int], at: int, currency: str, group: str) -> str:
    row = rows[at]
    said = [amount_words(row.amount_minor, currency)]
    if row.orders is not None:
        said[0] += f" in {count_words(row.orders, 'order')}"
    if at:
        said.append(change_words(row.amount_minor, rows[at - 1].amount_minor, f"the {group} before"))
    if at < len(before):
        then = amount_words(before[at], currency)
        said.append(f"{change_words(row.amount_minor, before[at], 'in the period before')} ({then})")
    return f"{_name(row.on, group)}: {', '.join(said)}"


def _facts(
    rows: Sequence[DaySales],
    before: Sequence[int],
    currency: str,
    group: str,
    drawn: int,
) -> style.Facts:
    columns = [group.capitalize(), "Sales", *(["Orders"] if rows[0].orders is not None else [])]
    columns += ["Period before"] if before else []
    first = max(0, len(rows) - MOST_ROWS)
    table = []
    for at in range(first, len(rows)):
        row = rows[at]
        cells = [_name(row.on, group), amount_words(row.amount_minor, currency)]
        if rows[0].orders is not None:
            cells.append("" if row.orders is None else number_words(row.orders))
        if before:
            cells.append(amount_words(before[at], currency) if at < len(before) else "")
        table.append(cells)
    caption = ""
    if drawn < len(rows):
        caption = f"{number_words(len(rows))} {group}s, drawn as the lowest and the highest of each stretch."
    if first:
        caption += f" The table has the last {MOST_ROWS}."
    return style.Facts(caption.strip(), columns, table)
