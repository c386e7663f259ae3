"""The task protocol on every database: released, claimed and recorded once, whatever is lost or doubled."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

from sqlalchemy import func, select, update

from app.core import permissions
from app.core.extensions import db
from app.core.many_rows import upsert
from app.core.orm import utc_now
from app.core.queues import BATCH, doorbell
from app.products.models.products import ProductUpdate
from app.products.services.products import delete_product
from app.rpa.models.jobs import Action, Attempt, Job, JobState, Task, TaskState
from app.rpa.models.observations import Observation, ObservationCurrent
from app.rpa.models.storefronts import Storefront
from app.rpa.rules.codes import Code
from app.rpa.rules.readings import Availability, TaskOutcome
from app.rpa.rules.turns import Turns
from app.rpa.services import controlling, dispatch, ending, leading, leases, observing, preparing, submitting
from app.rpa.services.outcomes import finish_task
from tests.rpa.conftest import ASINS, SUCCESS, FarmDriver, reading

Threads = Callable[[list[Callable[[], Any]]], list[Any]]


def _count(model: Any) -> int:
    db.session.rollback()
    return db.session.scalar(select(func.count()).select_from(model)) or 0


def _told() -> int:
    """How many changes the farm has noted."""
    return db.session.scalar(select(func.count()).where(ProductUpdate.task_id.is_not(None))) or 0


def _finish_all(farm: FarmDriver, job: Job, outcome: TaskOutcome = SUCCESS) -> None:
    for task_id in farm.task_ids(job):
        assert finish_task(lease=farm.leased(task_id), outcome=outcome)


def test_a_job_goes_from_submission_to_completion(farm: FarmDriver) -> None:
    job = farm.submit()
    assert farm.job(job.id).state == JobState.QUEUED
    assert farm.release() == 5
    assert farm.job(job.id).state == JobState.RUNNING
    _finish_all(farm, job)
    assert ending.finish_jobs() == 1
    ended = farm.job(job.id)
    assert (ended.state, ended.current_count, ended.succeeded_count) == (JobState.COMPLETED, 5, 5)
    assert ended.finished_at is not None
    assert _count(Observation) == 5
    assert _told() == 0


def test_a_released_task_has_its_message_in_the_queue(farm: FarmDriver) -> None:
    job = farm.submit()
    farm.release()
    first = farm.task_ids(job)[0]
    assert doorbell().held([(BATCH, f"task-{first}-1"), (BATCH, f"task-{first}-2")]) == [True, False]


def test_a_doubled_message_claims_once(farm: FarmDriver) -> None:
    job = farm.submit()
    farm.release()
    first = farm.task_ids(job)[0]
    assert leases.claim_task(task_id=first, release_no=1, worker_id=None, lease_s=30) is not None
    assert leases.claim_task(task_id=first, release_no=1, worker_id=None, lease_s=30) is None
    assert _count(Attempt) == 1


def test_of_workers_that_claim_at_once_one_gets_the_task(farm: FarmDriver, in_threads: Threads) -> None:
    job = farm.submit()
    farm.release()
    first = farm.task_ids(job)[0]
    claim = lambda: leases.claim_task(task_id=first, release_no=1, worker_id=None, lease_s=30)  # noqa: E731
    results = in_threads([claim] * 6)
    assert sum(isinstance(result, leases.Lease) for result in results) == 1
    assert results.count(None) == 5
    assert _count(Attempt) == 1


def test_an_old_release_is_dropped(farm: FarmDriver) -> None:
    job = farm.submit()
    farm.release()
    first = farm.task_ids(job)[0]
    assert leases.claim_task(task_id=first, release_no=0, worker_id=None, lease_s=30) is None
    assert farm.task(first).state == TaskState.QUEUED


def test_the_storefronts_pace_is_kept_however_many_messages_wait(farm: FarmDriver) -> None:
    farm.storefront("slow", pace={"gap_ms": 60_000, "concurrency": 5})
    job = farm.submit(storefront="slow")
    db.session.execute(update(Task).values(state=TaskState.QUEUED, release_no=1))
    db.session.execute(update(Job).values(state=JobState.RUNNING))
    db.session.commit()
    first, second, *_ = farm.task_ids(job)
    assert farm.claim(first) is not None
    assert farm.claim(second) is None
    back = farm.task(second)
    assert (back.state, back.attempt_count) == (TaskState.READY, 0)
    slot = db.session.scalars(select(Storefront.next_start_at).where(Storefront.code == "slow")).one()
    assert back.not_before == slot
    assert timedelta(seconds=50) < slot - utc_now() <= timedelta(seconds=60)


def test_a_claim_is_no_change_of_the_storefront(farm: FarmDriver) -> None:
    shop = farm.storefront("slow", pace={"gap_ms": 60_000, "concurrency": 5})
    changed_at = shop.updated_at
    job = farm.submit(storefront="slow")
    farm.release()
    lease = farm.leased(farm.task_ids(job)[0])
    assert finish_task(lease=lease, outcome=TaskOutcome(Code.RATE_LIMITED, retry_after_s=30))
    db.session.rollback()
    after = db.session.get_one(Storefront, shop.id, populate_existing=True)
    assert after.paused_until is not None
    assert (after.updated_at, after.version) == (changed_at, 1)


def test_the_storefronts_concurrency_is_kept(farm: FarmDriver) -> None:
    farm.storefront("narrow", pace={"gap_ms": 0, "concurrency": 2})
    job = farm.submit(storefront="narrow")
    db.session.execute(update(Task).values(state=TaskState.QUEUED, release_no=1))
    db.session.execute(update(Job).values(state=JobState.RUNNING))
    db.session.commit()
    claims = [farm.claim(task_id) is not None for task_id in farm.task_ids(job)]
    assert claims == [True, True, False, False, False]


def test_no_more_is_released_than_a_storefront_can_start(farm: FarmDriver) -> None:
    farm.storefront("slow", pace={"gap_ms": 60_000, "concurrency": 5})
    farm.submit(storefront="slow")
    assert farm.release() == 1
    assert farm.release() == 0


def test_jobs_take_turns(farm: FarmDriver) -> None:
    first, second = farm.submit(name="first"), farm.submit(name="second")
    farm.farm = replace(farm.farm, release_window=4)
    assert farm.release() == 4
    queued = select(Task.job_id, func.count()).where(Task.state == TaskState.QUEUED).group_by(Task.job_id)
    assert {row[0]: row[1] for row in db.session.execute(queued)} == {first.id: 2, second.id: 2}


def test_two_dispatchers_release_a_task_once(farm: FarmDriver, in_threads: Threads) -> None:
    job = farm.submit()
    counts = in_threads([lambda: dispatch.release_tasks(farm=farm.farm, turns=Turns())] * 3)
    assert sum(counts) == 5
    assert {farm.task(task_id).release_no for task_id in farm.task_ids(job)} == {1}


def test_one_dispatcher_leads_and_another_takes_over_after_it(context: Any, in_threads: Threads) -> None:
    results = in_threads([partial(leading.lead, owner=owner, lease_s=30) for owner in "abc"])
    assert sorted(results) == [False, False, True]
    leader = "abc"[results.index(True)]
    assert leading.lead(owner=leader, lease_s=30)
    assert not leading.lead(owner="another", lease_s=30)
    leading.resign(owner=leader)
    assert leading.lead(owner="another", lease_s=30)


def test_a_result_without_the_lease_is_dropped_whole(farm: FarmDriver) -> None:
    job = farm.submit([ASINS[0]])
    farm.release()
    (task_id,) = farm.task_ids(job)
    lease = farm.leased(task_id)
    changed = TaskOutcome(None, reading=reading(price="99.00"))
    assert not finish_task(lease=replace(lease, token="0" * 32), outcome=changed)
    assert farm.task(task_id).state == TaskState.LEASED
    assert (_count(Observation), _told(), farm.job(job.id).current_count) == (0, 0, 0)


def test_the_loss_of_a_shared_browser_does_not_count_and_is_followed_by_a_visit_that_is_alone_and_counts(
    farm: FarmDriver,
) -> None:
    farm.storefront("strict", retry={"attempts": 1, "losses": 0})
    job = farm.submit([ASINS[0]], storefront="strict")
    (task_id,) = farm.task_ids(job)
    farm.release()
    lost = TaskOutcome(Code.CHROME_CRASH, counts=False)
    first = farm.leased(task_id)
    assert not first.is_alone
    assert finish_task(lease=first, outcome=lost)
    assert (farm.task(task_id).state, farm.task(task_id).loss_count) == (TaskState.READY, 0)
    db.session.execute(update(Task).values(not_before=utc_now() - timedelta(seconds=1)))
    db.session.commit()
    farm.release()
    second = farm.leased(task_id)
    assert second.is_alone
    assert finish_task(lease=second, outcome=lost)
    assert (farm.task(task_id).state, farm.task(task_id).code) == (TaskState.FAILED, Code.POISON)


def test_a_result_is_recorded_once_however_often_it_is_reported(farm: FarmDriver, in_threads: Threads) -> None:
    job = farm.submit([ASINS[0]])
    farm.release()
    lease = farm.leased(farm.task_ids(job)[0])
    changed = TaskOutcome(None, reading=reading(price="12.00"))
    results = in_threads([lambda: finish_task(lease=lease, outcome=changed)] * 4)
    assert sorted(results) == [False, False, False, True]
    assert (_count(Observation), _told(), farm.job(job.id).current_count) == (1, 1, 1)


def test_tasks_that_end_at_once_are_all_counted(farm: FarmDriver, in_threads: Threads) -> None:
    job = farm.submit()
    farm.release()
    held = [farm.leased(task_id) for task_id in farm.task_ids(job)]
    ends: list[Callable[[], Any]] = [partial(finish_task, lease=lease, outcome=SUCCESS) for lease in held]
    assert in_threads(ends) == [True] * 5
    assert farm.job(job.id).current_count == 5


def test_changes_go_into_the_history_once_with_job_and_actor(farm: FarmDriver) -> None:
    seen = TaskOutcome(None, reading=reading("12.50", Availability.OUT_OF_STOCK, name="Kettle Pro"))
    for _ in range(2):
        job = farm.submit([ASINS[0]])
        farm.release()
        _finish_all(farm, job, seen)
        ending.finish_jobs()
    rows = list(
        db.session.scalars(
            select(ProductUpdate).where(ProductUpdate.task_id.is_not(None)).order_by(ProductUpdate.attribute)
        )
    )
    assert [(row.attribute, row.previous_attribute, row.current_attribute) for row in rows] == [
        ("availability", "IN_STOCK", "OUT_OF_STOCK"),
        ("name", "Kettle", "Kettle Pro"),
        ("price", "10.00 USD", "12.50 USD"),
    ]
    first_job = min(row.id for row in db.session.scalars(select(Job)))
    assert {(row.source, row.actor_kind, row.actor_id, row.job_id) for row in rows} == {
        ("farm", "job", first_job, first_job)
    }
    assert _count(ObservationCurrent) == 4
    assert _count(Observation) == 2


def test_a_product_deleted_during_its_visit_is_forgotten_all_the_same(farm: FarmDriver) -> None:
    job = farm.submit([ASINS[0]])
    farm.release()
    lease = farm.leased(farm.task_ids(job)[0])
    delete_product(actor=permissions.system(), now=utc_now(), product_id=lease.product_id, expected_version=1)
    before = _told()
    assert finish_task(lease=lease, outcome=TaskOutcome(None, reading=reading("12.00")))
    assert farm.job(job.id).succeeded_count == 1
    assert (_count(Observation), _count(ObservationCurrent), _told()) == (1, 0, before)


def test_two_storefronts_do_not_flap_against_one_master(farm: FarmDriver) -> None:
    farm.storefront("other")
    for shop in ("shop", "other", "shop", "other"):
        job = farm.submit([ASINS[0]], storefront=shop)
        farm.release()
        price = "11.00" if shop == "shop" else "12.00"
        _finish_all(farm, job, TaskOutcome(None, reading=reading(price)))
    assert _told() == 2


def test_a_failed_visit_changes_nothing_but_its_task(farm: FarmDriver) -> None:
    job = farm.submit([ASINS[0]])
    farm.release()
    _finish_all(farm, job, TaskOutcome(Code.BLOCKED, detail="robot check"))
    ending.finish_jobs()
    ended = farm.job(job.id)
    assert (ended.state, ended.failed_count) == (JobState.COMPLETED_WITH_ERRORS, 1)
    assert (_count(Observation), _told(), _count(ObservationCurrent)) == (0, 0, 0)
    task = farm.task(farm.task_ids(job)[0])
    assert (task.state, task.code, task.detail) == (TaskState.FAILED, Code.BLOCKED, "robot check")


def test_a_detail_that_no_database_takes_is_recorded_without_its_bad_characters(farm: FarmDriver) -> None:
    job = farm.submit([ASINS[0]])
    farm.release()
    _finish_all(farm, job, TaskOutcome(Code.BLOCKED, detail="a\0b \ud800 c"))
    assert farm.task(farm.task_ids(job)[0]).detail == "ab ? c"


def test_a_refusal_of_the_shop_is_no_error_of_the_job(farm: FarmDriver) -> None:
    job = farm.submit([ASINS[0]])
    farm.release()
    _finish_all(farm, job, TaskOutcome(Code.NOT_FOUND))
    ending.finish_jobs()
    ended = farm.job(job.id)
    assert (ended.state, ended.refused_count) == (JobState.COMPLETED, 1)


def test_a_retryable_failure_waits_its_backoff_and_is_released_again(farm: FarmDriver) -> None:
    job = farm.submit([ASINS[0]])
    farm.release()
    (task_id,) = farm.task_ids(job)
    assert finish_task(lease=farm.leased(task_id), outcome=TaskOutcome(Code.NAV_TIMEOUT))
    task = farm.task(task_id)
    assert (task.state, task.attempt_count, farm.job(job.id).current_count) == (TaskState.READY, 1, 0)
    ended_at = db.session.scalars(select(Attempt.ended_at).where(Attempt.task_id == task_id)).one()
    assert ended_at is not None
    assert timedelta(seconds=0.75) <= task.not_before - ended_at <= timedelta(seconds=1.25)
    db.session.execute(update(Task).values(not_before=utc_now() + timedelta(hours=1)))
    db.session.commit()
    assert farm.release() == 0
    db.session.execute(update(Task).values(not_before=utc_now() - timedelta(seconds=5)))
    db.session.commit()
    assert farm.release() == 1
    assert finish_task(lease=farm.leased(task_id), outcome=TaskOutcome(Code.NAV_TIMEOUT))
    assert farm.task(task_id).state == TaskState.FAILED
    assert [row.outcome for row in db.session.scalars(select(Attempt).order_by(Attempt.number))] == ["RETRY", "FAILED"]


def test_a_lease_that_ran_out_is_taken_back_and_too_many_losses_are_poison(farm: FarmDriver) -> None:
    job = farm.submit([ASINS[0]])
    (task_id,) = farm.task_ids(job)
    for expected in (TaskState.READY, TaskState.FAILED):
        db.session.execute(update(Task).values(not_before=utc_now() - timedelta(seconds=5)))
        db.session.commit()
        farm.release()
        late = farm.leased(task_id, lease_s=-1)
        assert dispatch.reap_expired() == 1
        assert dispatch.reap_expired() == 0
        assert not finish_task(lease=late, outcome=SUCCESS)
        assert farm.task(task_id).state == expected
    assert farm.task(task_id).code == Code.POISON
    assert farm.job(job.id).failed_count == 1


def test_a_living_lease_is_not_taken_back_and_renewal_prolongs_it(farm: FarmDriver) -> None:
    job = farm.submit([ASINS[0]])
    farm.release()
    lease = farm.leased(farm.task_ids(job)[0])
    before = farm.task(lease.task_id).leased_until
    assert leases.renew_lease(lease=lease, lease_s=90) == leases.Renewal(held=True, cancelled=False)
    after = farm.task(lease.task_id).leased_until
    assert before is not None
    assert after is not None
    assert after > before
    assert dispatch.reap_expired() == 0


def test_cancelling_ends_what_has_not_started_and_tells_what_runs(farm: FarmDriver) -> None:
    job = farm.submit()
    farm.release()
    running = farm.leased(farm.task_ids(job)[0])
    controlling.cancel_job(actor=permissions.system(), job_id=job.id)
    assert farm.claim(farm.task_ids(job)[1]) is None
    assert ending.end_open_tasks() == 4
    assert ending.finish_jobs() == 0
    assert leases.renew_lease(lease=running, lease_s=30).cancelled
    assert finish_task(lease=running, outcome=TaskOutcome(Code.CANCELLED))
    assert ending.finish_jobs() == 1
    ended = farm.job(job.id)
    assert (ended.state, ended.current_count, ended.cancelled_count) == (JobState.CANCELLED, 5, 5)


def test_a_retry_of_a_cancelled_job_does_not_go_back_into_the_queue(farm: FarmDriver) -> None:
    job = farm.submit([ASINS[0]])
    farm.release()
    running = farm.leased(farm.task_ids(job)[0])
    controlling.cancel_job(actor=permissions.system(), job_id=job.id)
    assert finish_task(lease=running, outcome=TaskOutcome(Code.NAV_TIMEOUT))
    assert farm.task(running.task_id).state == TaskState.CANCELLED


def test_a_job_that_is_cancelled_while_it_is_prepared_ends_with_whole_counts(farm: FarmDriver) -> None:
    job = submitting.submit_job(
        actor=permissions.system(), action=Action.VIEW_PRODUCT, storefront="shop", name="check", asins=ASINS
    )
    controlling.cancel_job(actor=permissions.system(), job_id=job.id)
    preparing.prepare_job(job_id=job.id)
    assert ending.finish_jobs() == 1
    ended = farm.job(job.id)
    assert (ended.state, ended.current_count, ended.cancelled_count, _count(Task)) == (JobState.CANCELLED, 5, 5, 0)


def test_preparing_twice_at_once_makes_every_task_once(farm: FarmDriver, in_threads: Threads, monkeypatch: Any) -> None:
    monkeypatch.setattr(preparing, "CHUNK", 2)
    job = submitting.submit_job(
        actor=permissions.system(), action=Action.VIEW_PRODUCT, storefront="shop", name="check", asins=ASINS
    )
    assert in_threads([lambda: preparing.prepare_job(job_id=job.id)] * 3) == [None] * 3
    seqs = list(db.session.scalars(select(Task.seq).order_by(Task.seq)))
    assert seqs == [1, 2, 3, 4, 5]
    assert farm.job(job.id).state == JobState.QUEUED


def test_what_has_not_run_by_the_deadline_is_skipped(farm: FarmDriver) -> None:
    job = farm.submit()
    db.session.execute(update(Job).values(deadline_at=utc_now() - timedelta(seconds=5)))
    db.session.commit()
    assert ending.end_open_tasks() == 5
    ending.finish_jobs()
    ended = farm.job(job.id)
    assert (ended.state, ended.skipped_count) == (JobState.COMPLETED_WITH_ERRORS, 5)
    assert farm.task(farm.task_ids(job)[0]).code == Code.DEADLINE


def test_a_rate_limit_pauses_the_whole_storefront_and_counts_no_attempt(farm: FarmDriver) -> None:
    job = farm.submit()
    farm.release()
    first, second, *_ = farm.task_ids(job)
    lease = farm.leased(first)
    assert finish_task(lease=lease, outcome=TaskOutcome(Code.RATE_LIMITED, retry_after_s=30))
    assert (farm.task(first).attempt_count, farm.task(first).rate_limited_count) == (0, 1)
    assert farm.claim(second) is None
    assert timedelta(seconds=25) < farm.task(second).not_before - utc_now() <= timedelta(seconds=30)
    assert farm.release() == 0


def test_a_message_that_redis_lost_is_sent_again_and_one_that_it_holds_is_not(farm: FarmDriver) -> None:
    job = farm.submit()
    farm.release()
    farm.farm = replace(farm.farm, batch_stale_s=0, interactive_stale_s=0)
    assert dispatch.release_again(farm=farm.farm) == 0
    doorbell().redis.flushdb()
    assert dispatch.release_again(farm=farm.farm) == 5
    first = farm.task_ids(job)[0]
    assert farm.task(first).release_no == 2
    assert doorbell().held([(BATCH, f"task-{first}-2")]) == [True]
    assert leases.claim_task(task_id=first, release_no=1, worker_id=None, lease_s=30) is None
    assert farm.claim(first) is not None


def test_tasks_go_on_of_a_job_that_was_given_a_later_deadline_after_the_dispatcher_looked(farm: FarmDriver) -> None:
    job = farm.submit([ASINS[0]])
    db.session.execute(update(Job).values(deadline_at=utc_now() - timedelta(seconds=5)))
    db.session.commit()
    later = utc_now() + timedelta(hours=1)
    controlling.change_job(actor=permissions.system(), job_id=job.id, expected_version=1, deadline_at=later)
    assert ending._end_chunk(job_id=job.id, code=Code.DEADLINE) == 0
    assert farm.task(farm.task_ids(job)[0]).state == TaskState.READY
    assert farm.job(job.id).current_count == 0
    assert farm.release() == 1


def test_what_the_dispatcher_saw_overdue_and_was_then_cancelled_ends_as_cancelled(farm: FarmDriver) -> None:
    job = farm.submit([ASINS[0]])
    db.session.execute(update(Job).values(deadline_at=utc_now() - timedelta(seconds=5)))
    db.session.commit()
    controlling.cancel_job(actor=permissions.system(), job_id=job.id)
    assert ending._end_chunk(job_id=job.id, code=Code.DEADLINE) == 0
    assert ending.end_open_tasks() == 1
    assert farm.task(farm.task_ids(job)[0]).state == TaskState.CANCELLED
    assert (farm.job(job.id).cancelled_count, farm.job(job.id).skipped_count) == (1, 0)


def test_two_jobs_that_see_the_same_change_at_once_tell_it_once(
    farm: FarmDriver, in_threads: Threads, monkeypatch: Any
) -> None:
    known = farm.submit([ASINS[0]])
    farm.release()
    _finish_all(farm, known)
    jobs = [farm.submit([ASINS[0]]) for _ in range(2)]
    farm.release()
    held = [farm.leased(farm.task_ids(job)[0]) for job in jobs]

    def write_slowly(*args: Any) -> None:
        """As the others see it when the database takes its time until the commit."""
        upsert(*args)
        time.sleep(0.5)

    monkeypatch.setattr(observing, "upsert", write_slowly)
    seen = TaskOutcome(None, reading=reading("11.00"))
    assert in_threads([partial(finish_task, lease=lease, outcome=seen) for lease in held]) == [True, True]
    assert (_count(Observation), _told()) == (3, 1)
