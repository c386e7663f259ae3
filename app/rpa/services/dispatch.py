"""The dispatcher's steps. Each is a compare-and-set, so that two leaders waste work but break nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from sqlalchemy import Row, and_, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.config import Farm
from app.core import queues
from app.core.extensions import db
from app.core.orm import count_changed, database_now
from app.core.queues import doorbell
from app.core.transactions import after_commit, in_transaction
from app.rpa.codes import Code
from app.rpa.models.jobs import BATCH, INTERACTIVE, Job, JobState, Task, TaskState
from app.rpa.models.storefronts import Storefront
from app.rpa.models.workers import Leader, Worker
from app.rpa.profile import Profile
from app.rpa.services.jobs import mark_started
from app.rpa.services.notices import request_job_notices
from app.rpa.services.outcomes import count_ends, reap_task

CHUNK: Final = 5_000
_RELEASABLE: Final = (JobState.QUEUED, JobState.RUNNING)
_QUEUES: Final = {BATCH: queues.BATCH, INTERACTIVE: queues.INTERACTIVE}


@dataclass(frozen=True, slots=True)
class _Release:
    task_id: int
    release_no: int
    lane: str


def lead(*, owner: str, lease_s: float) -> bool:
    """Take or keep the leadership of the dispatchers; False while another one leads."""
    try:
        return _lead(owner=owner, lease_s=lease_s)
    except IntegrityError:
        return False


@in_transaction
def _lead(*, owner: str, lease_s: float) -> bool:
    session = db.session()
    now = database_now(session)
    row = session.scalar(select(Leader).where(Leader.name == "dispatcher").with_for_update())
    if row is None:
        session.add(Leader(name="dispatcher", owner=owner, until=now + timedelta(seconds=lease_s)))
        return True
    if row.owner != owner and row.until > now:
        return False
    row.owner, row.until = owner, now + timedelta(seconds=lease_s)
    return True


@in_transaction
def resign(*, owner: str) -> None:
    """Give the leadership up at once, so that the next dispatcher need not wait for it to run out."""
    session = db.session()
    row = session.scalar(select(Leader).where(Leader.name == "dispatcher", Leader.owner == owner).with_for_update())
    if row is not None:
        row.until = database_now(session)


@in_transaction
def release_tasks(*, farm: Farm) -> int:
    """Release just enough READY tasks to keep every live worker busy, in turn between jobs; returns how many.

    Interactive tasks are released without limit. No storefront gets more than its concurrency and pace can start.
    """
    session = db.session()
    now = database_now(session)
    since = now - timedelta(seconds=farm.worker_silent_s)
    alive = select(func.count()).where(Worker.heartbeat_at > since, Worker.stopped_at.is_(None))
    waiting = select(func.count()).where(Task.state == TaskState.QUEUED)
    room = max(1, session.scalar(alive) or 0) * farm.release_window - (session.scalar(waiting) or 0)
    slots = _free_slots(session, now)
    jobs = _startable_jobs(session, [id_ for id_, free in slots.items() if free > 0], now)
    share = max(1, room // max(1, len(jobs)))
    released: list[_Release] = []
    for job in jobs:
        wanted = slots[job.storefront_id] if job.lane == INTERACTIVE else min(share, room, slots[job.storefront_id])
        taken = _take(session, job.id, job.lane, wanted, now) if wanted > 0 else []
        slots[job.storefront_id] -= len(taken)
        room -= len(taken) if job.lane == BATCH else 0
        released += taken
        if taken:
            mark_started(job.id, now)
    _ring_after_commit(released)
    return len(released)


def release_again(*, farm: Farm) -> int:
    """Release once more what was released but never claimed and whose message is gone; returns how many.

    Redis is asked outside of any transaction: who waits for it must hold no lock.
    """
    session = db.session()
    now = database_now(session)
    patience = min(farm.interactive_stale_s, farm.batch_stale_s)
    stale = session.execute(
        select(Task.id, Task.release_no, Task.released_at, Job.lane)
        .join(Job, Job.id == Task.job_id)
        .where(Task.state == TaskState.QUEUED, Task.released_at < now - timedelta(seconds=patience))
        .order_by(Task.released_at)
        .limit(500)
    ).all()
    session.rollback()
    waits = {BATCH: timedelta(seconds=farm.batch_stale_s), INTERACTIVE: timedelta(seconds=farm.interactive_stale_s)}
    due = [_Release(row.id, row.release_no, row.lane) for row in stale if row.released_at < now - waits[row.lane]]
    held = doorbell().held([(_QUEUES[one.lane], f"task-{one.task_id}-{one.release_no}") for one in due])
    lost = [one for one, still_there in zip(due, held, strict=True) if not still_there]
    return _release_lost(lost=lost) if lost else 0


@in_transaction
def _release_lost(*, lost: list[_Release]) -> int:
    session = db.session()
    now = database_now(session)
    released = [
        _Release(one.task_id, one.release_no + 1, one.lane)
        for one in lost
        if _release_one(session, one.task_id, one.release_no, TaskState.QUEUED, now)
    ]
    _ring_after_commit(released)
    return len(released)


def reap_expired(*, limit: int = 200) -> int:
    """Take back every task whose lease ran out; returns how many."""
    session = db.session()
    now = database_now(session)
    rows = session.execute(
        select(Task.id, Task.lease_token, Storefront.profile)
        .join(Storefront, Storefront.id == Task.storefront_id)
        .where(Task.state == TaskState.LEASED, Task.leased_until < now)
        .limit(limit)
    ).all()
    session.rollback()
    return sum(
        reap_task(task_id=id_, token=token, budget=Profile.from_document(profile).retry) for id_, token, profile in rows
    )


def end_open_tasks() -> int:
    """End what will not run any more: tasks of cancelled jobs and of jobs past their deadline; returns how many."""
    session = db.session()
    now = database_now(session)
    cancelled = list(session.scalars(select(Job.id).where(Job.state == JobState.CANCELLING).limit(100)))
    overdue = list(session.scalars(select(Job.id).where(Job.state.in_(_RELEASABLE), Job.deadline_at < now).limit(100)))
    session.rollback()
    ended = 0
    for job_ids, state, code in (
        (cancelled, TaskState.CANCELLED, Code.CANCELLED),
        (overdue, TaskState.SKIPPED, Code.DEADLINE),
    ):
        for job_id in job_ids:
            while count := _end_chunk(job_id=job_id, state=state, code=code):
                ended += count
    return ended


@in_transaction
def finish_jobs() -> int:
    """End every job whose tasks have all ended; returns how many."""
    session = db.session()
    now = database_now(session)
    _write_off_unprepared(session, now)
    finished = 0
    errors = Job.failed_count + Job.skipped_count
    for before, after, matches in (
        ((JobState.CANCELLING,), JobState.CANCELLED, errors >= 0),
        (_RELEASABLE, JobState.COMPLETED, errors == 0),
        (_RELEASABLE, JobState.COMPLETED_WITH_ERRORS, errors > 0),
    ):
        ending = and_(Job.state.in_(before), Job.current_count == Job.total_count, matches)
        request_job_notices(ending)
        done = update(Job).where(ending)
        finished += count_changed(session, done.values(state=after, finished_at=now, updated_at=now))
    return finished


def _write_off_unprepared(session: Session, now: datetime) -> None:
    """Tasks that were never made count as cancelled in a cancelled job, as skipped after the deadline."""
    gap = Job.total_count - Job.prepared_count
    overdue = (Job.state == JobState.PREPARING) & (Job.deadline_at < now)
    for over, counter, state in (
        (Job.state == JobState.CANCELLING, Job.cancelled_count, JobState.CANCELLING),
        (overdue, Job.skipped_count, JobState.QUEUED),
    ):
        count_changed(
            session,
            update(Job)
            .where(over, Job.prepared_count < Job.total_count)
            # In this order: MySQL lets later assignments see what earlier ones made.
            .ordered_values(
                (Job.current_count, Job.current_count + gap),
                (counter, counter + gap),
                (Job.prepared_count, Job.total_count),
                (Job.selection, None),
                (Job.state, state),
            ),
        )


@in_transaction
def _end_chunk(*, job_id: int, state: TaskState, code: Code) -> int:
    session = db.session()
    now = database_now(session)
    open_ids = list(
        session.scalars(
            select(Task.id)
            .where(Task.job_id == job_id, Task.state.in_((TaskState.READY, TaskState.QUEUED)))
            .limit(CHUNK)
            .with_for_update()
        )
    )
    if not open_ids:
        return 0
    ended = count_changed(
        session,
        update(Task)
        .where(Task.id.in_(open_ids), Task.state.in_((TaskState.READY, TaskState.QUEUED)))
        .values(state=state, code=code, finished_at=now, updated_at=now),
    )
    count_ends(session, job_id, state, ended)
    return ended


def _free_slots(session: Session, now: datetime) -> dict[int, int]:
    """How many more tasks each storefront could start soon; one more than its free slots, so that no worker waits."""
    wanted = select(Job.storefront_id).where(Job.state.in_(_RELEASABLE))
    shops = list(session.scalars(select(Storefront).where(Storefront.id.in_(wanted), Storefront.is_active)))
    open_states = (TaskState.QUEUED, TaskState.LEASED)
    counts = select(Task.storefront_id, Task.state, func.count()).where(
        Task.storefront_id.in_([shop.id for shop in shops]), Task.state.in_(open_states)
    )
    open_tasks: dict[tuple[int, str], int] = defaultdict(int)
    grouped = session.execute(counts.group_by(Task.storefront_id, Task.state))
    open_tasks.update({(row[0], row[1]): row[2] for row in grouped})
    slots: dict[int, int] = {}
    for shop in shops:
        queued, leased = (open_tasks[shop.id, state] for state in open_states)
        may_start = min(shop.concurrency + 1 - leased, _starts_within(shop, now, seconds=1))
        slots[shop.id] = may_start - queued
    return slots


def _startable_jobs(session: Session, storefront_ids: list[int], now: datetime) -> Sequence[Row[int, str, int]]:
    """Jobs with a task that is due on one of these storefronts, interactive ones first, then by their last turn.

    Only those: otherwise jobs that have to wait would fill the list and keep the others from their turn.
    """
    due = select(Task.id).where(Task.job_id == Job.id, Task.state == TaskState.READY, Task.not_before <= now)
    return session.execute(
        select(Job.id, Job.lane, Job.storefront_id)
        .where(Job.state.in_(_RELEASABLE), Job.deadline_at > now, Job.storefront_id.in_(storefront_ids), due.exists())
        .order_by(Job.lane.desc(), Job.last_released_at)
        .limit(200)
    ).all()


def _starts_within(shop: Storefront, now: datetime, *, seconds: float) -> int:
    """How many tasks the storefront's pace lets start within the next seconds."""
    if shop.paused_until is not None and shop.paused_until > now:
        return 0
    if shop.gap_ms == 0:
        return shop.concurrency + 1
    left_s = seconds - max(0.0, (shop.next_start_at - now).total_seconds())
    return 0 if left_s < 0 else 1 + int(left_s * 1000 // shop.gap_ms)


def _take(session: Session, job_id: int, lane: str, count: int, now: datetime) -> list[_Release]:
    rows = session.execute(
        select(Task.id, Task.release_no)
        .where(Task.job_id == job_id, Task.state == TaskState.READY, Task.not_before <= now)
        .order_by(Task.not_before, Task.id)
        .limit(count)
    ).all()
    return [
        _Release(row.id, row.release_no + 1, lane)
        for row in rows
        if _release_one(session, row.id, row.release_no, TaskState.READY, now)
    ]


def _release_one(session: Session, task_id: int, release_no: int, state: TaskState, now: datetime) -> bool:
    released = count_changed(
        session,
        update(Task)
        .where(Task.id == task_id, Task.state == state, Task.release_no == release_no)
        .values(state=TaskState.QUEUED, release_no=release_no + 1, released_at=now),
    )
    return released == 1


def _ring_after_commit(released: list[_Release]) -> None:
    for lane, queue in _QUEUES.items():
        calls: list[tuple[str, tuple[int | str, ...]]] = [
            (f"task-{one.task_id}-{one.release_no}", (one.task_id, one.release_no))
            for one in released
            if one.lane == lane
        ]
        if calls:
            after_commit(partial(doorbell().ring, queue, "run_task", calls))
