"""Reads of workers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import bindparam, func, or_, select

from app.core.extensions import db
from app.core.orm import database_now, table_of
from app.core.pagination import Page, fetch_page
from app.core.running import settings
from app.rpa.errors import WorkerNotFound
from app.rpa.models.jobs import Attempt, Job, Task, TaskState
from app.rpa.models.storefronts import Storefront
from app.rpa.models.workers import Wanted, Worker, WorkerState

_WORKER: Final = table_of(Worker).c
_ALIVE: Final = select(func.count()).where(
    _WORKER.heartbeat_at > bindparam("since"), _WORKER.stopped_at.is_(None), _WORKER.wanted == Wanted.WORK
)


@dataclass(frozen=True, slots=True)
class AtWork:
    """The task that a worker holds."""

    id: int
    job_id: int
    action: str
    asin: str
    since: datetime


def count_live_workers(*, silent_s: float, now: datetime | None = None) -> int:
    """Workers that take tasks: heard of within the last ``silent_s`` seconds (before ``now``), and not drained."""
    since = (now or database_now(db.session())) - timedelta(seconds=silent_s)
    return int(db.session.connection().execute(_ALIVE, {"since": since}).scalar_one())


def list_workers(*, host: str | None, is_alive: bool | None, limit: int, cursor: str | None) -> Page[Worker]:
    """Workers with what they do, the newest first; those not heard of for a day are forgotten."""
    query = select(Worker)
    if host is not None:
        query = query.where(Worker.host == host)
    if is_alive is not None:
        since = database_now(db.session(), plus_s=-settings().farm.worker_silent_s)
        gone = or_(Worker.heartbeat_at <= since, Worker.stopped_at.is_not(None))
        query = query.where(~gone if is_alive else gone)
    page = fetch_page(query, keys=[(Worker.id, True)], limit=limit, cursor=cursor)
    return Page(with_work(page.items), page.next_cursor)


def get_worker(worker_id: int) -> Worker:
    """One worker with what it does; raises WorkerNotFound."""
    row = db.session.get(Worker, worker_id)
    if row is None:
        raise WorkerNotFound("There is no such worker.")
    return with_work([row])[0]


def is_gone(row: Worker, now: datetime) -> bool:
    """Whether a worker has stopped or is not heard of any more."""
    return row.stopped_at is not None or row.heartbeat_at <= now - timedelta(seconds=settings().farm.worker_silent_s)


def with_work(rows: Sequence[Worker]) -> list[Worker]:
    """The workers, each with its state, the task that it holds and its browsers."""
    now = database_now(db.session())
    tasks = _find_tasks([row.id for row in rows])
    codes = _find_codes(rows)
    for row in rows:
        task = tasks.get(row.id)
        vars(row).update(state=_state(row, task, now), task=task, browsers=_browsers(row, codes))
    return list(rows)


def _state(row: Worker, task: AtWork | None, now: datetime) -> WorkerState:
    if row.stopped_at is not None:
        return WorkerState.STOPPED
    if is_gone(row, now):
        return WorkerState.LOST
    if row.wanted != Wanted.WORK:
        return WorkerState.DRAINING if task or row.wanted == Wanted.STOP else WorkerState.DRAINED
    return WorkerState.BUSY if task else WorkerState.IDLE


def _find_tasks(worker_ids: Sequence[int]) -> dict[int, AtWork]:
    held = (
        select(Task.worker_id, Task.id, Task.job_id, Job.action, Task.asin, Attempt.started_at)
        .join(Job, Job.id == Task.job_id)
        .join(Attempt, Attempt.lease_token == Task.lease_token)
        .where(Task.state == TaskState.LEASED, Task.worker_id.in_(worker_ids))
    )
    rows = db.session.execute(held) if worker_ids else ()
    return {row[0] or 0: AtWork(*row[1:]) for row in rows}


def _find_codes(rows: Sequence[Worker]) -> dict[int, str]:
    ids = {browser["storefront_id"] for row in rows for browser in (row.vitals or {}).get("browsers", ())}
    found = select(Storefront.id, Storefront.code).where(Storefront.id.in_(ids))
    return {row[0]: row[1] for row in db.session.execute(found)} if ids else {}


def _browsers(row: Worker, codes: dict[int, str]) -> list[dict[str, Any]]:
    told = (row.vitals or {}).get("browsers", ())
    return [
        browser
        | {
            "storefront": codes.get(browser["storefront_id"]),
            "started_at": datetime.fromisoformat(browser["started_at"]),
        }
        for browser in told
    ]
