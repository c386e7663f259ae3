"""The dispatcher's rounds: what fails in one step is no reason to leave the others out."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select, update

import workers.dispatcher
from app.config import Settings
from app.core import permissions
from app.core.extensions import db
from app.core.money import Money
from app.core.orm import database_now, utc_now
from app.core.queues import BACKGROUND, doorbell
from app.products.services.products import create_product
from app.rpa.models.jobs import Job, JobState, Task, TaskState
from app.rpa.models.schedules import JobSchedule, JobScheduleRun, RunState
from app.rpa.models.storefronts import Storefront
from app.rpa.services import ending, leases
from app.rpa.services.schedules import create_schedule
from tests.rpa.conftest import ASINS, FARM, FarmDriver, stock_master
from tests.servers import on_sqlite, private_folder
from tests.statements import statements
from tests.workers.farm import RunningFarm
from workers.dispatcher import Dispatcher


@on_sqlite
def test_a_step_that_fails_every_time_does_not_stop_the_others(context: Flask) -> None:
    price = Money.parse("10.00", "USD")
    for asin in ASINS[:2]:
        create_product(
            actor=permissions.system(), now=utc_now(), asin=asin, name="K", brand="B", description="", price=price
        )
    farm = FarmDriver(context)
    broken, sound = farm.storefront("broken"), farm.storefront("sound")
    job = farm.submit([ASINS[0]], storefront=broken.code)
    farm.release()
    farm.leased(farm.task_ids(job)[0], lease_s=-1)
    db.session.execute(update(Storefront).where(Storefront.id == broken.id).values(profile={}))
    db.session.commit()
    other = farm.submit([ASINS[1]], storefront=sound.code)
    doorbell().redis.flushall()
    dispatcher = Dispatcher(context, replace(FARM, batch_stale_s=0, interactive_stale_s=0))
    with pytest.raises(ExceptionGroup) as caught:
        dispatcher.turn()
    assert [type(error) for error in caught.value.exceptions] == [KeyError]
    assert farm.task(farm.task_ids(other)[0]).state == TaskState.QUEUED
    assert doorbell().queue(BACKGROUND).job_ids, "the schedule was not fired"


@pytest.mark.parametrize(
    ("change", "state"),
    [
        (lambda job: {"state": JobState.CANCELLING}, JobState.CANCELLED),
        (lambda job: {"deadline_at": job.created_at - timedelta(days=1)}, JobState.COMPLETED_WITH_ERRORS),
        (lambda job: {"state": JobState.PAUSED}, JobState.PAUSED),
        (lambda job: {"succeeded_count": 2, "current_count": 2}, JobState.COMPLETED),
    ],
    ids=["cancelled", "past its deadline", "paused", "through"],
)
def test_one_round_does_what_there_is_to_do_about_a_job(
    context: Flask, change: Callable[[Job], dict[str, Any]], state: JobState
) -> None:
    stock_master()
    farm = FarmDriver(context)
    farm.storefront()
    job = farm.submit(ASINS[:2])
    farm.release()
    assert {farm.task(id_).state for id_ in farm.task_ids(job)} == {TaskState.QUEUED}
    db.session.execute(update(Job).where(Job.id == job.id).values(**change(job)))
    db.session.commit()
    Dispatcher(context, FARM).turn()
    assert farm.job(job.id).state == state
    withdrawn = {farm.task(id_).state for id_ in farm.task_ids(job)} == {TaskState.READY}
    assert withdrawn == (state is JobState.PAUSED)


def test_a_round_leaves_a_job_alone_that_has_nothing_to_end(context: Flask) -> None:
    stock_master()
    farm = FarmDriver(context)
    farm.storefront()
    job = farm.submit(ASINS[:2])
    Dispatcher(context, FARM).turn()
    assert farm.job(job.id).state == JobState.RUNNING
    assert {farm.task(id_).state for id_ in farm.task_ids(job)} == {TaskState.QUEUED}
    assert ending.look_at_jobs() == ending.Look(open=True, over=False, out=False, through=False)


@on_sqlite
def test_a_turn_without_an_open_job_is_one_read(context: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    dispatcher = _patient_dispatcher(context, monkeypatch)
    assert dispatcher.turn()
    with statements() as sent:
        assert dispatcher.turn()
    assert len(sent) == 1, "\n".join(sent)


@on_sqlite
def test_a_turn_in_which_nothing_can_be_done_for_the_open_jobs_is_four_reads(
    context: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    stock_master()
    farm = FarmDriver(context)
    farm.storefront(pace={"gap_ms": 0, "concurrency": 1})
    job = farm.submit()
    dispatcher = _patient_dispatcher(context, monkeypatch)
    assert dispatcher.turn()
    (queued,) = db.session.scalars(select(Task.id).where(Task.state == TaskState.QUEUED))
    farm.leased(queued)
    for number in range(2):
        leases.register_worker(name=f"w{number}", host="here", pid=number)
    with statements() as sent:
        assert dispatcher.turn()
    assert len(sent) == 4, "\n".join(sent)
    assert all(one.startswith("SELECT") for one in sent)
    assert farm.job(job.id).state == JobState.RUNNING


def _patient_dispatcher(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Dispatcher:
    """One that does once what others do every second or every few, however slow the machine is."""
    monkeypatch.setattr(workers.dispatcher, "_SLOW_S", 3600)
    return Dispatcher(app, replace(FARM, leader_s=6000))


def test_two_dispatchers_that_both_lead_fire_every_schedule_once(context: Flask) -> None:
    ids = _due_schedules(context, 15)
    both = [Dispatcher(context, replace(FARM, leader_s=0)) for _ in range(2)]
    threads = [threading.Thread(target=dispatcher.run) for dispatcher in both]
    for thread in threads:
        thread.start()
    try:
        _wait_until(lambda: _job_count() == len(ids))
        time.sleep(1.5)  # another round of both
    finally:
        for dispatcher in both:
            dispatcher.stop()
        for thread in threads:
            thread.join(timeout=30)
    _assert_fired_once(ids)


def test_a_leader_that_is_killed_while_it_fires_schedules_loses_and_doubles_none(
    context: Flask, settings: Settings
) -> None:
    ids = _due_schedules(context, 40)
    with private_folder() as folder:
        farm = RunningFarm(context, settings, folder, market_port=1)
        try:
            leader = farm.start("first", "workers.dispatcher", LEADER_S="1")
            farm.until(_job_count, "the first job")
            farm.start("second", "workers.dispatcher", LEADER_S="1")
            leader.send_signal(signal.SIGKILL)
            farm.until(lambda: _job_count() == len(ids), "a job of each schedule")
        finally:
            farm.stop()
    _assert_fired_once(ids)


def _due_schedules(app: Flask, count: int) -> list[int]:
    """Hourly schedules that nobody has fired for two hours."""
    stock_master()
    FarmDriver(app).storefront()
    about = {"action": "view-product", "storefront": "shop", "name": "check", "asins": ASINS}
    ids = [
        create_schedule(actor=permissions.system(), name=f"{number}", wish=about, every_s=3600).id
        for number in range(count)
    ]
    due = database_now(db.session()) - timedelta(hours=2, minutes=1)
    db.session.execute(update(JobSchedule).values(next_at=due, starts_at=due))
    db.session.commit()
    return ids


def _assert_fired_once(ids: list[int]) -> None:
    db.session.rollback()
    noted = select(JobScheduleRun.schedule_id, JobScheduleRun.state)
    found = db.session.execute(noted.order_by(JobScheduleRun.schedule_id, JobScheduleRun.slot_at)).all()
    assert [tuple(row) for row in found] == [
        (id_, state) for id_ in ids for state in (RunState.MISSED, RunState.MISSED, RunState.STARTED)
    ]
    assert list(db.session.scalars(select(Job.schedule_id).order_by(Job.schedule_id))) == ids


def _job_count() -> int:
    db.session.rollback()
    return db.session.scalar(select(func.count(Job.id))) or 0


def _wait_until(happened: Callable[[], bool], *, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.05)
