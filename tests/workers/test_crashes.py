"""What a farm of real processes survives in the middle of a job: every task ends once, and nothing is left behind.

Everything is tried once in ``make test``, on MariaDB, with short leases and outages; ``make faults`` tries it on every
database, with outages as long as in real life.
"""

from __future__ import annotations

import dataclasses
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final

import flask_migrate
import psutil
import pytest
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError

from app import create_base
from app.config import Settings
from app.core.extensions import db
from app.core.queues import BATCH, doorbell
from app.core.transactions import in_transaction
from app.products.models.products import Product
from app.rpa.models.jobs import Attempt, Job, JobState, Task, TaskState
from demo.market import Catalogue
from tests.faults.sizes import FULL
from tests.servers import make_settings, mariadb_server, private_folder, redis_server
from tests.workers.farm import RunningFarm
from tests.workers.market import assert_exactly_once, ended_tasks, open_market, stock_master, submit

PRODUCTS: Final = 60 if FULL else 20
REDIS_AWAY_S: Final = 20.0 if FULL else 3.0
DATABASE_AWAY_S: Final = 30.0 if FULL else 4.0
STOPPED_S: Final = 8.0
"""Longer than a lease of the tests' farms and its check."""
ENDS_S: Final = 240.0
SLOW: Final = {"gap_ms": 200, "concurrency": 8}
"""So that the job is under way for some seconds after the first tasks have ended."""
QUICK: Final = {"attempts": 4, "losses": 4, "backoff_s": [0.2]}
on_databases = pytest.mark.parametrize(
    "database", ["sqlite", "mariadb", "postgresql"] if FULL else ["mariadb"], indirect=True
)


class RedisOfTheTest:
    """A Redis without persistence that can be killed and started again at the same place."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running = ExitStack()
        self.url = self._running.enter_context(redis_server(folder))

    def away(self, seconds: float) -> None:
        """Kill it, and start an empty one after so many seconds."""
        self._running.close()
        time.sleep(seconds)
        self._running.enter_context(redis_server(self._folder))

    def close(self) -> None:
        """End it."""
        self._running.close()


@pytest.fixture
def own_redis() -> Iterator[RedisOfTheTest]:
    with private_folder() as folder:
        server = RedisOfTheTest(folder)
        yield server
        server.close()


@pytest.fixture
def farm(context: Flask, settings: Settings, own_redis: RedisOfTheTest, market_port: int) -> Iterator[RunningFarm]:
    settings = dataclasses.replace(settings, redis_queue_url=f"{own_redis.url}?db=0")
    with private_folder() as folder, create_base(settings).app_context():
        yield from _farm(context, settings, folder, market_port)


def _farm(app: Flask, settings: Settings, folder: Path, market_port: int) -> Iterator[RunningFarm]:
    running = RunningFarm(app, settings, folder, market_port)
    yield running
    running.stop()
    left = running.alive()
    for process in left:
        process.kill()
    assert left == [], running.last_words()


def _begin(farm: RunningFarm, catalogue: Catalogue, *, renamed: int = 0) -> Job:
    """A job that is under way; of so many products it will find that their name has changed."""
    asins = stock_master(catalogue, PRODUCTS)
    _rename(asins[-renamed:] if renamed else [])
    open_market(farm.market_port, retry=QUICK, pace=SLOW)
    farm.start_all(LEASE_S="3")
    job = submit(asins)
    farm.until(lambda: ended_tasks(job) >= 3, "the job to run", seconds=ENDS_S)
    return job


@in_transaction
def _rename(asins: list[str]) -> None:
    for product in db.session.scalars(select(Product).where(Product.asin.in_(asins))):
        product.name = "As it was called"


def _assert_survived(farm: RunningFarm, job: Job) -> None:
    """The job ends with every task seen once, and the farm leaves no process and no folder."""
    ended = farm.finished(job, seconds=ENDS_S)
    assert (ended.state, ended.succeeded_count) == (JobState.COMPLETED, PRODUCTS), farm.last_words()
    assert_exactly_once(ended)
    farm.stop()
    assert farm.browsers() == []
    assert [str(path) for path in (farm.folder / "tmp").glob("cartwright-browsers-*/slot-*")] == []


def _busy_worker(farm: RunningFarm) -> psutil.Process:
    """A worker that has a task."""
    found: list[int] = []

    def look() -> bool:
        ids = set(db.session.scalars(select(Task.worker_id).where(Task.state == TaskState.LEASED)))
        found[:] = [worker.pid for worker in farm.workers() if worker.id in ids]
        return bool(found)

    farm.until(look, "a busy worker")
    return psutil.Process(found[0])


def _browser_process(farm: RunningFarm, what: Callable[[psutil.Process], bool]) -> psutil.Process:
    """A process of a browser; renderers live for a fraction of a second."""
    workers = [psutil.Process(worker.pid) for worker in farm.workers()]
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for worker in workers:
            for process in worker.children(recursive=True):
                if _is(process, what):
                    return process
    raise AssertionError(f"no such process of a browser\n{farm.last_words()}")


def _is(process: psutil.Process, what: Callable[[psutil.Process], bool]) -> bool:
    try:
        return what(process)
    except psutil.Error:
        return False


def _is_main(process: psutil.Process) -> bool:
    arguments = process.cmdline()
    return "chromedriver" not in process.name() and not any(word.startswith("--type=") for word in arguments)


def kill_worker(farm: RunningFarm, _redis: RedisOfTheTest) -> None:
    _busy_worker(farm).kill()


def kill_parent(farm: RunningFarm, _redis: RedisOfTheTest) -> None:
    pool = farm.processes.pop("pool")
    pool.kill()
    pool.wait(timeout=10)
    farm.until(lambda: not farm.browsers(), "the browsers to end")
    farm.start("pool", "workers")


def kill_driver(farm: RunningFarm, _redis: RedisOfTheTest) -> None:
    _browser_process(farm, lambda process: process.name() == "chromedriver").kill()


def kill_chrome(farm: RunningFarm, _redis: RedisOfTheTest) -> None:
    _browser_process(farm, _is_main).kill()


def kill_renderer(farm: RunningFarm, _redis: RedisOfTheTest) -> None:
    killed = False
    while not killed:  # it may have ended since it was found
        with suppress(psutil.Error):
            _browser_process(farm, lambda process: "--type=renderer" in process.cmdline()).kill()
            killed = True


def stop_worker_past_its_lease(farm: RunningFarm, _redis: RedisOfTheTest) -> None:
    worker = _busy_worker(farm)
    worker.suspend()
    time.sleep(STOPPED_S)
    worker.resume()


def take_redis_away(_farm: RunningFarm, redis: RedisOfTheTest) -> None:
    redis.away(REDIS_AWAY_S)


def flush_redis(_farm: RunningFarm, _redis: RedisOfTheTest) -> None:
    doorbell().redis.flushall()


def kill_the_leader(farm: RunningFarm, _redis: RedisOfTheTest) -> None:
    farm.start("second dispatcher", "workers.dispatcher")
    first = farm.processes.pop("dispatcher")
    first.kill()
    first.wait(timeout=10)


def stop_workers(farm: RunningFarm, _redis: RedisOfTheTest) -> None:
    farm.processes["pool"].send_signal(signal.SIGTERM)
    assert farm.processes["pool"].wait(timeout=60) == 0
    assert farm.browsers() == []
    db.session.rollback()
    assert db.session.scalar(select(func.count()).where(Task.state == TaskState.LEASED)) == 0
    assert db.session.scalar(select(func.count()).where(Attempt.code == "WORKER_LOST")) == 0
    farm.start("pool", "workers")


def hand_every_message_out_twice(farm: RunningFarm, _redis: RedisOfTheTest) -> None:
    rows = select(Task.id, Task.release_no).where(Task.state.in_([TaskState.QUEUED, TaskState.LEASED]))
    copies: list[tuple[str, tuple[int | str, ...]]] = []

    def look() -> bool:
        copies[:] = [(f"copy-{task}-{number}", (task, number)) for task, number in db.session.execute(rows)]
        return bool(copies)

    farm.until(look, "tasks under way")
    assert doorbell().ring(BATCH, "run_task", copies)


CRASHES: Final = (
    kill_worker,
    kill_parent,
    kill_driver,
    kill_chrome,
    kill_renderer,
    stop_worker_past_its_lease,
    take_redis_away,
    flush_redis,
    kill_the_leader,
    stop_workers,
    hand_every_message_out_twice,
)


@pytest.mark.timeout(900)
@on_databases
@pytest.mark.parametrize("crash", CRASHES, ids=lambda crash: crash.__name__)
def test_a_job_ends_with_every_task_seen_once(
    farm: RunningFarm,
    own_redis: RedisOfTheTest,
    catalogue: Catalogue,
    crash: Callable[[RunningFarm, RedisOfTheTest], None],
) -> None:
    job = _begin(farm, catalogue)
    crash(farm, own_redis)
    _assert_survived(farm, job)


@pytest.mark.timeout(900)
def test_a_job_survives_its_database_being_away(
    own_redis: RedisOfTheTest, catalogue: Catalogue, market_port: int
) -> None:
    with private_folder() as folder, private_folder() as data, ExitStack() as running:
        url = running.enter_context(mariadb_server(data, stop_signal="TERM"))
        settings = make_settings(url, own_redis.url)
        app = create_base(settings)
        with app.app_context():
            flask_migrate.upgrade()
            for farm in _farm(app, settings, folder, market_port):
                job = _begin(farm, catalogue)
                db.session.rollback()
                db.engine.dispose()
                running.close()
                with pytest.raises(OperationalError):
                    ended_tasks(job)
                db.session.rollback()
                time.sleep(DATABASE_AWAY_S)
                running.enter_context(mariadb_server(data, stop_signal="TERM"))
                _assert_survived(farm, job)
            db.session.remove()
            db.engine.dispose()


@pytest.mark.timeout(900)
@on_databases
def test_a_store_that_takes_nothing_costs_pictures_and_no_task(
    farm: RunningFarm, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a full disk does to a keeper is in ``test_evidence``; here a file is where a folder should be."""
    store = farm.folder / "store"
    store.mkdir()
    (store / "evidence").write_text("in the way")
    monkeypatch.setenv("EVIDENCE_URL", f"file://{store}")
    job = _begin(farm, catalogue, renamed=3)
    _assert_survived(farm, job)
    notes = [str(facts) for facts in db.session.scalars(select(Attempt.facts).join(Task).where(Task.job_id == job.id))]
    assert len([note for note in notes if "could not be kept" in note]) >= 3
    assert (store / "evidence").read_text() == "in the way"
