"""A paused job: nothing of it starts, what runs is recorded, it goes on where it was, or comes to its end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import event, func, select, update

from app.core import permissions
from app.core.audit import AuditEvent
from app.core.extensions import db
from app.core.orm import utc_now
from app.core.queues import doorbell
from app.rpa.errors import JobFinished, JobMoveRefused
from app.rpa.models.jobs import Action, Attempt, Job, JobState, Task, TaskState
from app.rpa.rules.codes import Code
from app.rpa.rules.readings import TaskOutcome
from app.rpa.services import dispatch, ending, preparing, submitting
from app.rpa.services.controlling import cancel_job, pause_job, resume_job
from app.rpa.services.outcomes import finish_task
from tests.rpa.conftest import ASINS, SUCCESS, FarmDriver
from tests.servers import on_sqlite

ME = permissions.system()
Threads = Callable[[list[Callable[[], Any]]], list[Any]]


def pause(job: Job) -> Job:
    return pause_job(actor=ME, job_id=job.id)


def resume(job: Job) -> Job:
    return resume_job(actor=ME, job_id=job.id)


def states(job: Job) -> dict[str, int]:
    db.session.rollback()
    counted = select(Task.state, func.count()).where(Task.job_id == job.id).group_by(Task.state)
    return {row[0]: row[1] for row in db.session.execute(counted)}


def make_due() -> None:
    db.session.execute(update(Task).values(not_before=utc_now() - timedelta(seconds=5)))
    db.session.commit()


def test_nothing_of_a_paused_job_is_released_or_claimed_and_no_attempt_is_counted(farm: FarmDriver) -> None:
    job = farm.submit()
    farm.farm = replace(farm.farm, release_window=2)
    assert farm.release() == 2
    pause(job)
    first = farm.task_ids(job)[0]
    assert farm.claim(first) is None
    assert (farm.task(first).state, farm.task(first).attempt_count) == (TaskState.READY, 0)
    make_due()
    assert farm.release() == 0
    assert db.session.scalar(select(func.count()).select_from(Attempt)) == 0


def test_what_was_released_of_a_paused_job_takes_no_other_jobs_place(farm: FarmDriver) -> None:
    farm.storefront("narrow", pace={"gap_ms": 0, "concurrency": 2})
    job, other = farm.submit(storefront="narrow"), farm.submit(storefront="narrow")
    released = farm.release()
    assert released == 2
    pause(job)
    taken_back = states(job)[TaskState.QUEUED]
    assert ending.withdraw_paused() == taken_back
    assert ending.withdraw_paused() == 0
    assert states(job) == {TaskState.READY: 5}
    assert farm.release() == taken_back
    assert states(other)[TaskState.QUEUED] == 2


def test_a_message_of_before_the_pause_starts_nothing_after_it(farm: FarmDriver) -> None:
    job = farm.submit([ASINS[0]])
    farm.release()
    (task_id,) = farm.task_ids(job)
    pause(job)
    ending.withdraw_paused()
    resume(job)
    assert farm.claim(task_id) is None
    assert farm.release() == 1
    assert farm.task(task_id).release_no == 2
    assert farm.claim(task_id) is not None


def test_a_job_that_is_paused_while_its_first_task_is_released_ends_with_a_start(farm: FarmDriver) -> None:
    job = farm.submit([ASINS[0]])
    is_sqlite = db.engine.dialect.name == "sqlite"  # there who releases keeps others from writing from the beginning on
    with _as_the_tasks_are_written(farm, partial(pause, job), waits=not is_sqlite):
        assert farm.release() == 1
    assert farm.job(job.id).state == JobState.PAUSED
    resume(job)
    lease = farm.leased(farm.task_ids(job)[0])
    assert finish_task(lease=lease, outcome=SUCCESS)
    assert ending.finish_jobs() == 1
    ended = farm.job(job.id)
    assert (ended.state, ended.started_at is not None) == (JobState.COMPLETED, True)


@contextmanager
def _as_the_tasks_are_written(farm: FarmDriver, other: Callable[[], Any], *, waits: bool) -> Iterator[None]:
    """Have somebody else do something between a release's reads and its first write; wait for it there or after."""
    failed: list[Exception] = []

    def do() -> None:
        try:
            with farm.app.app_context():
                other()
        except Exception as error:  # noqa: BLE001  # raised below, in the test's thread
            failed.append(error)

    thread = threading.Thread(target=do)

    def begin(_connection: Any, _cursor: Any, statement: str, *_about: Any) -> None:
        if statement.startswith("UPDATE task") and thread.ident is None:
            thread.start()
            if waits:
                thread.join(timeout=60)
                assert not thread.is_alive()

    event.listen(db.engine, "before_cursor_execute", begin)
    try:
        yield
    finally:
        event.remove(db.engine, "before_cursor_execute", begin)
    thread.join(timeout=60)
    assert (thread.is_alive(), failed) == (False, [])


def test_a_lost_message_of_a_paused_job_is_not_sent_again(farm: FarmDriver) -> None:
    job = farm.submit()
    farm.release()
    pause(job)
    doorbell().redis.flushdb()
    assert dispatch.release_again(farm=replace(farm.farm, batch_stale_s=0, interactive_stale_s=0)) == 0
    assert {farm.task(task_id).release_no for task_id in farm.task_ids(job)} == {1}


def test_what_runs_of_a_paused_job_is_recorded_and_may_complete_it(farm: FarmDriver) -> None:
    job = farm.submit([ASINS[0]])
    farm.release()
    lease = farm.leased(farm.task_ids(job)[0])
    pause(job)
    assert finish_task(lease=lease, outcome=SUCCESS)
    assert ending.finish_jobs() == 1
    ended = farm.job(job.id)
    assert (ended.state, ended.succeeded_count) == (JobState.COMPLETED, 1)


def test_a_failure_that_is_tried_again_waits_until_the_job_is_resumed(farm: FarmDriver) -> None:
    job = farm.submit([ASINS[0]])
    farm.release()
    (task_id,) = farm.task_ids(job)
    lease = farm.leased(task_id)
    pause(job)
    assert finish_task(lease=lease, outcome=TaskOutcome(Code.NAV_TIMEOUT))
    assert (farm.task(task_id).state, farm.job(job.id).current_count) == (TaskState.READY, 0)
    make_due()
    assert farm.release() == 0
    resume(job)
    assert farm.release() == 1
    assert finish_task(lease=farm.leased(task_id), outcome=SUCCESS)
    assert farm.task(task_id).attempt_count == 2


def test_a_lease_that_runs_out_while_paused_goes_back_and_is_not_cancelled(farm: FarmDriver) -> None:
    job = farm.submit([ASINS[0]])
    farm.release()
    (task_id,) = farm.task_ids(job)
    farm.leased(task_id, lease_s=-1)
    pause(job)
    assert dispatch.reap_expired() == 1
    assert (farm.task(task_id).state, farm.task(task_id).loss_count) == (TaskState.READY, 1)


def test_the_deadline_passes_also_while_paused(farm: FarmDriver) -> None:
    job = farm.submit()
    pause(job)
    db.session.execute(update(Job).values(deadline_at=utc_now() - timedelta(seconds=5)))
    db.session.commit()
    assert ending.end_open_tasks() == 5
    assert ending.finish_jobs() == 1
    ended = farm.job(job.id)
    assert (ended.state, ended.skipped_count) == (JobState.COMPLETED_WITH_ERRORS, 5)


def test_a_job_whose_deadline_has_passed_starts_nothing_more(farm: FarmDriver) -> None:
    job = farm.submit()
    farm.release()
    db.session.execute(update(Job).values(deadline_at=utc_now() - timedelta(seconds=5)))
    db.session.commit()
    assert farm.claim(farm.task_ids(job)[0]) is None


def test_a_job_that_is_paused_while_it_is_prepared_gets_its_tasks_and_starts_when_resumed(
    farm: FarmDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preparing, "CHUNK", 2)
    job = submitting.submit_job(actor=ME, action=Action.VIEW_PRODUCT, storefront="shop", name="check", asins=ASINS)
    pause(job)
    preparing.prepare_job(job_id=job.id)
    assert (farm.job(job.id).state, states(job)) == (JobState.PAUSED, {TaskState.READY: 5})
    assert farm.release() == 0
    assert resume(job).state == JobState.QUEUED
    assert farm.release() == 5


def test_a_job_that_is_paused_and_resumed_before_it_has_tasks_is_prepared(farm: FarmDriver) -> None:
    job = submitting.submit_job(actor=ME, action=Action.VIEW_PRODUCT, storefront="shop", name="check", asins=ASINS)
    pause(job)
    assert resume(job).state == JobState.PREPARING
    preparing.prepare_job(job_id=job.id)
    assert farm.job(job.id).state == JobState.QUEUED


def test_the_first_tasks_start_before_the_last_ones_are_made(farm: FarmDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preparing, "CHUNK", 2)
    job = submitting.submit_job(actor=ME, action=Action.VIEW_PRODUCT, storefront="shop", name="check", asins=ASINS)
    preparing._prepare_chunk(job_id=job.id, products=job.selection or [])
    assert farm.job(job.id).state == JobState.QUEUED
    assert farm.release() == 2
    for task_id in farm.task_ids(job):
        assert finish_task(lease=farm.leased(task_id), outcome=SUCCESS)
    assert ending.finish_jobs() == 0
    preparing.prepare_job(job_id=job.id)
    assert (farm.job(job.id).state, farm.release()) == (JobState.RUNNING, 3)


def test_a_paused_job_can_be_cancelled(farm: FarmDriver) -> None:
    job = farm.submit()
    pause(job)
    cancel_job(actor=ME, job_id=job.id)
    assert ending.end_open_tasks() == 5
    assert ending.finish_jobs() == 1
    ended = farm.job(job.id)
    assert (ended.state, ended.cancelled_count, ended.paused_by) == (JobState.CANCELLED, 5, None)


def test_who_paused_it_is_kept_while_it_is_paused_and_each_move_is_in_the_audit_log_once(farm: FarmDriver) -> None:
    job = farm.submit()
    somebody = permissions.Principal(kind="user", id=7, name="", permissions=frozenset())
    for _ in range(2):
        pause_job(actor=somebody, job_id=job.id)
    paused = farm.job(job.id)
    assert paused.paused_by == "user:7"
    assert paused.paused_at is not None
    for _ in range(2):
        resume(job)
    assert (farm.job(job.id).paused_by, farm.job(job.id).paused_at) == (None, None)
    told = select(AuditEvent.action, AuditEvent.actor_id).where(AuditEvent.topic == "job")
    moves = [tuple(row) for row in db.session.execute(told.order_by(AuditEvent.id)) if row[0] != "job.submit"]
    assert moves == [("job.pause", 7), ("job.resume", None)]


def test_a_job_that_is_being_cancelled_or_has_ended_is_neither_paused_nor_resumed(farm: FarmDriver) -> None:
    job = farm.submit()
    cancel_job(actor=ME, job_id=job.id)
    for move in (pause, resume):
        with pytest.raises(JobMoveRefused):
            move(job)
    assert farm.job(job.id).state == JobState.CANCELLING
    ending.end_open_tasks()
    ending.finish_jobs()
    for move in (pause, resume):
        with pytest.raises(JobFinished):
            move(job)
    assert farm.job(job.id).state == JobState.CANCELLED


def test_pausing_resuming_and_cancelling_at_once_leaves_a_job_that_ends(farm: FarmDriver, in_threads: Threads) -> None:
    job = farm.submit()
    farm.release()
    moves: list[Callable[[], Any]] = [partial(pause_job, actor=ME, job_id=job.id)] * 3
    moves += [partial(resume_job, actor=ME, job_id=job.id)] * 3
    results = in_threads([*moves, partial(cancel_job, actor=ME, job_id=job.id)])
    assert all(isinstance(one, Job | JobMoveRefused) for one in results), results
    assert farm.job(job.id).state == JobState.CANCELLING
    ending.end_open_tasks()
    ending.finish_jobs()
    assert (farm.job(job.id).state, farm.job(job.id).cancelled_count) == (JobState.CANCELLED, 5)


def test_a_pause_beside_claims_leaves_nothing_queued_or_lost(farm: FarmDriver, in_threads: Threads) -> None:
    job = farm.submit()
    farm.release()
    claims: list[Callable[[], Any]] = [partial(farm.claim, task_id) for task_id in farm.task_ids(job)]
    results = in_threads([*claims, partial(pause_job, actor=ME, job_id=job.id), ending.withdraw_paused])
    ending.withdraw_paused()
    started = [one for one in results[:5] if one is not None]
    assert states(job).get(TaskState.LEASED, 0) == len(started)
    assert states(job).get(TaskState.READY, 0) == 5 - len(started)
    for lease in started:
        assert finish_task(lease=lease, outcome=SUCCESS)
    resume(job)
    make_due()
    assert farm.release() == 5 - len(started)


@on_sqlite
def test_very_many_tasks_are_ended_in_parts_so_that_the_dispatcher_goes_on(
    farm: FarmDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = farm.submit()
    cancel_job(actor=ME, job_id=job.id)
    monkeypatch.setattr(ending, "CHUNK", 2)
    assert ending.end_open_tasks() == 5
    again = farm.submit()
    cancel_job(actor=ME, job_id=again.id)
    monkeypatch.setattr(ending, "_AT_A_TIME_S", -1)
    assert ending.end_open_tasks() == 0
    assert states(again) == {TaskState.READY: 5}
