"""Recording how an attempt ended: task, attempt, observation, history and counters in one transaction, once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.core.extensions import db
from app.core.orm import count_changed, database_now
from app.core.permissions import for_job
from app.core.transactions import in_transaction
from app.products.models.products import Product
from app.products.services.observations import record_observed_change
from app.rpa import changes, retrying
from app.rpa.codes import Code
from app.rpa.evidence import Kept
from app.rpa.models.jobs import Attempt, Job, JobState, Task, TaskState
from app.rpa.models.observations import Observation, ObservationCurrent
from app.rpa.models.storefronts import Storefront
from app.rpa.profile import RetryBudget
from app.rpa.readings import CartReading, PageFacts, ProductReading, Read, TaskOutcome
from app.rpa.services import task_moves
from app.rpa.services.baselines import expected_of
from app.rpa.services.evidence import record_evidence
from app.rpa.services.leases import Lease

_COUNTERS: Final = {
    TaskState.SUCCEEDED: Job.succeeded_count,
    TaskState.REFUSED: Job.refused_count,
    TaskState.FAILED: Job.failed_count,
    TaskState.SKIPPED: Job.skipped_count,
    TaskState.CANCELLED: Job.cancelled_count,
}


@in_transaction
def finish_task(*, lease: Lease, outcome: TaskOutcome, kept: Sequence[Kept] = ()) -> bool:
    """Record an attempt's end; False, with nothing written, when the lease is no longer held.

    A success that brought a product reading also writes the observation and one history row per changed attribute;
    ``kept`` is what lies in the store of evidence already.
    Lock order: storefront, task, product, job last.
    """
    session = db.session()
    now = database_now(session)
    task = session.execute(
        select(Task.attempt_count, Task.loss_count, Task.rate_limited_count, Job.state, Storefront.blocks)
        .join(Job, Job.id == Task.job_id)
        .join(Storefront, Storefront.id == Task.storefront_id)
        .where(Task.id == lease.task_id, Task.lease_token == lease.token, Task.state == TaskState.LEASED)
    ).one_or_none()
    if task is None:
        return False
    after = retrying.decide(
        outcome.code,
        retrying.Spent(task[0], task[1], task[2]),
        lease.profile.retry,
        retry_after_s=outcome.retry_after_s,
    )
    after = _unless_cancelled(after, task[3])
    shop = None
    if after.storefront_pause_s or task.blocks or outcome.code is Code.BLOCKED:
        shop = session.scalars(select(Storefront).where(Storefront.id == lease.storefront_id).with_for_update()).one()
    result = None if outcome.reading is None else describe(outcome.reading)
    if not _settle(session, lease.task_id, lease.token, after, outcome.detail, result, now):
        return False
    if shop is not None:
        _tell(shop, lease, outcome.code, after, now)
    _close_attempt(session, lease.token, after, outcome, now)
    record_evidence(session, lease, kept, outcome.code, now)
    if after.state is TaskState.SUCCEEDED and isinstance(outcome.reading, ProductReading):
        _record_observation(session, lease, outcome.reading, now)
    count_ends(session, lease.job_id, after.state, 1)
    return True


@in_transaction
def reap_task(*, task_id: int, token: str, budget: RetryBudget) -> bool:
    """Take a task away from a worker whose lease ran out: back to READY, or POISON when that happened too often."""
    session = db.session()
    now = database_now(session)
    task = session.execute(
        select(Task.attempt_count, Task.loss_count, Task.rate_limited_count, Task.job_id, Job.state)
        .join(Job, Job.id == Task.job_id)
        .where(Task.id == task_id, Task.lease_token == token, Task.leased_until < now)
    ).one_or_none()
    if task is None:
        return False
    after = retrying.decide(Code.WORKER_LOST, retrying.Spent(task[0], task[1], task[2]), budget)
    after = _unless_cancelled(after, task[4])
    lost = TaskOutcome(Code.WORKER_LOST, detail="The worker's lease ran out.")
    if not _settle(session, task_id, token, after, lost.detail, None, now, expired_at=now):
        return False
    _close_attempt(session, token, after, lost, now)
    count_ends(session, task[3], after.state, 1)
    return True


def _tell(shop: Storefront, lease: Lease, code: Code | None, after: retrying.Next, now: datetime) -> None:
    """Let the storefront, whose row is locked, know how a visit of it ended; no pause is shortened."""
    if after.storefront_pause_s:
        until = now + timedelta(seconds=after.storefront_pause_s)
        shop.paused_until = max(shop.paused_until or until, until)
    shop.cooling = shop.cooling.after(code, started_at=lease.started_at, now=now)


def _unless_cancelled(after: retrying.Next, job_state: str) -> retrying.Next:
    """Nothing goes back into the queue of a job that is cancelled; into that of a paused one it does."""
    if after.state is TaskState.READY and job_state == JobState.CANCELLING:
        return retrying.Next(TaskState.CANCELLED, Code.CANCELLED, after.spent)
    return after


def count_ends(session: Session, job_id: int, state: TaskState, count: int) -> None:
    """Add ended tasks to a job's counters in the open transaction; nothing for a state that is no end."""
    counter = _COUNTERS.get(state)
    if counter is None or count == 0:
        return
    count_changed(
        session,
        update(Job)
        .where(Job.id == job_id)
        .values({Job.current_count: Job.current_count + count, counter: counter + count}),
    )


def _settle(
    session: Session,
    task_id: int,
    token: str,
    after: retrying.Next,
    detail: str,
    result: dict[str, Any] | None,
    now: datetime,
    *,
    expired_at: datetime | None = None,
) -> bool:
    return task_moves.settle(
        session,
        task_id,
        token,
        expired_at=expired_at,
        state=after.state,
        code=after.code,
        detail=_kept(detail),
        result=result,
        not_before=now + timedelta(seconds=after.delay_s),
        attempt_count=after.spent.attempts,
        loss_count=after.spent.losses,
        rate_limited_count=after.spent.rate_limited,
        finished_at=None if after.state is TaskState.READY else now,
        updated_at=now,
    )


def _close_attempt(session: Session, token: str, after: retrying.Next, outcome: TaskOutcome, now: datetime) -> None:
    count_changed(
        session,
        update(Attempt)
        .where(Attempt.lease_token == token)
        .values(
            ended_at=now,
            outcome="RETRY" if after.state is TaskState.READY else after.state,
            code=outcome.code,
            detail=_kept(outcome.detail),
            facts=asdict(outcome.facts) if outcome.facts != PageFacts() else None,
        ),
    )


def _kept(detail: str) -> str | None:
    """The detail as every database takes it: a browser's message may quote anything that a page holds."""
    return detail[:2000].encode("utf-8", "replace").decode("utf-8").replace("\0", "") or None


def _record_observation(session: Session, lease: Lease, reading: ProductReading, now: datetime) -> None:
    master = session.scalars(select(Product).where(Product.id == lease.product_id).with_for_update()).one()
    session.add(_observation(lease, reading, now))
    if master.deleted_at is not None:
        return  # what was last seen of it is forgotten, so that it is measured against the master when it comes back
    observed = changes.observed_values(reading)
    rows = session.scalars(
        select(ObservationCurrent).where(
            ObservationCurrent.product_id == lease.product_id, ObservationCurrent.storefront_id == lease.storefront_id
        )
    )
    current = {row.attribute: row for row in rows}
    known = {attribute: row.value for attribute, row in current.items()}
    for change in changes.decide_changes(observed, known, expected_of(master)):
        record_observed_change.joined(
            actor=for_job(lease.job_id),
            now=now,
            product_id=master.id,
            asin=master.asin,
            attribute=change.attribute,
            previous=change.previous,
            current=change.current,
            storefront_id=lease.storefront_id,
            job_id=lease.job_id,
            task_id=lease.task_id,
        )
    for attribute, value in observed.items():
        row = current.get(attribute) or ObservationCurrent(
            product_id=lease.product_id, storefront_id=lease.storefront_id, attribute=attribute
        )
        row.value, row.observed_at, row.task_id = value, now, lease.task_id
        session.add(row)


def _observation(lease: Lease, reading: ProductReading, now: datetime) -> Observation:
    price = reading.price.value if reading.price else None
    return Observation(
        task_id=lease.task_id,
        product_id=lease.product_id,
        storefront_id=lease.storefront_id,
        observed_at=now,
        name=reading.name.value if reading.name else None,
        brand=reading.brand.value if reading.brand else None,
        price_minor=price.minor if price else None,
        currency=price.currency if price else None,
        availability=reading.availability.value.value if reading.availability else None,
        sources=describe(reading),
        profile_version=lease.profile_version,
    )


def describe(reading: ProductReading | CartReading) -> dict[str, Any]:
    """A reading as JSON values: per field its value, where it stood and how it was spelled there."""
    if isinstance(reading, CartReading):
        return {
            "quantity": reading.quantity,
            "unit_price": _described(reading.unit_price),
            "page_price": _described(reading.page_price),
            "price_differs": bool(
                reading.unit_price and reading.page_price and reading.unit_price.value != reading.page_price.value
            ),
        }
    fields = {name: _described(getattr(reading, name)) for name in ("name", "brand", "price", "availability")}
    return {**fields, "conflicts": list(reading.conflicts)}


def _described(read: Read[Any] | None) -> dict[str, str] | None:
    return None if read is None else {"value": str(read.value), "source": read.source, "raw": read.raw}
