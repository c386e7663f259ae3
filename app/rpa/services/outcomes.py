"""Recording how an attempt ended: task, attempt, observation, history and counters in one transaction, once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from sqlalchemy import Row, bindparam, select, update
from sqlalchemy.orm import Session

from app.core.extensions import db
from app.core.orm import clock, database_now, table_of
from app.core.transactions import after_commit, connection, in_transaction
from app.rpa import metrics
from app.rpa.models.jobs import Attempt, Job, JobState, Task, TaskState
from app.rpa.models.storefronts import Storefront
from app.rpa.profiles.profile import RetryBudget
from app.rpa.rules import retrying, rotting
from app.rpa.rules.codes import Code
from app.rpa.rules.evidence import Kept
from app.rpa.rules.readings import PageFacts, ProductReading, TaskOutcome
from app.rpa.rules.suspicions import FirstLook
from app.rpa.services import task_moves
from app.rpa.services.evidence import record_evidence
from app.rpa.services.leases import Lease
from app.rpa.services.observing import describe, look_first, record_observation

_TASK, _JOB, _SHOP = table_of(Task).c, table_of(Job).c, table_of(Storefront).c
_COUNTERS: Final = {
    TaskState.SUCCEEDED: _JOB.succeeded_count,
    TaskState.REFUSED: _JOB.refused_count,
    TaskState.FAILED: _JOB.failed_count,
    TaskState.SKIPPED: _JOB.skipped_count,
    TaskState.CANCELLED: _JOB.cancelled_count,
}
_LOOKED_AT: Final = (
    select(
        _TASK.attempt_count, _TASK.loss_count, _TASK.rate_limited_count, _TASK.first_look, _JOB.state,
        _JOB.succeeded_count, _JOB.changed_count, _SHOP.blocks, _SHOP.misses, clock().label("now"),
    )
    .select_from(
        table_of(Task)
        .join(table_of(Job), _JOB.id == _TASK.job_id)
        .join(table_of(Storefront), _SHOP.id == _TASK.storefront_id)
    )
    .where(
        _TASK.id == bindparam("task_id"), _TASK.lease_token == bindparam("token"), _TASK.state == TaskState.LEASED
    )
)  # fmt: skip
_ATTEMPT: Final = update(table_of(Attempt)).where(table_of(Attempt).c.lease_token == bindparam("token"))
_COUNT: Final = {
    state: update(table_of(Job))
    .where(_JOB.id == bindparam("counted_id"))
    .values(
        {
            _JOB.current_count: _JOB.current_count + bindparam("by"),
            _JOB.changed_count: _JOB.changed_count + bindparam("changed"),
            counter: counter + bindparam("by"),
        }
    )
    for state, counter in _COUNTERS.items()
}


@in_transaction
def finish_task(*, lease: Lease, outcome: TaskOutcome, kept: Sequence[Kept] = ()) -> bool:
    """Record an attempt's end; False, with nothing written, when the lease is no longer held.

    A success that brought a product reading also writes the observation and one history row per changed attribute, or,
    where it is suspicious, sends the task to a second visit once. ``kept`` lies in the store of evidence already.
    Lock order: storefront, task, product, job last.
    """
    session = db.session()
    task = connection().execute(_LOOKED_AT, {"task_id": lease.task_id, "token": lease.token}).one_or_none()
    if task is None:
        return False
    now: datetime = task.now
    after, doubtful = _decide(lease, outcome, task)
    reading = outcome.reading
    shop, fields = None, rotting.fields_of(outcome, lease.seen)
    is_told = after.storefront_pause_s or task.blocks or outcome.code is Code.BLOCKED
    if is_told or rotting.count(task.misses, fields, lease.task_id) != (task.misses or {}):
        shop = session.scalars(select(Storefront).where(Storefront.id == lease.storefront_id).with_for_update()).one()
    values: dict[str, Any] = {} if doubtful is None else {"first_look": doubtful.as_json()}
    values["result"] = None if reading is None or doubtful is not None else describe(reading)
    if not _settle(session, lease.task_id, lease.token, after, outcome.detail, now, **values):
        return False
    if shop is not None:
        tell_shop(shop, outcome.code, pause_s=after.storefront_pause_s, started_at=lease.started_at, now=now)
        shop.misses = rotting.count(shop.misses, fields, lease.task_id) or None
    _close_attempt(session, lease.token, after, outcome, now)
    record_evidence(session, lease, kept, outcome.code, now)
    is_changed = False
    if after.state is TaskState.SUCCEEDED and isinstance(reading, ProductReading):
        is_changed = record_observation(session, lease, reading, FirstLook.from_json(task.first_look), now)
    count_ends(session, lease.job_id, after.state, 1, changed=int(is_changed))
    _measure(lease.action, lease.storefront_id, after, outcome.code)
    return True


@in_transaction
def reap_task(*, task_id: int, token: str, budget: RetryBudget) -> bool:
    """Take a task away from a worker whose lease ran out: back to READY, or POISON when that happened too often."""
    session = db.session()
    now = database_now(session)
    task = session.execute(
        select(
            Task.attempt_count,
            Task.loss_count,
            Task.rate_limited_count,
            Task.job_id,
            Job.state,
            Job.action,
            Task.storefront_id,
        )
        .join(Job, Job.id == Task.job_id)
        .where(Task.id == task_id, Task.lease_token == token, Task.leased_until < now)
    ).one_or_none()
    if task is None:
        return False
    after = retrying.decide(Code.WORKER_LOST, retrying.Spent(task[0], task[1], task[2]), budget)
    after = _unless_cancelled(after, task[4])
    lost = TaskOutcome(Code.WORKER_LOST, detail="The worker's lease ran out.")
    if not _settle(session, task_id, token, after, lost.detail, now, expired_at=now, result=None):
        return False
    _close_attempt(session, token, after, lost, now)
    count_ends(session, task[3], after.state, 1)
    after_commit(metrics.LEASES_EXPIRED.labels(str(task.storefront_id)).inc)
    _measure(task.action, task.storefront_id, after, Code.WORKER_LOST)
    return True


def _decide(lease: Lease, outcome: TaskOutcome, task: Row[Any]) -> tuple[retrying.Next, FirstLook | None]:
    """What becomes of a task after an attempt, and what the visit read if that is looked at twice."""
    spent, doubtful = retrying.Spent(*task[:3]), None
    counts = outcome.counts or lease.is_alone  # so that what does not count happens once
    after = retrying.decide(
        outcome.code, spent, lease.profile.retry, retry_after_s=outcome.retry_after_s, counts=counts
    )
    reading = outcome.reading
    if after.state is TaskState.SUCCEEDED and isinstance(reading, ProductReading) and task.first_look is None:
        doubtful = look_first(lease, reading, read=task.succeeded_count, changed=task.changed_count)
        after = after if doubtful is None else retrying.visit_again(spent)
    return _unless_cancelled(after, task.state), doubtful


def _measure(action: str, storefront_id: int, after: retrying.Next, code: Code | None) -> None:
    """Count an attempt's end once it is committed."""
    after_commit(partial(metrics.count_end, action, storefront_id, after.state, after.code or code))


def tell_shop(shop: Storefront, code: Code | None, *, pause_s: float, started_at: datetime, now: datetime) -> None:
    """Let the storefront, whose row is locked, know how a visit of it ended; no pause is shortened."""
    if pause_s:
        until = now + timedelta(seconds=pause_s)
        shop.paused_until = max(shop.paused_until or until, until)
    shop.cooling = shop.cooling.after(code, started_at=started_at, now=now)


def _unless_cancelled(after: retrying.Next, job_state: str) -> retrying.Next:
    """Nothing goes back into the queue of a job that is cancelled; into that of a paused one it does."""
    if after.state is TaskState.READY and job_state == JobState.CANCELLING:
        return retrying.Next(TaskState.CANCELLED, Code.CANCELLED, after.spent)
    return after


def count_ends(session: Session, job_id: int, state: TaskState, count: int, *, changed: int = 0) -> None:
    """Add ended tasks to a job's counters in the open transaction; nothing for a state that is no end.

    ``changed`` of them showed something new.
    """
    if state in _COUNT and count:
        session.connection().execute(_COUNT[state], {"counted_id": job_id, "by": count, "changed": changed})


def _settle(
    session: Session,
    task_id: int,
    token: str,
    after: retrying.Next,
    detail: str,
    now: datetime,
    *,
    expired_at: datetime | None = None,
    **values: Any,
) -> bool:
    return task_moves.settle(
        session,
        task_id,
        token,
        expired_at=expired_at,
        state=after.state,
        code=after.code,
        detail=_kept(detail),
        not_before=now + timedelta(seconds=after.delay_s),
        attempt_count=after.spent.attempts,
        loss_count=after.spent.losses,
        rate_limited_count=after.spent.rate_limited,
        finished_at=None if after.state is TaskState.READY else now,
        updated_at=now,
        **values,
    )


def _close_attempt(session: Session, token: str, after: retrying.Next, outcome: TaskOutcome, now: datetime) -> None:
    ended = {
        "ended_at": now,
        "outcome": _shown(after),
        "code": outcome.code,
        "detail": _kept(outcome.detail),
        "facts": asdict(outcome.facts) if outcome.facts != PageFacts() else None,
    }
    session.connection().execute(_ATTEMPT, ended | {"token": token})


def _shown(after: retrying.Next) -> str:
    if after.state is not TaskState.READY:
        return after.state
    return "VERIFY" if after.code is None else "RETRY"


def _kept(detail: str) -> str | None:
    """The detail as every database takes it: a browser's message may quote anything that a page holds."""
    return detail[:2000].encode("utf-8", "replace").decode("utf-8").replace("\0", "") or None
