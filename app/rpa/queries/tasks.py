"""Reads of tasks."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from app.core.extensions import db
from app.core.pagination import Page, fetch_page
from app.rpa.errors import TaskNotFound
from app.rpa.models.jobs import ENDS, Attempt, Job, Task
from app.rpa.queries.jobs import get_job


def list_tasks(job_id: int, *, state: str | None, code: str | None, limit: int, cursor: str | None) -> Page[Task]:
    """Tasks of a job in the order they were asked for; raises JobNotFound."""
    get_job(job_id)
    query = select(Task).where(Task.job_id == job_id)
    if state is not None:
        query = query.where(Task.state == state)
    if code is not None:
        query = query.where(Task.code == code)
    return fetch_page(query, keys=[(Task.seq, False)], limit=limit, cursor=cursor)


def get_task(task_id: int) -> Task:
    """One task with its job; raises TaskNotFound."""
    query = select(Task).where(Task.id == task_id).options(joinedload(Task.job).joinedload(Job.storefront))
    row = db.session.scalar(query)
    if row is None:
        raise TaskNotFound("There is no such task.")
    return row


def newest_attempts(task_id: int, *, limit: int) -> list[Attempt]:
    """The last attempts at a task, the newest first."""
    query = select(Attempt).where(Attempt.task_id == task_id).order_by(Attempt.number.desc()).limit(limit)
    return list(db.session.scalars(query))


def is_task_ended(task_id: int) -> bool:
    """Whether a task has come to its end."""
    return db.session.scalar(select(Task.state).where(Task.id == task_id)) in ENDS
