"""The dispatcher's rounds: what fails in one step is no reason to leave the others out."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select, update

from app.config import Settings
from app.core import permissions
from app.core.extensions import db
from app.core.money import Money
from app.core.orm import database_now, utc_now
from app.core.queues import BACKGROUND, doorbell
from app.products.services.products import create_product
from app.rpa.models.jobs import Job, TaskState
from app.rpa.models.schedules import JobSchedule, JobScheduleRun, RunState
from app.rpa.models.storefronts import Storefront
from app.rpa.services.schedules import create_schedule
from tests.rpa.conftest import ASINS, FARM, FarmDriver, stock_master
from tests.servers import on_sqlite, private_folder
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
