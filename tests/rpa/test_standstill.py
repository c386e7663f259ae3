"""Why nothing of a job runs now."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.rpa.models.jobs import JobState
from app.rpa.rules.standstill import Reason, Standing, Wait, why_waiting

NOW = datetime(2026, 11, 21, 10, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)
IDLE = Standing(
    now=NOW, state=JobState.RUNNING, paused_by=None, leased=0, next_task_at=NOW, has_queued=False,
    shop_waits=None, shop_starts_at=NOW, workers=2,
)  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "reason", "until"),
    [
        ({"state": JobState.PAUSED, "paused_by": "user:7"}, Reason.PAUSED, None),
        ({"state": JobState.PAUSED, "paused_by": "user:7", "leased": 3}, Reason.PAUSED, None),
        ({"state": JobState.PREPARING, "next_task_at": None}, Reason.PREPARING, None),
        ({"shop_waits": Wait(Reason.HOURS, "Closed.", LATER), "workers": 0}, Reason.HOURS, LATER),
        ({"workers": 0, "has_queued": True}, Reason.NO_WORKERS, None),
        ({"next_task_at": LATER, "shop_starts_at": LATER}, Reason.RETRY, LATER),
        ({"shop_starts_at": LATER}, Reason.PACE, LATER),
        ({}, Reason.TURN, None),
    ],
)
def test_the_first_thing_that_stands_in_the_way_is_named(
    changes: dict[str, Any], reason: Reason, until: datetime | None
) -> None:
    found = why_waiting(replace(IDLE, **changes))
    assert found is not None
    assert (found.reason, found.until) == (reason, until)


@pytest.mark.parametrize(
    "changes",
    [
        {"leased": 1, "workers": 0},
        {"has_queued": True},
        {"state": JobState.CANCELLING},
        {"next_task_at": None},
    ],
)
def test_a_job_of_which_something_runs_or_is_about_to_waits_for_nothing(changes: dict[str, Any]) -> None:
    assert why_waiting(replace(IDLE, **changes)) is None


def test_who_paused_it_is_said() -> None:
    found = why_waiting(replace(IDLE, state=JobState.PAUSED, paused_by="user:7"))
    assert found is not None
    assert found.detail == "Paused by user 7, until it is resumed."
