"""How long the server takes for the dashboard and the pages of figures, over a million sales and a million tasks.

    python -m bench.dashboard --databases mariadb sqlite
    python -m bench.dashboard --sales 100000 --tasks 100000 --rounds 10

One database has it all: 5,000 products with facts of two years (bench.analytics), tasks of two years on five
storefronts (bench.farm_figures), so many tasks that ended within the last hour, of a job that is still open, and
prices of these storefronts. An admin asks for each page, then for each of its charts, in this process and without a
network; shown are medians in milliseconds, with the processor time of this process. *Cold* is the dashboard for
whoever comes first in a second, so that all its figures are read; others are shown what was read for that one.
Ends with 1 where a page takes more than 150 ms.
"""

from __future__ import annotations

import argparse
import random
import re
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from html import unescape
from pathlib import Path
from typing import Any, Final

import flask_migrate
from flask import Flask
from sqlalchemy import select

from app import create_app
from app.analytics.services.farm_adding import add_up
from app.analytics.services.price_comparing import compare_prices
from app.config import Files
from app.core.cache import cache
from app.core.extensions import db
from app.core.orm import utc_now
from app.orders.services.sales import day_of
from app.products.models.products import Product
from app.rpa.models.storefronts import Storefront
from app.rpa.models.workers import Worker
from bench import analytics, farm_figures, prices
from bench.stopping import unwind_on_signals
from tests.analytics.farm_filling import Filler
from tests.auth.people import new_person
from tests.browsing import Visitor
from tests.servers import make_settings, private_folder, redis_server

MOST_MS: Final = 150
_DAYS: Final = 730
_LAST_HOUR: Final = 36_000
"""Ten tasks a second, as a farm of some machines does them."""
_SHOPS: Final = 5
_SNAPSHOT: Final = ("dashboard:claim", "dashboard:snapshot")
PAGES: Final = (
    "/admin", "/admin/sales", "/admin/sales?days=365", "/admin/sales?brand=Brand+3", "/admin/farm",
    "/admin/farm?days=365", "/admin/stock", "/admin/prices",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Taken:
    """Medians of asking for one address, in milliseconds."""

    wall_ms: float
    own_ms: float
    kb: float


def fill(sales: int, tasks: int) -> None:
    """Fill an empty database that has its tables."""
    now = utc_now()
    analytics.fill(sales, today=day_of(now))
    product_id = db.session.scalars(select(Product.id).order_by(Product.id)).first() or 0
    db.session.rollback()
    farm_figures.fill(tasks, _DAYS)
    _add_last_hour(product_id, min(tasks, _LAST_HOUR))
    while not add_up():
        pass
    for shop_id in db.session.scalars(select(Storefront.id)).all():
        db.session.rollback()
        prices.show(shop_id, range(product_id, product_id + analytics.PRODUCTS), now)
    compare_prices(now=now)


def _add_last_hour(product_id: int, count: int) -> None:
    chance, now = random.Random(2), utc_now()
    shop_id = db.session.scalars(select(Storefront.id)).first() or 0
    workers = list(db.session.scalars(select(Worker.id)))
    job_id = Filler(product_id, chance).job(shop_id, begun=now - timedelta(hours=1))
    ends = [now - timedelta(hours=1) * (at + 1) / count for at in range(count)][::-1]
    farm_figures.write_tasks(job_id, shop_id, product_id, ends, workers, chance)


def measure(kind: str, sales: int, tasks: int, rounds: int) -> list[str]:
    """Print what one database does; returns the pages that take too long."""
    print(f"{kind}: {sales:,} sales, {tasks:,} tasks", flush=True)
    with private_folder() as folder, redis_server(folder) as redis, analytics.databases(kind, folder, ["shop"]) as urls:
        app = create_app(make_settings(urls["shop"], redis, files=Files(url=f"file://{folder}/files")))
        with app.app_context():
            flask_migrate.upgrade()
            begun = time.perf_counter()
            fill(sales, tasks)
            print(f"  filled in {time.perf_counter() - begun:.0f} s", flush=True)
            db.session.remove()
        missed = _measure_pages(app, rounds)
        with app.app_context():
            db.engine.dispose()
    return [f"{kind} {each}" for each in missed]


def _measure_pages(app: Flask, rounds: int) -> list[str]:
    new_person(app, "ada@example.org", role="admin")
    ada = Visitor(app, "ada@example.org")
    missed = []
    for path in PAGES:
        before = _forget(app) if path == "/admin" else None
        if before is not None:
            missed += _told(f"{path}, cold", _ask(ada, path, rounds, before))
        missed += _told(path, _ask(ada, path, rounds))
        for chart in re.findall(r'data-chart-url="([^"]+)"', ada.get(path).text):
            _told(f"  {unescape(chart).removeprefix('/api/v1')}", _ask(ada, unescape(chart), rounds))
    return missed


def _forget(app: Flask) -> Callable[[], Any]:
    """What has the next one who asks read all figures."""

    def forget() -> None:
        with app.app_context():
            cache().redis.delete(*_SNAPSHOT)

    return forget


def _ask(who: Visitor, path: str, rounds: int, before: Callable[[], Any] = lambda: None) -> Taken:
    walls, owns, size = [], [], 0
    who.client.get(path)  # the first one compiles templates and statements
    for _ in range(rounds):
        before()
        began, processor = time.perf_counter(), time.process_time()
        answer = who.client.get(path)
        walls.append((time.perf_counter() - began) * 1000)
        owns.append((time.process_time() - processor) * 1000)
        if answer.status_code != 200:
            raise RuntimeError(f"{path}: {answer.status_code} {answer.text[:500]}")
        size = len(answer.data)
    return Taken(statistics.median(walls), statistics.median(owns), size / 1000)


def _told(name: str, taken: Taken) -> list[str]:
    print(f"  {name:<90} {taken.wall_ms:7.1f} ms, {taken.own_ms:7.1f} own, {taken.kb:6.0f} KB", flush=True)
    return [f"{name}: {taken.wall_ms:.0f} ms"] if taken.wall_ms > MOST_MS else []


def main() -> int:
    """Run it; 1 where a page takes too long."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sales", type=int, default=1_000_000)
    parser.add_argument("--tasks", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--databases", nargs="+", choices=["mariadb", "sqlite"], default=["mariadb", "sqlite"])
    chosen = parser.parse_args()
    unwind_on_signals()
    missed = [each for kind in chosen.databases for each in measure(kind, chosen.sales, chosen.tasks, chosen.rounds)]
    print(f"load {Path('/proc/loadavg').read_text().strip()}")
    if missed:
        print(f"Missed: {'; '.join(missed)}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
