"""Reads of jobs and how far they are."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import func, select
from sqlalchemy.orm import joinedload

from app.core.extensions import db
from app.core.orm import database_now
from app.core.pagination import Page, fetch_page
from app.rpa.errors import JobNotFound
from app.rpa.models.jobs import BATCH, ENDS, OPEN_JOBS, Job, Task, TaskState
from app.rpa.models.storefronts import Storefront

RATE_WINDOW: Final = timedelta(seconds=60)


def get_job(job_id: int) -> Job:
    """One job with its storefront; raises JobNotFound."""
    row = db.session.scalar(select(Job).where(Job.id == job_id).options(joinedload(Job.storefront)))
    if row is None:
        raise JobNotFound("There is no such job.")
    return row


def get_progress(job_id: int) -> Job:
    """One job with its rate over the last minute of work and the time that the rest will take at that rate."""
    return _with_pace(get_job(job_id))


def list_jobs(
    *,
    state: str | None,
    storefront: str | None,
    lane: str | None,
    schedule_id: int | None,
    limit: int,
    cursor: str | None,
) -> Page[Job]:
    """Jobs, newest first; batch jobs unless another lane is named."""
    query = select(Job).join(Job.storefront).options(joinedload(Job.storefront)).where(Job.lane == (lane or BATCH))
    if state is not None:
        query = query.where(Job.state == state)
    if storefront is not None:
        query = query.where(Storefront.code == storefront)
    if schedule_id is not None:
        query = query.where(Job.schedule_id == schedule_id)
    page = fetch_page(query, keys=[(Job.id, True)], limit=limit, cursor=cursor)
    return Page([_with_pace(job) for job in page.items], page.next_cursor)


def count_codes(job_id: int) -> dict[str, int]:
    """How many of a job's tasks ended with which code, the most frequent first; successes have none."""
    query = select(Task.code, func.count()).where(Task.job_id == job_id, Task.state.in_(ENDS), Task.code.is_not(None))
    rows = db.session.execute(query.group_by(Task.code).order_by(func.count().desc(), Task.code))
    return {code: count for code, count in rows if code}


def has_open_jobs() -> bool:
    """Whether any job has not ended."""
    return db.session.scalar(select(Job.id).where(Job.state.in_(OPEN_JOBS)).limit(1)) is not None


def outcomes(job: Job) -> dict[str, Any]:
    """How many tasks of a job ended how."""
    return {
        "SUCCEEDED": job.succeeded_count,
        "REFUSED": job.refused_count,
        "FAILED": job.failed_count,
        "SKIPPED": job.skipped_count,
        "CANCELLED": job.cancelled_count,
    }


def _with_pace(job: Job) -> Job:
    rate, left = _pace(job)
    vars(job).update(rate_per_minute=rate, seconds_left=left)
    return job


def _pace(job: Job) -> tuple[float | None, int | None]:
    """Tasks per minute over the last minute of work, and the seconds that the rest takes at that rate."""
    if job.started_at is None or job.current_count == 0:
        return None, None
    until = job.finished_at or database_now(db.session())
    since = max(job.started_at, until - RATE_WINDOW) if job.finished_at is None else job.started_at
    ended = _count_visited(job.id, since) if job.finished_at is None else _visited(job)
    elapsed = max((until - since).total_seconds(), 0.001)
    rate = round(ended * 60 / elapsed, 1)
    left = job.total_count - job.current_count
    if job.finished_at is not None:
        return rate, 0
    return rate, round(left * 60 / rate) if rate else None


def _count_visited(job_id: int, since: datetime) -> int:
    visited = Task.state.in_((TaskState.SUCCEEDED, TaskState.REFUSED, TaskState.FAILED))
    query = select(func.count()).where(Task.job_id == job_id, Task.finished_at >= since, visited)
    return db.session.scalar(query) or 0


def _visited(job: Job) -> int:
    """Tasks that a browser was sent out for; cancelled and skipped ones say nothing of the farm's speed."""
    return job.succeeded_count + job.refused_count + job.failed_count
