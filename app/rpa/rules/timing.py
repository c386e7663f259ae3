"""When schedules are due: decided with plain values.

A slot of a cron expression is a minute on the clock on the wall of its time zone. It falls on the first instant at
which that clock shows this minute or a later one. So a minute that is left out when the clocks go forward falls on the
end of the gap, once for all that fall there, and one that comes twice when they go back falls on its first coming.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from itertools import islice, takewhile
from typing import Final, Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from croniter import croniter
from croniter.croniter import CroniterBadDateError

SHORTEST_S: Final = 60
LONGEST_S: Final = 366 * 86400
SHOWN: Final = 5

_MINUTE: Final = timedelta(minutes=1)
_NO_ZONES: Final = {"Factory", "localtime"}
_MONTH_NAMES: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAY_NAMES: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_FIELDS: Final[tuple[tuple[str, int, int, dict[str, int]], ...]] = (
    ("minute", 0, 59, {}),
    ("hour", 0, 23, {}),
    ("day of the month", 1, 31, {}),
    ("month", 1, 12, dict(zip(_MONTH_NAMES, range(1, 13), strict=True))),
    ("day of the week", 0, 7, dict(zip(_DAY_NAMES, range(7), strict=True))),
)
_VALUE: Final = r"[0-9]{1,2}|[a-z]{3}"
_PART: Final = re.compile(rf"(?:\*|(?P<first>{_VALUE})(?:-(?P<last>{_VALUE}))?)(?:/(?P<step>[0-9]{{1,2}}))?")


class TimingRefused(ValueError):
    """A cron expression or time zone that is none; the text names the rule."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A slot, and what the clock on the wall shows then, with its distance from UTC."""

    at: datetime
    local: str


class Timing(Protocol):
    """A rule that says at which instants something is due."""

    @property
    def zone(self) -> tzinfo:
        """The time zone that people think of it in."""

    def after(self, instant: datetime) -> datetime:
        """The first slot after an instant."""

    def latest(self, instant: datetime) -> datetime | None:
        """The last slot up to and with an instant, if there is one."""


@dataclass(frozen=True, slots=True)
class Every:
    """Every so many seconds, counted from a start."""

    seconds: int
    starts_at: datetime

    @property
    def zone(self) -> tzinfo:
        """UTC."""
        return UTC

    def after(self, instant: datetime) -> datetime:
        """The first slot after an instant; the start is the first of all."""
        if instant < self.starts_at:
            return self.starts_at
        step = timedelta(seconds=self.seconds)
        return self.starts_at + ((instant - self.starts_at) // step + 1) * step

    def latest(self, instant: datetime) -> datetime | None:
        """The last slot up to and with an instant, if there is one."""
        if instant < self.starts_at:
            return None
        step = timedelta(seconds=self.seconds)
        return self.starts_at + (instant - self.starts_at) // step * step


@dataclass(frozen=True, slots=True)
class Cron:
    """The minutes of a cron expression, as the clocks of a time zone show them."""

    expression: str
    zone: ZoneInfo

    def after(self, instant: datetime) -> datetime:
        """The first slot after an instant; raises TimingRefused where none comes within 50 years."""
        for wall in self._walls(_to_minute(self._shown(instant))):
            slot = self._first_instant(wall)
            if slot > instant:
                return slot
        raise TimingRefused("names a day that never comes.")

    def latest(self, instant: datetime) -> datetime | None:
        """The last slot up to and with an instant, if there is one within 50 years."""
        local = instant.astimezone(self.zone)
        shown = local.replace(tzinfo=None)
        if local.fold:  # the clock was put back and has shown later minutes before
            shown += (local.replace(fold=0).utcoffset() or timedelta()) - (local.utcoffset() or timedelta())
        for wall in self._walls(_to_minute(shown) + _MINUTE, backwards=True):
            slot = self._first_instant(wall)
            if slot <= instant:
                return slot
        return None

    def _walls(self, start: datetime, *, backwards: bool = False) -> Iterator[datetime]:
        """The minutes before or behind one, without any zone: croniter's own way through changes of clocks errs."""
        minutes = croniter(self.expression, start)
        step = minutes.get_prev if backwards else minutes.get_next
        try:
            while True:
                yield step(datetime)
        except CroniterBadDateError:
            return

    def _shown(self, instant: datetime) -> datetime:
        return instant.astimezone(self.zone).replace(tzinfo=None)

    def _first_instant(self, wall: datetime) -> datetime:
        """The first instant at which the clock on the wall shows this or more."""
        found = wall.replace(tzinfo=self.zone).astimezone(UTC)
        if self._shown(found) == wall:
            return found
        before, gap = wall.replace(tzinfo=self.zone, fold=1).astimezone(UTC), found
        while gap - before > timedelta(seconds=1):
            middle = before + (gap - before) // 2
            before, gap = (before, middle) if self._shown(middle) >= wall else (middle, gap)
        return gap.replace(microsecond=0)


def read_timing(*, cron: str | None, timezone: str | None, every_s: int | None, starts_at: datetime | None) -> Timing:
    """The rule that a schedule's columns describe; raises TimingRefused for a time zone that is not known here."""
    if cron is not None:
        return Cron(cron, check_zone(timezone or "UTC"))
    if every_s is None or starts_at is None:
        raise ValueError("a schedule has cron or every_s with its start")
    return Every(every_s, starts_at)


def check_cron(text: str) -> str:
    """A cron expression with single spaces; raises TimingRefused, which names the rule that it breaks."""
    fields = text.lower().split()
    if len(fields) != len(_FIELDS):
        raise TimingRefused(
            f"must be five fields ({', '.join(name for name, *_ in _FIELDS)}), such as 0 6 * * mon-fri."
        )
    expression = " ".join(
        ",".join(_check_part(part, *rules) for part in field.split(","))
        for field, rules in zip(fields, _FIELDS, strict=True)
    )
    Cron(expression, ZoneInfo("UTC")).after(datetime(2000, 1, 1, tzinfo=UTC))
    return expression


def check_zone(name: str) -> ZoneInfo:
    """The time zone of that name; raises TimingRefused."""
    if name not in _zones():
        raise TimingRefused("is no IANA time zone such as Europe/Berlin.")
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise TimingRefused("is no IANA time zone such as Europe/Berlin.") from None


def show_slots(timing: Timing, *, first: datetime) -> list[Shown]:
    """A slot and the next few behind it."""
    slots = [first, *islice(_following(timing, first), SHOWN - 1)]
    return [Shown(slot, slot.astimezone(timing.zone).isoformat(timespec="seconds")) for slot in slots]


def due_slots(timing: Timing, *, since: datetime, until: datetime, most: int) -> list[datetime]:
    """The slots from one instant to another, both included: the newest first, and at most so many of them."""
    return list(islice(takewhile(lambda slot: slot >= since, _preceding(timing, until)), most))


def _following(timing: Timing, instant: datetime) -> Iterator[datetime]:
    while True:
        instant = timing.after(instant)
        yield instant


def _preceding(timing: Timing, instant: datetime) -> Iterator[datetime]:
    while (slot := timing.latest(instant)) is not None:
        yield slot
        instant = slot - timedelta(microseconds=1)


def _to_minute(shown: datetime) -> datetime:
    return shown.replace(second=0, microsecond=0, fold=0)


def _check_part(part: str, name: str, lowest: int, highest: int, names: dict[str, int]) -> str:
    """One part of a field as croniter reads it rightly."""
    found = _PART.fullmatch(part)
    if found is None:
        raise TimingRefused(f"has {part[:20]!r} as {name}: a number, a name, a range, a list or a step is needed.")
    values = [_value(text, name, lowest, highest, names) for text in found.group("first", "last") if text is not None]
    step = found["step"]
    if step is not None and (len(values) == 1 or not 1 <= int(step) <= highest):
        raise TimingRefused(f"has {part!r} as {name}: a step is from 1 to {highest} and follows * or a range.")
    if len(values) == 2 and values[0] > values[1]:
        raise TimingRefused(f"has {part!r} as {name}, which runs backwards: write two ranges.")
    if len(values) == 2 and values[0] == values[1]:
        return str(values[0])  # 3-3 it takes for everything
    return part


def _value(text: str, name: str, lowest: int, highest: int, names: dict[str, int]) -> int:
    value = names.get(text, int(text) if text.isdigit() else -1)
    if not lowest <= value <= highest:
        raise TimingRefused(f"has {text!r} as {name}, which goes from {lowest} to {highest}.")
    return value


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    return frozenset(available_timezones() - _NO_ZONES)
