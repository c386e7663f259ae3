"""The statements that count what the farm did, made once each; their values are the fields of a ``Stretch``.

``jobs`` are numbers of jobs, ``high`` is the number that a stretch ends before.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, bindparam, select

from app.core.orm import table_of
from app.products.models.products import ProductUpdate, Source
from app.rpa.models.jobs import ENDS, Attempt, Job, JobState, Task
from app.rpa.rules.job_moves import OPEN

_TASK, _JOB, _ATTEMPT, _UPDATE = (table_of(model) for model in (Task, Job, Attempt, ProductUpdate))
_CLOSED: Final = tuple(state for state in JobState if state not in OPEN)


@lru_cache(maxsize=1)
def tasks_of_jobs() -> Select[Any]:
    """The tasks of some jobs that ended in a stretch."""
    task = _TASK.c
    return select(task.job_id, task.finished_at, task.state, task.code).where(
        task.job_id.in_(bindparam("jobs", expanding=True)), _is_within(task.finished_at), task.state.in_(ENDS)
    )  # fmt: skip


@lru_cache(maxsize=2)
def jobs_within(*, of_job: bool) -> tuple[Select[Any], ...]:
    """Number, storefront and action of the jobs that a task may have ended of; one of them may be found twice."""
    job = _JOB.c
    shown = select(job.id, job.storefront_id, job.action)
    if of_job:
        return (shown.where(job.id == bindparam("job_id")),)
    began = shown.where(job.created_at < bindparam("until"))
    return (  # in this order: one that ends between the two is in both
        began.where(job.state.in_(OPEN)),
        began.where(job.state.in_(_CLOSED), job.finished_at >= bindparam("since")),
    )


@lru_cache(maxsize=4)
def attempts_within(*, of_job: bool, has_high: bool) -> Select[Any]:
    """The attempts that ended in a stretch, with what is to be known of their tasks and jobs.

    MariaDB goes by how large tables were when a connection opened them: in a shop that began empty it would start from
    all jobs and their tasks, which took 1.4 s instead of 4 ms for 1,400 of a million attempts.
    """
    attempt, task, job = _ATTEMPT.c, _TASK.c, _JOB.c
    ended = (
        select(
            attempt.started_at, attempt.ended_at, attempt.outcome, attempt.code, attempt.worker_id, attempt.number,
            attempt.facts["timings_ms"].label("timings"), job.storefront_id, job.action, task.release_no,
            task.released_at,
        )
        .select_from(_ATTEMPT.join(_TASK, task.id == attempt.task_id).join(_JOB, job.id == task.job_id))
        .where(_is_within(attempt.ended_at))
    )  # fmt: skip
    if of_job:
        return ended.where(task.job_id == bindparam("job_id"))
    ended = ended.where(attempt.id >= bindparam("attempt_id")).prefix_with("STRAIGHT_JOIN", dialect="mysql")
    return ended.where(attempt.id < bindparam("high")) if has_high else ended


@lru_cache(maxsize=4)
def changes_within(*, of_job: bool, has_high: bool) -> Select[Any]:
    """The changes that visits found in a stretch, with the worker of the visit."""
    update, job, task = _UPDATE.c, _JOB.c, _TASK.c
    seen = (
        select(update.created_at, update.attribute, update.storefront_id, job.action, task.worker_id)
        .select_from(_UPDATE.join(_JOB, job.id == update.job_id).outerjoin(_TASK, task.id == update.task_id))
        .where(update.source == Source.FARM, update.observed_id.is_(None), _is_within(update.created_at))
    )
    if of_job:
        return seen.where(update.job_id == bindparam("job_id"))
    seen = seen.where(update.id >= bindparam("update_id")).prefix_with("STRAIGHT_JOIN", dialect="mysql")
    return seen.where(update.id < bindparam("high")) if has_high else seen


def _is_within(column: ColumnElement[Any]) -> ColumnElement[bool]:
    return (column >= bindparam("since")) & (column < bindparam("until"))
