"""Where instants stand on an axis of time: as the clock on the shop's wall shows them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple, TypeAlias
from zoneinfo import ZoneInfo

from app.analytics.charts.words import moment_words, span_words

_QUARTER_S: Final = 900
_WEEK_S: Final = 7 * 86_400
_MONDAY_S: Final = 4 * 86_400
"""The clock begins on a Thursday."""
_COMINGS: Final = ("", " (first time)", " (second time)")


Period: TypeAlias = tuple[datetime, datetime]
"""From one aware instant to another."""


class Bar(NamedTuple):
    """Where a bar of an axis begins and ends, and how many seconds it really lasts."""

    start: float
    end: float
    seconds: float


@dataclass(frozen=True, slots=True)
class _Twice:
    """A stretch of the wall's clock that comes twice, because the clocks go back at its end."""

    start: float
    length: float


class WallClock:
    """Places of aware instants, in seconds; they ascend as the instants do, and no two instants have the same one.

    At the end of summer time an hour comes twice: each of its comings has half of the hour's place.
    """

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone
        self._quarters: dict[int, tuple[float, float]] = {}
        """Where each quarter of an hour begins, and how long a second is in it: no zone changes within one."""
        self._twice: dict[float, _Twice] = {}

    def seconds(self, at: datetime) -> float:
        """Where an aware instant stands."""
        instant = at.timestamp()
        quarter = int(instant // _QUARTER_S)
        place = self._quarters.get(quarter)
        if place is None:
            place = self._quarters[quarter] = self._begin(quarter * _QUARTER_S)
        return place[0] + (instant - quarter * _QUARTER_S) * place[1]

    def axis(self, period: Period | None) -> tuple[float, float] | None:
        """From where to where an axis of milliseconds goes that shows a period, if one is known."""
        return None if period is None else (self.seconds(period[0]) * 1000, self.seconds(period[1]) * 1000)

    def bar_of(self, place: float, width_s: int) -> Bar:
        """The bar of so many seconds that a place belongs to; bars of whole weeks begin on Mondays."""
        twice = self._at(place)
        if twice is not None and width_s <= twice.length:
            half = width_s / 2
            start = twice.start + (place - twice.start) // half * half
            return Bar(start, start + half, width_s)
        first = _MONDAY_S if width_s % _WEEK_S == 0 else 0
        start = (place - first) // width_s * width_s + first
        return Bar(start, start + width_s, self._instant(start + width_s) - self._instant(start))

    def moment(self, place: float) -> str:
        """A place in words: Tuesday 3 November 2026, 14:05."""
        wall, coming = self._shown(place)
        return moment_words(wall) + _COMINGS[coming]

    def span(self, start: float, end: float) -> str:
        """From one place to another in words: Tuesday 3 November 2026, 14:00 to 14:05, or from day to day."""
        wall, coming = self._shown(start)
        return span_words(wall, wall + (end - start) * (2 if coming else 1)) + _COMINGS[coming]

    def note(self) -> str:
        """A sentence about what came twice among the instants that were asked for; else empty."""
        if not self._twice:
            return ""
        last = self._twice[max(self._twice)]
        when = span_words(last.start, last.start + last.length)
        return f"{when}, comes twice, as the clocks go back; each coming has half of its place."

    def _begin(self, instant: float) -> tuple[float, float]:
        local = datetime.fromtimestamp(instant, UTC).astimezone(self._zone)
        length = _repeated(local)
        if not length:
            return instant + _offset(local), 1.0
        of_coming = datetime.fromtimestamp(instant, UTC)
        while _is_same_coming(of_coming - timedelta(seconds=_QUARTER_S), local, self._zone):
            of_coming -= timedelta(seconds=_QUARTER_S)
        begins = of_coming.timestamp()
        twice = _Twice(begins + _offset(local), length)
        self._twice[twice.start] = twice
        return twice.start + (local.fold * length + instant - begins) / 2, 0.5

    def _shown(self, place: float) -> tuple[float, int]:
        """What the clock shows at a place, and which coming of it that is: 0 where it comes once."""
        twice = self._at(place)
        if twice is None:
            return place, 0
        into = (place - twice.start) * 2
        return (twice.start + into, 1) if into < twice.length else (twice.start + into - twice.length, 2)

    def _at(self, place: float) -> _Twice | None:
        for twice in self._twice.values():
            if twice.start <= place < twice.start + twice.length:
                return twice
        return None

    def _instant(self, wall_s: float) -> float:
        return datetime.fromtimestamp(wall_s, UTC).replace(tzinfo=self._zone).timestamp()


def _offset(local: datetime) -> float:
    offset = local.utcoffset()
    return offset.total_seconds() if offset is not None else 0.0


def _repeated(local: datetime) -> float:
    """Seconds that the clocks go back after, or before, what they show at an instant that comes twice; else 0."""
    return abs(_offset(local.replace(fold=0)) - _offset(local.replace(fold=1)))


def _is_same_coming(instant: datetime, as_this: datetime, zone: ZoneInfo) -> bool:
    local = instant.astimezone(zone)
    return bool(_repeated(local)) and local.fold == as_this.fold
