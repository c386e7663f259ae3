"""Priority and concurrency of jobs, held at release and at claim."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import func, select, update

from app.core import permissions
from app.core.errors import Invalid
from app.core.extensions import db
from app.core.orm import utc_now
from app.rpa.errors import JobFinished, JobMoveRefused, JobStale
from app.rpa.models.jobs import Action, Job, JobState, Task, TaskState
from app.rpa.services import ending, leases, preparing, submitting, task_moves
from app.rpa.services.controlling import cancel_job, change_job, pause_job
from app.rpa.services.outcomes import finish_task
from tests.rpa.conftest import ASINS, SUCCESS, FarmDriver

ME = permissions.system()
Threads = Callable[[list[Callable[[], Any]]], list[Any]]


def submit(**about: Any) -> Job:
    job = submitting.submit_job(
        actor=ME, action=Action.VIEW_PRODUCT, storefront="shop", name="check", asins=ASINS, **about
    )
    preparing.prepare_job(job_id=job.id)
    return job


def queue_all(job: Job) -> None:
    """As if all tasks had been released, whatever the dispatcher would do."""
    db.session.execute(update(Task).where(Task.job_id == job.id).values(state=TaskState.QUEUED, release_no=1))
    db.session.execute(update(Job).where(Job.id == job.id).values(state=JobState.RUNNING))
    db.session.commit()


def in_state(job: Job, state: TaskState) -> int:
    db.session.rollback()
    return db.session.scalar(select(func.count()).where(Task.job_id == job.id, Task.state == state)) or 0


def test_no_more_of_a_job_is_released_than_its_own_concurrency(farm: FarmDriver) -> None:
    job = submit(concurrency=2)
    assert farm.release() == 2
    assert farm.release() == 0
    first = farm.leased(farm.task_ids(job)[0])
    assert farm.release() == 0
    assert finish_task(lease=first, outcome=SUCCESS)
    assert farm.release() == 1


def test_no_more_of_a_job_runs_at_once_however_many_messages_wait(
    farm: FarmDriver, in_threads: Threads, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = task_moves.claim

    def claim_slowly(*args: Any, **kwargs: Any) -> bool:
        """As the others see it when the database takes its time until the commit."""
        done = claim(*args, **kwargs)
        time.sleep(0.2)
        return done

    monkeypatch.setattr(task_moves, "claim", claim_slowly)
    job = submit(concurrency=2)
    queue_all(job)
    claims: list[Callable[[], Any]] = [partial(farm.claim, task_id) for task_id in farm.task_ids(job)]
    results = in_threads(claims)
    assert sum(isinstance(one, leases.Lease) for one in results) == 2
    assert (in_state(job, TaskState.LEASED), in_state(job, TaskState.READY)) == (2, 3)
    assert {farm.task(task_id).attempt_count for task_id in farm.task_ids(job)} == {0}


def test_one_jobs_concurrency_does_not_bound_another(farm: FarmDriver) -> None:
    narrow, wide = submit(concurrency=1), submit()
    queue_all(narrow)
    queue_all(wide)
    first, *others = farm.task_ids(wide)
    assert farm.claim(first) is not None
    assert sum(farm.claim(task_id) is not None for task_id in farm.task_ids(narrow)) == 1
    assert all(farm.claim(task_id) is not None for task_id in others)


def test_a_high_job_gets_three_times_as_much_as_a_normal_one(farm: FarmDriver) -> None:
    normal, high = submit(), submit(priority="high")
    farm.farm = replace(farm.farm, release_window=4)
    assert farm.release() == 4
    assert (in_state(normal, TaskState.QUEUED), in_state(high, TaskState.QUEUED)) == (1, 3)


def test_turns_are_kept_from_round_to_round_on_a_slow_storefront(farm: FarmDriver) -> None:
    farm.storefront("slow", pace={"gap_ms": 60_000, "concurrency": 1})
    first, second = farm.submit(storefront="slow"), farm.submit(storefront="slow")
    served = []
    for _ in range(6):
        assert farm.release() == 1
        served.append("first" if in_state(first, TaskState.QUEUED) else "second")
        db.session.execute(update(Task).where(Task.state == TaskState.QUEUED).values(state=TaskState.SUCCEEDED))
        db.session.commit()
    assert served == ["first", "second"] * 3
    assert second.id > first.id


def test_what_a_job_cannot_use_of_its_share_is_released_of_others_at_once(farm: FarmDriver) -> None:
    high = submitting.submit_job(
        actor=ME, action=Action.VIEW_PRODUCT, storefront="shop", name="one", asins=ASINS[:1], priority="high"
    )
    preparing.prepare_job(job_id=high.id)
    low = submit(priority="low")
    farm.farm = replace(farm.farm, release_window=6)
    assert farm.release() == 6
    assert (in_state(high, TaskState.QUEUED), in_state(low, TaskState.QUEUED)) == (1, 5)


def test_a_change_of_an_open_job_holds_from_the_next_release_on(farm: FarmDriver) -> None:
    job = submit()
    until = utc_now().replace(microsecond=0) + timedelta(days=3)
    changed = change_job(actor=ME, job_id=job.id, expected_version=1, priority="low", concurrency=1, deadline_at=until)
    assert (changed.version, changed.priority, changed.concurrency) == (2, "low", 1)
    assert farm.job(job.id).deadline_at == until
    assert farm.release() == 1
    change_job(actor=ME, job_id=job.id, expected_version=2, concurrency=None)
    assert farm.release() == 4


def test_a_paused_job_can_be_changed_and_one_that_is_over_cannot(farm: FarmDriver) -> None:
    job = submit()
    pause_job(actor=ME, job_id=job.id)
    change_job(actor=ME, job_id=job.id, expected_version=1, priority="high")
    cancel_job(actor=ME, job_id=job.id)
    with pytest.raises(JobMoveRefused):
        change_job(actor=ME, job_id=job.id, expected_version=2, priority="low")
    ending.end_open_tasks()
    ending.finish_jobs()
    with pytest.raises(JobFinished):
        change_job(actor=ME, job_id=job.id, expected_version=2, priority="low")
    assert (farm.job(job.id).priority, farm.job(job.id).version) == ("high", 2)


def test_of_two_changes_of_one_version_one_is_made(farm: FarmDriver, in_threads: Threads) -> None:
    job = submit()
    changes = [
        partial(change_job, actor=ME, job_id=job.id, expected_version=1, priority=priority)
        for priority in ("low", "high")
    ]
    results = in_threads(list(changes))
    assert sorted(type(one).__name__ for one in results) == ["Job", "JobStale"]
    assert farm.job(job.id).version == 2
    with pytest.raises(JobStale):
        change_job(actor=ME, job_id=job.id, expected_version=1, concurrency=1)
    assert farm.job(job.id).concurrency is None


@pytest.mark.parametrize("away", [timedelta(seconds=-1), timedelta(days=61)])
def test_a_deadline_that_has_passed_or_is_too_far_away_is_refused(farm: FarmDriver, away: timedelta) -> None:
    job = submit()
    before = farm.job(job.id).deadline_at
    with pytest.raises(Invalid):
        change_job(actor=ME, job_id=job.id, expected_version=1, deadline_at=utc_now() + away)
    assert (farm.job(job.id).deadline_at, farm.job(job.id).version) == (before, 1)
