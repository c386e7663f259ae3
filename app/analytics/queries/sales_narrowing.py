"""Periods that take too long to sum up: the refusal names a narrower one, which was answered a moment before.

answered(partial(totals, filters=filters), period)
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Final, TypeVar

from app.analytics.errors import PeriodTooWide
from app.analytics.queries import limited
from app.analytics.rules.periods import Period

T = TypeVar("T")
_PART: Final = 256
"""What is tried first is so small a part of the period."""
_ENOUGH: Final = 0.25
"""Of the time that one read may last: where all of a trial took as long, nothing wider is tried."""


def answered(ask: Callable[[Period], T], period: Period) -> T:
    """What ``ask`` answers of a period; where that raises PeriodTooWide, it names a narrower period that does.

    Narrower ones end on the same day and are tried from few days on, each twice as long, so that all trials together
    take about as long as the last one twice.
    """
    try:
        return ask(period)
    except PeriodTooWide:
        narrower = _narrower(ask, period)
    if narrower is None:
        raise PeriodTooWide.whatever()
    raise PeriodTooWide.instead(narrower.first_on, narrower.last_on)


def _narrower(ask: Callable[[Period], object], period: Period) -> Period | None:
    """The longest period that was found to be answered; None where not even its last day is."""
    found, days, most = None, max(1, period.days // _PART), period.days
    while days < most:
        tried = Period(period.last_on - timedelta(days=days - 1), period.last_on)
        begun = time.monotonic()
        try:
            ask(tried)
        except PeriodTooWide:
            most, days = days, 1 if found is None else days
            continue
        if time.monotonic() - begun > _ENOUGH * limited.MOST_S:
            return tried
        found, days = tried, 2 * days
    return found
