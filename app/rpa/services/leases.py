"""The worker's side of the task protocol: claim, renew. Each step is a short transaction and a compare-and-set."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from app.core.extensions import db
from app.core.orm import count_changed, database_now
from app.core.transactions import in_transaction
from app.rpa.models.jobs import Action, Attempt, Job, JobState, Task, TaskState
from app.rpa.models.storefronts import Storefront
from app.rpa.models.workers import Worker
from app.rpa.profile import Profile


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right to work on one task until it runs out, and all that the errand needs to know."""

    task_id: int
    job_id: int
    token: str
    action: Action
    asin: str
    product_id: int
    quantity: int
    storefront_id: int
    storefront_version: int
    profile: Profile
    worker_id: int | None = None


@dataclass(frozen=True, slots=True)
class Renewal:
    """Whether the lease still holds, and whether the job wants the task to stop."""

    held: bool
    cancelled: bool


@in_transaction
def claim_task(*, task_id: int, release_no: int, worker_id: int | None, lease_s: float) -> Lease | None:
    """Turn a release into a lease; None when the release is old, the job is not running or the shop has no slot.

    The storefront's row serialises the claims of one shop, so rate and concurrency hold however many messages wait. A
    task that finds no slot goes back to READY without an attempt counted.
    """
    session = db.session()
    known = session.execute(
        select(Task.state, Task.release_no, Task.storefront_id, Job.state, Job.action, Job.quantity)
        .join(Job, Job.id == Task.job_id)
        .where(Task.id == task_id)
    ).one_or_none()
    if known is None or known[0] != TaskState.QUEUED or known[1] != release_no:
        return None
    storefront = session.scalars(select(Storefront).where(Storefront.id == known[2]).with_for_update()).one()
    now = database_now(session)
    start_at = _next_slot(session, storefront, now) if known[3] == JobState.RUNNING else now + timedelta(seconds=1)
    if start_at is not None:
        _give_back(session, task_id, release_no, start_at)
        return None
    token = secrets.token_hex(16)
    leased = count_changed(
        session,
        update(Task)
        .where(Task.id == task_id, Task.state == TaskState.QUEUED, Task.release_no == release_no)
        .values(
            state=TaskState.LEASED,
            lease_token=token,
            leased_until=now + timedelta(seconds=lease_s),
            worker_id=worker_id,
        ),
    )
    if leased == 0:
        return None
    if storefront.gap_ms:
        storefront.next_start_at = max(storefront.next_start_at, now) + timedelta(milliseconds=storefront.gap_ms)
    session.add(Attempt(task_id=task_id, number=release_no, lease_token=token, worker_id=worker_id, started_at=now))
    task = session.execute(select(Task.job_id, Task.asin, Task.product_id).where(Task.id == task_id)).one()
    return Lease(
        task_id=task_id, job_id=task.job_id, token=token, action=Action(known[4]), asin=task.asin,
        product_id=task.product_id, quantity=known[5], storefront_id=storefront.id,
        storefront_version=storefront.version, profile=Profile.from_document(storefront.profile), worker_id=worker_id,
    )  # fmt: skip


@in_transaction
def renew_lease(*, lease: Lease, lease_s: float) -> Renewal:
    """Prolong a lease and say that the worker is alive; tells the worker to stop when it is lost or cancelled."""
    session = db.session()
    now = database_now(session)
    held = count_changed(
        session,
        update(Task)
        .where(Task.id == lease.task_id, Task.lease_token == lease.token, Task.state == TaskState.LEASED)
        .values(leased_until=now + timedelta(seconds=lease_s)),
    )
    if lease.worker_id is not None:
        beat(session, lease.worker_id, now, task_id=lease.task_id)
    state = session.scalar(select(Job.state).where(Job.id == lease.job_id))
    return Renewal(held=held == 1, cancelled=state in (JobState.CANCELLING, JobState.CANCELLED))


@in_transaction
def register_worker(*, name: str, host: str, pid: int) -> int:
    """Announce a worker slot; returns its id."""
    session = db.session()
    now = database_now(session)
    row = Worker(name=name, host=host, pid=pid, started_at=now, heartbeat_at=now)
    session.add(row)
    session.flush()
    return row.id


@in_transaction
def heartbeat(*, worker_id: int, task_id: int | None = None) -> None:
    """Say that a worker is alive."""
    session = db.session()
    beat(session, worker_id, database_now(session), task_id=task_id)


@in_transaction
def retire_worker(*, worker_id: int) -> None:
    """Say that a worker has stopped on purpose."""
    session = db.session()
    now = database_now(session)
    session.execute(update(Worker).where(Worker.id == worker_id).values(stopped_at=now, task_id=None))


@in_transaction
def forget_workers(*, after_days: int = 7) -> int:
    """Delete workers that were not heard of for ``after_days``; returns how many."""
    session = db.session()
    silent = delete(Worker).where(Worker.heartbeat_at < database_now(session, plus_s=-86400 * after_days))
    return count_changed(session, silent)


def beat(session: Session, worker_id: int, now: datetime, *, task_id: int | None) -> None:
    """Write a worker's heartbeat in the open transaction."""
    changes: dict[str, Any] = {"heartbeat_at": now, "task_id": task_id}
    count_changed(session, update(Worker).where(Worker.id == worker_id).values(**changes))


def _next_slot(session: Session, storefront: Storefront, now: datetime) -> datetime | None:
    """When the storefront may be asked again, or None when it has a slot right now."""
    if not storefront.is_active:
        return now
    if storefront.paused_until is not None and storefront.paused_until > now:
        return storefront.paused_until
    if storefront.next_start_at > now:
        return storefront.next_start_at
    busy = select(func.count()).where(Task.storefront_id == storefront.id, Task.state == TaskState.LEASED)
    if (session.scalar(busy) or 0) >= storefront.concurrency:
        return now + timedelta(milliseconds=200)
    return None


def _give_back(session: Session, task_id: int, release_no: int, not_before: datetime) -> None:
    count_changed(
        session,
        update(Task)
        .where(Task.id == task_id, Task.state == TaskState.QUEUED, Task.release_no == release_no)
        .values(state=TaskState.READY, not_before=not_before),
    )
