"""What people do to a job that is open: pause, resume and cancel it, and change how it runs."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import selectinload

from app.core import audit
from app.core.errors import Invalid
from app.core.extensions import db
from app.core.fields import utc_text
from app.core.orm import database_now
from app.core.permissions import Principal
from app.core.transactions import in_transaction
from app.rpa.errors import JobFinished, JobMoveRefused, JobNotFound, JobStale
from app.rpa.models.jobs import Job, JobState
from app.rpa.queries.progress import with_outlook
from app.rpa.rules.job_moves import LIVES, OPEN, Move, allowed, ask
from app.rpa.rules.planning import LONGEST

_CHANGEABLE: Final = ("priority", "deadline_at", "concurrency")


@in_transaction
def pause_job(*, actor: Principal, job_id: int) -> Job:
    """Let nothing more of a job start, from the next claim on; what runs is finished and recorded.

    Tasks go on being made, the deadline goes on passing. Asking again changes nothing. Raises JobNotFound, JobFinished
    or JobMoveRefused.
    """
    return _move(actor, job_id, Move.PAUSE)


@in_transaction
def resume_job(*, actor: Principal, job_id: int) -> Job:
    """Let a paused job go on where it was; one that is not paused stays as it is. Raises as ``pause_job``."""
    return _move(actor, job_id, Move.RESUME)


@in_transaction
def cancel_job(*, actor: Principal, job_id: int) -> Job:
    """Stop a job for good: nothing more starts from the next claim on, running tasks stop at their next check.

    Asking again while it stops changes nothing. Raises JobNotFound or JobFinished.
    """
    return _move(actor, job_id, Move.CANCEL)


@in_transaction
def change_job(*, actor: Principal, job_id: int, expected_version: int, **changes: Any) -> Job:
    """Change ``priority``, ``deadline_at`` or ``concurrency`` (None: no limit of its own) of an open job.

    They hold from the next release and claim on. Raises JobNotFound, JobFinished, JobMoveRefused while it is being
    cancelled, JobStale when it is no longer at ``expected_version``, Invalid for a deadline that has passed or is more
    than 60 days after the submission.
    """
    job = _locked(job_id)
    _require_alive(job)
    if job.version != expected_version:
        raise JobStale(f"The job is at version {job.version}, not {expected_version}; read it again.")
    _check_deadline(job, changes.get("deadline_at"))
    before = _audited(job)
    for name, value in changes.items():
        setattr(job, name, value)
    after = _audited(job)
    if after != before:
        job.version += 1
        audit.record(actor=actor, action="job.update", subject=("job", job.id), before=before, after=after)
    return with_outlook(job)


def _move(actor: Principal, job_id: int, move: Move) -> Job:
    job = _locked(job_id)
    before = JobState(job.state)
    after = ask(before, move, has_tasks=job.prepared_count > 0, has_started=job.started_at is not None)
    if after is before:
        return with_outlook(job)
    job.state = after
    is_paused = after is JobState.PAUSED
    job.paused_at = database_now(db.session()) if is_paused else None
    job.paused_by = actor.key if is_paused else None
    states = {"before": {"state": before}, "after": {"state": after}}
    audit.record(actor=actor, action=f"job.{move}", subject=("job", job.id), **states)
    return with_outlook(job)


def _locked(job_id: int) -> Job:
    locked = select(Job).where(Job.id == job_id).with_for_update().options(selectinload(Job.storefront))
    job = db.session.scalar(locked)
    if job is None:
        raise JobNotFound("There is no such job.")
    return job


def _require_alive(job: Job) -> None:
    state = JobState(job.state)
    if state not in OPEN:
        raise JobFinished(f"The job has ended ({state}).")
    if state not in LIVES:
        raise JobMoveRefused(state, "be changed", allowed(state))


def _check_deadline(job: Job, deadline_at: datetime | None) -> None:
    if deadline_at is None:
        return
    if deadline_at <= database_now(db.session()):
        raise Invalid.field("/deadline_at", "must be later than now.")
    if deadline_at > job.created_at + LONGEST:
        raise Invalid.field("/deadline_at", f"must be at most {LONGEST.days} days after the job's submission.")


def _audited(job: Job) -> dict[str, Any]:
    values = {name: getattr(job, name) for name in _CHANGEABLE}
    return values | {"deadline_at": utc_text(job.deadline_at)}
