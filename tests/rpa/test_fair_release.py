"""No storefront that cannot be visited now keeps the others from being visited."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, insert, select, update

from app.core import permissions
from app.core.extensions import db
from app.core.orm import utc_now
from app.rpa.models.jobs import Action, Job, JobState, Task, TaskState
from app.rpa.models.storefronts import Storefront
from app.rpa.services import ending, leases, preparing, submitting
from tests.rpa.conftest import ASINS, FarmDriver


def _many_waiting_jobs(farm: FarmDriver, code: str, count: int) -> None:
    """Jobs of one task each on a storefront, all older than whatever is submitted next."""
    model = farm.submit([ASINS[0]], storefront=code)
    job, task = (
        dict(db.session.execute(select(table).where(mine)).mappings().one())
        for table, mine in ((Job.__table__, Job.id == model.id), (Task.__table__, Task.job_id == model.id))
    )
    del job["id"], task["id"]
    db.session.execute(insert(Job), [job] * count)
    copies = db.session.scalars(select(Job.id).where(Job.storefront_id == model.storefront_id, Job.id != model.id))
    db.session.execute(insert(Task), [task | {"job_id": id_} for id_ in copies])
    db.session.commit()


def _queued(job: Job) -> int:
    query = select(func.count()).where(Task.job_id == job.id, Task.state == TaskState.QUEUED)
    return db.session.scalar(query) or 0


@pytest.mark.parametrize("why", ["paused", "inactive", "slow", "waiting"])
def test_hundreds_of_jobs_that_cannot_start_do_not_hold_up_the_others(farm: FarmDriver, why: str) -> None:
    farm.storefront("closed")
    _many_waiting_jobs(farm, "closed", 250)
    later = utc_now() + timedelta(hours=1)
    changes: dict[str, dict[str, Any]] = {
        "paused": {"paused_until": later},
        "inactive": {"is_active": False},
        "slow": {"next_start_at": later, "gap_ms": 3_600_000},
    }
    if why == "waiting":
        db.session.execute(update(Task).values(not_before=later))
    else:
        db.session.execute(update(Storefront).where(Storefront.code == "closed").values(changes[why]))
    db.session.commit()
    open_job = farm.submit()
    assert farm.release() == 5
    assert _queued(open_job) == 5


def test_hundreds_of_jobs_of_a_busy_storefront_do_not_hold_up_another(farm: FarmDriver) -> None:
    farm.storefront("busy", pace={"gap_ms": 0, "concurrency": 1})
    _many_waiting_jobs(farm, "busy", 250)
    farm.release()
    open_job = farm.submit()
    farm.release()
    assert _queued(open_job) == 5


def test_nothing_starts_on_a_storefront_that_was_deactivated_after_the_release(farm: FarmDriver) -> None:
    job = farm.submit()
    farm.release()
    db.session.execute(update(Storefront).values(is_active=False))
    db.session.commit()
    assert farm.claim(farm.task_ids(job)[0]) is None
    assert farm.task(farm.task_ids(job)[0]).state == TaskState.READY
    assert farm.release() == 0


def test_a_job_that_was_never_prepared_ends_at_its_deadline(farm: FarmDriver) -> None:
    job = submitting.submit_job(
        actor=permissions.system(), action=Action.VIEW_PRODUCT, storefront="shop", name="check", asins=ASINS
    )
    db.session.execute(update(Job).values(deadline_at=utc_now() - timedelta(seconds=5)))
    db.session.commit()
    ending.end_open_tasks()
    ending.finish_jobs()
    ended = farm.job(job.id)
    assert (ended.state, ended.current_count, ended.skipped_count) == (JobState.COMPLETED_WITH_ERRORS, 5, 5)
    preparing.prepare_job(job_id=job.id)
    assert farm.task_ids(job) == []


def test_no_tasks_are_made_of_a_job_whose_deadline_has_passed(farm: FarmDriver) -> None:
    job = submitting.submit_job(
        actor=permissions.system(), action=Action.VIEW_PRODUCT, storefront="shop", name="check", asins=ASINS
    )
    db.session.execute(update(Job).values(deadline_at=utc_now() - timedelta(seconds=5)))
    db.session.commit()
    preparing.prepare_job(job_id=job.id)
    assert (farm.task_ids(job), farm.job(job.id).state) == ([], JobState.PREPARING)


def test_a_job_that_was_half_prepared_ends_at_its_deadline(farm: FarmDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preparing, "CHUNK", 2)
    job = submitting.submit_job(
        actor=permissions.system(), action=Action.VIEW_PRODUCT, storefront="shop", name="check", asins=ASINS
    )
    preparing._prepare_chunk(job_id=job.id, products=job.selection or [])
    db.session.execute(update(Job).values(deadline_at=utc_now() - timedelta(seconds=5)))
    db.session.commit()
    for _ in range(2):
        ending.end_open_tasks()
        ending.finish_jobs()
    ended = farm.job(job.id)
    assert (ended.state, ended.current_count, ended.skipped_count) == (JobState.COMPLETED_WITH_ERRORS, 5, 5)
    assert leases.claim_task(task_id=farm.task_ids(job)[0], release_no=1, worker_id=None, lease_s=30) is None
