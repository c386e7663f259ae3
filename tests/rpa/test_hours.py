"""When a storefront may be visited, checked against what the clocks of its zone show."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.rpa.rules.hours import DAYS, Hours, HoursRefused, day_of, day_starts_at, read_hours

BERLIN = "Europe/Berlin"
WORKDAYS = ["mon", "tue", "wed", "thu", "fri"]
EVERY_DAY = list(DAYS)
busy = settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
"""A machine that has other things to do is no fault."""
CHANGING = [BERLIN, "America/New_York", "Australia/Lord_Howe", "Africa/Cairo", "America/Havana", "Asia/Beirut", "UTC"]


def _hours(zone: str, *windows: tuple[list[str], str, str]) -> Hours:
    found = read_hours([{"days": days, "start": start, "end": end} for days, start, end in windows], ZoneInfo(zone))
    assert found is not None
    return found


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


NIGHTS = (WORKDAYS, "22:00", "06:00")


@pytest.mark.parametrize(
    ("at", "is_open", "opens"),
    [
        ("2026-11-23T20:59", False, "2026-11-23T21:00"),  # Monday, 21:59 in Berlin
        ("2026-11-23T21:00", True, None),
        ("2026-11-24T04:59", True, None),
        ("2026-11-24T05:00", False, "2026-11-24T21:00"),
        ("2026-11-28T04:59", True, None),  # Saturday morning still belongs to Friday's window
        ("2026-11-28T05:00", False, "2026-11-30T21:00"),
        ("2026-11-23T04:00", False, "2026-11-23T21:00"),  # Sunday night is nobody's
    ],
)
def test_a_window_over_midnight_belongs_to_the_day_on_which_it_begins(
    at: str, is_open: bool, opens: str | None
) -> None:
    hours = _hours(BERLIN, NIGHTS)
    assert hours.is_open(_utc(at)) is is_open
    assert hours.opens_at(_utc(at)) == _utc(opens or at)


def test_the_night_from_sunday_to_monday_is_one_window() -> None:
    hours = _hours("UTC", (["sun"], "23:00", "01:00"))
    assert hours.spans == ((0, 60), (7 * 1440 - 60, 7 * 1440))
    assert hours.is_open(_utc("2026-11-23T00:59"))
    assert not hours.is_open(_utc("2026-11-23T01:00"))


def test_no_windows_are_all_hours_and_windows_that_touch_are_one() -> None:
    assert read_hours([], ZoneInfo("UTC")) is None
    assert read_hours(None, ZoneInfo("UTC")) is None
    assert _hours("UTC", (EVERY_DAY, "00:00", "24:00")).spans == ((0, 10_080),)
    assert _hours("UTC", (["mon"], "08:00", "10:00"), (["mon"], "09:00", "12:00")).spans == ((480, 720),)


@pytest.mark.parametrize(
    ("start", "end"), [("09:00", "09:00"), ("24:00", "06:00"), ("25:00", "06:00"), ("9:00", "10:00"), ("", "10:00")]
)
def test_what_is_no_window_is_refused(start: str, end: str) -> None:
    with pytest.raises(HoursRefused):
        _hours("UTC", (["mon"], start, end))


def test_an_hour_that_the_clocks_leave_out_is_left_out() -> None:
    hours = _hours(BERLIN, (["sun"], "02:30", "03:30"))  # on 2026-03-29 02:00 is followed by 03:00
    assert hours.opens_at(_utc("2026-03-28T12:00")) == _utc("2026-03-29T01:00")
    assert not hours.is_open(_utc("2026-03-29T00:59"))
    assert not hours.is_open(_utc("2026-03-29T01:30"))


def test_a_window_within_the_hour_that_is_left_out_comes_a_week_later() -> None:
    hours = _hours(BERLIN, (["sun"], "02:15", "02:45"))
    assert hours.opens_at(_utc("2026-03-28T12:00")) == _utc("2026-04-05T00:15")


def test_an_hour_that_comes_twice_is_allowed_twice() -> None:
    hours = _hours(BERLIN, (["sun"], "02:15", "02:45"))  # on 2026-10-25 03:00 is followed by 02:00
    assert hours.opens_at(_utc("2026-10-25T00:00")) == _utc("2026-10-25T00:15")
    assert hours.opens_at(_utc("2026-10-25T00:45")) == _utc("2026-10-25T01:15")
    assert hours.opens_at(_utc("2026-10-25T01:45")) == _utc("2026-11-01T01:15")


def test_a_window_that_has_closed_opens_again_where_the_clocks_are_put_back_into_it() -> None:
    hours = _hours(BERLIN, (["sun"], "01:30", "02:30"))
    assert hours.is_open(_utc("2026-10-25T00:29"))
    assert not hours.is_open(_utc("2026-10-25T00:30"))
    assert hours.opens_at(_utc("2026-10-25T00:30")) == _utc("2026-10-25T01:00")


def test_every_zone_opens_at_a_time_that_its_clock_shows_as_allowed() -> None:
    for zone in sorted(available_timezones() - {"Factory", "localtime"}):
        hours = _hours(zone, (["wed"], "09:00", "17:00"))
        at = hours.opens_at(_utc("2026-11-21T12:00"))
        local = at.astimezone(ZoneInfo(zone))
        assert (local.weekday(), local.hour, local.minute) == (2, 9, 0), zone
        assert not hours.is_open(at - timedelta(seconds=1)), zone


_windows = st.lists(
    st.tuples(
        st.lists(st.sampled_from(EVERY_DAY), min_size=1, max_size=3, unique=True),
        st.integers(0, 1439),
        st.integers(1, 1440),
    ).filter(lambda window: window[1] != window[2] and (window[1], window[2]) != (0, 0)),
    min_size=1,
    max_size=3,
)
_starts = st.sampled_from(
    ["2026-03-07T00:00", "2026-03-28T12:00", "2026-04-03T00:00", "2026-10-24T10:00", "2026-10-31"]
)


@busy
@given(_windows, st.sampled_from(CHANGING), _starts)
def test_it_opens_at_the_first_minute_that_is_open(windows: Any, zone: str, start: str) -> None:
    shown = [(days, _text(begins), _text(ends)) for days, begins, ends in windows]
    hours, now = _hours(zone, *shown), _utc(start)
    minute = now
    while not hours.is_open(minute):
        minute += timedelta(minutes=1)
    assert hours.opens_at(now) == minute


@busy
@given(_windows, st.sampled_from(CHANGING), _starts, st.integers(60, 3 * 86_400))
def test_the_seconds_that_are_open_are_counted_minute_by_minute(
    windows: Any, zone: str, start: str, seconds: int
) -> None:
    shown = [(days, _text(begins), _text(ends)) for days, begins, ends in windows]
    hours, now = _hours(zone, *shown), _utc(start)
    minutes = [now + timedelta(minutes=at) for at in range(seconds // 60 + 1)]
    counted = sum((after - at).total_seconds() for at, after in pairwise(minutes) if hours.is_open(at))
    assert hours.open_seconds(now, seconds // 60 * 60) == counted
    if counted:
        assert hours.open_seconds(now, hours.seconds_for(now, counted)) == counted


def test_weeks_of_work_take_as_long_as_there_are_hours() -> None:
    hours = _hours("UTC", (["mon"], "00:00", "01:00"))
    assert hours.seconds_a_week == 3600
    assert hours.seconds_for(_utc("2026-11-23T00:00"), 10 * 3600) == 9 * 7 * 86_400 + 3600
    assert hours.seconds_for(_utc("2026-11-23T00:30"), 3600) == 7 * 86_400
    assert hours.seconds_for(_utc("2026-11-23T00:00"), 0) == 0
    assert hours.open_seconds(_utc("2026-11-23T00:00"), 70 * 86_400) == 10 * 3600


@pytest.mark.parametrize(
    ("zone", "day", "starts"),
    [
        (BERLIN, "2026-03-29", "2026-03-28T23:00"),
        (BERLIN, "2026-03-30", "2026-03-29T22:00"),
        ("Africa/Cairo", "2026-04-24", "2026-04-23T22:00"),  # the clocks leave midnight out
        ("America/Havana", "2026-11-01", "2026-11-01T04:00"),  # the first of two midnights
        ("Pacific/Kiritimati", "2026-11-22", "2026-11-21T10:00"),
    ],
)
def test_a_day_begins_at_the_first_instant_of_its_date(zone: str, day: str, starts: str) -> None:
    at = day_starts_at(datetime.fromisoformat(day).date(), ZoneInfo(zone))
    assert at == _utc(starts)
    assert day_of(at, ZoneInfo(zone)).isoformat() == day
    assert day_of(at - timedelta(microseconds=1), ZoneInfo(zone)).isoformat() < day


def _text(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"
