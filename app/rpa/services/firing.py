"""Firing schedules.

A slot's row, the schedule's next slot and the job are one transaction under the lock of the schedule's row.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final

from sqlalchemy import delete, exists, select
from sqlalchemy.exc import DBAPIError

from app.core import audit
from app.core.errors import Refusal
from app.core.extensions import db
from app.core.fields import utc_text
from app.core.in_turn import do_in_turn
from app.core.orm import clock, database_now
from app.core.permissions import Principal, system
from app.core.transactions import after_commit, in_transaction, is_retryable
from app.rpa.errors import ScheduleJobOpen, ScheduleJobRefused, ScheduleTimezoneUnknown
from app.rpa.models.jobs import Job
from app.rpa.models.schedules import JobSchedule, JobScheduleRun, RunState
from app.rpa.queries.schedules import LATE
from app.rpa.rules.job_moves import OPEN
from app.rpa.rules.timing import TimingRefused, due_slots
from app.rpa.services.schedules import lock_schedule
from app.rpa.services.submitting import submit_job

LISTED: Final = 100
"""How many missed slots of one outage get a row each; the oldest of them says since when there were more."""
KEPT_RUNS: Final = 1000
_LONGEST_NAME: Final = 255

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Due:
    """A slot that this transaction alone may fire."""

    schedule: JobSchedule
    slot: datetime
    now: datetime


IS_DUE: Final = exists().where(JobSchedule.next_at <= clock())
"""Whether a schedule is due."""


def fire_due(*, limit: int = 20, budget_s: float = 2.0) -> int:
    """Fire schedules that are due, the longest due first; returns how many slots came to an end.

    What is left after ``budget_s`` waits for the next call, as the dispatcher has other work. A schedule whose job
    cannot be submitted says so in its run; raises ExceptionGroup when even that could not be written.
    """
    session = db.session()
    due = select(JobSchedule.id).where(JobSchedule.next_at <= database_now(session))
    ids = list(session.scalars(due.order_by(JobSchedule.next_at, JobSchedule.id).limit(limit)))
    session.rollback()
    return do_in_turn(
        ids,
        lambda schedule_id: fire(schedule_id=schedule_id),
        budget_s=budget_s,
        otherwise="schedules could not be fired",
    )


def fire(*, schedule_id: int) -> bool:
    """Fire the newest due slot of a schedule and note older ones as missed; False when another dispatcher did."""
    try:
        return _start(schedule_id=schedule_id)
    except TimingRefused:
        return _stop(schedule_id=schedule_id)
    except Refusal as refusal:
        code, detail = refusal.code, _told(refusal)
    except Exception as failure:
        if isinstance(failure, DBAPIError) and (failure.connection_invalidated or is_retryable(failure)):
            raise  # the slot stays due
        log.exception("the job of a schedule could not be submitted", extra={"schedule_id": schedule_id})
        code, detail = "INTERNAL", f"{type(failure).__name__}; the log of the dispatcher has more."
    return _note_failure(schedule_id=schedule_id, code=code, detail=detail)


@in_transaction
def run_now(*, actor: Principal, schedule_id: int) -> JobScheduleRun:
    """Submit the job of a schedule now, paused or not, for who asks; its slots stay as they are.

    Raises ScheduleNotFound, ScheduleJobOpen while its last job has not ended, ScheduleJobRefused, or
    ScheduleTimezoneUnknown.
    """
    row = lock_schedule(schedule_id)
    now = database_now(db.session())
    open_job = _open_job(row)
    if open_job is not None:
        raise ScheduleJobOpen(f"Job {open_job} of this schedule has not ended; wait for it or cancel it.")
    try:
        job = _submit(actor, row, now)
    except TimingRefused as unknown:
        raise ScheduleTimezoneUnknown(f"The time zone {unknown}") from None
    except Refusal as refusal:
        raise ScheduleJobRefused(f"The job is refused: {_told(refusal)}") from None
    audit.record(actor=actor, action="job_schedule.run", subject=("job_schedule", row.id), after={"job_id": job.id})
    # slots are whole seconds, and what somebody asks for falls between them
    asked = _Due(row, now.replace(microsecond=now.microsecond or 1), now)
    return _note(asked, RunState.STARTED, job_id=job.id, is_manual=True)


@in_transaction
def _start(*, schedule_id: int) -> bool:
    due = _take_due(schedule_id)
    if due is None:
        return False
    open_job = _open_job(due.schedule)
    if open_job is not None:
        _note(due, RunState.SKIPPED_OVERLAP, detail=f"Job {open_job} of an earlier run had not ended.")
    else:
        job = _submit(system(f"schedule-{schedule_id}"), due.schedule, due.slot)
        _note(due, RunState.STARTED, job_id=job.id)
    return True


@in_transaction
def _note_failure(*, schedule_id: int, code: str, detail: str) -> bool:
    due = _take_due(schedule_id)
    if due is not None:
        _note(due, RunState.FAILED, code=code, detail=detail)
    return due is not None


@in_transaction
def _stop(*, schedule_id: int) -> bool:
    """Pause a schedule whose next slot cannot be told any more."""
    due = _locked_if_due(schedule_id)
    if due is None:
        return False
    row = due.schedule
    detail = f"The time zone {row.timezone} is not known here any more; the schedule was paused."
    _note(due, RunState.FAILED, code="TIMEZONE_UNKNOWN", detail=detail)
    row.is_active, row.next_at, row.version = False, None, row.version + 1
    audit.record(
        actor=system(f"schedule-{schedule_id}"),
        action="job_schedule.pause",
        subject=("job_schedule", schedule_id),
        before={"is_active": True},
        after={"is_active": False},
    )
    return True


def _take_due(schedule_id: int) -> _Due | None:
    """Move a due schedule on to its next slot, note what was missed, and give the slot to fire, if there is one."""
    oldest = _locked_if_due(schedule_id)
    if oldest is None:
        return None
    row, since, now, timing = oldest.schedule, oldest.slot, oldest.now, oldest.schedule.timing
    slots = due_slots(timing, since=since, until=now, most=LISTED + 1)
    row.next_at = timing.after(now)
    known = _known(row.id, slots)
    fresh = [slot for slot in slots if slot not in known]
    for slot in reversed(fresh[1:]):
        detail = f"It was due while no dispatcher was at work; the slot of {utc_text(slots[0])} took its place."
        if slot == slots[-1] > since:
            detail = f"It and all slots since {utc_text(since)} were due while no dispatcher was at work."
        _note(_Due(row, slot, now), RunState.MISSED, detail=detail)
    _trim(row.id)
    late = [slot for slot in fresh if now - slot > LATE]
    if late:
        about = {"schedule_id": row.id, "since": utc_text(since), "slots": len(late)}
        after_commit(partial(log.warning, "runs of a schedule were missed", extra=about))
    return _Due(row, fresh[0], now) if fresh else None


def _locked_if_due(schedule_id: int) -> _Due | None:
    """The schedule with its oldest slot that is due; None where there is none, or somebody else has the lock."""
    session = db.session()
    now = database_now(session)
    due = select(JobSchedule).where(JobSchedule.id == schedule_id, JobSchedule.next_at <= now)
    row = session.scalar(due.with_for_update(skip_locked=True))
    return None if row is None or row.next_at is None else _Due(row, row.next_at, now)


def _known(schedule_id: int, slots: list[datetime]) -> set[datetime]:
    """Those of the slots that have a row already: after the database's clock went back, say."""
    rows = select(JobScheduleRun.slot_at).where(JobScheduleRun.schedule_id == schedule_id)
    return set(db.session.scalars(rows.where(JobScheduleRun.slot_at.in_(slots))))


def _open_job(row: JobSchedule) -> int | None:
    job = select(Job.id).where(Job.id == row.last_job_id, Job.state.in_(OPEN))
    return None if row.last_job_id is None else db.session.scalar(job)


def _submit(actor: Principal, row: JobSchedule, slot: datetime) -> Job:
    name = render_name(row.wish["name"], slot.astimezone(row.timing.zone))
    job = submit_job.joined(actor=actor, schedule_id=row.id, **row.wish | {"name": name})
    row.last_job_id = job.id
    return job


def render_name(template: str, local: datetime) -> str:
    """The name of a schedule's job: ``{date}`` and ``{time}`` are those of the slot in the schedule's time zone."""
    name = template.replace("{date}", f"{local:%Y-%m-%d}").replace("{time}", f"{local:%H:%M}")
    return name[:_LONGEST_NAME]


def _note(due: _Due, state: RunState, **facts: Any) -> JobScheduleRun:
    row, now = due.schedule, due.now
    is_late = now - due.slot > LATE
    run = JobScheduleRun(schedule_id=row.id, slot_at=due.slot, state=state, noted_at=now, is_late=is_late, **facts)
    db.session.add(run)
    db.session.flush()
    row.last_run_id = run.id
    return run


def _trim(schedule_id: int) -> None:
    """Leave the newest runs, one less than are kept: one more is about to be noted."""
    mine = select(JobScheduleRun.slot_at).where(JobScheduleRun.schedule_id == schedule_id)
    newest = mine.order_by(JobScheduleRun.slot_at.desc())
    oldest_kept = db.session.scalar(newest.offset(KEPT_RUNS - 2).limit(1))
    if oldest_kept is not None:
        old = delete(JobScheduleRun).where(JobScheduleRun.schedule_id == schedule_id)
        db.session.execute(old.where(JobScheduleRun.slot_at < oldest_kept))


def _told(refusal: Refusal) -> str:
    """The sentence of a refusal with the fields that it points at, as long as a run keeps it."""
    details = "; ".join(f"{error.pointer.lstrip('/')} {error.detail}" for error in refusal.errors)
    return (details or refusal.detail)[:500]
