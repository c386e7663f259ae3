"""The usual farm: ``rq worker`` as it comes, with a job that starts its own Chrome."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from redis import Redis
from rq import Queue
from sqlalchemy import text

from app.core.extensions import db
from bench.browser_loop import DRIVER, FULL
from bench.farm_stand import Stand, Window, asins, clock
from bench.processor_time import Meter, meter
from bench.rivals.naive_job import TABLE

_ROOT: Final = Path(__file__).resolve().parent.parent
_QUEUE: Final = "naive"
_JOBS: Final = 2000
_PATIENCE_S: Final = 120
_SEEN: Final = "SELECT seen_at FROM naive_product WHERE seen_at >= :since ORDER BY seen_at"


def measure_naive(stand: Stand, workers: int, seconds: float) -> tuple[float, dict[str, float]]:
    """Tasks a second, and the processor seconds of everybody within ``seconds``; workers count with their browsers."""
    redis_url = f"unix://{stand.folder / 'redis.sock'}?db=2"
    with Redis.from_url(redis_url) as redis:
        _submit(stand, Queue(_QUEUE, connection=redis))
        with meter("naive") as group, _running(stand, redis_url, workers, group):
            _wait_for(workers, clock())
            before, began_at = _spent(stand, group), clock()
            time.sleep(seconds)
            spent, ended_at = _spent(stand, group), clock()
        redis.flushdb()
    window = Window(began_at, ended_at, {name: spent[name] - before[name] for name in spent})
    return window.rate([at for at in _seen(began_at) if at < ended_at]), window.spent


def _submit(stand: Stand, queue: Queue) -> None:
    wanted = asins(min(_JOBS, stand.products))
    with db.engine.begin() as connection:
        connection.execute(text("DROP TABLE IF EXISTS naive_product"))
        connection.execute(text(TABLE))
        connection.execute(text("INSERT INTO naive_product (asin) VALUES (:asin)"), [{"asin": asin} for asin in wanted])
    address, more = f"http://127.0.0.1:{stand.port}/p/", (FULL, DRIVER, str(stand.folder / "mariadb.sock"))
    job = "bench.rivals.naive_job.view_product"
    queue.enqueue_many([Queue.prepare_data(job, args=(address + asin, asin, *more)) for asin in wanted])


@contextmanager
def _running(stand: Stand, redis_url: str, workers: int, group: Meter) -> Iterator[None]:
    """Have so many workers at work; they and their browsers are killed when the block ends."""
    command = [sys.executable, "-m", "rq.cli", "worker", "--quiet", "--url", redis_url, _QUEUE]
    with tempfile.TemporaryDirectory(prefix="naive-", dir=stand.folder) as scratch, ExitStack() as stack:
        log = stack.enter_context(open(stand.folder / "naive.log", "ab"))
        try:
            for _ in range(workers):
                stack.enter_context(
                    subprocess.Popen(
                        group.inside(command), cwd=_ROOT, env=os.environ | {"TMPDIR": scratch}, stdout=log, stderr=log
                    )
                )
            yield
        finally:
            while group.pids():
                group.kill()
                time.sleep(0.1)


def _wait_for(count: int, since: datetime) -> None:
    """Wait until so many products were seen."""
    deadline = time.monotonic() + _PATIENCE_S
    while len(_seen(since)) < count:
        if time.monotonic() > deadline:
            raise SystemExit(f"rq worker did no {count} jobs within {_PATIENCE_S} s")
        time.sleep(0.2)


def _seen(since: datetime) -> list[datetime]:
    """When products were seen since then."""
    rows = db.session.scalars(text(_SEEN), {"since": since.replace(tzinfo=None)}).all()
    db.session.rollback()
    return [row.replace(tzinfo=UTC) for row in rows]


def _spent(stand: Stand, group: Meter) -> dict[str, float]:
    return {"browsers": group.seconds()} | stand.server_seconds()
