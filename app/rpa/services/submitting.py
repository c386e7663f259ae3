"""Accepting jobs and single errands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any, Final

from sqlalchemy import select

from app.core import audit, outbox
from app.core.extensions import db
from app.core.orm import database_now
from app.core.permissions import Principal
from app.core.queues import INTERACTIVE as INTERACTIVE_QUEUE
from app.core.queues import doorbell
from app.core.transactions import after_commit, in_transaction
from app.products.queries.products import find_products_by_asins
from app.rpa.errors import NothingToDo, StorefrontUnknown
from app.rpa.models.jobs import BATCH, INTERACTIVE, Action, Job, JobState, Priority, Task, TaskState
from app.rpa.models.storefronts import Storefront
from app.rpa.profiles.profile import CartPage, Profile
from app.rpa.queries.estimates import find_facts
from app.rpa.queries.progress import with_outlook
from app.rpa.rules.planning import default_deadline
from app.rpa.rules.readings import MAX_CLICKED
from app.rpa.services.cart_options import unknown_options
from app.rpa.services.choosing import Chosen, choose

_INTERACTIVE_DEADLINE: Final = timedelta(hours=1)


@in_transaction
def submit_job(
    *,
    actor: Principal,
    action: str,
    storefront: str,
    name: str,
    asins: Sequence[str] | None = None,
    products: Mapping[str, Any] | None = None,
    product_filter_id: int | None = None,
    file: str | None = None,
    quantity: int = 1,
    options: Mapping[str, str] | None = None,
    priority: str = Priority.NORMAL,
    deadline_s: int | None = None,
    concurrency: int | None = None,
    schedule_id: int | None = None,
) -> Job:
    """Accept a job; its tasks are made by a background worker. The arguments are what POST /jobs takes.

    It is over ``asins`` (read from ``file``, where that is named), or the products that fit ``products`` or a saved
    filter now. Duplicated, malformed and unknown ASINs are reported in ``job.report``, not errors for the rest.
    ``deadline_s``: seconds from now after which the rest is skipped; by itself a day, or more where it takes longer.
    Raises StorefrontUnknown, or NothingToDo when no product is left.
    """
    shop = find_active(storefront, Action(action), quantity, options)
    chosen = choose(asins=asins, products=products, product_filter_id=product_filter_id, file=file)
    return add_job(
        actor, shop, chosen, action=action, name=name, quantity=quantity, options=options or None, priority=priority,
        deadline_s=deadline_s, concurrency=concurrency, schedule_id=schedule_id,
    )  # fmt: skip


@in_transaction
def submit_errand(
    *,
    actor: Principal,
    action: str,
    storefront: str,
    asin: str,
    quantity: int = 1,
    options: Mapping[str, str] | None = None,
) -> Task:
    """Start one errand for one product now, ahead of all batch work; a job of one task on the interactive lane.

    Raises StorefrontUnknown, or NothingToDo when the master has no such product.
    """
    shop = find_active(storefront, Action(action), quantity, options)
    product_id = find_products_by_asins([asin]).get(asin)
    if product_id is None:
        raise NothingToDo.field("/asin", "is not in the product master.")
    job = _new_job(
        actor, shop, Chosen([product_id], {"asins": 1}), _INTERACTIVE_DEADLINE, action=action,
        name=f"{action} {asin}", quantity=quantity, options=options or None, lane=INTERACTIVE, priority=Priority.NORMAL,
    )  # fmt: skip
    job.state, job.prepared_count, job.started_at = JobState.RUNNING, 1, job.last_released_at
    session = db.session()
    session.flush()
    task = Task(
        job_id=job.id, seq=1, storefront_id=shop.id, product_id=product_id, asin=asin, state=TaskState.QUEUED,
        release_no=1, released_at=job.last_released_at, not_before=job.last_released_at, job=job,
    )  # fmt: skip
    session.add(task)
    session.flush()
    _note(actor, job, "job.submit")
    after_commit(partial(doorbell().ring, INTERACTIVE_QUEUE, "run_task", [(f"task-{task.id}-1", (task.id, 1))]))
    return task


def find_active(code: str, action: Action, quantity: int = 1, options: Mapping[str, str] | None = None) -> Storefront:
    """The storefront that a job names; raises StorefrontUnknown, or NothingToDo where it cannot do what is asked."""
    row = db.session.scalar(select(Storefront).where(Storefront.code == code))
    if row is None or not row.is_active:
        raise StorefrontUnknown.field("/storefront", "names no active storefront.")
    if action is Action.ADD_TO_CART:
        _require_buyable(Profile.from_document(row.profile).cart, quantity, options or {})
    return row


def _require_buyable(cart: CartPage | None, quantity: int, options: Mapping[str, str]) -> None:
    """Refuse what the profile does not say how to put into a cart."""
    if cart is None:
        raise NothingToDo.field("/storefront", "has no cart in its profile, so nothing can be added to it.")
    if quantity > MAX_CLICKED and cart.quantity_field is None:
        told = f"is more than {MAX_CLICKED}, and the storefront's profile names no quantity_field."
        raise NothingToDo.field("/quantity", told)
    for name, told in unknown_options(cart, options).items():
        raise NothingToDo.field(f"/options/{name}", told)


def add_job(
    actor: Principal,
    shop: Storefront,
    chosen: Chosen,
    *,
    deadline_s: int | None,
    audited_as: str = "job.submit",
    **values: Any,
) -> Job:
    """Add a job over chosen products in the open transaction, and have its tasks made after the commit."""
    count = len(chosen.products)
    facts = find_facts(shop, Action(values["action"]), values["concurrency"])
    deadline = default_deadline(count, facts) if deadline_s is None else timedelta(seconds=deadline_s)
    job = _new_job(actor, shop, chosen, deadline, lane=BATCH, **values)
    job.state, job.selection = JobState.PREPARING, chosen.products
    db.session.flush()
    outbox.add("prepare_job", key=f"prepare_job:{job.id}", job_id=job.id)
    _note(actor, job, audited_as)
    return with_outlook(job)


def _new_job(actor: Principal, shop: Storefront, chosen: Chosen, deadline: timedelta, **values: Any) -> Job:
    now = database_now(db.session())
    job = Job(
        storefront_id=shop.id, storefront=shop, over=chosen.over, report=chosen.report, version=1,
        total_count=len(chosen.products), current_count=0, succeeded_count=0, refused_count=0, failed_count=0,
        skipped_count=0, cancelled_count=0, prepared_count=0, deadline_at=now + deadline, last_released_at=now,
        created_at=now, updated_at=now, **values, **actor.attribution(),
    )  # fmt: skip
    db.session.add(job)
    return job


def _note(actor: Principal, job: Job, action: str) -> None:
    after = {"name": job.name, "action": job.action, "storefront": job.storefront.code, "total_count": job.total_count}
    after |= {"over": job.over} if job.parent_id is None else {"over": job.over, "parent_id": job.parent_id}
    audit.record(actor=actor, action=action, subject=("job", job.id), after=after)
