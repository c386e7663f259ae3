"""What the periods of reports mean on a day."""

from __future__ import annotations

from datetime import date

import pytest

from app.analytics.rules.periods import EARLIEST, Period
from app.analytics.rules.report_periods import PERIODS, check_period, label_of, period_on

SUNDAY = date(2026, 3, 1)


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        ("today", "2026-03-01", "2026-03-01"),
        ("yesterday", "2026-02-28", "2026-02-28"),
        ("this_week", "2026-02-23", "2026-03-01"),
        ("last_week", "2026-02-16", "2026-02-22"),
        ("this_month", "2026-03-01", "2026-03-01"),
        ("last_month", "2026-02-01", "2026-02-28"),
        ("this_quarter", "2026-01-01", "2026-03-01"),
        ("last_quarter", "2025-10-01", "2025-12-31"),
        ("this_year", "2026-01-01", "2026-03-01"),
        ("last_year", "2025-01-01", "2025-12-31"),
    ],
)
def test_a_period_is_meant_from_the_day_of_the_run(name: str, first: str, last: str) -> None:
    assert period_on(name, None, today=SUNDAY) == Period(date.fromisoformat(first), date.fromisoformat(last))


def test_the_last_days_end_yesterday() -> None:
    assert period_on("last_days", 7, today=SUNDAY) == Period(date(2026, 2, 22), date(2026, 2, 28))
    assert period_on("last_days", 3660, today=date(1975, 1, 1)).first_on == EARLIEST


def test_only_the_last_days_take_a_number() -> None:
    assert check_period("last_days", 30) is None
    assert check_period("last_month", None) is None
    assert check_period("last_days", None) == check_period("last_days", 3661) == "must be from 1 to 3660."
    assert check_period("last_month", 30) == "belongs to the period last_days."


def test_every_period_has_a_name_for_people() -> None:
    assert all(label_of(name, 7) for name in PERIODS)
    assert label_of("last_days", 90) == "Last 90 days"
