"""Periods of days of the shop."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from app.analytics.rules.periods import Period, period_of
from app.core.errors import Invalid

TODAY = date(2026, 11, 21)


def test_without_days_it_is_the_last_thirty_with_today() -> None:
    assert period_of(None, None, today=TODAY) == Period(date(2026, 10, 23), TODAY)
    assert period_of(None, None, today=TODAY).days == 30


def test_the_period_before_has_as_many_days_and_ends_where_this_one_begins() -> None:
    period = Period(date(2026, 3, 1), date(2026, 3, 31))
    assert period.before() == Period(date(2026, 1, 29), date(2026, 2, 28))
    assert period.before().days == period.days == len(period.each_day())


def test_a_day_that_the_clocks_change_on_has_23_or_25_hours() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    short, long = date(2026, 3, 29), date(2026, 10, 25)
    assert Period(short, short).instants(berlin) == (
        datetime(2026, 3, 28, 23, tzinfo=UTC),
        datetime(2026, 3, 29, 22, tzinfo=UTC),
    )
    first, last = Period(long, long).instants(berlin)
    assert (last - first).total_seconds() == 25 * 3600


@pytest.mark.parametrize(
    ("first_on", "last_on", "pointer"),
    [
        (date(2026, 11, 2), date(2026, 11, 1), "/from"),
        (None, date(2026, 11, 22), "/to"),
        (date(2026, 11, 22), None, "/from"),
        (date(1969, 12, 31), None, "/from"),
        (date(1999, 1, 1), None, "/from"),
    ],
    ids=["reversed", "future", "begins tomorrow", "before 1970", "too long"],
)
def test_a_period_that_cannot_be_is_refused_by_name(first_on: date | None, last_on: date | None, pointer: str) -> None:
    with pytest.raises(Invalid) as refused:
        period_of(first_on, last_on, today=TODAY)
    assert [error.pointer for error in refused.value.errors] == [pointer]
