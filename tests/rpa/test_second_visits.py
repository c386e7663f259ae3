"""Suspicious changes: visited again in a fresh context, then recorded, flagged or noted."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update

from app.core import permissions
from app.core.extensions import db
from app.core.money import Money
from app.core.orm import utc_now
from app.products.models.products import ProductUpdate
from app.products.services.products import create_product
from app.rpa.models.jobs import Attempt, Job, Task, TaskState
from app.rpa.models.observations import Observation, ObservationCurrent, ObservedChange
from app.rpa.models.storefronts import Storefront
from app.rpa.profiles.profile import RetryBudget
from app.rpa.rules.codes import Code
from app.rpa.rules.readings import ProductReading, Read, TaskOutcome
from app.rpa.services import controlling, leases, outcomes
from app.rpa.services.outcomes import finish_task
from tests.rpa.conftest import ASINS, FarmDriver, reading
from tests.servers import on_sqlite

ONE = ASINS[0]


def seen(price: str, currency: str = "USD", **others: Any) -> TaskOutcome:
    """A visit that read this price."""
    amount = Money.parse(price, currency)
    return TaskOutcome(None, reading=replace(reading(**others), price=Read(amount, "css:.price", price)))


def begin(farm: FarmDriver, asin: str = ONE, storefront: str = "shop") -> leases.Lease:
    """A visit of a new job that has begun."""
    job = farm.submit([asin], storefront=storefront)
    farm.release()
    return farm.leased(farm.task_ids(job)[0])


def again(farm: FarmDriver, task_id: int, worker_id: int | None = None) -> leases.Lease | None:
    """The next visit of a task that waits for one, as soon as it may begin."""
    db.session.execute(update(Task).where(Task.id == task_id).values(not_before=utc_now() - timedelta(hours=1)))
    db.session.commit()
    farm.release()
    number = db.session.scalar(select(Task.release_no).where(Task.id == task_id)) or 0
    return leases.claim_task(task_id=task_id, release_no=number, worker_id=worker_id, lease_s=30)


def visit(farm: FarmDriver, *outcomes_: TaskOutcome, asin: str = ONE, storefront: str = "shop") -> int:
    """A task with so many visits, which end it; its id."""
    lease = begin(farm, asin, storefront)
    for at, outcome in enumerate(outcomes_):
        if at:
            found = again(farm, lease.task_id)
            assert found is not None
            lease = found
        assert finish_task(lease=lease, outcome=outcome)
    assert farm.task(lease.task_id).state == TaskState.SUCCEEDED
    return lease.task_id


def history() -> list[tuple[str | None, str | None]]:
    """The prices that the farm has recorded, from and to."""
    db.session.rollback()
    rows = select(ProductUpdate.previous_attribute, ProductUpdate.current_attribute)
    told = rows.where(ProductUpdate.task_id.is_not(None), ProductUpdate.attribute == "price")
    return [(row[0], row[1]) for row in db.session.execute(told.order_by(ProductUpdate.id))]


def flagged() -> list[ObservedChange]:
    db.session.rollback()
    return list(db.session.scalars(select(ObservedChange).order_by(ObservedChange.id)))


def known_price() -> str | None:
    """What the only storefront that was visited showed last."""
    return db.session.scalars(select(ObservationCurrent.value).where(ObservationCurrent.attribute == "price")).one()


def count(model: Any) -> int:
    db.session.rollback()
    return db.session.scalar(select(func.count()).select_from(model)) or 0


def test_a_first_sight_is_recorded_however_far_it_is_from_the_master(farm: FarmDriver) -> None:
    visit(farm, seen("95.00"))
    assert history() == [("10.00 USD", "95.00 USD")]
    assert flagged() == []


def test_a_price_jump_is_visited_again_before_anything_is_recorded(farm: FarmDriver) -> None:
    visit(farm, seen("10.00"))
    before = (count(Observation), count(ProductUpdate))
    lease = begin(farm)
    assert finish_task(lease=lease, outcome=seen("30.00"))
    task, job = farm.task(lease.task_id), farm.job(lease.job_id)
    assert (task.state, task.attempt_count, task.loss_count, task.result) == (TaskState.READY, 0, 0, None)
    assert task.first_look is not None
    assert task.first_look["reasons"] == {"price": "PRICE_JUMP"}
    assert (job.current_count, job.changed_count) == (0, 0)
    assert ((count(Observation), count(ProductUpdate)), known_price(), flagged()) == (before, "10.00 USD", [])


def test_what_both_visits_read_is_recorded_once(farm: FarmDriver) -> None:
    visit(farm, seen("10.00"))
    task_id = visit(farm, seen("30.00"), seen("30.00"))
    assert history() == [("10.00 USD", "30.00 USD")]
    assert (known_price(), flagged()) == ("30.00 USD", [])
    task = farm.task(task_id)
    job = farm.job(task.job_id)
    assert (task.attempt_count, job.succeeded_count, job.changed_count) == (1, 1, 1)
    told = select(Attempt.outcome).where(Attempt.task_id == task_id).order_by(Attempt.number)
    assert list(db.session.scalars(told)) == ["VERIFY", "SUCCEEDED"]
    assert visit(farm, seen("30.00")) > task_id  # and from now on it is what is known
    assert len(history()) == 1


def test_a_confirmed_jump_is_flagged_where_the_storefront_wants_it(farm: FarmDriver) -> None:
    db.session.execute(update(Storefront).values(reviews_jumps=True))
    db.session.commit()
    visit(farm, seen("10.00"))
    visit(farm, seen("30.00"), seen("30.00"))
    (one,) = flagged()
    recorded = db.session.scalars(select(ProductUpdate).where(ProductUpdate.task_id == one.task_id)).one()
    assert (one.state, one.verdict, one.reason, one.update_id) == ("OPEN", "CONFIRMED", "PRICE_JUMP", recorded.id)
    assert (one.previous, one.first_value, one.current) == ("10.00 USD", "30.00 USD", "30.00 USD")


def test_a_third_value_is_flagged_and_not_recorded(farm: FarmDriver) -> None:
    visit(farm, seen("10.00"))
    task_id = visit(farm, seen("30.00"), seen("70.00", name="Kettle Pro"))
    (one,) = flagged()
    assert (one.state, one.verdict, one.first_value, one.current) == ("OPEN", "UNSTEADY", "30.00 USD", "70.00 USD")
    assert (history(), known_price(), one.update_id) == ([], "10.00 USD", None)
    observed = db.session.scalars(select(Observation).where(Observation.task_id == task_id)).one()
    assert (observed.price_minor, observed.currency, observed.name) == (None, None, "Kettle Pro")
    others = select(ProductUpdate.attribute).where(ProductUpdate.task_id == task_id)
    assert list(db.session.scalars(others)) == ["name"]  # what was not suspicious is recorded all the same


def test_the_old_value_again_is_noted_as_a_flicker(farm: FarmDriver) -> None:
    visit(farm, seen("10.00"))
    task_id = visit(farm, seen("1.00"), seen("10.00"))
    (one,) = flagged()
    assert (one.state, one.verdict, one.previous, one.current) == ("NOTED", "FLICKER", "10.00 USD", "1.00 USD")
    assert (history(), known_price(), farm.job(farm.task(task_id).job_id).changed_count) == ([], "10.00 USD", 0)


def test_what_the_second_visit_cannot_read_stays_as_it_was_known(farm: FarmDriver) -> None:
    visit(farm, seen("10.00"))
    without = TaskOutcome(None, reading=ProductReading(name=Read("Kettle", "css:h1", "Kettle")))
    visit(farm, seen("30.00"), without)
    (one,) = flagged()
    assert (one.state, one.verdict, one.previous, one.current) == ("OPEN", "UNCONFIRMED", "10.00 USD", "30.00 USD")
    assert (history(), known_price()) == ([], "10.00 USD")


def test_another_currency_is_always_flagged(farm: FarmDriver) -> None:
    visit(farm, seen("10.00"))
    visit(farm, seen("10.00", "EUR"), seen("10.00", "EUR"))
    (one,) = flagged()
    assert (one.state, one.reason, one.verdict) == ("OPEN", "CURRENCY", "CONFIRMED")
    assert history() == [("10.00 USD", "10.00 EUR")]


def test_a_cancelled_job_visits_nothing_again(farm: FarmDriver) -> None:
    visit(farm, seen("10.00"))
    lease = begin(farm)
    controlling.cancel_job(actor=permissions.system(), job_id=lease.job_id)
    assert finish_task(lease=lease, outcome=seen("30.00"))
    assert farm.task(lease.task_id).state == TaskState.CANCELLED
    assert (history(), flagged(), farm.job(lease.job_id).cancelled_count) == ([], [], 1)


def test_a_second_visit_that_is_lost_is_made_again_and_still_decides(farm: FarmDriver) -> None:
    visit(farm, seen("10.00"))
    lease = begin(farm)
    finish_task(lease=lease, outcome=seen("30.00"))
    second = again(farm, lease.task_id)
    assert second is not None
    db.session.execute(update(Task).values(leased_until=utc_now() - timedelta(hours=1)))
    db.session.commit()
    assert outcomes.reap_task(task_id=second.task_id, token=second.token, budget=RetryBudget(losses=1))
    third = again(farm, lease.task_id)
    assert third is not None
    assert finish_task(lease=third, outcome=seen("30.00"))
    assert history() == [("10.00 USD", "30.00 USD")]


def test_a_second_visit_that_fails_ends_the_task_and_records_nothing(farm: FarmDriver) -> None:
    visit(farm, seen("10.00"))
    lease = begin(farm)
    finish_task(lease=lease, outcome=seen("30.00"))
    second = again(farm, lease.task_id)
    assert second is not None
    assert finish_task(lease=second, outcome=TaskOutcome(Code.BLOCKED, detail="robot check"))
    task = farm.task(lease.task_id)
    assert (task.state, task.code) == (TaskState.FAILED, Code.BLOCKED)
    assert (history(), flagged(), known_price()) == ([], [], "10.00 USD")


def test_what_became_suspicious_by_another_jobs_end_is_held_back(farm: FarmDriver) -> None:
    visit(farm, seen("30.00"))
    late = begin(farm)  # to it, 30 dollars are what is known
    visit(farm, seen("10.00"), seen("10.00"))
    assert finish_task(lease=late, outcome=seen("30.00"))
    (one,) = flagged()
    assert (one.verdict, one.previous, one.current) == ("UNCONFIRMED", "10.00 USD", "30.00 USD")
    assert (len(history()), known_price()) == (2, "10.00 USD")


def test_a_second_visit_is_left_to_another_worker_while_there_is_one(farm: FarmDriver) -> None:
    visit(farm, seen("10.00"))
    mine = leases.register_worker(name="mine", host="host", pid=1)
    job = farm.submit([ONE])
    farm.release()
    (task_id,) = farm.task_ids(job)
    first = leases.claim_task(task_id=task_id, release_no=1, worker_id=mine, lease_s=30)
    assert first is not None
    finish_task(lease=first, outcome=seen("30.00"))
    other = leases.register_worker(name="other", host="host", pid=2)
    assert again(farm, task_id, mine) is None
    assert (farm.task(task_id).state, farm.task(task_id).attempt_count) == (TaskState.READY, 0)
    leases.retire_worker(worker_id=other)
    assert again(farm, task_id, mine) is not None  # who is alone does it


def test_another_worker_gets_the_second_visit_at_once(farm: FarmDriver) -> None:
    visit(farm, seen("10.00"))
    mine, other = (leases.register_worker(name=name, host="host", pid=1) for name in ("mine", "other"))
    job = farm.submit([ONE])
    farm.release()
    (task_id,) = farm.task_ids(job)
    first = leases.claim_task(task_id=task_id, release_no=1, worker_id=mine, lease_s=30)
    assert first is not None
    finish_task(lease=first, outcome=seen("30.00"))
    assert again(farm, task_id, other) is not None


def test_nobody_is_waited_for_longer_than_a_moment(farm: FarmDriver) -> None:
    visit(farm, seen("10.00"))
    mine, _ = (leases.register_worker(name=name, host="host", pid=1) for name in ("mine", "other"))
    job = farm.submit([ONE])
    farm.release()
    (task_id,) = farm.task_ids(job)
    first = leases.claim_task(task_id=task_id, release_no=1, worker_id=mine, lease_s=30)
    assert first is not None
    finish_task(lease=first, outcome=seen("30.00"))
    db.session.execute(update(Attempt).values(ended_at=utc_now() - timedelta(seconds=11)))
    db.session.commit()
    assert again(farm, task_id, mine) is not None


@pytest.fixture
def dozen(farm: FarmDriver) -> list[str]:
    """Twelve products that the storefront has shown as they are."""
    asins = [f"B0000001{number:02}" for number in range(12)]
    for asin in asins:
        create_product(
            actor=permissions.system(), now=utc_now(), asin=asin, name="Kettle", price=Money.parse("10.00", "USD")
        )
    _finish(farm, farm.submit(asins), seen("10.00"))
    return asins


def _finish(farm: FarmDriver, job: Job, outcome: TaskOutcome) -> None:
    for task_id in farm.task_ids(job):
        lease = again(farm, task_id)
        assert lease is not None
        assert finish_task(lease=lease, outcome=outcome)


@on_sqlite
def test_of_many_changes_at_once_the_later_ones_are_visited_again_and_flagged(
    farm: FarmDriver, dozen: list[str]
) -> None:
    job = farm.submit(dozen)
    _finish(farm, job, seen("11.00"))
    states = [farm.task(task_id).state for task_id in farm.task_ids(job)]
    assert states == [TaskState.SUCCEEDED] * 9 + [TaskState.READY] * 3  # what came before stays recorded
    assert (farm.job(job.id).changed_count, len(history()), flagged()) == (9, 9, [])
    for task_id, outcome in zip(farm.task_ids(job)[9:], [seen("11.00"), seen("11.00"), seen("10.00")], strict=True):
        lease = again(farm, task_id)
        assert lease is not None
        assert finish_task(lease=lease, outcome=outcome)
    assert [(one.reason, one.verdict, one.state) for one in flagged()] == [
        ("MANY_AT_ONCE", "CONFIRMED", "OPEN"),
        ("MANY_AT_ONCE", "CONFIRMED", "OPEN"),
        ("MANY_AT_ONCE", "FLICKER", "NOTED"),
    ]
    assert (farm.job(job.id).changed_count, farm.job(job.id).succeeded_count, len(history())) == (11, 12, 11)


@on_sqlite
def test_a_first_sight_of_many_products_is_not_many_changes(farm: FarmDriver, dozen: list[str]) -> None:
    farm.storefront("other")
    job = farm.submit(dozen, storefront="other")
    _finish(farm, job, seen("11.00"))
    assert (farm.job(job.id).succeeded_count, farm.job(job.id).changed_count, flagged()) == (12, 0, [])


def test_a_value_that_goes_back_and_forth_is_recorded_as_flapping(farm: FarmDriver) -> None:
    for price in ("10.00", "11.00", "10.00", "11.00", "10.00", "12.00"):
        visit(farm, seen(price))
    marks = select(ProductUpdate.is_flapping).where(ProductUpdate.task_id.is_not(None)).order_by(ProductUpdate.id)
    assert list(db.session.scalars(marks)) == [False, False, False, True, False]


def test_what_was_back_and_forth_long_ago_does_not_flap(farm: FarmDriver) -> None:
    for price in ("10.00", "11.00", "10.00", "11.00"):
        visit(farm, seen(price))
    db.session.execute(update(ProductUpdate).values(created_at=utc_now() - timedelta(days=8)))
    db.session.commit()
    visit(farm, seen("10.00"))
    marks = select(ProductUpdate.is_flapping).where(ProductUpdate.task_id.is_not(None))
    assert not any(db.session.scalars(marks))
