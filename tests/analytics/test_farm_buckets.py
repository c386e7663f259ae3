"""Buckets of the farm's figures: where they begin, and how percentiles come from them; plain values."""

from __future__ import annotations

import math
import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from app.analytics.rules.farm_buckets import (
    Bucket,
    Grain,
    beginning,
    beginnings,
    difference,
    following,
    share,
    success_rate,
)
from app.analytics.rules.farm_figures import Window, summary_of
from app.analytics.rules.farm_windows import pieces_of
from app.analytics.rules.latencies import LONGEST_MS, class_of, percentiles_of, time_of
from app.analytics.views.farm_parts import seconds

ZONES = ["UTC", "Europe/Berlin", "Asia/Kolkata", "Asia/Kathmandu", "America/St_Johns", "Africa/Cairo", "Pacific/Apia"]


@pytest.mark.parametrize("zone", [ZoneInfo(name) for name in ZONES], ids=ZONES)
@pytest.mark.parametrize("grain", list(Grain), ids=[grain.value for grain in Grain])
def test_every_instant_of_a_year_is_in_one_bucket_that_begins_at_or_before_it(grain: Grain, zone: ZoneInfo) -> None:
    chance = random.Random(11)
    first = datetime(2026, 1, 1, tzinfo=UTC)
    for _ in range(400):
        instant = first + timedelta(seconds=chance.randrange(365 * 86400), microseconds=chance.randrange(10**6))
        begun = beginning(grain, instant, zone)
        assert begun <= instant
        assert beginning(grain, begun, zone) == begun
        assert begun <= instant < following(grain, begun, zone)
        longest = timedelta(days=31, hours=1) if grain is Grain.MONTH else timedelta(hours=25, minutes=1)
        assert instant - begun < longest
        local = begun.astimezone(zone)
        assert (local.second, local.microsecond) == (0, 0)
        assert grain is not Grain.HOUR or local.minute == 0
        assert grain is not Grain.DAY or local.date() == instant.astimezone(zone).date()
        assert grain is not Grain.MONTH or local.date() == instant.astimezone(zone).date().replace(day=1)


@pytest.mark.parametrize(
    ("month", "day", "hours"),
    [(3, 29, 23), (10, 25, 25), (7, 1, 24)],
    ids=["the clocks go forward", "they go back", "they go on"],
)
def test_a_day_has_the_hours_that_the_clocks_show(month: int, day: int, hours: int) -> None:
    zone = ZoneInfo("Europe/Berlin")
    begun = beginning(Grain.DAY, datetime(2026, month, day, 12, tzinfo=zone), zone)
    after = beginning(Grain.DAY, begun + timedelta(hours=30), zone)
    assert after - begun == timedelta(hours=hours)
    inside = list(beginnings(Grain.HOUR, begun, after, zone))
    assert len(inside) == len(set(inside)) == hours


@pytest.mark.parametrize(
    ("first", "last", "grains"),
    [
        ((2026, 1, 20), (2026, 4, 10), ["day", "month", "day"]),
        ((2026, 2, 1), (2026, 5, 1), ["month"]),
        ((2026, 2, 2), (2026, 4, 1), ["day", "month"]),
        ((2026, 2, 1), (2026, 3, 2), ["month", "day"]),
        ((2026, 2, 2), (2026, 3, 31), ["day"]),
        ((2026, 2, 2), (2026, 2, 3), ["day"]),
    ],
)
def test_a_window_is_made_up_of_months_and_the_days_around_them_without_a_gap(
    first: tuple[int, int, int], last: tuple[int, int, int], grains: list[str]
) -> None:
    zone = ZoneInfo("America/St_Johns")
    whole = Window(datetime(*first, tzinfo=zone), datetime(*last, tzinfo=zone), Grain.DAY)
    pieces = pieces_of(whole, zone)
    assert [piece.grain.value for piece in pieces] == grains
    assert (pieces[0].since, pieces[-1].until) == (whole.since, whole.until)
    assert [piece.until for piece in pieces[:-1]] == [piece.since for piece in pieces[1:]]
    for piece in pieces:
        assert beginning(piece.grain, piece.since, zone) == piece.since
        assert beginning(piece.grain, piece.until, zone) == piece.until


def test_a_window_that_cuts_days_is_made_up_of_hours() -> None:
    zone, until = ZoneInfo("Europe/Berlin"), datetime(2026, 5, 4, 18, 29, tzinfo=UTC)
    window = Window(until.replace(minute=0) - timedelta(hours=5), until, Grain.MINUTE)
    assert pieces_of(window, zone) == [Window(window.since, window.until, Grain.HOUR)]


def test_days_of_a_zone_that_is_half_an_hour_off_begin_at_its_midnight() -> None:
    zone = ZoneInfo("Asia/Kolkata")
    assert beginning(Grain.DAY, datetime(2026, 5, 4, 18, 29, 59, tzinfo=UTC), zone) == datetime(
        2026, 5, 3, 18, 30, tzinfo=UTC
    )
    assert beginning(Grain.HOUR, datetime(2026, 5, 4, 18, 29, 59, tzinfo=UTC), zone) == datetime(
        2026, 5, 4, 17, 30, tzinfo=UTC
    )


def test_a_class_stands_for_times_that_are_at_most_five_percent_away() -> None:
    for ms in [*range(12, 5_000), *(int(1.3**power) for power in range(33, 68))]:
        assert abs(time_of(class_of(ms)) - ms) <= ms * 0.05 + 0.5, ms
    assert class_of(-5) == class_of(0) == class_of(1) == 0
    assert class_of(10**12) == class_of(LONGEST_MS)


@pytest.mark.parametrize("count", [1, 2, 19, 500])
def test_percentiles_of_counts_are_those_of_the_times(count: int) -> None:
    chance = random.Random(count)
    times = sorted(int(chance.lognormvariate(6, 1)) for _ in range(count))
    found = percentiles_of(Counter(map(class_of, times)))
    assert found is not None
    assert found.count == count
    for percent in (50, 90, 95, 99):
        exact = times[math.ceil(count * percent / 100) - 1]
        assert abs(getattr(found, f"p{percent}_ms") - exact) <= exact * 0.05 + 0.5


def test_there_are_no_percentiles_of_nothing() -> None:
    assert percentiles_of({}) is None
    assert percentiles_of({4: 0}) is None
    assert summary_of(Bucket()).latencies == []


def test_a_difference_leads_from_one_bucket_to_another() -> None:
    old, new = Bucket({"tasks:FAILED": 3, "code:BLOCKED": 3}), Bucket({"tasks:FAILED": 3, "tasks:SUCCEEDED": 2})
    change = difference(new, old)
    assert change == {"tasks:SUCCEEDED": 2, "code:BLOCKED": -3}
    old.update(change)
    assert difference(old, new) == {}


def test_what_a_shop_refuses_is_no_failure_and_what_was_not_tried_counts_nothing() -> None:
    assert success_rate({"SUCCEEDED": 5, "REFUSED": 3, "FAILED": 2, "SKIPPED": 90, "CANCELLED": 7}) == Decimal("80.00")
    assert success_rate({"SKIPPED": 4}) is None
    assert share(1, 3) == Decimal("33.33")


@pytest.mark.parametrize(("ms", "said"), [(0, "0"), (3, "0.003"), (412, "0.41"), (9_994, "9.99"), (12_340, "12.3")])
def test_milliseconds_are_told_in_seconds_and_never_as_nothing(ms: int, said: str) -> None:
    assert str(seconds(ms)) == said
