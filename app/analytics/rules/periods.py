"""Periods of days of the shop: how they are asked for, what comes before them, and how long they may be."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from app.core.days import beginning_of, end_of
from app.core.errors import Invalid

USUAL_DAYS: Final = 30
MAX_DAYS: Final = 3660
EARLIEST: Final = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Period:
    """Whole days of the shop, the first and the last included."""

    first_on: date
    last_on: date

    @property
    def days(self) -> int:
        """How many days it has, at least one."""
        return (self.last_on - self.first_on).days + 1

    def before(self) -> Period:
        """The period of as many days that ends the day before this one begins."""
        last_on = self.first_on - timedelta(days=1)
        return Period(last_on - timedelta(days=self.days - 1), last_on)

    def instants(self, zone: ZoneInfo) -> tuple[datetime, datetime]:
        """From which instant on, and before which, in UTC; days may have 23 or 25 hours."""
        return beginning_of(self.first_on, zone), end_of(self.last_on, zone)

    def each_day(self) -> list[date]:
        """Its days, the first one first."""
        return [self.first_on + timedelta(days=at) for at in range(self.days)]


def period_of(
    first_on: date | None, last_on: date | None, *, today: date, days: int = USUAL_DAYS, most: int = MAX_DAYS
) -> Period:
    """The period that was asked for with ``from`` and ``to``; without them the last ``days`` up to ``today``.

    Raises Invalid, naming /from or /to of the query, for one that is reversed, too early, after today or too long.
    """
    last = last_on or today
    if last > today:
        raise Invalid.field("/to", f"must not be after today, which is {today} in the shop's time zone.", place="query")
    first = first_on or max(EARLIEST, last - timedelta(days=days - 1))
    if first < EARLIEST:
        raise Invalid.field("/from", f"must not be before {EARLIEST}.", place="query")
    if first > last:
        raise Invalid.field("/from", f"must not be after the last day, {last}.", place="query")
    if (last - first).days >= most:
        raise Invalid.field("/from", f"must be within {most} days of the last day.", place="query")
    return Period(first, last)
