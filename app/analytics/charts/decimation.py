"""Fewer points that look the same: what is sent to a browser is never more than a screen can show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

MOST: Final = 1200
"""Places on the axis of time that are sent at most."""
MOST_BARS: Final = 240
MOST_ROWS: Final = 400
"""Of the table beside a chart."""
_WIDTHS_S: Final = (
    60, 300, 900, 1800, 3600, 3 * 3600, 6 * 3600, 12 * 3600,
    *(86_400 * days for days in (1, 2, 7, 14, 28, 91, 182, 364, 3640, 36_400, 364_000)),
)  # fmt: skip


def extremes(values: Sequence[float], most: int = MOST) -> Sequence[int]:
    """Which of the values to keep, ascending: all, or the lowest and highest of each of ``most / 2`` stretches.

    The first and the last are always kept, so that a line begins and ends where it does.
    """
    count = len(values)
    if count <= most:
        return range(count)
    stretches = max(1, (most - 2) // 2)
    kept = {0, count - 1}
    for at in range(stretches):
        stretch = range(count * at // stretches, count * (at + 1) // stretches)
        kept.add(min(stretch, key=values.__getitem__))
        kept.add(max(stretch, key=values.__getitem__))
    return sorted(kept)


def width_of_bars(span_s: float, least_s: int, most: int = MOST_BARS) -> int:
    """Seconds of a bar, at least ``least_s``, such that a span has at most about ``most`` bars."""
    for width in (least_s, *_WIDTHS_S):
        if width >= least_s and width % least_s == 0 and span_s / width <= most:
            return width
    return least_s * (int(span_s / most / least_s) + 1)
