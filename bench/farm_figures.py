"""How quickly the farm's figures are added up and answered, over many attempts.

    python -m bench.farm_figures --attempts 1000000 --days 730 --databases sqlite mariadb

Attempts over so many days, on five storefronts, of both kinds, by 50 workers, are written by SQL and added up. Then the
query functions are asked, without HTTP, --times each; shown are medians in milliseconds, and the load of the machine.

adding up      seconds for everything there was before, and milliseconds of the step that comes every 15 seconds
24 h, 30 d     throughput and summary by minute, hour and day; the targets are 5 ms
two years      by day and summary; the target is 20 ms
by worker      30 days, the 100 with the most tasks, with codes and percentiles of each; the target is 50 ms
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any, Final

import flask_migrate
from rich.console import Console
from rich.table import Table
from sqlalchemy import func, select

from app import create_app
from app.analytics.queries.farm_figures import find_groups, find_summary, find_throughput, find_times
from app.analytics.rules.farm_buckets import Grain, beginning
from app.analytics.rules.farm_figures import Which, Window
from app.analytics.services.farm_adding import add_up
from app.core.extensions import db
from app.core.many_rows import driver_instant, insert_rows
from app.core.orm import table_of, utc_now
from app.core.running import settings
from app.products.models.products import Product
from app.rpa.models.jobs import Action, Attempt, Job, Task
from app.rpa.rules.codes import RULES, Code
from bench.stopping import unwind_on_signals
from tests.analytics.farm_filling import Filler
from tests.rpa.conftest import stock_master
from tests.servers import make_settings, mariadb_server, private_folder, redis_server

_CHUNK: Final = 20_000
_OF_A_JOB: Final = 20_000
_WORKERS: Final = 50
_CODES: Final = (None,) * 16 + (Code.NOT_FOUND, Code.OUT_OF_STOCK, Code.NAV_TIMEOUT, Code.BLOCKED)
_TASK: Final = (
    "job_id", "seq", "storefront_id", "product_id", "asin", "state", "code", "not_before", "finished_at", "created_at",
    "updated_at", "release_no", "released_at", "worker_id", "attempt_count", "loss_count", "rate_limited_count",
)  # fmt: skip
_ATTEMPT: Final = (
    "task_id", "number", "lease_token", "worker_id", "started_at", "ended_at", "outcome", "code", "facts",
)  # fmt: skip


def fill(count: int, days: int) -> None:
    """Write tasks and an attempt of each, evenly over the days up to now."""
    stock_master()
    chance, now = random.Random(1), utc_now()
    product_id = db.session.scalar(select(Product.id).limit(1)) or 0
    filler = Filler(product_id, chance)
    shops, workers = filler.shops("one", "two", "three", "four", "five"), filler.workers(_WORKERS)
    shop_ids = [shop.id for shop in shops]
    step = timedelta(days=days) / count
    ends = [now - step * (count - at) for at in range(count)]
    for start in range(0, count, _OF_A_JOB):
        some = ends[start : start + _OF_A_JOB]
        shop, action = chance.choice(shop_ids), chance.choice(list(Action))
        job_id = filler.job(shop, begun=some[0] - timedelta(hours=1), action=action, ended=some[-1])
        for at in range(0, len(some), _CHUNK):
            write_tasks(job_id, shop, product_id, some[at : at + _CHUNK], workers, chance)
        total = select(func.count()).select_from(Task).where(Task.job_id == job_id)
        db.session.get_one(Job, job_id).total_count = db.session.scalar(total) or 0
        db.session.commit()


def write_tasks(
    job_id: int, shop: int, product_id: int, ends: list[datetime], workers: list[int], chance: random.Random
) -> None:
    """Write a task with one attempt for each end, done by any of the workers."""
    connection = db.session.connection()
    first = (db.session.scalar(select(func.max(Task.id))) or 0) + 1
    tasks, attempts = [], []
    for seq, end in enumerate(ends, start=1):
        code, spent, worker = chance.choice(_CODES), chance.lognormvariate(6.5, 0.7), chance.choice(workers)
        state = "SUCCEEDED" if code is None else str(RULES[code].ending)
        at, begun = driver_instant(connection, end), driver_instant(connection, end - timedelta(milliseconds=spent))
        tasks.append(
            (job_id, seq, shop, product_id, "B000000001", state, code, begun, at, begun, at, 1, begun, worker, 1, 0, 0)
        )
        facts = (
            f'{{"final_url": "http://shop.example/dp/1", "timings_ms": {{"context": {int(spent * 0.05)}, '
            f'"navigate": {int(spent * 0.7)}, "ready": {int(spent * 0.1)}, "extract": {int(spent * 0.1)}}}}}'
        )
        attempts.append((first + seq - 1, 1, f"{job_id}-{first + seq}", worker, begun, at, state, code, facts))
    insert_rows(connection, table_of(Task), _TASK, tasks)
    insert_rows(connection, table_of(Attempt), _ATTEMPT, attempts)
    db.session.commit()


def questions() -> dict[str, tuple[float | None, Callable[[], Any]]]:
    """What is asked, with its target in milliseconds."""
    now, zone = utc_now(), settings().timezone
    hours = beginning(Grain.HOUR, now - timedelta(hours=23), zone)
    midnight = beginning(Grain.DAY, now + timedelta(days=1), zone)

    def days(count: int) -> Window:
        return Window(beginning(Grain.DAY, now - timedelta(days=count - 1), zone), midnight, Grain.DAY)

    day = {grain: Window(hours, now, grain) for grain in (Grain.MINUTE, Grain.HOUR)}
    everything, shop = Which(), Which(storefront_id=1)
    return {
        "24 h by minute": (5, lambda: find_throughput(day[Grain.MINUTE], everything)),
        "24 h by hour": (5, lambda: find_throughput(day[Grain.HOUR], everything)),
        "24 h, summary": (5, lambda: find_summary(day[Grain.HOUR], everything)),
        "30 d by day": (5, lambda: find_throughput(days(30), everything)),
        "30 d, summary": (5, lambda: find_summary(days(30), everything)),
        "30 d of a storefront, summary": (None, lambda: find_summary(days(30), shop)),
        "30 d of a storefront, times by day": (None, lambda: find_times(days(30), shop)),
        "two years by day": (20, lambda: find_throughput(days(730), everything)),
        "two years, summary": (20, lambda: find_summary(days(730), everything)),
        "30 d by storefront": (None, lambda: find_groups(days(30), everything, "storefront")),
        "30 d by worker": (50, lambda: find_groups(days(30), everything, "worker")),
        "two years by worker": (None, lambda: find_groups(days(400), everything, "worker")),
    }


def measure(ask: Callable[[], Any], times: int) -> float:
    """The median of so many asks in milliseconds, each with a session of its own."""
    spent = []
    for _ in range(times):
        db.session.remove()
        began = time.perf_counter()
        ask()
        spent.append((time.perf_counter() - began) * 1000)
    return statistics.median(spent)


@contextlib.contextmanager
def _database(kind: str) -> Iterator[tuple[str, str]]:
    with private_folder() as folder, redis_server(folder) as redis:
        if kind == "sqlite":
            yield f"sqlite:///{folder}/farm.db", redis
        else:
            with mariadb_server(folder, options=("--innodb-buffer-pool-size=512M",)) as url:
                yield url, redis


def run(kind: str, count: int, days: int, times: int) -> bool:
    """Fill one database, and show what it takes; whether all targets were met."""
    console, is_met = Console(), True
    with _database(kind) as (url, redis), create_app(make_settings(url, redis)).app_context():
        flask_migrate.upgrade()
        began = time.perf_counter()
        fill(count, days)
        filled = time.perf_counter()
        while not add_up():
            pass
        table = Table(
            "", "ms", "target", title=f"{kind}, {count:,} attempts over {days} days, load {os.getloadavg()[0]:.1f}"
        )
        table.add_row("filling (s)", f"{filled - began:.1f}", "")
        table.add_row("adding up everything (s)", f"{time.perf_counter() - filled:.1f}", "")
        table.add_row("adding up the last minutes", f"{measure(add_up, 5):.1f}", "")
        for name, (target, ask) in questions().items():
            took = measure(ask, times)
            is_met = is_met and (target is None or took <= target)
            table.add_row(name, f"{took:.2f}", "" if target is None else f"{target:g}")
        console.print(table)
        db.session.remove()
        db.engine.dispose()
    return is_met


def main() -> int:
    """Run it; 1 where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--attempts", type=int, default=1_000_000)
    parser.add_argument("--days", type=int, default=730)
    parser.add_argument("--times", type=int, default=30)
    parser.add_argument("--databases", nargs="+", choices=("sqlite", "mariadb"), default=["sqlite"])
    arguments = parser.parse_args()
    unwind_on_signals()
    met = {kind: run(kind, arguments.attempts, arguments.days, arguments.times) for kind in arguments.databases}
    return int(not all(met.values()))


if __name__ == "__main__":
    sys.exit(main())
