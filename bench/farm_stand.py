"""A farm that can be measured: MariaDB, Redis and pages beside each other, and a pool that comes and goes."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import flask_migrate
import psutil
from flask import Flask
from redis import Redis
from sqlalchemy import select

from app import create_app
from app.auth.services.roles import restore_built_in
from app.core.extensions import db
from app.core.orm import database_now, utc_now
from app.core.permissions import system
from app.rpa.models.jobs import Action, Attempt, Job, JobState, TaskState
from app.rpa.services import controlling, storefronts, submitting
from bench.farm_jobs import asin_of, fill
from bench.processor_time import Meter, meter
from bench.shop_pages import SHOWN, document_for, served
from tests.servers import make_settings, mariadb_server, private_folder, redis_server
from tests.workers.farm import RunningFarm

SHOP: Final = "shop"
_MARIADB: Final = ("--innodb-flush-log-at-trx-commit=1", "--innodb-buffer-pool-size=512M", "--max-connections=100")
_AT_ONCE: Final = 8
_WARM: Final = 10
"""Tasks that are recorded before a measurement begins."""
_LONG_S: Final = 900
_ENVIRONMENT: Final = {
    "LEASE_S": "60",
    "LEASE_RENEW_S": "5",
    "LEADER_S": "10",
    "BATCH_STALE_S": "30",
    "INTERACTIVE_STALE_S": "2",
}
"""What a farm has by itself, where that of the tests has shorter times."""


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of time by the database's clock, and what it cost whom in processor seconds."""

    began_at: datetime
    ended_at: datetime
    spent: dict[str, float]

    @property
    def seconds(self) -> float:
        return (self.ended_at - self.began_at).total_seconds()

    def rate(self, ends: list[datetime]) -> float:
        """Tasks a second, of when those of the window ended: between the first and the last, so that no part counts."""
        if len(ends) < 2 or ends[0] == ends[-1]:
            raise SystemExit(f"{len(ends)} tasks in {self.seconds:.0f} s are too few for a rate: take more --seconds")
        return (len(ends) - 1) / (ends[-1] - ends[0]).total_seconds()


@dataclass(frozen=True, slots=True)
class Stand:
    """Everything but the farm's own processes; use it within the application's context."""

    app: Flask
    folder: Path
    port: int
    products: int
    servers: dict[str, psutil.Process]

    def server_seconds(self) -> dict[str, float]:
        """Processor seconds of MariaDB and Redis until now."""
        return {name: own_seconds(process) for name, process in self.servers.items()}

    @contextlib.contextmanager
    def farm(self, workers: int, *, lanes: int = 1) -> Iterator[Farm]:
        """Have a dispatcher, a background worker and a pool at work until the block ends.

        ``workers`` processes of so many ``lanes``.
        """
        running = RunningFarm(self.app, self.app.extensions["settings"], self.folder, self.port)
        more = _ENVIRONMENT | {"WORKER_COUNT": str(workers), "CONTEXTS_PER_BROWSER": str(lanes)}
        with meter("pool") as pool, meter("background") as background:
            try:
                dispatcher = psutil.Process(running.start("dispatcher", "workers.dispatcher", **more).pid)
                background.adopt(running.start("background", "workers", "--background", **more).pid)
                pool.adopt(running.start("pool", "workers", **more).pid)
                running.until(lambda: len(running.workers()) == workers * lanes, f"{workers} workers", seconds=180)
                mine = [psutil.Process(pid) for pid in {row.pid for row in running.workers()}]
                yield Farm(self, running, dispatcher, mine, pool, background)
            finally:
                running.stop()


@dataclass(frozen=True, slots=True)
class Farm:
    """A farm at work."""

    stand: Stand
    running: RunningFarm
    dispatcher: psutil.Process
    workers: list[psutil.Process]
    pool: Meter
    background: Meter

    def submit(self, asins: list[str]) -> Job:
        """Submit a job; waits until its tasks exist and the first of them are recorded."""
        job = submitting.submit_job(
            actor=system(), action=Action.VIEW_PRODUCT, storefront=SHOP, name="bench", asins=asins
        )
        prepared = select(Job.prepared_count).where(Job.id == job.id)
        self.running.until(lambda: db.session.scalar(prepared) == len(asins), "the tasks", seconds=_LONG_S)
        self.warm(job)
        return job

    def warm(self, job: Job) -> None:
        """Wait until some more tasks of a job are recorded."""
        done = select(Job.succeeded_count).where(Job.id == job.id)
        wanted = (db.session.scalar(done) or 0) + _WARM
        self.running.until(lambda: (db.session.scalar(done) or 0) >= wanted, "the first tasks", seconds=180)

    def measure(self, seconds: float) -> Window:
        """Let it work for so long."""
        before, began_at = self._spent(), clock()
        time.sleep(seconds)
        spent, ended_at = self._spent(), clock()
        return Window(began_at, ended_at, {name: spent[name] - before[name] for name in spent})

    def cancel(self, job: Job) -> None:
        """End a job that has more tasks than could be done."""
        if db.session.scalar(select(Job.state).where(Job.id == job.id)) == JobState.COMPLETED:
            raise SystemExit("the job ended within the measurement: it needs more tasks")
        controlling.cancel_job(actor=system(), job_id=job.id)
        self.running.finished(job, seconds=_LONG_S)

    def _spent(self) -> dict[str, float]:
        own = sum(own_seconds(worker) for worker in self.workers)
        return {
            "browsers": self.pool.seconds() - own,
            "workers": own,
            "dispatcher": own_seconds(self.dispatcher),
            "background": self.background.seconds(),
        } | self.stand.server_seconds()


def own_seconds(process: psutil.Process) -> float:
    """Processor seconds of a process without its children; raises SystemExit where it is gone."""
    try:
        return sum(process.cpu_times()[:2])
    except psutil.NoSuchProcess:
        raise SystemExit(f"process {process.pid} died while it was measured") from None


def clock() -> datetime:
    """The database's."""
    now = database_now(db.session())
    db.session.rollback()
    return now


def ends_of(window: Window, *, job: Job) -> list[datetime]:
    """When tasks of a job were recorded; raises SystemExit where one was not read as it should."""
    rows = db.session.execute(
        select(Attempt.ended_at, Attempt.outcome, Attempt.code, Attempt.detail)
        .where(Attempt.ended_at >= window.began_at, Attempt.ended_at < window.ended_at)
        .order_by(Attempt.ended_at)
    ).all()
    db.session.rollback()
    for row in rows:
        if row.outcome != TaskState.SUCCEEDED:
            raise SystemExit(f"a task of job {job.id} was not read: {row.outcome} {row.code} {row.detail}")
    return [row.ended_at for row in rows]


@contextlib.contextmanager
def opened(products: int, *, latency_s: float = 0.0) -> Iterator[Stand]:
    """An empty farm on a MariaDB of its own that flushes every commit, with a storefront that shows the pages."""
    with (
        private_folder() as folder,
        served(latency_s) as port,
        redis_server(folder) as redis_url,
        mariadb_server(folder, options=_MARIADB, stop_signal="KILL") as url,
    ):
        app = create_app(make_settings(url, redis_url, private_targets=frozenset({("127.0.0.1", port)})))
        logging.disable(logging.WARNING)
        with app.app_context():
            flask_migrate.upgrade()
            restore_built_in(now=utc_now())
            fill(products, **SHOWN)
            document: dict[str, Any] = document_for(port) | {"pace": {"gap_ms": 0, "concurrency": _AT_ONCE}}
            storefronts.create_storefront(actor=system(), now=utc_now(), code=SHOP, name=SHOP, profile=document)
            server: Any = Redis.from_url(app.extensions["settings"].redis_queue_url).info("server")
            pids = {
                "MariaDB": int((folder / "mariadb" / "mariadbd.pid").read_text()),
                "Redis": int(server["process_id"]),
            }
            yield Stand(app, folder, port, products, {name: psutil.Process(pid) for name, pid in pids.items()})


def asins(count: int) -> list[str]:
    """Those of the first products."""
    return [asin_of(number) for number in range(count)]
