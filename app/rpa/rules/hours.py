"""At which hours a storefront may be visited: decided with plain values.

Hours are what the clock on the wall of a time zone shows, nothing else. So an hour that is left out when the clocks go
forward is left out here, and one that comes twice when they go back is allowed twice.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice, pairwise
from typing import Any, Final
from zoneinfo import ZoneInfo

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MOST_WINDOWS: Final = 21
_DAY_MIN: Final = 24 * 60
_WEEK_MIN: Final = 7 * _DAY_MIN
_WEEK: Final = timedelta(days=7)
_TIME: Final = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])|24:00")
_WEEKS_COUNTED: Final = 100_000
"""What takes longer takes for ever: no calendar goes on so long."""
_WEEKS_LOOKED: Final = 3
"""The only window of a week may fall into the hour that a change of clocks leaves out."""

Span = tuple[int, int]
"""Minutes of a week that begins on Monday, from the first to before the second."""


class HoursRefused(ValueError):
    """A window that is none; the text names the rule."""


@dataclass(frozen=True, slots=True)
class Hours:
    """Parts of the week on the clocks of a time zone, in order and apart from each other; there is at least one."""

    zone: ZoneInfo
    spans: tuple[Span, ...]

    @property
    def seconds_a_week(self) -> int:
        """How long is allowed in a week without a change of clocks."""
        return 60 * sum(end - start for start, end in self.spans)

    def is_open(self, instant: datetime) -> bool:
        """Whether the clock shows an allowed time."""
        local = instant.astimezone(self.zone)
        minute = local.weekday() * _DAY_MIN + local.hour * 60 + local.minute
        at = bisect_right(self.spans, (minute, _WEEK_MIN)) - 1
        return at >= 0 and minute < self.spans[at][1]

    def opens_at(self, instant: datetime) -> datetime:
        """The first instant from this one on at which a visit may start."""
        if self.is_open(instant):
            return instant
        for at in self._edges(instant):
            if self.is_open(at):
                return at
        raise ValueError("these hours never come")

    def open_seconds(self, instant: datetime, seconds: float) -> float:
        """How much of so many seconds from an instant on is allowed."""
        weeks, rest = divmod(seconds, _WEEK.total_seconds())
        start = instant + weeks * _WEEK
        end, worked = start + timedelta(seconds=rest), weeks * self.seconds_a_week
        for begins, ends in self._open_spans(start):
            if begins >= end:
                break
            worked += (min(ends, end) - begins).total_seconds()
        return worked

    def seconds_for(self, instant: datetime, work_s: float) -> float:
        """How long so many seconds of work take from an instant on; whole weeks are taken for alike."""
        weeks = max(0, int(work_s // self.seconds_a_week) - 1)
        if weeks > _WEEKS_COUNTED:
            return weeks * _WEEK.total_seconds()
        start, left = instant + weeks * _WEEK, work_s - weeks * self.seconds_a_week
        if left <= 0:
            return 0.0
        for begins, ends in self._open_spans(start):
            length = (ends - begins).total_seconds()
            if left <= length:
                return (begins + timedelta(seconds=left) - instant).total_seconds()
            left -= length
        raise ValueError("these hours never come")

    def _open_spans(self, instant: datetime) -> Iterator[tuple[datetime, datetime]]:
        """What of the next weeks is allowed, from an instant on."""
        for begins, ends in pairwise([instant, *self._edges(instant)]):
            if self.is_open(begins):
                yield begins, ends

    def _edges(self, instant: datetime) -> list[datetime]:
        """Every instant of the next weeks at which this may begin or end, in order."""
        monday = instant.astimezone(self.zone).date()
        monday -= timedelta(days=monday.weekday())
        last = instant + (_WEEKS_LOOKED + 1) * _WEEK
        found = {at for at in self._walls(monday) if at > instant} | set(_changes(self.zone, instant, last))
        return sorted(found | {last})

    def _walls(self, monday: date) -> Iterator[datetime]:
        for week in range(-1, _WEEKS_LOOKED + 2):
            midnight = datetime.combine(monday + week * _WEEK, time())
            for minute in {edge for span in self.spans for edge in span}:
                wall = (midnight + timedelta(minutes=minute)).replace(tzinfo=self.zone)
                yield wall.astimezone(UTC)
                yield wall.replace(fold=1).astimezone(UTC)


def read_hours(windows: Sequence[Mapping[str, Any]] | None, zone: ZoneInfo) -> Hours | None:
    """The hours that windows (``days``, ``start``, ``end``) describe; None for none of them: always.

    A window whose end is not behind its start ends on the next day. Raises HoursRefused.
    """
    if not windows:
        return None
    return Hours(zone, _merged(span for window in windows for span in _spans_of(window)))


def check_window(start: str, end: str) -> None:
    """Raise HoursRefused for what is no time of a day, and for a window without length."""
    if _minutes(start) == _minutes(end) or start == "24:00":
        raise HoursRefused("has no length: a whole day is from 00:00 to 24:00.")


def day_of(instant: datetime, zone: ZoneInfo) -> date:
    """The date on the calendar of a time zone."""
    return instant.astimezone(zone).date()


def day_starts_at(day: date, zone: ZoneInfo) -> datetime:
    """The first instant of a date in a time zone."""
    return datetime.combine(day, time(), tzinfo=zone).astimezone(UTC)


def _spans_of(window: Mapping[str, Any]) -> Iterator[Span]:
    check_window(window["start"], window["end"])
    start, end = _minutes(window["start"]), _minutes(window["end"])
    length = end - start if end > start else end - start + _DAY_MIN
    for day in window["days"]:
        begins = DAYS.index(day) * _DAY_MIN + start
        yield begins, min(begins + length, _WEEK_MIN)
        if begins + length > _WEEK_MIN:
            yield 0, begins + length - _WEEK_MIN


def _merged(spans: Iterable[Span]) -> tuple[Span, ...]:
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return tuple(merged)


def _minutes(text: str) -> int:
    if not _TIME.fullmatch(text):
        raise HoursRefused("must be a time such as 06:30, from 00:00 to 24:00.")
    hours, minutes = text.split(":")
    return int(hours) * 60 + int(minutes)


def _changes(zone: ZoneInfo, start: datetime, end: datetime) -> tuple[datetime, ...]:
    """When the clocks of a zone are changed between two instants."""
    days = (end - start).days + 2
    return tuple(
        _change(zone, before, after)
        for before, after in pairwise(islice(_daily(start), days))
        if before.astimezone(zone).utcoffset() != after.astimezone(zone).utcoffset()
    )


def _daily(start: datetime) -> Iterator[datetime]:
    while True:
        yield start
        start += timedelta(days=1)


def _change(zone: ZoneInfo, before: datetime, after: datetime) -> datetime:
    offset = before.astimezone(zone).utcoffset()
    while after - before > timedelta(seconds=1):
        middle = before + (after - before) / 2
        before, after = (middle, after) if middle.astimezone(zone).utcoffset() == offset else (before, middle)
    return after.replace(microsecond=0)
