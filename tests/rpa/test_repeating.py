"""Retrying what failed of a job, and cloning all of it; the job itself stays as it was."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import func, select, update

from app.core import permissions
from app.core.audit import AuditEvent
from app.core.errors import Invalid
from app.core.extensions import db
from app.core.money import Money
from app.core.orm import utc_now
from app.products.services.filters import create_filter, delete_filter, update_filter
from app.products.services.products import create_product, delete_product
from app.rpa.errors import JobNotEnded, JobNotFound, NothingToDo, NothingToRetry, StorefrontUnknown
from app.rpa.models.jobs import Action, Job, JobState, Task
from app.rpa.rules.codes import Code
from app.rpa.rules.readings import TaskOutcome
from app.rpa.services import ending, preparing, submitting
from app.rpa.services.controlling import cancel_job
from app.rpa.services.outcomes import finish_task
from app.rpa.services.repeating import clone_job, retry_job
from tests.rpa.conftest import ASINS, SUCCESS, FarmDriver

ME = permissions.system()
ENDS = (SUCCESS, TaskOutcome(Code.BLOCKED), TaskOutcome(Code.NOT_FOUND), TaskOutcome(Code.BLOCKED))


def submit(**about: Any) -> Job:
    return submitting.submit_job(
        actor=ME, **({"action": Action.VIEW_PRODUCT, "storefront": "shop", "name": "check"} | about)
    )


def asins_of(job: Job) -> list[str]:
    """The products of a job in the order of its tasks."""
    preparing.prepare_job(job_id=job.id)
    return list(db.session.scalars(select(Task.asin).where(Task.job_id == job.id).order_by(Task.seq)))


def everything(job: Job) -> list[Any]:
    """All that is stored of a job."""
    db.session.rollback()
    rows = list(db.session.execute(select(Job.__table__).where(Job.id == job.id)).mappings())
    rows += list(db.session.execute(select(Task.__table__).where(Task.job_id == job.id)).mappings())
    return [dict(row) for row in rows]


@pytest.fixture
def ended(farm: FarmDriver) -> Job:
    """A job of which a task succeeded, two failed, one was refused and one was cancelled."""
    job = farm.submit()
    farm.release()
    for task_id, outcome in zip(farm.task_ids(job), ENDS, strict=False):
        assert finish_task(lease=farm.leased(task_id), outcome=outcome)
    cancel_job(actor=ME, job_id=job.id)
    ending.end_open_tasks()
    ending.finish_jobs()
    assert farm.job(job.id).state == JobState.CANCELLED
    return job


def test_what_failed_is_retried_in_a_new_job_and_the_old_one_is_not_changed(ended: Job) -> None:
    before = everything(ended)
    again = retry_job(actor=ME, job_id=ended.id)
    assert (again.parent_id, again.total_count, again.name) == (ended.id, 2, "Retry of check")
    assert again.over == {"retries": ended.id, "outcomes": ["FAILED"]}
    assert asins_of(again) == [ASINS[1], ASINS[3]]
    assert everything(ended) == before
    told = select(AuditEvent.action).where(AuditEvent.subject_id == again.id, AuditEvent.topic == "job")
    assert list(db.session.scalars(told)) == ["job.retry"]


@pytest.mark.parametrize(
    ("outcomes", "places"),
    [(["REFUSED"], [2]), (["CANCELLED"], [4]), (["FAILED", "CANCELLED", "REFUSED"], [1, 2, 3, 4])],
)
def test_other_ends_are_retried_where_somebody_wishes(ended: Job, outcomes: list[str], places: list[int]) -> None:
    assert asins_of(retry_job(actor=ME, job_id=ended.id, outcomes=outcomes)) == [ASINS[place] for place in places]


def test_a_retry_can_be_other_than_the_job(ended: Job, farm: FarmDriver) -> None:
    farm.storefront("other")
    changes: dict[str, Any] = {"name": "Again", "priority": "high", "concurrency": 2, "storefront": "other"}
    again = retry_job(actor=ME, job_id=ended.id, deadline_s=7200, **changes)
    assert (again.name, again.priority, again.concurrency, again.storefront.code) == tuple(changes.values())
    assert again.deadline_at - again.created_at == timedelta(hours=2)


def test_nothing_to_retry_and_a_job_that_is_open_are_refused_and_nothing_is_made(farm: FarmDriver, ended: Job) -> None:
    with pytest.raises(NothingToRetry, match="SKIPPED"):
        retry_job(actor=ME, job_id=ended.id, outcomes=["SKIPPED"])
    going = farm.submit()
    with pytest.raises(JobNotEnded, match="QUEUED"):
        retry_job(actor=ME, job_id=going.id)
    with pytest.raises(JobNotFound):
        retry_job(actor=ME, job_id=999_999)
    db.session.execute(update(Job).where(Job.id == ended.id).values(storefront_id=farm.storefront("idle").id))
    db.session.commit()
    with pytest.raises(StorefrontUnknown):
        retry_job(actor=ME, job_id=ended.id, storefront="nowhere")
    assert db.session.scalar(select(func.count()).select_from(Job)) == 2


def test_what_was_deleted_meanwhile_is_not_retried(ended: Job) -> None:
    gone = db.session.scalars(select(Task.product_id).where(Task.job_id == ended.id, Task.seq == 2)).one()
    delete_product(actor=ME, now=utc_now(), product_id=gone, expected_version=1)
    assert asins_of(retry_job(actor=ME, job_id=ended.id)) == [ASINS[3]]


def test_tasks_that_were_never_made_can_be_retried(farm: FarmDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preparing, "CHUNK", 2)
    job = submit(asins=ASINS)
    preparing._prepare_chunk(job_id=job.id, products=job.selection or [])
    cancel_job(actor=ME, job_id=job.id)
    ending.end_open_tasks()
    assert ending.finish_jobs() == 1
    assert farm.job(job.id).cancelled_count == 5
    assert asins_of(retry_job(actor=ME, job_id=job.id, outcomes=["CANCELLED"])) == ASINS
    with pytest.raises(NothingToRetry):
        retry_job(actor=ME, job_id=job.id, outcomes=["SKIPPED"])


def test_tasks_that_were_never_made_before_the_deadline_count_as_skipped_also_when_the_rest_is_cancelled(
    farm: FarmDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preparing, "CHUNK", 2)
    job = submit(asins=ASINS)
    preparing._prepare_chunk(job_id=job.id, products=job.selection or [])
    db.session.execute(update(Job).values(deadline_at=utc_now() - timedelta(seconds=5)))
    db.session.commit()
    ending.finish_jobs()
    cancel_job(actor=ME, job_id=job.id)
    ending.end_open_tasks()
    ending.finish_jobs()
    assert (farm.job(job.id).skipped_count, farm.job(job.id).cancelled_count) == (3, 2)
    assert asins_of(retry_job(actor=ME, job_id=job.id, outcomes=["SKIPPED"])) == ASINS[2:]
    assert asins_of(retry_job(actor=ME, job_id=job.id, outcomes=["CANCELLED"])) == ASINS[:2]


def test_a_clone_is_over_the_same_products_also_while_they_are_still_prepared(farm: FarmDriver) -> None:
    job = submit(asins=ASINS[:3], priority="low", concurrency=4, deadline_s=7200)
    clones = [clone_job(actor=ME, job_id=job.id)]
    preparing.prepare_job(job_id=job.id)
    clones.append(clone_job(actor=ME, job_id=job.id, name="Once more", priority="high"))
    assert [(clone.name, clone.priority) for clone in clones] == [("Copy of check", "low"), ("Once more", "high")]
    for clone in clones:
        assert (clone.parent_id, clone.concurrency) == (job.id, 4)
        assert clone.deadline_at - clone.created_at == timedelta(hours=2)
        assert asins_of(clone) == ASINS[:3]


def test_clones_that_are_made_while_the_job_is_prepared_miss_no_product(
    farm: FarmDriver, in_threads: Callable[..., list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preparing, "CHUNK", 1)
    job = submit(asins=ASINS)
    clone = partial(clone_job, actor=ME, job_id=job.id)
    results = in_threads([partial(preparing.prepare_job, job_id=job.id), clone, clone, clone])
    assert [one.total_count for one in results[1:]] == [5, 5, 5]
    preparing._prepare_chunk(job_id=results[1].id, products=results[1].selection or [])
    assert clone_job(actor=ME, job_id=results[1].id).total_count == 5


def test_a_clone_of_a_job_over_a_filter_takes_what_fits_by_now(farm: FarmDriver) -> None:
    saved = create_filter(actor=ME, now=utc_now(), name="Hearth", which={"brand": "Hearth", "price_max": "10.00"})
    jobs = [submit(products={"brand": "Hearth"}), submit(product_filter_id=saved.id)]
    assert [job.total_count for job in jobs] == [5, 5]
    price = Money.parse("9.00", "USD")
    create_product(actor=ME, now=utc_now(), asin="B000000009", name="New", brand="Hearth", price=price)
    assert [clone_job(actor=ME, job_id=job.id).total_count for job in jobs] == [6, 6]
    update_filter(
        actor=ME, now=utc_now(), filter_id=saved.id, expected_version=1, name="Cheap", which={"price_max": "9.50"}
    )
    assert clone_job(actor=ME, job_id=jobs[1].id).total_count == 1
    delete_filter(actor=ME, filter_id=saved.id, expected_version=2)
    with pytest.raises(NothingToDo):
        clone_job(actor=ME, job_id=jobs[1].id)


def test_a_clone_of_products_that_are_all_gone_is_refused(farm: FarmDriver) -> None:
    job = farm.submit(ASINS[:1])
    delete_product(actor=ME, now=utc_now(), product_id=farm.task(farm.task_ids(job)[0]).product_id, expected_version=1)
    with pytest.raises(Invalid):
        clone_job(actor=ME, job_id=job.id)
    assert db.session.scalar(select(func.count()).select_from(Job)) == 1
