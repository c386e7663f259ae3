"""When schedules are due, through every change of the clocks."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Final
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.rpa.rules.timing import Cron, Every, Timing, TimingRefused, check_cron, check_zone, due_slots, show_slots

DAY: Final = datetime.fromisoformat("2025-01-01")
MICROSECOND: Final = timedelta(microseconds=1)


def utc(text: str) -> datetime:
    """An instant such as ``2026-03-29 00:30``."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def slots(timing: Timing, after: str, count: int) -> list[str]:
    """The next slots as the clocks show them, with the hours from UTC."""
    instant, found = utc(after), []
    for _ in range(count):
        instant = timing.after(instant)
        local = instant.astimezone(timing.zone)
        offset = (local.utcoffset() or timedelta()).total_seconds() / 3600
        found.append(f"{local:%m-%d %H:%M} {offset:+g}")
    return found


@pytest.mark.parametrize(
    ("zone", "cron", "after", "expected"),
    [
        # Berlin, 2026-03-29: 02:00 to 03:00 does not exist; 2026-10-25: it comes twice
        ("Europe/Berlin", "30 2 * * *", "2026-03-27 12:00", ["03-28 02:30 +1", "03-29 03:00 +2", "03-30 02:30 +2"]),
        ("Europe/Berlin", "*/30 * * * *", "2026-03-29 00:10", ["03-29 01:30 +1", "03-29 03:00 +2", "03-29 03:30 +2"]),
        ("Europe/Berlin", "0 3 * * *", "2026-03-28 12:00", ["03-29 03:00 +2", "03-30 03:00 +2"]),
        ("Europe/Berlin", "30 2 * * *", "2026-10-24 12:00", ["10-25 02:30 +2", "10-26 02:30 +1"]),
        ("Europe/Berlin", "30 2 * * *", "2026-10-25 00:45", ["10-26 02:30 +1"]),
        ("Europe/Berlin", "30 * * * *", "2026-10-24 23:45", ["10-25 02:30 +2", "10-25 03:30 +1"]),
        ("Europe/Berlin", "0 6 * * mon-fri", "2026-10-23 12:00", ["10-26 06:00 +1", "10-27 06:00 +1"]),
        # New York, 2026-03-08: 02:00 to 03:00; 2026-11-01: 01:00 to 02:00
        ("America/New_York", "15 2 * * *", "2026-03-07 12:00", ["03-08 03:00 -4", "03-09 02:15 -4"]),
        ("America/New_York", "15 1 * * *", "2026-10-31 12:00", ["11-01 01:15 -4", "11-02 01:15 -5"]),
        # Lord Howe has half an hour: 2026-10-04, 02:00 to 02:30; 2026-04-05, 01:30 to 02:00
        ("Australia/Lord_Howe", "0 2 * * *", "2026-10-02 20:00", ["10-04 02:30 +11", "10-05 02:00 +11"]),
        ("Australia/Lord_Howe", "*/10 2 * * *", "2026-10-03 15:00", ["10-04 02:30 +11", "10-04 02:40 +11"]),
        ("Australia/Lord_Howe", "45 1 * * *", "2026-04-03 20:00", ["04-05 01:45 +11", "04-06 01:45 +10.5"]),
        ("Australia/Lord_Howe", "0 * * * *", "2026-04-04 14:30", ["04-05 02:00 +10.5", "04-05 03:00 +10.5"]),
        # no changes at all
        ("Asia/Kolkata", "30 2 * * *", "2026-03-28 12:00", ["03-29 02:30 +5.5", "03-30 02:30 +5.5"]),
        ("Asia/Kolkata", "30 2 * * *", "2026-10-24 12:00", ["10-25 02:30 +5.5", "10-26 02:30 +5.5"]),
        ("UTC", "30 2 * * *", "2026-03-28 12:00", ["03-29 02:30 +0", "03-30 02:30 +0"]),
        ("UTC", "30 2 * * *", "2026-10-24 12:00", ["10-25 02:30 +0", "10-26 02:30 +0"]),
        # a whole day that did not exist
        ("Pacific/Apia", "0 12 * * *", "2011-12-29 00:00", ["12-29 12:00 -10", "12-31 00:00 +14", "12-31 12:00 +14"]),
    ],
)  # fmt: skip
def test_a_minute_left_out_counts_at_the_end_of_the_gap_and_one_that_comes_twice_counts_once(
    zone: str, cron: str, after: str, expected: list[str]
) -> None:
    assert slots(Cron(cron, ZoneInfo(zone)), after, len(expected)) == expected


ZONES: Final = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "UTC", "Africa/Casablanca")
CHANGES: Final = tuple(
    utc(text)
    for text in (
        "2026-03-29 01:00", "2026-10-25 01:00", "2026-03-08 07:00", "2026-11-01 06:00", "2026-04-04 15:00",
        "2026-10-03 15:30", "2026-02-15 02:00", "2026-03-22 02:00", "2028-02-29 00:00",
    )
)  # fmt: skip


def field(lowest: int, highest: int) -> st.SearchStrategy[tuple[str, frozenset[int]]]:
    """One field of a cron expression, and the numbers that it stands for."""
    number = st.integers(lowest, highest)
    single = number.map(lambda n: (str(n), frozenset({n})))
    several = st.lists(number, min_size=2, max_size=4).map(lambda ns: (",".join(map(str, ns)), frozenset(ns)))
    span = (
        st.tuples(number, number).map(sorted).map(lambda ab: (f"{ab[0]}-{ab[1]}", frozenset(range(ab[0], ab[1] + 1))))
    )
    steps = st.integers(2, max(2, highest // 2)).map(lambda n: (f"*/{n}", frozenset(range(lowest, highest + 1, n))))
    return st.one_of(st.just(("*", frozenset(range(lowest, highest + 1)))), single, several, span, steps)


@st.composite
def crons(draw: st.DrawFn) -> tuple[str, Callable[[datetime], bool]]:
    """An expression that comes at least every few days, and whether a minute on the wall fits it."""
    (minute, minutes), (hour, hours) = draw(field(0, 59)), draw(field(0, 23))
    days = draw(st.sampled_from(["*", "*/2", "1,8,15,22,29"]))
    week = draw(st.sampled_from(["*", "sun", "mon-fri", "0,3", "6-7"]))
    in_month = {"*": set(range(1, 32)), "*/2": set(range(1, 32, 2)), "1,8,15,22,29": {1, 8, 15, 22, 29}}[days]
    in_week = {"*": set(range(7)), "sun": {0}, "mon-fri": set(range(1, 6)), "0,3": {0, 3}, "6-7": {6, 0}}[week]

    def fits(wall: datetime) -> bool:
        by_month, by_week = wall.day in in_month, wall.isoweekday() % 7 in in_week
        on_day = by_month or by_week if "*" not in {days, week} else by_month and by_week
        return on_day and wall.hour in hours and wall.minute in minutes

    return f"{minute} {hour} {days} * {week}", fits


def walked(zone: ZoneInfo, fits: Callable[[datetime], bool], start: datetime, end: datetime) -> list[datetime]:
    """The slots by looking at a clock on the wall once a minute: due are all minutes that it has newly reached."""
    found = []
    instant = start - timedelta(hours=3)  # so much before, the clock has shown nothing later
    reached = instant.astimezone(zone).replace(tzinfo=None)
    while (instant := instant + timedelta(minutes=1)) <= end:
        shown = instant.astimezone(zone).replace(tzinfo=None)
        is_due = False
        while reached < shown:
            reached += timedelta(minutes=1)
            is_due = is_due or fits(reached)
        if is_due and instant > start:
            found.append(instant)
    return found


@settings(max_examples=60, deadline=None)
@given(
    cron=crons(),
    zone=st.sampled_from(ZONES),
    change=st.sampled_from(CHANGES),
    before=st.integers(0, 8 * 60),
    look=st.integers(0, 90),
)
def test_slots_are_those_of_somebody_who_watches_a_clock_on_the_wall(
    cron: tuple[str, Callable[[datetime], bool]], zone: str, change: datetime, before: int, look: int
) -> None:
    expression, fits = cron
    timing = Cron(check_cron(expression), ZoneInfo(zone))
    start = change - timedelta(minutes=before)
    end = start + timedelta(hours=15)
    expected = walked(timing.zone, fits, start, end)
    found, instant = [], start
    while (instant := timing.after(instant)) <= end:
        found.append(instant)
    assert found == expected
    assert due_slots(timing, since=start + MICROSECOND, until=end, most=10_000) == expected[::-1]
    amid = change + timedelta(minutes=look)
    passed = [slot for slot in expected if slot <= amid]
    assert not passed or timing.latest(amid) == passed[-1]


@settings(max_examples=60, deadline=None)
@given(cron=crons(), zone=st.sampled_from(ZONES), start=st.datetimes(DAY, DAY.replace(year=2035)))
def test_slots_only_ever_go_forward_and_none_is_the_same_minute_of_the_same_day(
    cron: tuple[str, Callable[[datetime], bool]], zone: str, start: datetime
) -> None:
    timing = Cron(check_cron(cron[0]), ZoneInfo(zone))
    instant, found = start.replace(tzinfo=UTC), []
    for _ in range(30):
        instant = timing.after(instant)
        found.append(instant)
    assert all(earlier < later for earlier, later in pairwise(found))
    shown = [slot.astimezone(timing.zone).strftime("%Y-%m-%d %H:%M") for slot in found]
    assert len(set(shown)) == len(shown)
    for earlier, later in pairwise(found):
        assert timing.latest(later) == later
        assert timing.latest(later - MICROSECOND) == earlier


@settings(max_examples=200)
@given(
    seconds=st.integers(60, 366 * 86400),
    start=st.datetimes(DAY, DAY.replace(year=2035)),
    look=st.datetimes(DAY, DAY.replace(year=2035)),
)
def test_an_interval_is_counted_from_its_start_and_drifts_by_nothing(
    seconds: int, start: datetime, look: datetime
) -> None:
    timing = Every(seconds, start.replace(tzinfo=UTC))
    instant = look.replace(tzinfo=UTC)
    later = timing.after(instant)
    assert later > instant
    assert (later - timing.starts_at).total_seconds() % seconds == 0
    assert later >= timing.starts_at
    assert later - timedelta(seconds=seconds) <= instant or later == timing.starts_at
    earlier = timing.latest(instant)
    assert (earlier is None) == (instant < timing.starts_at)
    assert earlier is None or earlier + timedelta(seconds=seconds) == later


def test_the_last_slot_is_found_while_the_clock_shows_an_hour_for_the_second_time() -> None:
    timing = Cron("45 2 * * *", ZoneInfo("Europe/Berlin"))
    assert timing.latest(utc("2026-10-25 01:10")) == utc("2026-10-25 00:45")


def test_only_the_newest_slots_of_a_long_outage_are_looked_at() -> None:
    timing = Cron("* * * * *", ZoneInfo("Europe/Berlin"))
    until = utc("2026-06-01 12:00")
    found = due_slots(timing, since=until - timedelta(days=3650), until=until, most=3)
    assert found == [until, until - timedelta(minutes=1), until - timedelta(minutes=2)]


def test_slots_are_shown_with_what_the_clock_on_the_wall_shows() -> None:
    shown = show_slots(Cron("0 6 * * *", ZoneInfo("Europe/Berlin")), first=utc("2026-10-24 04:00"))
    assert [slot.local for slot in shown[:2]] == ["2026-10-24T06:00:00+02:00", "2026-10-25T06:00:00+01:00"]
    assert [slot.at for slot in shown[:2]] == [utc("2026-10-24 04:00"), utc("2026-10-25 05:00")]
    assert len(shown) == 5


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("0 6 * *", "five fields"),
        ("0 0 6 * * *", "five fields"),
        ("", "five fields"),
        ("60 * * * *", "minute, which goes from 0 to 59"),
        ("0 24 * * *", "hour, which goes from 0 to 23"),
        ("0 0 0 * *", "day of the month, which goes from 1 to 31"),
        ("0 0 * 13 *", "month, which goes from 1 to 12"),
        ("0 0 * * 8", "day of the week, which goes from 0 to 7"),
        ("0 0 * * jan", "day of the week, which goes from 0 to 7"),
        ("jan 0 * * *", "minute, which goes from 0 to 59"),
        ("a * * * *", "a number, a name"),
        ("@daily", "five fields"),
        ("0 0 l * *", "a number, a name"),
        ("h h * * *", "a number, a name"),
        ("1,,2 * * * *", "a number, a name"),
        ("-1 * * * *", "a number, a name"),
        ("٣ * * * *", "a number, a name"),
        ("*/0 * * * *", "a step is from 1 to 59"),
        ("*/90 * * * *", "a step is from 1 to 59"),
        ("5/15 * * * *", "follows . or a range"),
        ("0 22-4 * * *", "runs backwards"),
        ("0 0 30 2 *", "never comes"),
        ("0 0 31 2,4,6 *", "never comes"),
    ],
)
def test_what_is_no_cron_expression_is_refused_by_the_rule_it_breaks(text: str, told: str) -> None:
    with pytest.raises(TimingRefused, match=told):
        check_cron(text)


def test_an_expression_is_kept_with_single_spaces_and_small_letters() -> None:
    assert check_cron("  0  6\t* JAN Mon-FRI ") == "0 6 * jan mon-fri"
    assert check_cron("0 0 29 2 *") == "0 0 29 2 *"


def test_a_range_of_one_is_that_one() -> None:
    assert check_cron("5-5 3-3/2 * * mon-mon,7-7") == "5 3 * * 1,7"


@pytest.mark.parametrize(
    "name", ["Berlin", "", "../etc/passwd", "/etc/passwd", "localtime", "Factory", "right/UTC", "x\0"]
)
def test_what_is_no_time_zone_is_refused(name: str) -> None:
    with pytest.raises(TimingRefused, match="IANA"):
        check_zone(name)
