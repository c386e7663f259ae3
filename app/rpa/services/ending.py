"""The dispatcher's steps that end things: what will not run any more, what must wait, and jobs that are through."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, case, exists, or_, select, update
from sqlalchemy.orm import Session

from app.core.extensions import db
from app.core.orm import clock, count_changed, database_now
from app.core.transactions import after_commit, in_transaction
from app.rpa import metrics
from app.rpa.models.jobs import Job, JobState, Task, TaskState
from app.rpa.rules.codes import Code
from app.rpa.rules.job_moves import COMPLETES, LIVES, OPEN
from app.rpa.services import task_moves
from app.rpa.services.notices import request_job_notices
from app.rpa.services.outcomes import count_ends

CHUNK: Final = 2_000
_JOBS: Final = 100
_ENDS_AS: Final = {Code.CANCELLED: TaskState.CANCELLED, Code.DEADLINE: TaskState.SKIPPED}
_AT_A_TIME_S: Final = 0.5
"""How long one call ends tasks before the dispatcher's other steps have their turn."""


@dataclass(frozen=True, slots=True)
class Look:
    """What there is to do about jobs, so that a step with nothing to do asks nothing."""

    open: bool
    """Some have not ended."""
    over: bool
    """Tasks of some may have to end unvisited."""
    out: bool
    """Something is released of one that is paused."""
    through: bool
    """All tasks of one have ended."""


def look_at_jobs() -> Look:
    """Say in one read which steps have something to do; they look again themselves.

    ``over`` is for ``end_open_tasks``, ``out`` for ``withdraw_paused``, ``over`` and ``through`` for ``finish_jobs``.
    """
    session = db.session()
    found = session.execute(_LOOK).one()
    session.rollback()
    return Look(*(bool(flag) for flag in found))


def end_open_tasks() -> int:
    """End what will not run any more: tasks of cancelled jobs and of jobs past their deadline; returns how many.

    Of very many it ends some, the next call the next ones.
    """
    session = db.session()
    now = database_now(session)
    found = {code: list(session.scalars(select(Job.id).where(_is_over(code, now)).limit(_JOBS))) for code in _ENDS_AS}
    session.rollback()
    ended, until = 0, time.monotonic() + _AT_A_TIME_S
    for code, job_ids in found.items():
        for job_id in job_ids:
            while time.monotonic() < until and (count := _end_chunk(job_id=job_id, code=code)):
                ended += count
    return ended


def withdraw_paused() -> int:
    """Take back what was released of jobs that were paused since, so that it takes no place; returns how many."""
    session = db.session()
    paused = list(session.scalars(select(Job.id).where(_is_out()).limit(_JOBS)))
    session.rollback()
    return sum(_withdraw(job_id=job_id) for job_id in paused)


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
        (COMPLETES, JobState.COMPLETED, errors == 0),
        (COMPLETES, JobState.COMPLETED_WITH_ERRORS, errors > 0),
    ):
        ending = and_(Job.state.in_(before), Job.current_count == Job.total_count, matches)
        request_job_notices(ending)
        done = update(Job).where(ending)
        finished += count_changed(session, done.values(state=after, finished_at=now, updated_at=now))
    return finished


def _write_off_unprepared(session: Session, now: datetime) -> None:
    """Tasks that were never made count as cancelled in a cancelled job, as skipped after the deadline.

    Which products they are about stays in ``selection``, so that they can be retried.
    """
    gap = Job.total_count - Job.prepared_count
    for code, counter in ((Code.CANCELLED, Job.cancelled_count), (Code.DEADLINE, Job.skipped_count)):
        count_changed(
            session,
            update(Job)
            .where(_is_over(code, now), Job.prepared_count < Job.total_count)
            # In this order: MySQL lets later assignments see what earlier ones made.
            .ordered_values(
                (Job.current_count, Job.current_count + gap),
                (counter, counter + gap),
                (Job.prepared_count, Job.total_count),
                (Job.state, case((Job.state == JobState.PREPARING, JobState.QUEUED), else_=Job.state)),
            ),
        )


def _is_out() -> ColumnElement[bool]:
    """Which jobs are paused and have released tasks."""
    queued = select(Task.id).where(Task.job_id == Job.id, Task.state == TaskState.QUEUED)
    return (Job.state == JobState.PAUSED) & queued.exists()


def _is_over(code: Code, now: datetime | clock) -> ColumnElement[bool]:
    """Which jobs are over because they are cancelled, or because their deadline has passed."""
    if code is Code.CANCELLED:
        return Job.state == JobState.CANCELLING
    return Job.state.in_(LIVES) & (Job.deadline_at < now)


def _look() -> Any:
    over = or_(*(_is_over(code, clock()) for code in _ENDS_AS))
    ending = Job.state.in_((JobState.CANCELLING, *COMPLETES)) & (Job.current_count == Job.total_count)
    return select(*(exists().where(condition) for condition in (Job.state.in_(OPEN), over, _is_out(), ending)))


_LOOK: Final = _look()
"""Made once: it is asked several times a second, and took longer to make than to answer."""


@in_transaction
def _end_chunk(*, job_id: int, code: Code) -> int:
    """End some tasks of a job if it is still over: its deadline may have been moved since, or it was cancelled."""
    session = db.session()
    now, state = database_now(session), _ENDS_AS[code]
    over = select(Job.action, Job.storefront_id).where(Job.id == job_id, _is_over(code, now))
    job = session.execute(over).one_or_none()
    if job is None:
        return 0
    ended = task_moves.end(session, job_id, state, code, now, CHUNK)
    count_ends(session, job_id, state, ended)
    after_commit(partial(metrics.count_end, job.action, job.storefront_id, state, code, ended))
    return ended


@in_transaction
def _withdraw(*, job_id: int) -> int:
    return task_moves.withdraw(db.session(), job_id, CHUNK)
