"""Submitting, preparing and cancelling jobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from sqlalchemy import insert, select, update
from sqlalchemy.orm import selectinload

from app.core import audit, outbox
from app.core.extensions import db
from app.core.orm import count_changed, database_now
from app.core.permissions import Principal
from app.core.queues import INTERACTIVE as INTERACTIVE_QUEUE
from app.core.queues import doorbell
from app.core.transactions import after_commit, in_transaction
from app.products.models.products import Product
from app.products.queries.products import find_products_by_asins, list_product_refs
from app.rpa.errors import JobFinished, JobNotFound, NothingToDo, StorefrontUnknown
from app.rpa.models.jobs import BATCH, INTERACTIVE, OPEN_JOBS, Action, Job, JobState, Task, TaskState
from app.rpa.models.storefronts import Storefront
from app.rpa.profile import Profile
from app.rpa.selection import report, sort_asins

MAX_TASKS: Final = 200_000
PREPARE_CHUNK: Final = 5_000
DEADLINE: Final = timedelta(hours=24)
_INTERACTIVE_DEADLINE: Final = timedelta(hours=1)


@in_transaction
def submit_job(
    *,
    actor: Principal,
    action: Action,
    storefront: str,
    name: str,
    asins: Sequence[str] | None = None,
    product_filter: dict[str, Any] | None = None,
    quantity: int = 1,
) -> Job:
    """Accept a job over ASINs or over a filter of the product master; its tasks are made by a background worker.

    Duplicated, malformed and unknown ASINs are reported in ``job.report``, not errors for the rest. Raises
    StorefrontUnknown, or NothingToDo when no product is left.
    """
    shop = _active_storefront(storefront, action)
    found = sort_asins(asins or ())
    if product_filter is not None:
        products, told = _by_filter(product_filter), {}
    else:
        known = find_products_by_asins(found.asins)
        products, told = [known[asin] for asin in found.asins if asin in known], report(found, known)
    if not products:
        raise NothingToDo.field("/asins" if asins is not None else "/products", "names no product of the master.")
    if len(products) > MAX_TASKS:
        raise NothingToDo.field("/asins" if asins is not None else "/products", f"is more than {MAX_TASKS} products.")
    job = _new_job(actor, shop, action, name, quantity, BATCH, len(products), DEADLINE)
    job.state, job.selection, job.report = JobState.PREPARING, products, told
    db.session.flush()
    outbox.add("prepare_job", key=f"prepare_job:{job.id}", job_id=job.id)
    _note_submission(actor, job)
    return job


@in_transaction
def submit_errand(*, actor: Principal, action: Action, storefront: str, asin: str, quantity: int = 1) -> Task:
    """Start one errand for one product now, ahead of all batch work; a job of one task on the interactive lane.

    Raises StorefrontUnknown, or NothingToDo when the master has no such product.
    """
    shop = _active_storefront(storefront, action)
    product_id = find_products_by_asins([asin]).get(asin)
    if product_id is None:
        raise NothingToDo.field("/asin", "is not in the product master.")
    job = _new_job(actor, shop, action, f"{action} {asin}", quantity, INTERACTIVE, 1, _INTERACTIVE_DEADLINE)
    job.state, job.prepared_count, job.started_at = JobState.RUNNING, 1, job.last_released_at
    session = db.session()
    session.flush()
    task = Task(
        job_id=job.id, seq=1, storefront_id=shop.id, product_id=product_id, asin=asin, state=TaskState.QUEUED,
        release_no=1, released_at=job.last_released_at, not_before=job.last_released_at, job=job,
    )  # fmt: skip
    session.add(task)
    session.flush()
    _note_submission(actor, job)
    after_commit(partial(doorbell().ring, INTERACTIVE_QUEUE, "run_task", [(f"task-{task.id}-1", (task.id, 1))]))
    return task


def as_submission(wish: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of ``submit_job``, but for the actor, from a job as POST /jobs takes it."""
    rest = {name: value for name, value in wish.items() if name not in {"action", "products"}}
    return {"action": Action(wish["action"]), "product_filter": wish.get("products"), **rest}


def prepare_job(*, job_id: int) -> None:
    """Make the tasks of an accepted job, chunk by chunk; safe to repeat and to resume after a crash."""
    while _prepare_chunk(job_id=job_id):
        pass


@in_transaction
def cancel_job(*, actor: Principal, job_id: int) -> Job:
    """Stop a job: nothing more starts from the next claim on, running tasks stop at their next lease renewal.

    Asking again while it stops changes nothing. Raises JobNotFound or JobFinished.
    """
    session = db.session()
    locked = select(Job).where(Job.id == job_id).with_for_update().options(selectinload(Job.storefront))
    job = session.scalar(locked)
    if job is None:
        raise JobNotFound("There is no such job.")
    if job.state not in OPEN_JOBS:
        raise JobFinished(f"The job has ended ({job.state}).")
    if job.state != JobState.CANCELLING:
        audit.record(
            actor=actor,
            action="job.cancel",
            subject=("job", job.id),
            before={"state": job.state},
            after={"state": JobState.CANCELLING},
        )
        job.state = JobState.CANCELLING
    return job


@in_transaction
def _prepare_chunk(*, job_id: int) -> bool:
    session = db.session()
    job = session.scalar(select(Job).where(Job.id == job_id).with_for_update())
    if job is None or job.state != JobState.PREPARING:
        return False
    chunk = (job.selection or [])[job.prepared_count : job.prepared_count + PREPARE_CHUNK]
    now = database_now(session)
    asins = _asins_of(chunk)
    rows = [
        {"job_id": job.id, "seq": job.prepared_count + at, "storefront_id": job.storefront_id, "product_id": id_,
         "asin": asins[id_], "state": TaskState.READY, "not_before": now}
        for at, id_ in enumerate(chunk, start=1)
    ]  # fmt: skip
    if rows:
        session.execute(insert(Task), rows)
    job.prepared_count += len(rows)
    if job.prepared_count >= job.total_count:
        job.state, job.selection = JobState.QUEUED, None
        return False
    return True


def _asins_of(product_ids: list[int]) -> dict[int, str]:
    rows: dict[int, str] = {}
    for start in range(0, len(product_ids), 1000):
        part = select(Product.id, Product.asin).where(Product.id.in_(product_ids[start : start + 1000]))
        rows |= {row.id: row.asin for row in db.session.execute(part)}
    return rows


def _by_filter(product_filter: dict[str, Any]) -> list[int]:
    ids: list[int] = []
    after = 0
    while len(ids) <= MAX_TASKS:
        refs = list_product_refs(**product_filter, after_id=after, limit=5000)
        if not refs:
            break
        ids.extend(refs)
        after = ids[-1]
    return ids


def _active_storefront(code: str, action: Action) -> Storefront:
    row = db.session.scalar(select(Storefront).where(Storefront.code == code))
    if row is None or not row.is_active:
        raise StorefrontUnknown.field("/storefront", "names no active storefront.")
    if action is Action.ADD_TO_CART and Profile.from_document(row.profile).cart is None:
        raise NothingToDo.field("/storefront", "has no cart in its profile, so nothing can be added to it.")
    return row


def _new_job(
    actor: Principal,
    shop: Storefront,
    action: Action,
    name: str,
    quantity: int,
    lane: str,
    total: int,
    deadline: timedelta,
) -> Job:
    now = database_now(db.session())
    job = Job(
        name=name, action=action, lane=lane, storefront_id=shop.id, storefront=shop, quantity=quantity,
        total_count=total, current_count=0, succeeded_count=0, refused_count=0, failed_count=0, skipped_count=0,
        cancelled_count=0, prepared_count=0, report={}, deadline_at=now + deadline, last_released_at=now,
        **actor.attribution(),
    )  # fmt: skip
    db.session.add(job)
    return job


def _note_submission(actor: Principal, job: Job) -> None:
    after = {"name": job.name, "action": job.action, "storefront": job.storefront.code, "total_count": job.total_count}
    audit.record(actor=actor, action="job.submit", subject=("job", job.id), after=after)


def mark_started(job_id: int, now: datetime) -> None:
    """Note in the open transaction that tasks of a job were released; the first time it starts to run."""
    session = db.session()
    count_changed(session, update(Job).where(Job.id == job_id).values(last_released_at=now))
    queued = update(Job).where(Job.id == job_id, Job.state == JobState.QUEUED)
    count_changed(session, queued.values(state=JobState.RUNNING, started_at=now))
