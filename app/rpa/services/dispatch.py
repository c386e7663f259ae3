"""The dispatcher's steps that hand tasks out and take them back; by ``task_moves``, so two leaders break nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import groupby
from typing import Any, Final

from sqlalchemy import Integer, Row, bindparam, case, exists, func, select, update
from sqlalchemy.orm import Session

from app.config import Farm
from app.core import queues
from app.core.extensions import db
from app.core.orm import UtcDateTime, clock, database_now, table_of
from app.core.queues import doorbell
from app.core.transactions import after_commit, connection, in_transaction
from app.rpa.models.jobs import BATCH, INTERACTIVE, Action, Job, JobState, Priority, Task, TaskState
from app.rpa.models.storefronts import Storefront
from app.rpa.profiles.profile import Profile
from app.rpa.queries.shops import COLUMNS, shop_of
from app.rpa.queries.workers import count_live_workers
from app.rpa.rules.holds import pages_left, pages_of
from app.rpa.rules.job_moves import WORKS
from app.rpa.rules.supply import Crew, may_be_out
from app.rpa.rules.turns import WEIGHTS, Candidate, Turns
from app.rpa.services import task_moves
from app.rpa.services.outcomes import reap_task

_QUEUES: Final = {BATCH: queues.BATCH, INTERACTIVE: queues.INTERACTIVE}
_PER_KIND: Final = 50
"""Jobs of one storefront, lane and priority that are looked at in a round: those whose last turn is longest ago."""
_ROUNDS: Final = 5
"""How often what a job left of its share is shared among the others before the next call."""
_OUT: Final = (TaskState.QUEUED, TaskState.LEASED)
# What is asked in every round is made once: that takes longer than the answer.
_TASK, _JOB, _SHOP = table_of(Task).c, table_of(Job).c, table_of(Storefront).c
_SHOPS: Final = select(*COLUMNS, clock().label("now")).where(
    _SHOP.id.in_(select(_JOB.storefront_id).where(_JOB.state.in_(WORKS))), _SHOP.is_active
)
_COUNTS: Final = (
    select(_TASK.storefront_id, _TASK.state, func.count())
    .where(_TASK.state.in_(_OUT))
    .group_by(_TASK.storefront_id, _TASK.state)
)
_COUNTS_OF_JOBS: Final = (
    select(_TASK.job_id, func.count())
    .where(_TASK.job_id.in_(bindparam("job_ids", expanding=True)), _TASK.state.in_(_OUT))
    .group_by(_TASK.job_id)
)
_DUE: Final = select(_TASK.id).where(
    _TASK.job_id == _JOB.id, _TASK.state == TaskState.READY, _TASK.not_before <= bindparam("now", type_=UtcDateTime)
)
_PLACE: Final = func.row_number().over(
    partition_by=(_JOB.storefront_id, _JOB.lane, _JOB.priority), order_by=(_JOB.last_released_at, _JOB.id)
)
_STARTABLE: Final = (
    select(
        _JOB.id, _JOB.lane, _JOB.storefront_id, _JOB.action, _JOB.priority, _JOB.concurrency, _JOB.last_released_at,
        _PLACE.label("n"),
    )
    .where(_JOB.state.in_(WORKS), _JOB.deadline_at > bindparam("now", type_=UtcDateTime))
    .where(_JOB.storefront_id.in_(bindparam("storefront_ids", expanding=True)), _DUE.exists())
    .subquery()
)  # fmt: skip
_STARTABLE_JOBS: Final = (
    select(_STARTABLE).where(_STARTABLE.c.n <= _PER_KIND).order_by(_STARTABLE.c.last_released_at, _STARTABLE.c.id)
)
_NEXT_TASKS: Final = (
    select(_TASK.id, _TASK.release_no)
    .where(_TASK.job_id == bindparam("job_id"), _TASK.state == TaskState.READY, _TASK.not_before <= bindparam("now"))
    .order_by(_TASK.not_before, _TASK.id)
    .limit(bindparam("most", type_=Integer))
    .with_for_update()  # so that of two leaders one finds them released, however close their clocks are
)
_STALE: Final = (
    select(_TASK.id, _TASK.release_no, _TASK.released_at, _JOB.lane)
    .join(table_of(Job), _JOB.id == _TASK.job_id)
    .where(_TASK.state == TaskState.QUEUED, _TASK.released_at < bindparam("before"), _JOB.state.in_(WORKS))
    .order_by(_TASK.released_at)
    .limit(500)
)
_START: Final = (
    update(table_of(Job))
    .where(_JOB.id.in_(bindparam("job_ids", expanding=True)))
    .values(
        state=case((_JOB.state == JobState.QUEUED, JobState.RUNNING), else_=_JOB.state),
        started_at=func.coalesce(_JOB.started_at, bindparam("now", type_=UtcDateTime)),
        last_released_at=bindparam("now", type_=UtcDateTime),
    )
)


@dataclass(frozen=True, slots=True)
class _Release:
    task_id: int
    release_no: int
    lane: str


@in_transaction
def release_tasks(*, farm: Farm, turns: Turns) -> int:
    """Release just enough READY tasks to keep every live worker busy, in turn between jobs; returns how many.

    Interactive tasks are released without limit. No storefront gets more than its concurrency and pace can start, no
    job more than its own concurrency. ``turns`` is the memory of who had how much.
    """
    session = db.session()
    found = connection().execute(_SHOPS).all()
    if not found:
        return 0
    shops, now = [shop_of(row) for row in found], found[0].now
    crew = Crew(count_live_workers(silent_s=farm.worker_silent_s, now=now), farm.release_window)
    out = _count_out()
    slots = {
        shop.id: may_be_out(shop, now, leased=out[shop.id, TaskState.LEASED], crew=crew, turn_s=farm.dispatch_s)
        - out[shop.id, TaskState.QUEUED]
        for shop in shops
    }
    if all(free <= 0 for free in slots.values()):
        return 0
    jobs = _startable_jobs([id_ for id_, free in slots.items() if free > 0], now)
    most = _mosts(jobs, slots, {shop.id: pages_left(shop, now) for shop in shops})
    served: set[int] = set()
    released: list[_Release] = []
    for job in (job for job in jobs if job.lane == INTERACTIVE):
        taken = _take(session, job, min(most[job.id], slots[job.storefront_id]), now)
        slots[job.storefront_id] -= len(taken)
        released += taken
        served |= {job.id} if taken else set()
    room = crew.most - sum(count for (_, state), count in out.items() if state == TaskState.QUEUED)
    batch = {job.id: job for job in jobs if job.lane == BATCH and most[job.id] > 0}
    for _ in range(_ROUNDS):
        candidates = [_candidate(job, most[job.id]) for job in batch.values()]
        for job_id, count in turns.share(candidates, slots, room).items():
            job = batch[job_id]
            taken = _take(session, job, count, now)
            if len(taken) < count:
                del batch[job_id]
            most[job_id] -= len(taken)
            slots[job.storefront_id] -= len(taken)
            room -= len(taken)
            released += taken
            served |= {job.id} if taken else set()
    _mark_started(sorted(served), now)
    _ring_after_commit(released)
    return len(released)


def release_again(*, farm: Farm) -> int:
    """Release once more what was released but never claimed and whose message is gone; returns how many.

    Redis is asked outside of any transaction: who waits for it must hold no lock.
    """
    session = db.session()
    now = database_now(session)
    patience = min(farm.interactive_stale_s, farm.batch_stale_s)
    stale = session.execute(_STALE, {"before": now - timedelta(seconds=patience)}).all()
    session.rollback()
    waits = {BATCH: timedelta(seconds=farm.batch_stale_s), INTERACTIVE: timedelta(seconds=farm.interactive_stale_s)}
    due = [_Release(row.id, row.release_no, row.lane) for row in stale if row.released_at < now - waits[row.lane]]
    held = doorbell().held([(_QUEUES[one.lane], f"task-{one.task_id}-{one.release_no}") for one in due])
    lost = [one for one, still_there in zip(due, held, strict=True) if not still_there]
    return _release_lost(lost=lost) if lost else 0


IS_EXPIRED: Final = exists().where(_TASK.state == TaskState.LEASED, _TASK.leased_until < clock())
"""Whether ``reap_expired`` has something to take back."""


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


@in_transaction
def _release_lost(*, lost: list[_Release]) -> int:
    session = db.session()
    released: list[_Release] = []
    for lane in _QUEUES:
        wanted = {one.task_id: one.release_no for one in lost if one.lane == lane}
        as_they_are = select(Task.id, Task.release_no).where(Task.id.in_(wanted)).order_by(Task.id).with_for_update()
        found = session.execute(as_they_are).all() if wanted else []
        rows = [(row.id, row.release_no) for row in found if wanted[row.id] == row.release_no]
        released += _release(session, rows, lane, TaskState.QUEUED, database_now(session))
    _ring_after_commit(released)
    return len(released)


def _candidate(job: Row[Any], most: int) -> Candidate:
    return Candidate(job.id, job.storefront_id, WEIGHTS[Priority(job.priority)], most)


def _count_out() -> Counter[tuple[int, str]]:
    """How many tasks of each storefront are released, and how many are under way."""
    return Counter({(row[0], row[1]): row[2] for row in connection().execute(_COUNTS)})


def _startable_jobs(storefront_ids: list[int], now: datetime) -> Sequence[Row[Any]]:
    """Jobs with a task that is due on one of these storefronts, by their last turn; of each kind of job some.

    Only those: otherwise jobs that have to wait would fill the list and keep the others from their turn.
    """
    return connection().execute(_STARTABLE_JOBS, {"storefront_ids": storefront_ids, "now": now}).all()


def _mosts(jobs: Sequence[Row[Any]], slots: Mapping[int, int], left: Mapping[int, int | None]) -> dict[int, int]:
    """How many more tasks of each job may be out: as its storefront, the day's pages and its own concurrency let it."""
    most: dict[int, int] = {}
    for job in jobs:
        free, pages = slots[job.storefront_id], left[job.storefront_id]
        most[job.id] = free if pages is None else min(free, pages // pages_of(Action(job.action)))
    bounded = {job.id: job.concurrency for job in jobs if job.concurrency is not None}
    if bounded:
        counted = connection().execute(_COUNTS_OF_JOBS, {"job_ids": list(bounded)})
        out = {row[0]: row[1] for row in counted}
        most |= {id_: min(most[id_], limit - out.get(id_, 0)) for id_, limit in bounded.items()}
    return most


def _take(session: Session, job: Row[Any], count: int, now: datetime) -> list[_Release]:
    """Release the next tasks of a job that are due, at most ``count``."""
    if count <= 0:
        return []
    rows = connection().execute(_NEXT_TASKS, {"job_id": job.id, "now": now, "most": count}).all()
    return _release(session, [(row.id, row.release_no) for row in rows], job.lane, TaskState.READY, now)


def _release(
    session: Session, rows: Sequence[tuple[int, int]], lane: str, of: TaskState, now: datetime
) -> list[_Release]:
    found: list[_Release] = []
    for number, group in groupby(sorted(rows, key=_number), key=_number):
        ids = task_moves.release(session, [id_ for id_, _ in group], number, of, now)
        found += [_Release(id_, number + 1, lane) for id_ in ids]
    return found


def _number(row: tuple[int, int]) -> int:
    return row[1]


def _mark_started(job_ids: Sequence[int], now: datetime) -> None:
    """Note of jobs that tasks of theirs were released: they have started, and one that is QUEUED runs.

    One that was paused since it was looked at has started, too: what was released of it may be claimed as soon as it
    is resumed.
    """
    if job_ids:
        connection().execute(_START, {"job_ids": job_ids, "now": now})


def _ring_after_commit(released: list[_Release]) -> None:
    for lane, queue in _QUEUES.items():
        calls: list[tuple[str, tuple[int | str, ...]]] = [
            (f"task-{one.task_id}-{one.release_no}", (one.task_id, one.release_no))
            for one in released
            if one.lane == lane
        ]
        if calls:
            after_commit(partial(doorbell().ring, queue, "run_task", calls))
