"""How many tasks the workers are sent: what can start now, and more only where nobody is sent back."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import partial
from itertools import pairwise

from sqlalchemy import func, select, update

from app.core.extensions import db
from app.core.orm import database_now
from app.rpa.models.jobs import Task, TaskState
from app.rpa.models.storefronts import Storefront
from app.rpa.rules.hours import DAYS
from app.rpa.services import leases
from app.rpa.services.outcomes import finish_task
from tests.rpa.conftest import SUCCESS, FarmDriver
from tests.servers import on_sqlite


def _workers(count: int) -> list[int]:
    return [leases.register_worker(name=f"w{number}", host="here", pid=number) for number in range(count)]


def _queued() -> list[int]:
    db.session.rollback()
    return list(db.session.scalars(select(Task.id).where(Task.state == TaskState.QUEUED).order_by(Task.id)))


def _claim_all(farm: FarmDriver, patience_s: float = 0) -> list[leases.Lease]:
    """Have every message claimed at once, as idle workers do; fails where one of them is refused."""
    claimed = [
        leases.claim_task(task_id=id_, release_no=1, worker_id=None, lease_s=30, patience_s=patience_s)
        for id_ in _queued()
    ]
    assert None not in claimed
    return [lease for lease in claimed if lease is not None]


@on_sqlite
def test_a_storefront_that_is_full_is_sent_nothing_until_a_visit_has_ended(farm: FarmDriver) -> None:
    farm.storefront("narrow", pace={"gap_ms": 0, "concurrency": 2})
    farm.submit(storefront="narrow")
    _workers(5)
    assert farm.release() == 2
    first, _ = _claim_all(farm)
    assert farm.release() == 0
    assert finish_task(lease=first, outcome=SUCCESS)
    assert farm.release() == 1
    _claim_all(farm)


@on_sqlite
def test_where_every_worker_is_on_a_full_storefront_its_next_tasks_wait_for_them(farm: FarmDriver) -> None:
    farm.farm = replace(farm.farm, release_window=1)
    farm.storefront("narrow", pace={"gap_ms": 0, "concurrency": 2})
    job = farm.submit(storefront="narrow")
    _workers(2)
    assert farm.release() == 2
    first, _ = _claim_all(farm)
    assert farm.release() == 2
    assert finish_task(lease=first, outcome=SUCCESS)
    assert farm.claim(_queued()[0]) is not None
    assert len(farm.task_ids(job)) == 5


@on_sqlite
def test_one_worker_more_than_places_and_nothing_waits_for_it(farm: FarmDriver) -> None:
    farm.storefront("narrow", pace={"gap_ms": 0, "concurrency": 2})
    farm.submit(storefront="narrow")
    _workers(3)
    assert farm.release() == 2
    _claim_all(farm)
    assert farm.release() == 0
    assert _queued() == []


def test_what_is_sent_for_the_next_turns_of_a_storefront_waits_at_its_worker_and_keeps_the_pace(
    farm: FarmDriver,
) -> None:
    farm.storefront("quick", pace={"gap_ms": 10_000, "concurrency": 8})
    farm.submit(storefront="quick")
    farm.farm = replace(farm.farm, dispatch_s=20)
    assert farm.release() == 4  # now, and what starts within one and a half turns
    assert farm.release() == 0
    held = _claim_all(farm, patience_s=40)
    starts = [lease.started_at for lease in held]
    assert (held[0].wait_s, held[3].wait_s > 0) == (0, True)
    gaps = [(later - earlier).total_seconds() for earlier, later in pairwise(starts)]
    assert all(gap >= 10 for gap in gaps), gaps
    db.session.rollback()
    next_start_at = db.session.scalars(select(Storefront.next_start_at).where(Storefront.code == "quick")).one()
    assert next_start_at - starts[-1] >= timedelta(seconds=10)


def test_a_turn_that_is_too_far_away_is_not_waited_for(farm: FarmDriver) -> None:
    farm.storefront("slow", pace={"gap_ms": 60_000, "concurrency": 8})
    job = farm.submit(storefront="slow")
    first, second, *_ = farm.task_ids(job)
    db.session.execute(update(Task).values(state=TaskState.QUEUED, release_no=1))
    db.session.commit()
    claim = partial(leases.claim_task, release_no=1, worker_id=None, lease_s=30, patience_s=5)
    assert claim(task_id=first) is not None
    assert claim(task_id=second) is None
    after = farm.task(second)
    slot = db.session.scalars(select(Storefront.next_start_at).where(Storefront.code == "slow")).one()
    assert (after.state, after.not_before) == (TaskState.READY, slot)


@on_sqlite
def test_no_visit_waits_into_the_time_in_which_its_storefront_may_not_be_visited(
    farm: FarmDriver,
) -> None:
    job = farm.submit()
    assert farm.release() == 5
    now = database_now(db.session())
    closes, opens, turn = (now + timedelta(seconds=seconds) for seconds in (60, 3600, 90))
    windows = [{"days": list(DAYS), "start": f"{opens:%H:%M}", "end": f"{closes:%H:%M}"}]
    db.session.execute(update(Storefront).values(hours=windows, gap_ms=1000, next_start_at=turn))
    db.session.commit()
    task_id = farm.task_ids(job)[0]
    assert leases.claim_task(task_id=task_id, release_no=1, worker_id=None, lease_s=30, patience_s=120) is None
    assert farm.task(task_id).state == TaskState.READY
    assert db.session.scalar(select(func.count()).where(Task.state == TaskState.LEASED)) == 0
