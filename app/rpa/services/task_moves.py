"""Every change of a task's state, as one statement each that does nothing unless the task is as it was looked at.

All guards of the protocol are here, in ``leases.claim_task`` (who may start now) and in ``app/rpa/job_moves.py``. Each
of these runs in the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.core.orm import count_changed
from app.rpa.codes import Code
from app.rpa.models.jobs import Task, TaskState

_NOT_STARTED = (TaskState.READY, TaskState.QUEUED)


def release(session: Session, task_ids: Sequence[int], release_no: int, of: TaskState, now: datetime) -> list[int]:
    """READY -> QUEUED (or QUEUED again) with the next release number; the ids of those that were as they should."""
    released = count_changed(
        session,
        update(Task)
        .where(Task.id.in_(task_ids), Task.state == of, Task.release_no == release_no)
        .values(state=TaskState.QUEUED, release_no=release_no + 1, released_at=now),
    )
    if released == len(task_ids):
        return list(task_ids)
    mine = select(Task.id).where(
        Task.id.in_(task_ids), Task.state == TaskState.QUEUED, Task.release_no == release_no + 1
    )
    return list(session.scalars(mine.where(Task.released_at == now)))


def claim(
    session: Session,
    task_id: int,
    release_no: int,
    *,
    token: str,
    until: datetime,
    worker_id: int | None,
    profile_version: int | None = None,
) -> bool:
    """QUEUED -> LEASED for who has this release; ``profile_version`` is what it will be visited by."""
    held: dict[str, Any] = {
        "state": TaskState.LEASED,
        "lease_token": token,
        "leased_until": until,
        "worker_id": worker_id,
    }
    return _of_release(session, task_id, release_no, **held, profile_version=profile_version)


def give_back(session: Session, task_id: int, release_no: int, not_before: datetime) -> bool:
    """QUEUED -> READY for who has this release and may not start; no attempt is counted."""
    return _of_release(session, task_id, release_no, state=TaskState.READY, not_before=not_before)


def withdraw(session: Session, job_id: int, limit: int) -> int:
    """QUEUED -> READY for tasks of a job of which nothing may start now; returns how many."""
    ids = _some(session, job_id, (TaskState.QUEUED,), limit)
    queued = update(Task).where(Task.id.in_(ids), Task.state == TaskState.QUEUED)
    return count_changed(session, queued.values(state=TaskState.READY)) if ids else 0


def end(session: Session, job_id: int, state: TaskState, code: Code, now: datetime, limit: int) -> int:
    """READY or QUEUED -> an end, for tasks of a job that will not start any more; returns how many."""
    ids = _some(session, job_id, _NOT_STARTED, limit)
    waiting = update(Task).where(Task.id.in_(ids), Task.state.in_(_NOT_STARTED))
    ended = waiting.values(state=state, code=code, finished_at=now, updated_at=now)
    return count_changed(session, ended) if ids else 0


def renew(session: Session, task_id: int, token: str, until: datetime) -> bool:
    """Prolong a lease that is still held."""
    held = update(Task).where(Task.id == task_id, Task.lease_token == token, Task.state == TaskState.LEASED)
    return count_changed(session, held.values(leased_until=until)) == 1


def settle(session: Session, task_id: int, token: str, *, expired_at: datetime | None = None, **values: Any) -> bool:
    """LEASED -> READY or an end, for who holds the lease; with ``expired_at`` only where it has run out by then."""
    held = update(Task).where(Task.id == task_id, Task.lease_token == token, Task.state == TaskState.LEASED)
    if expired_at is not None:
        held = held.where(Task.leased_until < expired_at)
    return count_changed(session, held.values(lease_token=None, leased_until=None, **values)) == 1


def _of_release(session: Session, task_id: int, release_no: int, **values: Any) -> bool:
    queued = update(Task).where(Task.id == task_id, Task.state == TaskState.QUEUED, Task.release_no == release_no)
    return count_changed(session, queued.values(**values)) == 1


def _some(session: Session, job_id: int, states: Sequence[TaskState], limit: int) -> list[int]:
    found = select(Task.id).where(Task.job_id == job_id, Task.state.in_(states)).limit(limit).with_for_update()
    return list(session.scalars(found))
