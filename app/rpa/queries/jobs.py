"""Reads of jobs."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import func, select
from sqlalchemy.orm import joinedload

from app.core.extensions import db
from app.rpa.errors import JobNotFound
from app.rpa.models.jobs import ENDS, Job, JobState, Task, TaskState

_CODED: Final = tuple(end for end in ENDS if end is not TaskState.SUCCEEDED)
"""Ends that have a code; without the others a large job that goes well is counted at once."""


def get_job(job_id: int) -> Job:
    """One job with its storefront; raises JobNotFound."""
    row = db.session.scalar(select(Job).where(Job.id == job_id).options(joinedload(Job.storefront)))
    if row is None:
        raise JobNotFound("There is no such job.")
    return row


def count_codes(job_id: int) -> dict[str, int]:
    """How many of a job's tasks ended with which code, the most frequent first; successes have none."""
    query = select(Task.code, func.count()).where(Task.job_id == job_id, Task.state.in_(_CODED), Task.code.is_not(None))
    rows = db.session.execute(query.group_by(Task.code).order_by(func.count().desc(), Task.code))
    return {code: count for code, count in rows if code}


def is_cancelled(job_id: int) -> bool:
    """Whether nothing of a job shall run any more."""
    state = db.session.scalar(select(Job.state).where(Job.id == job_id))
    return state in (JobState.CANCELLING, JobState.CANCELLED)


def outcomes(job: Job) -> dict[str, Any]:
    """How many tasks of a job ended how."""
    return {
        "SUCCEEDED": job.succeeded_count,
        "REFUSED": job.refused_count,
        "FAILED": job.failed_count,
        "SKIPPED": job.skipped_count,
        "CANCELLED": job.cancelled_count,
    }
