"""Doing a job again: what failed of it, or all of it. The job itself is never changed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from app.core.extensions import db
from app.core.permissions import Principal
from app.core.transactions import in_transaction
from app.rpa.errors import JobNotEnded, JobNotFound, NothingToDo, NothingToRetry
from app.rpa.models.jobs import Action, Job, TaskState
from app.rpa.rules.job_moves import OPEN
from app.rpa.rules.planning import LONGEST
from app.rpa.services.choosing import Chosen, choose, products_of
from app.rpa.services.submitting import add_job, find_active

_LONGEST_NAME: Final = 255
_SECOND: Final = timedelta(seconds=1)
_COPIED: Final = ("action", "quantity", "options", "priority", "concurrency")


@in_transaction
def retry_job(*, actor: Principal, job_id: int, outcomes: Sequence[str] = (TaskState.FAILED,), **changes: Any) -> Job:
    """Submit a new job of the tasks of an ended one that ended as one of ``outcomes``; it names that as its parent.

    ``changes`` are as for ``clone_job``. Raises JobNotFound, JobNotEnded, NothingToRetry, StorefrontUnknown.
    """
    job = _get(job_id)
    if job.state in OPEN:
        raise JobNotEnded(f"The job is {job.state}; what failed of it can be retried when it has ended.")
    states = [TaskState(outcome) for outcome in outcomes]
    products = products_of(job, states)
    if not products:
        raise NothingToRetry(f"No product of the job that still exists ended as {' or '.join(states)}.")
    over = {"retries": job.id, "outcomes": [state.value for state in states]}
    return _again(actor, job, Chosen(products, over), "Retry of", "job.retry", changes)


@in_transaction
def clone_job(*, actor: Principal, job_id: int, **changes: Any) -> Job:
    """Submit the same job again: over the same products, or those that fit its filter by now.

    ``changes`` are ``name``, ``storefront``, ``quantity``, ``options``, ``priority``, ``concurrency`` and
    ``deadline_s``; what is not there stays as it was. Raises JobNotFound, StorefrontUnknown, NothingToDo.
    """
    job = _get(job_id)
    over = job.over or {}
    if "products" in over or "product_filter_id" in over:
        chosen = choose(**over)
    else:
        chosen = Chosen(products_of(job), over | {"clones": job.id})
    if not chosen.products:
        raise NothingToDo("None of the job's products exists any more.")
    return _again(actor, job, chosen, "Copy of", "job.clone", changes)


def _again(actor: Principal, job: Job, chosen: Chosen, prefix: str, audited_as: str, changes: dict[str, Any]) -> Job:
    code = changes.pop("storefront", job.storefront.code)
    values: dict[str, Any] = {name: getattr(job, name) for name in _COPIED}
    values["name"] = f"{prefix} {job.name}"[:_LONGEST_NAME]
    values["deadline_s"] = None
    if audited_as == "job.clone":
        values["deadline_s"] = min(LONGEST, job.deadline_at - job.created_at) // _SECOND
    values |= changes
    shop = find_active(code, Action(job.action), values["quantity"], values["options"])
    return add_job(actor, shop, chosen, audited_as=audited_as, parent_id=job.id, **values)


def _get(job_id: int) -> Job:
    job = db.session.scalar(select(Job).where(Job.id == job_id).options(joinedload(Job.storefront)))
    if job is None:
        raise JobNotFound("There is no such job.")
    return job
