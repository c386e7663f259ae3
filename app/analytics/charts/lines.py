"""Lines over time, each told apart by colour, dash and marker; what all of them show at a place is said together."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from app.analytics.charts import style
from app.analytics.charts.decimation import MOST, extremes

if TYPE_CHECKING:
    from bokeh.plotting import figure as Figure  # noqa: N812

MOST_LINES: Final = len(style.SERIES)
DAY_S: Final = 86_400
_MARKED_UP_TO: Final = 60
_MOST_MARKS: Final = 200
_LEAST: Final = 7


@dataclass(frozen=True, slots=True)
class Line:
    """A name, its places (seconds of the shop's clock, ascending), and at each the value and how it is said."""

    name: str
    places: Sequence[float]
    values: Sequence[float]
    texts: Sequence[str]
    marked: frozenset[int] = frozenset()
    """At which of its places something happened."""
    color: str | None = None
    is_step: bool = False
    """Whether a value holds until the next one."""

    def kept(self, most: int) -> Line:
        """The same with at most about so many places: the lowest and highest of each stretch, and what is marked."""
        if len(self.places) <= most:
            return self
        at = sorted({*extremes(self.values, most), *sorted(self.marked)[-most // 4 :]})
        places, values, texts = [self.places[i] for i in at], [self.values[i] for i in at], [self.texts[i] for i in at]
        marked = frozenset(new for new, old in enumerate(at) if old in self.marked)
        return Line(self.name, places, values, texts, marked, self.color, self.is_step)


def drawn_lines(
    lines: Sequence[Line],
    *,
    unit: str,
    when: Callable[[float], str],
    lone_s: float = 60,
    axis: tuple[float, float] | None = None,
    from_zero: bool = True,
    base: float | None = None,
) -> tuple[Figure, style.Legend]:
    """A figure of at most ``MOST_LINES`` lines with at least one place each, and its legend.

    ``when(seconds)`` says a place in words; around a lone place ``lone_s`` seconds belong to it; ``axis`` is from where
    to where it goes at least, in milliseconds; ``base`` is a value that is drawn as a dashed line across.
    """
    few = [line.kept(MOST // len(lines)) for line in lines]
    every = [value for line in few for value in line.values] + ([base] if base is not None else [])
    span = style.value_range(min(every), max(every), from_zero=from_zero)
    places = sorted({place for line in few for place in line.places})
    edges = style.columns_around([place * 1000 for place in places], lone_s * 1000, axis)
    around = style.range_around(edges, _LEAST, axis)
    made = style.new_figure(unit=unit, x_axis_type="datetime", x_range=around, y_range=span)
    style.time_axis(made)
    style.number_axis(made.yaxis[0])
    if base is not None:
        made.hspan(y=[base], line_color=style.SOFT, line_dash="dashed", line_width=1)
    marks = [_draw(made, line, at) for at, line in enumerate(few)]
    style.say_at_columns(made, edges, span, [f"{when(place)}: {_said(few, place)}" for place in places])
    return made, style.add_legend(made, marks)


def _draw(made: Figure, line: Line, at: int) -> style.Mark:
    color, dash, marker = line.color or style.SERIES[at], style.DASHES[at], style.MARKERS[at]
    xs, values = [place * 1000 for place in line.places], list(line.values)
    draw = made.step if line.is_step else made.line
    more = {"mode": "after"} if line.is_step else {}
    drawn = draw(xs, values, line_color=color, line_dash=dash, line_width=2, **more)
    dots = _dots(line)
    if dots:
        made.scatter(
            [xs[i] for i in dots], [values[i] for i in dots], marker=marker, fill_color=color,
            line_color=style.SURFACE, size=5 if len(xs) > 1 and not line.marked else 8,
        )  # fmt: skip
    return style.Mark(line.name, drawn, color, dash)


def _dots(line: Line) -> Sequence[int]:
    """At which places a line has a marker: where something happened, else everywhere if there is room for it."""
    if line.marked:
        return sorted(line.marked) if len(line.marked) <= _MOST_MARKS else ()
    return range(len(line.places)) if len(line.places) <= (1 if line.is_step else _MARKED_UP_TO) else ()


def _said(lines: Sequence[Line], place: float) -> str:
    """What every line shows at a place: where it has none of its own, what it showed last if that still holds."""
    said = []
    for line in lines:
        at = bisect_right(line.places, place) - 1
        if at >= 0 and (line.is_step or line.places[at] == place):
            said.append(f"{line.name} {line.texts[at]}" if len(lines) > 1 else line.texts[at])
    return "; ".join(said)


class Texts(Sequence[str]):
    """Texts that are written when they are asked for, because most of a million are not."""

    def __init__(self, count: int, write: Callable[[int], str]) -> None:
        self._count, self._write = count, write

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, at: int) -> str:  # type: ignore[override]  # nobody asks for slices
        return self._write(at)


def steps(values: Sequence[int]) -> frozenset[int]:
    """At which places a value differs from the one before."""
    return frozenset(at for at, (one, other) in enumerate(pairwise(values), 1) if one != other)
