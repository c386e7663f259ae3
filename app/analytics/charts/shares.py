"""What comes of what: the way of orders, how long stock lasts, and how tasks ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from app.analytics.charts import style
from app.analytics.charts.decimation import MOST_ROWS
from app.analytics.charts.ranks import MOST_RANKS, Rank, ranked
from app.analytics.charts.throughput import OUTCOMES
from app.analytics.charts.words import count_words, number_words

if TYPE_CHECKING:
    from bokeh.plotting import figure as Figure  # noqa: N812

_LOW_DAYS: Final = 14
_WHOLE_PERCENT: Final = 10
"""From here on percentages have no decimals."""
MOST_USED_UP: Final = 100
"""Products that are counted."""


@dataclass(frozen=True, slots=True)
class FunnelStep:
    """How many got as far as a step."""

    name: str
    count: int


@dataclass(frozen=True, slots=True)
class StockCover:
    """How many days what is available of a product lasts; None where nothing of it is sold."""

    asin: str
    name: str
    days: Decimal | None
    available: int


@dataclass(frozen=True, slots=True)
class CodeCount:
    """How many tasks ended with a code (``outcome``: succeeded, refused, failed, skipped, cancelled)."""

    code: str
    outcome: str
    tasks: int
    retries: int = 0


def order_funnel(steps: Sequence[FunnelStep]) -> Figure:
    """Draw how many got as far as each step, in the order they come in, as shares of the first one."""
    if not steps or not any(step.count for step in steps):
        return style.empty_figure("Nothing was put into a cart in this period.")
    first = max(1, steps[0].count)
    ranks, table = [], []
    for at, step in enumerate(steps[:MOST_RANKS]):
        share = _percent(step.count, first)
        count = number_words(step.count)
        said = f"{step.name}: {count}, {share} of the first step"
        if at and steps[at - 1].count:
            said += f", {_percent(step.count, steps[at - 1].count)} of the step before"
        ranks.append(Rank(step.name, step.count, f"{count} · {share}", said))
        table.append((step.name, count, share))
    return ranked(ranks, style.Facts("", ("Step", "Count", "Of the first"), table))


def stock_cover(
    rows: Sequence[StockCover], *, low_days: int = _LOW_DAYS, has_more: bool = False, used_up: int = 0
) -> Figure:
    """Draw the products of which something is left and whose stock ends first; below ``low_days`` they are striped.

    Below the chart it is told of how many that sell nothing is left: of ``rows``, and ``used_up`` others. More than
    MOST_USED_UP are not counted. ``has_more``: there are more products than ``rows``, none of which ends before them.
    """
    sold = sorted((row for row in rows if row.days is not None and row.available > 0), key=lambda row: row.days or 0)
    gone = _used_up(used_up + sum(row.days is not None and row.available <= 0 for row in rows))
    if not sold:
        return style.empty_figure(
            f"{gone} Nothing else of it sells." if gone else "Nothing of this stock sells, so it lasts."
        )
    ranks = []
    for row in sold[:MOST_RANKS]:
        days = row.days or Decimal(0)
        color, hatch = (style.WARNING, "/") if days < low_days else (style.ACCENT, None)
        words = f"{number_words(days, 0 if days >= 10 else 1)} days"
        said = f"{row.name} ({row.asin}): {words}, {count_words(row.available, 'unit')} available"
        ranks.append(Rank(row.name, float(days), words, said, color, hatch))
    table = [
        (f"{row.name} ({row.asin})", number_words(row.available), number_words(row.days or 0, 1))
        for row in sold[:MOST_ROWS]
    ]
    parts = [gone] if gone else []
    if has_more or len(sold) > MOST_RANKS:
        of = "" if has_more else f" of {count_words(len(sold), 'product')}"
        parts.append(f"The {len(ranks)} that end first{of}.")
    unsold = sum(row.days is None for row in rows)
    if unsold and not has_more:
        parts.append(f"{count_words(unsold, 'product')} without sales are left out.")
    parts.append(f"Striped: less than {count_words(low_days, 'day')} left.")
    return ranked(ranks, style.Facts(" ".join(parts), ("Product", "Available", "Days left"), table))


def _used_up(count: int) -> str:
    if count > MOST_USED_UP:
        return f"More than {MOST_USED_UP} products are used up."
    return "" if not count else "1 product is used up." if count == 1 else f"{count} products are used up."


def outcomes_by_code(rows: Sequence[CodeCount]) -> Figure:
    """Draw how often each code was the end of a task, the most frequent first, coloured by outcome."""
    total = sum(row.tasks for row in rows)
    if not total:
        return style.empty_figure("No task ended in this period.")
    ordered = sorted(rows, key=lambda row: -row.tasks)
    ranks = []
    for row in ordered[:MOST_RANKS]:
        color, hatch = OUTCOMES.get(row.outcome.lower(), (style.QUIET, " "))
        share = _percent(row.tasks, total)
        said = f"{row.code} ({row.outcome.lower()}): {count_words(row.tasks, 'task')}, {share} of all"
        if row.retries:
            said += f"; tried again {count_words(row.retries, 'time')}"
        ranks.append(Rank(_readable(row.code), row.tasks, f"{number_words(row.tasks)} · {share}", said, color, hatch))
    table = [
        (row.code, row.outcome.lower(), number_words(row.tasks), number_words(row.retries))
        for row in ordered[:MOST_ROWS]
    ]
    caption = f"The first {MOST_RANKS} of {number_words(len(rows))} codes." if len(rows) > MOST_RANKS else ""
    return ranked(ranks, style.Facts(caption, ("Code", "Outcome", "Tasks", "Tried again"), table))


def _readable(code: str) -> str:
    return code.replace("_", " ").capitalize()


def _percent(part: int, whole: int) -> str:
    share = Decimal(part) * 100 / whole
    least = Decimal("0.1")
    if 0 < share < least:
        return f"< {number_words(least, 1)} %"
    return f"{number_words(share, 0 if share >= _WHOLE_PERCENT or share == 0 else 1)} %"
