"""How far the farm's protocol scales: a million tasks, a thousand workers without browsers.

    python -m bench.simulate --tasks 1000000

Database (MariaDB, which flushes every commit), Redis, dispatcher and background worker are the real processes, and so
are the services that claim, renew and record. The workers are greenlets of one process over at most 200 connections to
the database, which take messages from Redis themselves and wait --page seconds instead of visiting a page. Jobs have
one storefront each, so that no storefront's limit of 64 visits at once is in the way. Measured for --seconds with 1,
10, 100 and 1,000 workers, then with all of them until every task has ended or --most seconds have passed; proves at the
end that each was recorded once.
docs/scaling.md says what came out and what it means.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import flask_migrate
from flask import Flask
from redis import Redis
from rich.console import Console
from rich.table import Table
from sqlalchemy import func, select

from app import create_app
from app.core.extensions import db
from app.core.orm import utc_now
from app.core.permissions import system
from app.rpa.models.jobs import Action, Job, Task, TaskState
from app.rpa.models.observations import Observation
from app.rpa.services import storefronts, submitting
from bench.farm_jobs import asin_of, fill
from bench.stopping import unwind_on_signals
from tests.rpa.conftest import profile
from tests.servers import make_settings, mariadb_server, private_folder, redis_server
from tests.workers.farm import RunningFarm

_MARIADB: Final = ("--innodb-flush-log-at-trx-commit=1", "--innodb-buffer-pool-size=512M", "--max-connections=300")
_LEASES: Final = {"LEASE_S": "60", "LEASE_RENEW_S": "5", "BATCH_STALE_S": "30", "LEADER_S": "10"}


@dataclass
class Simulation:
    """A farm without a worker, and the jobs for it."""

    app: Flask
    farm: RunningFarm
    folder: Path
    prepared_s: float = 0

    def submit(self, shops: int, products: int) -> None:
        """A job over products of its own for each storefront; waits until its tasks exist."""
        begun = time.monotonic()
        for number in range(shops):
            asins = [asin_of(number * products + each) for each in range(products)]
            submitting.submit_job(
                actor=system(), action=Action.VIEW_PRODUCT, storefront=f"s{number}", name="simulated", asins=asins
            )
        left = select(func.sum(Job.total_count - Job.prepared_count))
        self.farm.until(lambda: not db.session.scalar(left), "the tasks", seconds=3600)
        self.prepared_s = time.monotonic() - begun

    def run(self, counts: list[int], **timing: float) -> dict[str, Any]:
        """Have the workers do it all; returns what they measured."""
        pid = int((self.folder / "mariadb" / "mariadbd.pid").read_text())
        redis: Any = Redis.from_url(self.farm.settings.redis_queue_url).info("server")
        processes = {"MariaDB": pid, "Redis": redis["process_id"]}
        processes |= {"dispatcher": self.farm.processes["dispatcher"].pid}
        asked = {"counts": counts, "processes": processes} | timing
        crew = self.farm.start("crew", "bench.simulated_workers", json.dumps(asked), **_LEASES)
        while crew.poll() is None:
            time.sleep(1)
        words = (self.folder / "crew.log").read_text().splitlines()
        if crew.returncode:
            raise SystemExit("\n".join(words[-20:]))
        found: dict[str, Any] = json.loads(words[-1])
        return found

    def prove(self, recorded: int) -> int:
        """Every task that has ended did so once: rows, counters, observations and what the workers say agree.

        Returns how many have not ended.
        """
        db.session.rollback()
        ended = db.session.scalar(select(func.count()).where(Task.state == TaskState.SUCCEEDED))
        seen = db.session.scalar(select(func.count(Observation.task_id.distinct())))
        rows = db.session.scalar(select(func.count()).select_from(Observation))
        counted = db.session.scalar(select(func.sum(Job.succeeded_count)))
        if not ended == seen == rows == counted == recorded:
            raise SystemExit(f"ended {ended}, observed {rows} of {seen}, counted {counted}, recorded {recorded}")
        return int(db.session.scalar(select(func.sum(Job.total_count))) or 0) - recorded


@contextlib.contextmanager
def opened(shops: int, products: int, at_once: int) -> Iterator[Simulation]:
    """A farm on an empty MariaDB with so many storefronts, visits of each at once, and products."""
    with private_folder() as folder, redis_server(folder) as redis_url, mariadb_server(folder, options=_MARIADB) as url:
        app = create_app(make_settings(url, redis_url))
        logging.disable(logging.WARNING)
        with app.app_context():
            flask_migrate.upgrade()
            fill(shops * products)
            for number in range(shops):
                document = profile(pace={"gap_ms": 0, "concurrency": at_once})
                about = {"code": f"s{number}", "name": f"s{number}", "profile": document}
                storefronts.create_storefront(actor=system(), now=utc_now(), **about)
            farm = RunningFarm(app, app.extensions["settings"], folder, 1)
            try:
                farm.start("dispatcher", "workers.dispatcher", LOG_LEVEL="WARNING", **_LEASES)
                farm.start("background", "workers", "--background", **_LEASES)
                yield Simulation(app, farm, folder)
            finally:
                farm.stop()


def _print(found: dict[str, Any]) -> None:
    stretches = found["stretches"]
    table = Table("", *(str(stretch["workers"]) for stretch in stretches), box=None)
    for name in [name for name in stretches[0] if name != "workers"]:
        table.add_row(name, *(f"{stretch[name]:,.2f}" for stretch in stretches))
    Console(width=140).print(table)


def main() -> int:
    """Simulate, print, and prove that nothing was lost or doubled."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=1_000_000)
    parser.add_argument("--storefronts", type=int, default=20)
    parser.add_argument("--at-once", type=int, default=64, help="visits at once that each storefront takes")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 10, 100, 1000])
    parser.add_argument("--page", type=float, default=2, help="seconds that a page takes")
    parser.add_argument("--renew", type=float, default=5, help="seconds between two heartbeats of a worker")
    parser.add_argument("--seconds", type=float, default=30, help="how long each number of workers is measured")
    parser.add_argument("--most", type=float, default=86_400, help="seconds after which to end with tasks left")
    chosen = parser.parse_args()
    products = chosen.tasks // chosen.storefronts
    unwind_on_signals()
    with opened(chosen.storefronts, products, chosen.at_once) as simulation:
        simulation.submit(chosen.storefronts, products)
        timing = {"seconds": chosen.seconds, "page_s": chosen.page, "renew_s": chosen.renew, "most_s": chosen.most}
        found = simulation.run(chosen.workers, **timing)
        _print(found)
        left = simulation.prove(found["recorded"])
        print(f"{found['recorded']:,} tasks, each recorded once, {left:,} left; all prepared in "
              f"{simulation.prepared_s:.0f} s, {found['connections']} connections at most")  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
