"""How long jobs take, what limits them, and how many workers it needs: worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.rpa.rules.hours import DAYS, read_hours
from app.rpa.rules.planning import LONGEST, Cap, Facts, Limit, default_deadline, estimate, plan, read_duration, spoken

SLOW = Facts(gap_ms=5000, concurrency=1, workers=8, seconds_per_task=3)
FAST = Facts(gap_ms=0, concurrency=8, workers=4, seconds_per_task=2)
DAY = 86_400


@pytest.mark.parametrize(
    ("tasks", "facts", "seconds", "limit"),
    [
        (100_000, SLOW, 499_998, Limit.PACE),  # 5.8 days with any number of workers
        (100_000, replace(SLOW, workers=1000), 499_998, Limit.PACE),
        (1, SLOW, 3, Limit.PACE),
        (100, FAST, 50, Limit.WORKERS),
        (100, replace(FAST, workers=100), 26, Limit.STOREFRONT),
        (100, replace(FAST, job_concurrency=2), 100, Limit.JOB),
        (100, replace(FAST, workers=0), None, Limit.WORKERS),
        (100, replace(SLOW, gap_ms=1000, seconds_per_task=10), 1000, Limit.STOREFRONT),
        (0, SLOW, 0, Limit.PACE),
    ],
)
def test_the_slowest_limit_says_how_long_it_takes(
    tasks: int, facts: Facts, seconds: float | None, limit: Limit
) -> None:
    found = estimate(tasks, facts)
    assert (found.seconds, found.limited_by) == (seconds, limit)


def test_a_job_gets_a_day_or_half_as_long_again_as_it_takes_but_at_most_sixty_days() -> None:
    assert default_deadline(10, SLOW) == timedelta(hours=24)
    assert default_deadline(100_000, SLOW) == timedelta(seconds=749_997)
    assert default_deadline(100_000, replace(SLOW, workers=0)) == timedelta(seconds=749_997)
    assert default_deadline(10, replace(SLOW, job_concurrency=1, gap_ms=0, seconds_per_task=30_000)) == timedelta(
        seconds=450_000
    )
    assert default_deadline(200_000, replace(SLOW, gap_ms=3_600_000)) == LONGEST


def test_a_plan_names_the_fewest_workers_that_are_in_time() -> None:
    assert plan(1000, replace(FAST, concurrency=50), 200).workers == 10
    assert plan(1000, replace(FAST, concurrency=50), 199).workers == 11
    assert plan(1, FAST, 60).workers == 1
    assert "3 min 20 s with 10 workers" in plan(1000, replace(FAST, concurrency=50), 200).detail


def test_a_plan_that_the_pace_forbids_says_so_and_what_would_make_it_possible() -> None:
    found = plan(100_000, SLOW, 6 * 3600)
    assert found.workers is None
    assert found.detail == (
        "Impossible with any number of workers: its pace of one start per 5 s allows 4,320 pages in 6 h; "
        "100,000 take 5 d 18 h."
    )
    assert found.ways == (
        "a deadline of at least 5 d 18 h",
        "at most 4,320 products",
        "pace.gap_ms of at most 215",
        "a concurrency of at least 14",
    )


def test_a_plan_that_the_concurrency_forbids_names_the_one_that_it_needs() -> None:
    found = plan(1000, FAST, 100)
    assert found.workers is None
    assert "8 pages at once of 2 s each allows 400 pages" in found.detail
    assert found.ways[-1] == "a concurrency of at least 20"
    assert plan(1000, replace(FAST, concurrency=20), 100).workers == 20


def test_a_page_that_takes_longer_than_the_deadline_is_impossible() -> None:
    found = plan(1, replace(FAST, seconds_per_task=90), 60)
    assert found.workers is None
    assert "allows 0 pages" in found.detail


@given(
    st.integers(1, 5000),
    st.integers(0, 2000),
    st.integers(1, 30),
    st.floats(0.5, 20),
    st.integers(60, DAY),
)
def test_a_plan_is_kept_by_the_estimate_and_one_worker_less_is_late(
    tasks: int, gap_ms: int, concurrency: int, each: float, deadline: int
) -> None:
    facts = Facts(gap_ms=gap_ms, concurrency=concurrency, workers=0, seconds_per_task=each)
    found = plan(tasks, facts, deadline)
    best = estimate(tasks, replace(facts, workers=concurrency)).seconds or 0.0
    if found.workers is None:
        assert best > deadline - 0.001
        return
    needed = estimate(tasks, replace(facts, workers=found.workers)).seconds
    assert needed is not None
    assert needed <= deadline + 0.001
    fewer = estimate(tasks, replace(facts, workers=found.workers - 1)).seconds
    assert fewer is None or fewer > deadline - 0.001


# Sunday, 12:00; the hours are 20:00 to 24:00 of every day, the cap's day ends at midnight.
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
EVENINGS = read_hours([{"days": list(DAYS), "start": "20:00", "end": "24:00"}], ZoneInfo("UTC"))
EVENING = replace(FAST, at=NOON, hours=EVENINGS, workers=8)
CAPPED = replace(FAST, at=NOON, cap=Cap(a_day=100, left=30, day_ends_s=DAY / 2), workers=8)


@pytest.mark.parametrize(
    ("tasks", "facts", "seconds", "limit"),
    [
        (100, replace(SLOW, crawl_delay_ms=10_000), 993, Limit.CRAWL_DELAY),
        (100, replace(SLOW, crawl_delay_ms=1000), 498, Limit.PACE),
        (100, EVENING, 8 * 3600 + 26, Limit.HOURS),
        (8 * 1800 * 5 + 8, EVENING, 32 * 3600 + 3602, Limit.HOURS),  # four hours of the first evening, one of the next
        (30, CAPPED, 8, Limit.STOREFRONT),
        (31, CAPPED, DAY / 2 + 2, Limit.DAILY_CAP),
        (130, CAPPED, DAY / 2 + 2, Limit.DAILY_CAP),
        (131, CAPPED, DAY * 1.5 + 2, Limit.DAILY_CAP),
        (131, replace(CAPPED, hours=EVENINGS), DAY * 1.5 + 20 * 3600 + 2, Limit.DAILY_CAP),
        (0, replace(CAPPED, hours=EVENINGS), 0, Limit.PACE),
        (10, replace(EVENING, workers=0), None, Limit.WORKERS),
    ],
)
def test_hours_cap_and_crawl_delay_limit_a_job_too(
    tasks: int, facts: Facts, seconds: float | None, limit: Limit
) -> None:
    found = estimate(tasks, facts)
    assert (found.seconds, found.limited_by) == (seconds, limit)


def test_what_would_take_thousands_of_years_has_an_estimate_too() -> None:
    hour = read_hours([{"days": ["mon"], "start": "00:00", "end": "00:01"}], ZoneInfo("UTC"))
    slow = replace(SLOW, gap_ms=3_600_000, at=NOON, hours=hour, cap=Cap(1, 0, 60.0))
    assert (estimate(10_000_000, slow).seconds or 0) > 1e12
    assert default_deadline(10_000_000, slow) == LONGEST


@pytest.mark.parametrize(
    ("facts", "tasks", "deadline", "why", "way"),
    [
        (replace(SLOW, crawl_delay_ms=30_000), 1000, 6 * 3600, "the Crawl-delay of 30 s", "the shop's to say"),
        (EVENING, 8 * 1800 * 5, DAY, "its 4 h of hours until then", "more hours"),
        (CAPPED, 131, DAY, "its cap of 100 a day", "a cap of at least 101 such tasks a day"),
    ],
)
def test_a_plan_that_politeness_forbids_says_so(facts: Facts, tasks: int, deadline: int, why: str, way: str) -> None:
    found = plan(tasks, facts, deadline)
    assert found.workers is None
    assert why in found.detail
    assert way in found.ways[-1]


def test_a_plan_within_hours_and_cap_names_the_workers_that_it_needs() -> None:
    assert plan(1800 * 4 * 3, EVENING, DAY).workers == 3
    assert plan(130, CAPPED, DAY).workers == 1
    assert plan(30, CAPPED, 60).workers == 1
    assert plan(31, CAPPED, 60).workers is None


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("30m", 1800), ("6h", 21_600), ("1d12h", 129_600)])
def test_durations_are_read(text: str, seconds: int) -> None:
    assert read_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "6", "h", "6 h", "-6h", "6h!", "1.5h", "6H", "٦h"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="duration"):
        read_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59.4, "59 s"), (60, "1 min"), (3661, "1 h 1 min"), (86_400, "1 d"), (499_998, "5 d 18 h")],
)
def test_durations_are_spoken_in_their_two_largest_units(seconds: float, text: str) -> None:
    assert spoken(seconds) == text
