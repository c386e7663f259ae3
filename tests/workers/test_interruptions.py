"""What a worker does when it is asked to stop, and when its database or Redis is away, in the middle of a task."""

from __future__ import annotations

import dataclasses
import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import pytest
from flask import Flask
from redis import Redis
from sqlalchemy import select

from app import create_base
from app.config import Settings
from app.core import permissions
from app.core.extensions import db
from app.core.money import Money
from app.core.orm import utc_now
from app.products.services.products import create_product
from app.rpa.models.jobs import Action, Attempt, Job, Task, TaskState
from app.rpa.services import storefronts, submitting
from tests.servers import on_sqlite, private_folder, redis_server
from tests.workers.allowing import allowed
from tests.workers.farm import RunningFarm, name_of
from tests.workers.shop import Shop

HANGS, PLAIN = "HANG000001", "PLAIN00001"
PAGE_LOAD_S = 5
AWAY_S = 3


@pytest.fixture
def own_redis() -> Iterator[str]:
    """A Redis that the test may stop."""
    with private_folder() as folder, redis_server(folder) as url:
        yield url


@pytest.fixture
def farm(context: Flask, settings: Settings, own_redis: str, shop: Shop) -> Iterator[RunningFarm]:
    """A farm with a storefront of two products, one of which hangs, and no retry."""
    settings = dataclasses.replace(settings, redis_queue_url=f"{own_redis}?db=0")
    with private_folder() as folder, _farm(context, settings, folder, shop) as running:
        yield running


@contextmanager
def _farm(context: Flask, settings: Settings, folder: Path, shop: Shop) -> Iterator[RunningFarm]:
    with create_base(settings).app_context():
        _stock(HANGS)
        _stock(PLAIN)
        document = shop.document(
            timeouts={"page_load_s": PAGE_LOAD_S}, retry={"attempts": 1}, pace={"gap_ms": 0, "concurrency": 2}
        )
        with allowed(shop.port):
            storefronts.create_storefront(
                actor=permissions.system(), now=utc_now(), code="shop", name="Shop", profile=document
            )
        running = RunningFarm(context, settings, folder, shop.port)
        try:
            yield running
        finally:
            running.stop()
            left = running.alive()
            for process in left:
                process.kill()
        assert left == [], running.last_words()


def _stock(asin: str) -> None:
    price = Money.parse("24.99", "USD")
    create_product(
        actor=permissions.system(), now=utc_now(), asin=asin, name="Kettle", brand="B", description="", price=price
    )


def _submit(asin: str) -> Job:
    return submitting.submit_job(
        actor=permissions.system(), action=Action.VIEW_PRODUCT, storefront="shop", name="check", asins=[asin]
    )


def _busy_worker(farm: RunningFarm, job: Job) -> int:
    """The process that runs the job's task, once it runs."""
    state = select(Task.state).where(Task.job_id == job.id)
    farm.until(lambda: db.session.scalar(state) == TaskState.LEASED, "the task to run")
    mine = db.session.scalars(select(Task.worker_id).where(Task.job_id == job.id)).one()
    return next(worker.pid for worker in farm.workers() if worker.id == mine)


def _codes(job: Job) -> list[str | None]:
    """How the attempts of a job's task ended."""
    db.session.rollback()
    return list(db.session.scalars(select(Attempt.code).join(Task).where(Task.job_id == job.id).order_by(Attempt.id)))


@on_sqlite
def test_asked_to_stop_again_and_again_a_worker_still_finishes_its_task(farm: RunningFarm) -> None:
    farm.start_all()
    job = _submit(HANGS)
    pid = _busy_worker(farm, job)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGTERM):
        os.kill(pid, number)
        time.sleep(1.2)
    farm.finished(job)
    assert _codes(job) == ["NAV_TIMEOUT"]


@on_sqlite
def test_a_stop_while_redis_is_away_does_not_break_the_task_off(farm: RunningFarm) -> None:
    farm.start_all()
    job = _submit(HANGS)
    pid = _busy_worker(farm, job)
    Redis.from_url(farm.settings.redis_queue_url).shutdown(nosave=True)
    os.kill(pid, signal.SIGTERM)
    farm.finished(job)
    assert _codes(job) == ["NAV_TIMEOUT"]


@on_sqlite
def test_workers_and_their_browsers_outlive_a_redis_that_was_killed_and_came_back_empty(
    context: Flask, settings: Settings, shop: Shop
) -> None:
    with private_folder() as folder, private_folder() as data, ExitStack() as running:
        url = running.enter_context(redis_server(data))
        settings = dataclasses.replace(settings, redis_queue_url=f"{url}?db=0")
        with _farm(context, settings, folder, shop) as farm:
            farm.start_all()
            assert farm.finished(_submit(PLAIN)).succeeded_count == 1
            pids, warm = {worker.pid for worker in farm.workers()}, _warm(farm)
            held = _submit(HANGS)
            _busy_worker(farm, held)
            running.close()  # while one worker waits and one is busy, and it stays away until that one waits, too
            log = folder / "pool.log"
            farm.until(lambda: "could not connect to Redis" in log.read_text(), "the idle worker to notice")
            farm.finished(held)
            time.sleep(AWAY_S)
            running.enter_context(redis_server(data))
            for _ in range(2):
                assert farm.finished(_submit(PLAIN)).succeeded_count == 1, farm.last_words()
            assert {worker.pid for worker in farm.workers()} == pids, farm.last_words()
            assert warm, "no browser stayed warm"
            assert warm <= _warm(farm), farm.last_words()
            assert "Traceback" not in log.read_text()


def _warm(farm: RunningFarm) -> set[tuple[int, int]]:
    """Each warm browser: whose it is, and its driver's process."""
    return {
        (worker.pid, process.pid)
        for worker in farm.workers()
        for process in psutil.Process(worker.pid).children(recursive=True)
        if name_of(process) == "chromedriver"
    }


@on_sqlite
def test_what_a_killed_worker_left_on_disk_is_gone_when_the_next_one_works(farm: RunningFarm) -> None:
    farm.start_all()
    job = _submit(HANGS)
    pid = _busy_worker(farm, job)
    root = next(farm.folder.rglob("cartwright-browsers-*"))
    farm.until(lambda: _slots_of(root, pid), "the browser's folder")
    os.kill(pid, signal.SIGKILL)
    farm.until(lambda: pid not in [worker.pid for worker in farm.workers()], "the worker's end")
    farm.until(lambda: len(farm.workers()) == 2, "another worker")
    farm.until(lambda: not _slots_of(root, pid), "the folder to go", seconds=5)


@on_sqlite
def test_a_result_is_not_lost_while_the_database_refuses_it_for_a_moment(farm: RunningFarm) -> None:
    farm.start("dispatcher", "workers.dispatcher")
    farm.start("background", "workers", "--background")
    farm.start("pool", "workers", LEASE_S="120")
    farm.until(lambda: len(farm.workers()) == 2, "two workers")
    _run_sql("ALTER TABLE observation RENAME TO hidden")
    try:
        job = _submit(PLAIN)
        _busy_worker(farm, job)
        farm.until(lambda: "again" in farm.last_words(), "the refusal", seconds=90)
    finally:
        _run_sql("ALTER TABLE hidden RENAME TO observation")
    ended = farm.finished(job)
    assert (ended.succeeded_count, _codes(job)) == (1, [None]), farm.last_words()


@on_sqlite
def test_a_result_that_can_never_be_recorded_ends_its_task_as_our_own_error(farm: RunningFarm) -> None:
    _run_sql("CREATE TRIGGER refuse BEFORE INSERT ON observation BEGIN SELECT RAISE(ABORT, 'never'); END")
    try:
        farm.start_all()
        job = _submit(PLAIN)
        ended = farm.finished(job)
        assert (ended.failed_count, _codes(job)) == (1, ["INTERNAL"]), farm.last_words()
    finally:
        _run_sql("DROP TRIGGER refuse")


def _run_sql(statement: str) -> None:
    db.session.rollback()
    with db.engine.begin() as connection:
        connection.exec_driver_sql(statement)


def _slots_of(root: Path, pid: int) -> list[Path]:
    """The folders of the browsers that a process started."""
    return [lock.parent for lock in root.glob("slot-*/lock") if lock.read_text() == f"{pid}\n"]
