"""Periods that saved reports have: said relative to the day on which a report is run."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Final

from app.analytics.rules.periods import EARLIEST, MAX_DAYS, Period

LAST_DAYS: Final = "last_days"
"""The only one that takes a number: so many whole days, up to yesterday."""


def period_on(name: str, days: int | None, *, today: date) -> Period:
    """The days that a relative period means on ``today``, a day of the shop; weeks begin on Mondays.

    What is called last is over and has whole days only; what is called this goes up to and with today.
    """
    if name == LAST_DAYS:
        yesterday = today - timedelta(days=1)
        return Period(max(EARLIEST, yesterday - timedelta(days=(days or 1) - 1)), yesterday)
    return _PERIODS[name](today)


def _last_week(today: date) -> Period:
    monday = _monday(today) - timedelta(days=7)
    return Period(monday, monday + timedelta(days=6))


def _last_month(today: date) -> Period:
    last = today.replace(day=1) - timedelta(days=1)
    return Period(last.replace(day=1), last)


def _last_quarter(today: date) -> Period:
    last = _quarter(today) - timedelta(days=1)
    return Period(_quarter(last), last)


def _last_year(today: date) -> Period:
    return Period(date(today.year - 1, 1, 1), date(today.year - 1, 12, 31))


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


def _quarter(day: date) -> date:
    return day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1)


_PERIODS: Final[dict[str, Callable[[date], Period]]] = {
    "today": lambda today: Period(today, today),
    "yesterday": lambda today: Period(today - timedelta(days=1), today - timedelta(days=1)),
    "this_week": lambda today: Period(_monday(today), today),
    "last_week": _last_week,
    "this_month": lambda today: Period(today.replace(day=1), today),
    "last_month": _last_month,
    "this_quarter": lambda today: Period(_quarter(today), today),
    "last_quarter": _last_quarter,
    "this_year": lambda today: Period(today.replace(month=1, day=1), today),
    "last_year": _last_year,
}
PERIODS: Final = (LAST_DAYS, *_PERIODS)
LABELS: Final = {name: name.replace("_", " ").capitalize() for name in _PERIODS}
"""How people read them; the last days are told with their number."""


def label_of(name: str, days: int | None) -> str:
    """A relative period in words."""
    return f"Last {days} days" if name == LAST_DAYS else LABELS[name]


def check_period(name: str, days: int | None) -> str | None:
    """Why these two do not go together; None where they do."""
    if name == LAST_DAYS:
        return None if days is not None and 1 <= days <= MAX_DAYS else f"must be from 1 to {MAX_DAYS}."
    return None if days is None else f"belongs to the period {LAST_DAYS}."
