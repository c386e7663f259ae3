"""How a job of 100,000 tasks begins, how a second one fares beside it, and how fast both are paused and cancelled.

    python -m bench.farm_jobs --tasks 100000 --workers 8

Dispatcher and background worker are the real processes; workers are threads that claim a task, wait as long as a page
takes (--page) and record that it was seen: no browsers. Jobs come over the API, from its test client. Measured on
SQLite and on MariaDB that flushes every commit:

accepted       until POST /jobs has answered, by a list of ASINs and by a filter
first claim    from the beginning of the request until the first task runs
prepared       until all tasks exist
rate           tasks recorded a second, by all workers
beside         shares of what was recorded in --seconds: of the large job and of a second one on the same storefront (of
               the same priority, then of a high one), and of one on another storefront
pause, cancel  from the request until the last claim, and until the job is CANCELLED
check          what the question whether a task is cancelled costs, in milliseconds

Ends with 1 where a target is missed: accepted within 5 s, first claim within 7 s, nothing claimed 1 s after a pause.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import secrets
import statistics
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Final

import flask_migrate
from flask import Flask
from redis import Redis
from rich.console import Console
from rich.table import Table
from sqlalchemy import func, insert, select, text

from app import create_app
from app.auth.services.roles import restore_built_in
from app.core.extensions import db
from app.core.orm import table_of, utc_now
from app.core.permissions import system
from app.core.queues import BATCH
from app.products.models.products import Product
from app.rpa.models.jobs import Job, Task, TaskState
from app.rpa.queries.jobs import is_cancelled
from app.rpa.rules.job_moves import OPEN
from app.rpa.services import leases, storefronts
from app.rpa.services.outcomes import finish_task
from bench.stopping import unwind_on_signals
from tests.calls import add_person, token_of
from tests.rpa.conftest import SUCCESS, profile
from tests.servers import make_settings, mariadb_server, private_folder, redis_server
from tests.workers.farm import RunningFarm

ACCEPTED_S: Final = 5.0
FIRST_S: Final = 7.0
PAUSED_S: Final = 1.0
_MARIADB: Final = ("--innodb-flush-log-at-trx-commit=1", "--innodb-buffer-pool-size=512M", "--max-connections=100")
_CHUNK: Final = 5_000
_PATIENCE_S: Final = 180


class Workers:
    """Threads that do what workers do, but for the page."""

    def __init__(self, app: Flask, count: int, page_s: float) -> None:
        self.claims: list[tuple[float, int]] = []
        """When which job's task was claimed."""
        self.recorded: Counter[int] = Counter()
        self._app, self._page_s = app, page_s
        self._redis = Redis.from_url(app.extensions["settings"].redis_queue_url)
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(count)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        self._over.set()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(timeout=30)

    def _work(self) -> None:
        with self._app.app_context():
            me = leases.register_worker(name=secrets.token_hex(8), host="bench", pid=1)
            beaten = time.monotonic()
            while not self._over.is_set():
                if time.monotonic() - beaten > 5:
                    leases.heartbeat(worker_id=me)
                    beaten = time.monotonic()
                message = self._redis.blpop([f"rq:queue:{BATCH}"], timeout=1)
                if message is not None:
                    self._visit(message[1].decode(), me)

    def _visit(self, message: str, me: int) -> None:
        _, task_id, release_no = message.split("-")
        lease = leases.claim_task(task_id=int(task_id), release_no=int(release_no), worker_id=me, lease_s=60)
        if lease is None:
            return
        self.claims.append((time.monotonic(), lease.job_id))
        self._over.wait(self._page_s)
        if finish_task(lease=lease, outcome=SUCCESS):
            self.recorded[lease.job_id] += 1


class Bench:
    """One database with its farm."""

    def __init__(self, app: Flask, token: str, workers: Workers, count: int) -> None:
        self.app, self.workers, self.count = app, workers, count
        self._headers = {"Authorization": f"Bearer {token}"}
        self._client = app.test_client()

    def post(self, path: str, body: dict[str, Any] | None = None) -> tuple[dict[str, Any], float, float]:
        """The answer to a POST, when it was sent, and how long it took."""
        begun = time.monotonic()
        answer = self._client.post(f"/api/v1{path}", json=body, headers=self._headers)
        spent = time.monotonic() - begun
        if answer.status_code != 202:
            raise SystemExit(answer.text)
        found: dict[str, Any] = answer.get_json()
        return found, begun, spent

    def job(self, storefront: str, over: dict[str, Any], **more: Any) -> tuple[dict[str, Any], float, float]:
        return self.post("/jobs", {"action": "view-product", "storefront": storefront, "name": "bench", **over, **more})

    def wait(self, happened: Callable[[], Any], what: str) -> float:
        """Wait for something; returns the time of it."""
        until = time.monotonic() + _PATIENCE_S
        while time.monotonic() < until:
            if happened():
                return time.monotonic()
            time.sleep(0.02)
        raise SystemExit(f"waited {_PATIENCE_S} s for {what}")

    def value(self, column: Any, job: dict[str, Any]) -> Any:
        with self.app.app_context():
            return db.session.scalar(select(column).where(Job.id == job["id"]))

    def first_claim(self, job: dict[str, Any]) -> float:
        mine = lambda: next((at for at, job_id in list(self.workers.claims) if job_id == job["id"]), None)  # noqa: E731
        self.wait(mine, "the first claim")
        return mine() or 0.0

    def shares(self, seconds: float, *jobs: dict[str, Any]) -> str:
        before = self.workers.recorded.copy()
        time.sleep(seconds)
        return " : ".join(str(self.workers.recorded[job["id"]] - before[job["id"]]) for job in jobs)


def measure(bench: Bench, seconds: float) -> dict[str, Any]:
    """All that is measured on one database."""
    found: dict[str, Any] = {}
    asins = [asin_of(number) for number in range(bench.count)]
    listed, _, found["accepted, list"] = bench.job("a", {"asins": asins})
    bench.wait(lambda: bench.value(Job.prepared_count, listed) == bench.count, "tasks")
    _, begun, _ = bench.post(f"/jobs/{listed['id']}/cancel")
    bench.wait(lambda: bench.value(Job.state, listed) not in OPEN, "the cancelled job's end")
    found["cancelled, all"] = time.monotonic() - begun
    large, begun, found["accepted, filter"] = bench.job("a", {"products": {"brand": "Hearth"}})
    found["first claim"] = bench.first_claim(large) - begun
    found["prepared"] = bench.wait(lambda: bench.value(Job.prepared_count, large) == bench.count, "tasks") - begun
    before = bench.workers.recorded.total()
    time.sleep(seconds)
    found["rate"] = (bench.workers.recorded.total() - before) / seconds
    second, _, _ = bench.job("a", {"asins": asins[:20_000]})
    bench.first_claim(second)
    found["beside, same"] = bench.shares(seconds, large, second)
    high, _, _ = bench.job("a", {"asins": asins[:20_000]}, priority="high")
    bench.post(f"/jobs/{second['id']}/pause")
    bench.first_claim(high)
    found["beside, high"] = bench.shares(seconds, large, high)
    bench.post(f"/jobs/{high['id']}/pause")
    other, _, _ = bench.job("b", {"asins": asins[:20_000]})
    bench.first_claim(other)
    found["beside, other shop"] = bench.shares(seconds, large, other)
    _, begun, _ = bench.post(f"/jobs/{large['id']}/pause")
    time.sleep(3)
    last = max(at for at, job_id in bench.workers.claims if job_id == large["id"])
    found["pause"] = max(0.0, last - begun)
    found["check, ms"] = _check_ms(bench, large["id"])
    for job in (large, second, high, other):
        bench.post(f"/jobs/{job['id']}/cancel")
    bench.wait(lambda: all(bench.value(Job.state, job) == "CANCELLED" for job in (large, second)), "the end")
    _prove(bench)
    return found


def _check_ms(bench: Bench, job_id: int) -> float:
    spent = []
    for _ in range(300):
        begun = time.perf_counter()
        with bench.app.app_context():
            is_cancelled(job_id)
        spent.append(time.perf_counter() - begun)
    return statistics.median(spent) * 1000


def _prove(bench: Bench) -> None:
    """Every job counts what its tasks are, and what was recorded was recorded once."""
    with bench.app.app_context():
        done = select(Task.job_id, func.count()).where(Task.state == TaskState.SUCCEEDED).group_by(Task.job_id)
        counted = {row[0]: row[1] for row in db.session.execute(done)}
        for job in db.session.scalars(select(Job)):
            if not counted.get(job.id, 0) == job.succeeded_count == bench.workers.recorded[job.id]:
                raise SystemExit(f"job {job.id} counts {job.succeeded_count}, has {counted.get(job.id, 0)}")


@contextlib.contextmanager
def opened(kind: str, count: int, workers: int, page_s: float) -> Iterator[Bench]:
    """A farm on an empty database of this kind, with so many products and two storefronts."""
    with private_folder() as folder, redis_server(folder) as redis_url, contextlib.ExitStack() as stack:
        url = f"sqlite:///{folder / 'farm.db'}"
        if kind == "mariadb":
            url = stack.enter_context(mariadb_server(folder, options=_MARIADB))
        settings = make_settings(url, redis_url)
        app = create_app(settings)
        logging.disable(logging.WARNING)
        with app.app_context():
            flask_migrate.upgrade()
            restore_built_in(now=utc_now())
            fill(count)
            for code in ("a", "b"):
                document = profile(pace={"gap_ms": 0, "concurrency": 2 * workers})
                storefronts.create_storefront(actor=system(), now=utc_now(), code=code, name=code, profile=document)
            person = add_person(email="bench@example.org", role="admin")
        running = RunningFarm(app, settings, folder, 1)
        about = {"LEASE_S": "60", "LEASE_RENEW_S": "5", "BATCH_STALE_S": "30", "LEADER_S": "10"}
        crowd = Workers(app, workers, page_s)
        try:
            running.start("dispatcher", "workers.dispatcher", **about)
            running.start("background", "workers", "--background", **about)
            crowd.start()
            time.sleep(3)
            yield Bench(app, token_of(app, person), crowd, count)
        finally:
            crowd.end()
            running.stop()


def asin_of(number: int) -> str:
    """The ASIN of the product with this number."""
    return f"B{number:09d}"


def fill(count: int, **shown: Any) -> None:
    """Add so many products; ``shown`` are values that all of them have."""
    now = utc_now()
    common = {"name": "Kettle", "brand": "Hearth", "is_active": True, "description": "", "price_minor": 1000}
    common |= {"currency": "USD", "attributes": {}, "images": [], "categories": [], "version": 1}
    common |= {"created_at": now, "updated_at": now} | shown
    with db.engine.begin() as connection:
        for start in range(0, count, _CHUNK):
            numbers = range(start, min(start + _CHUNK, count))
            connection.execute(insert(table_of(Product)), [{**common, "asin": asin_of(number)} for number in numbers])
        connection.execute(text("ANALYZE" if connection.dialect.name == "sqlite" else "ANALYZE TABLE product"))


def main() -> int:
    """Measure and print; 1 where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=100_000)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--page", type=float, default=0.02, help="seconds that a page takes")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--databases", nargs="+", default=["sqlite", "mariadb"])
    chosen = parser.parse_args()
    unwind_on_signals()
    table = Table("", *chosen.databases, box=None)
    results = []
    for kind in chosen.databases:
        with opened(kind, chosen.tasks, chosen.workers, chosen.page) as bench:
            results.append(measure(bench, chosen.seconds))
    for name in results[0]:
        values = [result[name] for result in results]
        table.add_row(name, *(value if isinstance(value, str) else f"{value:.2f}" for value in values))
    Console().print(table)
    limits = {"accepted, list": ACCEPTED_S, "accepted, filter": ACCEPTED_S, "first claim": FIRST_S, "pause": PAUSED_S}
    return int(any(result[name] > limit for result in results for name, limit in limits.items()))


if __name__ == "__main__":
    sys.exit(main())
