"""How far jobs are, how fast they go, and what they wait for; for a list in as many statements as for one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import func, select
from sqlalchemy.orm import joinedload

from app.core.extensions import db
from app.core.orm import database_now
from app.core.pagination import Page, fetch_page
from app.core.running import settings
from app.rpa.models.jobs import BATCH, Action, Job, JobState, Task, TaskState
from app.rpa.models.storefronts import Storefront
from app.rpa.queries.estimates import look_ahead
from app.rpa.queries.jobs import get_job
from app.rpa.queries.workers import count_live_workers
from app.rpa.rules.holds import find_hold, pages_of
from app.rpa.rules.job_moves import OPEN
from app.rpa.rules.standstill import Standing, why_waiting

RATE_WINDOW: Final = timedelta(seconds=60)
_VISITED: Final = (TaskState.SUCCEEDED, TaskState.REFUSED, TaskState.FAILED)
"""Ends that a browser was sent out for; cancelled and skipped ones say nothing of the farm's speed."""


def get_progress(job_id: int) -> Job:
    """One job with its rate over the last minute of work, what it waits for, and how long the rest will take."""
    return with_outlook(get_job(job_id))


def with_outlook(job: Job) -> Job:
    """A job with its progress and, while it is open, the estimate of what is left."""
    _add_progress([job])
    if job.state in OPEN:
        left = job.total_count - job.current_count
        ahead = look_ahead(
            job.storefront,
            Action(job.action),
            left,
            job_concurrency=job.concurrency,
            deadline_at=job.deadline_at,
            job_id=job.id,
        )
        vars(job).update(estimate=ahead)
    return job


def list_jobs(
    *,
    state: str | None,
    storefront: str | None,
    lane: str | None,
    schedule_id: int | None,
    limit: int,
    cursor: str | None,
) -> Page[Job]:
    """Jobs, newest first, with their progress; batch jobs unless another lane is named."""
    query = select(Job).join(Job.storefront).options(joinedload(Job.storefront)).where(Job.lane == (lane or BATCH))
    if state is not None:
        query = query.where(Job.state == state)
    if storefront is not None:
        query = query.where(Storefront.code == storefront)
    if schedule_id is not None:
        query = query.where(Job.schedule_id == schedule_id)
    page = fetch_page(query, keys=[(Job.id, True)], limit=limit, cursor=cursor)
    _add_progress(page.items)
    return page


def _add_progress(jobs: Sequence[Job]) -> None:
    now = database_now(db.session())
    going = [job for job in jobs if job.state in OPEN]
    workers = count_live_workers(silent_s=settings().farm.worker_silent_s) if going else 0
    visited, standing = _count_visited(going, now), _find_standing(going)
    for job in jobs:
        rate, left = _pace(job, visited.get(job.id, 0), now)
        vars(job).update(rate_per_minute=rate, seconds_left=left)
    for job in going:
        leased, has_queued, next_task_at = standing[job.id]
        shop = job.storefront
        stands = Standing(
            now=now, state=JobState(job.state), paused_by=job.paused_by, leased=leased, next_task_at=next_task_at,
            has_queued=has_queued, shop_waits=find_hold(shop, now, pages=pages_of(Action(job.action))),
            shop_starts_at=shop.next_start_at, workers=workers,
        )  # fmt: skip
        vars(job).update(waits=why_waiting(stands))


def _pace(job: Job, visited: int, now: datetime) -> tuple[float | None, int | None]:
    """Tasks per minute over the last minute of work, and the seconds that the rest takes at that rate."""
    if job.started_at is None or job.current_count == 0:
        return None, None
    if job.finished_at is not None:
        ended = job.succeeded_count + job.refused_count + job.failed_count
        return _per_minute(ended, job.finished_at - job.started_at), 0
    rate = _per_minute(visited, now - max(job.started_at, now - RATE_WINDOW))
    left = job.total_count - job.current_count
    return rate, round(left * 60 / rate) if rate else None


def _per_minute(count: int, time: timedelta) -> float:
    return round(count * 60 / max(time.total_seconds(), 0.001), 1)


def _count_visited(jobs: Sequence[Job], now: datetime) -> dict[int, int]:
    """Tasks of each job that a browser was sent out for and that ended within the last minute."""
    mine = Task.job_id.in_([job.id for job in jobs])
    recent = select(Task.job_id, func.count()).where(mine, Task.finished_at >= now - RATE_WINDOW)
    rows = db.session.execute(recent.where(Task.state.in_(_VISITED)).group_by(Task.job_id)) if jobs else ()
    return {row[0]: row[1] for row in rows}


def _find_standing(jobs: Sequence[Job]) -> dict[int, tuple[int, bool, datetime | None]]:
    """Of each job how many tasks run, whether some are about to, and when the next of the others may start."""
    of_job = Task.job_id == Job.id
    leased = select(func.count()).where(of_job, Task.state == TaskState.LEASED).scalar_subquery()
    queued = select(Task.id).where(of_job, Task.state == TaskState.QUEUED).exists()
    first = select(Task.not_before).where(of_job, Task.state == TaskState.READY)
    columns: tuple[Any, ...] = (leased, queued, first.order_by(Task.not_before).limit(1).scalar_subquery())
    wanted = select(Job.id, *columns).where(Job.id.in_([job.id for job in jobs]))
    rows = db.session.execute(wanted) if jobs else ()
    return {row[0]: (row[1], bool(row[2]), row[3]) for row in rows}
