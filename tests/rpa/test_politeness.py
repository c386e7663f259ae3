"""Hours, daily cap, crawl-delay and cool-down at the claim: on every database, however many workers ask at once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import func, select, update

from app.core import permissions
from app.core.extensions import db
from app.core.orm import utc_now
from app.rpa.models.jobs import Action, Job, JobState, Task, TaskState
from app.rpa.models.storefronts import Storefront
from app.rpa.queries.estimates import find_facts
from app.rpa.queries.progress import get_progress
from app.rpa.queries.storefronts import get_storefront, with_standing
from app.rpa.rules.codes import Code
from app.rpa.rules.cooling import BLOCKS
from app.rpa.rules.planning import Limit
from app.rpa.rules.readings import TaskOutcome
from app.rpa.rules.standstill import Reason
from app.rpa.schemas.politeness import PolitenessIn
from app.rpa.services import preparing, storefronts, submitting
from app.rpa.services.outcomes import finish_task
from tests.rpa.conftest import ASINS, SUCCESS, FarmDriver, profile
from tests.servers import on_sqlite

Threads = Callable[[list[Callable[[], Any]]], list[Any]]
BLOCKED = TaskOutcome(Code.BLOCKED, detail="A robot check.")
EVERY_DAY = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


def _open_shop(code: str = "polite", *, gap_ms: int = 0, concurrency: int = 8, **politeness: Any) -> Storefront:
    return storefronts.create_storefront(
        actor=permissions.system(), now=utc_now(), code=code, name=code,
        profile=profile(pace={"gap_ms": gap_ms, "concurrency": concurrency}),
        politeness=PolitenessIn().load(politeness),
    )  # fmt: skip


def _window(first_h: int, last_h: int) -> dict[str, Any]:
    """The hours of every day between so many hours from now."""
    start, end = ((utc_now() + timedelta(hours=at)).strftime("%H:%M") for at in (first_h, last_h))
    return {"days": EVERY_DAY, "start": start, "end": end}


def _release_all(job: Job) -> None:
    """Messages for all tasks, however many the storefront can take."""
    queued = update(Task).where(Task.job_id == job.id, Task.state == TaskState.READY)
    db.session.execute(queued.values(state=TaskState.QUEUED, release_no=Task.release_no + 1))
    db.session.execute(update(Job).where(Job.id == job.id).values(state=JobState.RUNNING))
    db.session.commit()


def _count(job: Job, state: TaskState) -> int:
    db.session.rollback()
    return db.session.scalar(select(func.count()).where(Task.job_id == job.id, Task.state == state)) or 0


def _shop(shop: Storefront) -> Storefront:
    db.session.rollback()
    return with_standing(db.session.get_one(Storefront, shop.id, populate_existing=True))


def _set(shop: Storefront, **values: Any) -> None:
    db.session.execute(update(Storefront).where(Storefront.id == shop.id).values(**values))
    db.session.commit()


def _carts(farm: FarmDriver, count: int) -> Job:
    job = submitting.submit_job(
        actor=permissions.system(), action=Action.ADD_TO_CART, storefront="polite", name="carts", asins=ASINS[:count]
    )
    preparing.prepare_job(job_id=job.id)
    return job


def test_outside_its_hours_nothing_starts_and_both_storefront_and_job_say_until_when(farm: FarmDriver) -> None:
    shop = _open_shop(hours=[_window(2, 4)])
    job = farm.submit(storefront="polite")
    assert farm.release() == 0
    _release_all(job)
    assert [farm.claim(task_id) for task_id in farm.task_ids(job)] == [None] * 5
    assert _count(job, TaskState.READY) == 5
    back = farm.task(farm.task_ids(job)[0])
    assert (back.attempt_count, back.lease_token) == (0, None)
    assert utc_now() < back.not_before <= utc_now() + timedelta(minutes=1)
    waits = _shop(shop).waits
    assert (waits.reason, _shop(shop).pages_today) == (Reason.HOURS, 0)
    assert timedelta(minutes=118) < waits.until - utc_now() <= timedelta(hours=2)
    assert get_progress(job.id).waits == waits


@on_sqlite
def test_within_its_hours_tasks_start_as_ever(farm: FarmDriver) -> None:
    shop = _open_shop(hours=[_window(-2, 2)])
    job = farm.submit(storefront="polite")
    assert farm.release() == 5
    assert farm.claim(farm.task_ids(job)[0]) is not None
    assert _shop(shop).waits is None


@on_sqlite
def test_an_errand_of_a_person_keeps_to_the_hours_too(farm: FarmDriver) -> None:
    _open_shop(hours=[_window(2, 4)])
    task = submitting.submit_errand(
        actor=permissions.system(), action=Action.VIEW_PRODUCT, storefront="polite", asin=ASINS[0]
    )
    assert farm.claim(task.id) is None
    assert farm.task(task.id).state == TaskState.READY


def test_workers_that_race_for_the_last_pages_of_a_day_never_get_one_too_many(
    farm: FarmDriver, in_threads: Threads
) -> None:
    shop = _open_shop(daily_cap=3)
    job = farm.submit(storefront="polite")
    _release_all(job)
    claims = in_threads([partial(farm.claim, task_id) for task_id in farm.task_ids(job)])
    assert sum(claim is not None for claim in claims) == 3
    assert not [claim for claim in claims if isinstance(claim, Exception)]
    assert (_count(job, TaskState.LEASED), _count(job, TaskState.READY)) == (3, 2)
    after = _shop(shop)
    assert (after.pages_today, after.waits.reason) == (3, Reason.DAILY_CAP)
    tomorrow = (utc_now() + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    assert after.waits.until == tomorrow
    assert farm.release() == 0


@on_sqlite
def test_pages_are_counted_by_the_day_of_the_storefronts_zone(farm: FarmDriver) -> None:
    shop = _open_shop(daily_cap=3, timezone="Pacific/Kiritimati")
    job = farm.submit(storefront="polite")
    _release_all(job)
    assert [farm.claim(task_id) is not None for task_id in farm.task_ids(job)] == [True, True, True, False, False]
    counted = _shop(shop)
    assert counted.pages_day == (utc_now() + timedelta(hours=14)).date().isoformat()
    _set(shop, pages_day="2026-01-01")  # as if they had been visited on another day
    _release_all(job)
    assert [farm.claim(task_id) is not None for task_id in farm.task_ids(job)[3:]] == [True, True]


@on_sqlite
def test_the_errands_of_people_count_for_the_cap_as_well(farm: FarmDriver) -> None:
    shop = _open_shop(daily_cap=3)
    for expected in (True, True, True, False):
        task = submitting.submit_errand(
            actor=permissions.system(), action=Action.VIEW_PRODUCT, storefront="polite", asin=ASINS[0]
        )
        assert (farm.claim(task.id) is not None) is expected
    assert _shop(shop).pages_today == 3


@on_sqlite
def test_a_cart_counts_for_three_pages_and_leaves_the_last_one_to_a_view(farm: FarmDriver) -> None:
    shop = _open_shop(daily_cap=4)
    carts, views = _carts(farm, 2), farm.submit(storefront="polite")
    _release_all(carts)
    assert [farm.claim(task_id) is not None for task_id in farm.task_ids(carts)] == [True, False]
    assert _shop(shop).pages_today == 3
    db.session.execute(update(Task).where(Task.state == TaskState.READY).values(not_before=utc_now()))
    db.session.commit()
    farm.release()
    assert (_count(carts, TaskState.QUEUED), _count(views, TaskState.QUEUED)) == (0, 1)
    assert get_progress(carts.id).waits is None  # one of it runs


@on_sqlite
def test_without_a_cap_pages_are_counted_so_that_one_set_later_is_right(farm: FarmDriver) -> None:
    shop = _open_shop()
    job = farm.submit(storefront="polite")
    _release_all(job)
    farm.leased(farm.task_ids(job)[0])
    farm.leased(farm.task_ids(job)[1])
    _set(shop, daily_cap=2)
    assert farm.claim(farm.task_ids(job)[2]) is None
    assert _shop(shop).pages_today == 2


@on_sqlite
@pytest.mark.parametrize(("obeys", "gap_s"), [(True, 30), (False, 1)])
def test_the_larger_of_pace_and_crawl_delay_lies_between_two_starts(farm: FarmDriver, obeys: bool, gap_s: int) -> None:
    shop = _open_shop(gap_ms=1000, obeys_robots=obeys, override_reason=None if obeys else "Agreed by phone.")
    _set(shop, crawl_delay_ms=30_000)
    job = farm.submit(storefront="polite")
    _release_all(job)
    lease = farm.leased(farm.task_ids(job)[0])
    assert _shop(shop).next_start_at - lease.started_at == timedelta(seconds=gap_s)
    assert farm.claim(farm.task_ids(job)[1]) is None


def _block(farm: FarmDriver, task_ids: list[int]) -> None:
    for task_id in task_ids:
        assert finish_task(lease=farm.leased(task_id), outcome=BLOCKED)


def test_after_five_blocks_in_a_row_single_probes_go_through(farm: FarmDriver) -> None:
    shop = _open_shop()
    first, second = farm.submit(storefront="polite"), farm.submit(storefront="polite")
    _release_all(first)
    _block(farm, farm.task_ids(first))
    cold = _shop(shop)
    assert (cold.blocks, cold.cooldown_s, cold.waits.reason) == (BLOCKS, 60, Reason.COOLDOWN)
    assert farm.release() == 0
    _release_all(second)
    tasks = farm.task_ids(second)
    assert farm.claim(tasks[0]) is None

    _set(shop, cooldown_until=utc_now() - timedelta(seconds=1))
    _release_all(second)
    probe = farm.leased(tasks[0])
    assert [farm.claim(task_id) for task_id in tasks[1:]] == [None] * 4
    assert finish_task(lease=probe, outcome=BLOCKED)
    assert (_shop(shop).cooldown_s, _shop(shop).blocks) == (120, 6)
    assert timedelta(seconds=90) < _shop(shop).waits.until - utc_now() <= timedelta(seconds=120)

    _set(shop, cooldown_until=utc_now() - timedelta(seconds=1))
    _release_all(second)
    assert finish_task(lease=farm.leased(tasks[1]), outcome=SUCCESS)
    warm = _shop(shop)
    assert (warm.blocks, warm.cooldown_s, warm.cooldown_until, warm.waits) == (0, 0, None, None)
    _release_all(second)
    assert all(farm.claim(task_id) is not None for task_id in tasks[2:])


def test_of_workers_that_race_for_the_probe_one_gets_it(farm: FarmDriver, in_threads: Threads) -> None:
    shop = _open_shop()
    _set(shop, blocks=5, cooldown_s=60, cooldown_until=utc_now() - timedelta(seconds=1))
    job = farm.submit(storefront="polite")
    _release_all(job)
    claims = in_threads([partial(farm.claim, task_id) for task_id in farm.task_ids(job)])
    assert [claim is not None for claim in claims].count(True) == 1
    assert _count(job, TaskState.LEASED) == 1


def test_blocks_that_are_recorded_at_once_are_all_counted(farm: FarmDriver, in_threads: Threads) -> None:
    shop = _open_shop()
    job = farm.submit(storefront="polite")
    _release_all(job)
    held = [farm.leased(task_id) for task_id in farm.task_ids(job)]
    assert in_threads([partial(finish_task, lease=lease, outcome=BLOCKED) for lease in held]) == [True] * 5
    assert (_shop(shop).blocks, _shop(shop).cooldown_s) == (5, 60)


@on_sqlite
def test_a_result_that_comes_too_late_neither_pauses_nor_blocks_the_storefront(farm: FarmDriver) -> None:
    shop = _open_shop()
    job = farm.submit(storefront="polite")
    _release_all(job)
    lease = farm.leased(farm.task_ids(job)[0])
    db.session.execute(update(Task).where(Task.id == lease.task_id).values(lease_token="somebody else's"))
    db.session.commit()
    assert not finish_task(lease=lease, outcome=BLOCKED)
    assert not finish_task(lease=lease, outcome=TaskOutcome(Code.RATE_LIMITED, retry_after_s=30))
    assert (_shop(shop).blocks, _shop(shop).paused_until) == (0, None)


@on_sqlite
def test_a_shop_that_is_busy_and_says_for_how_long_is_left_alone_so_long(farm: FarmDriver) -> None:
    shop = _open_shop()
    job = farm.submit(storefront="polite")
    _release_all(job)
    tasks = farm.task_ids(job)
    assert finish_task(lease=farm.leased(tasks[0]), outcome=TaskOutcome(Code.HTTP_5XX, retry_after_s=120))
    back = farm.task(tasks[0])
    assert (back.state, back.attempt_count) == (TaskState.READY, 1)
    assert timedelta(seconds=110) < back.not_before - utc_now() <= timedelta(seconds=120)
    assert _shop(shop).waits.reason is Reason.STOREFRONT_PAUSED
    assert farm.claim(tasks[1]) is None


@on_sqlite
def test_a_zone_that_this_machine_does_not_know_holds_one_storefront_up_and_no_other(farm: FarmDriver) -> None:
    shop = _open_shop()
    _set(shop, timezone="Moon/Tranquility")
    farm.submit(storefront="polite")
    farm.submit()
    assert farm.release() == 5
    assert (_shop(shop).waits.reason, _shop(shop).waits.until) == (Reason.HOURS, None)
    assert get_storefront(shop.id).id == shop.id


@on_sqlite
def test_an_estimate_knows_hours_cap_and_crawl_delay(farm: FarmDriver) -> None:
    shop = _open_shop(daily_cap=4, hours=[_window(2, 4)])
    _set(shop, crawl_delay_ms=1000)
    job = farm.submit(storefront="polite")
    ahead = get_progress(job.id).estimate
    assert ahead.facts.cap.a_day == 4
    assert {Limit.HOURS, Limit.DAILY_CAP, Limit.CRAWL_DELAY} <= ahead.alone.by_limit.keys()
    assert ahead.alone.by_limit[Limit.HOURS] > 3600
    assert ahead.alone.by_limit[Limit.DAILY_CAP] > 0
    assert ahead.alone.by_limit[Limit.CRAWL_DELAY] == 4 + ahead.facts.seconds_per_task
    carts = find_facts(get_storefront(shop.id), Action.ADD_TO_CART)
    assert carts.cap is not None
    assert (carts.cap.a_day, carts.cap.left) == (1, 1)
