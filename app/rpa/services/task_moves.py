"""Every change of a task's state, as one statement each that does nothing unless the task is as it was looked at.

All guards of the protocol are here, in ``leases.claim_task`` (who may start now) and in ``rules/job_moves.py``. Each of
these runs in the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Update, bindparam, select, update
from sqlalchemy.orm import Session

from app.core.orm import count_changed, table_of
from app.rpa.models.jobs import Task, TaskState
from app.rpa.rules.codes import Code

_TASK = table_of(Task).c
_RELEASED: Final = update(table_of(Task)).where(
    _TASK.id == bindparam("released_id"), _TASK.state == TaskState.QUEUED, _TASK.release_no == bindparam("number")
)
_RELEASE: Final = (
    update(table_of(Task))
    .where(_TASK.id.in_(bindparam("task_ids", expanding=True)), _TASK.state == bindparam("of"))
    .where(_TASK.release_no == bindparam("number"))
    .values(state=TaskState.QUEUED, release_no=bindparam("next_number"), released_at=bindparam("now"))
)
_HELD: Final = update(table_of(Task)).where(
    _TASK.id == bindparam("held_id"), _TASK.lease_token == bindparam("held_by"), _TASK.state == TaskState.LEASED
)
_EXPIRED: Final = _HELD.where(_TASK.leased_until < bindparam("expired_at"))
_NOT_STARTED = (TaskState.READY, TaskState.QUEUED)


def release(session: Session, task_ids: Sequence[int], release_no: int, of: TaskState, now: datetime) -> list[int]:
    """READY -> QUEUED (or QUEUED again) with the next release number; the ids of those that were as they should."""
    wanted = {"task_ids": task_ids, "of": of, "number": release_no, "next_number": release_no + 1, "now": now}
    if session.connection().execute(_RELEASE, wanted).rowcount == len(task_ids):
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
    return _changes_one(session, _HELD, held_id=task_id, held_by=token, leased_until=until)


def settle(session: Session, task_id: int, token: str, *, expired_at: datetime | None = None, **values: Any) -> bool:
    """LEASED -> READY or an end, for who holds the lease; with ``expired_at`` only where it has run out by then."""
    changed = {"lease_token": None, "leased_until": None, **values}
    if expired_at is None:
        return _changes_one(session, _HELD, held_id=task_id, held_by=token, **changed)
    return _changes_one(session, _EXPIRED, held_id=task_id, held_by=token, expired_at=expired_at, **changed)


def _of_release(session: Session, task_id: int, release_no: int, **values: Any) -> bool:
    return _changes_one(session, _RELEASED, released_id=task_id, number=release_no, **values)


def _changes_one(session: Session, statement: Update, **values: Any) -> bool:
    """Whether the statement met its row; ``values`` are what it asks for and what it writes."""
    return session.connection().execute(statement, values).rowcount == 1


def _some(session: Session, job_id: int, states: Sequence[TaskState], limit: int) -> list[int]:
    found = select(Task.id).where(Task.job_id == job_id, Task.state.in_(states)).limit(limit).with_for_update()
    return list(session.scalars(found))
