"""What it costs to look at, judge, claim and record a task, without a page: processor time and statements of each step.

    python -m bench.task_costs --tasks 1000 [--profile]

One process, one connection, MariaDB that flushes every commit; the first of the tasks warm up and do not count. Also
measured: a turn of the dispatcher while a job waits and nothing can be released, and one while there is no open job.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

import psutil
from flask import Flask
from rich.console import Console
from rich.table import Table
from sqlalchemy import event, select, update

from app.core.extensions import db
from app.core.orm import utc_now
from app.rpa.models.jobs import Job, JobState, Task, TaskState
from app.rpa.models.robots import RobotsFile
from app.rpa.queries.claims import find_released
from app.rpa.rules.robots import State
from app.rpa.services import leases, robots
from app.rpa.services.outcomes import finish_task
from bench.simulate import opened
from bench.stopping import unwind_on_signals
from tests.rpa.conftest import SUCCESS
from workers.dispatcher import Dispatcher

T = TypeVar("T")
_WARM: Final = 100
_TURNS: Final = 100


class Costs:
    """Adds up what steps cost."""

    def __init__(self, database: psutil.Process) -> None:
        self._database = database
        self._asked = 0
        self.count: Counter[str] = Counter()
        self.spent: dict[str, Counter[str]] = defaultdict(Counter)
        event.listen(db.engine, "before_cursor_execute", self._note)

    def _note(self, *_about: Any) -> None:
        self._asked += 1

    def of(self, name: str, step: Callable[[], T]) -> T:
        """Do a step and note what it cost under this name."""
        asked, began_at, worked, database = self._asked, time.perf_counter(), time.process_time(), self._seconds()
        result = step()
        spent = self.spent[name]
        spent["own processor ms"] += (time.process_time() - worked) * 1000  # type: ignore[assignment]
        spent["ms in all"] += (time.perf_counter() - began_at) * 1000  # type: ignore[assignment]
        spent["MariaDB's ms"] += (self._seconds() - database) * 1000  # type: ignore[assignment]
        spent["statements"] += self._asked - asked
        self.count[name] += 1
        return result

    def forget(self) -> None:
        """Begin anew."""
        self.count.clear()
        self.spent.clear()

    def show(self) -> None:
        """Print the means."""
        kinds = ["statements", "own processor ms", "MariaDB's ms", "ms in all"]
        table = Table("", *kinds, box=None)
        for name, spent in self.spent.items():
            table.add_row(name, *(f"{spent[kind] / self.count[name]:.2f}" for kind in kinds))
        Console(width=120).print(table)

    def _seconds(self) -> float:
        times = self._database.cpu_times()
        return float(times.user + times.system)


def _visit(costs: Costs, task_id: int) -> None:
    known = costs.of("look", lambda: find_released(db.session.connection(), task_id))
    verdict = costs.of("judge", lambda: robots.judge_task(known))
    claim: Callable[[], leases.Lease | None] = lambda: leases.claim_task(  # noqa: E731
        task_id=task_id, release_no=1, worker_id=None, lease_s=600, known=known, verdict=verdict
    )
    lease = costs.of("claim", claim)
    if lease is None:
        raise SystemExit(f"task {task_id} was refused")
    if not costs.of("record", lambda: finish_task(lease=lease, outcome=SUCCESS)):
        raise SystemExit(f"task {task_id} was not recorded")


@contextmanager
def _profiled(wanted: bool) -> Iterator[None]:
    profiler = cProfile.Profile()
    if wanted:
        profiler.enable()
    yield
    if wanted:
        profiler.disable()
        pstats.Stats(profiler).sort_stats("cumulative").print_stats(70)


def _turns(app: Flask, costs: Costs, name: str) -> None:
    dispatcher = Dispatcher(app, app.extensions["settings"].farm)
    for turn in range(_TURNS + 1):
        step = dispatcher.turn
        costs.of(name, step) if turn else step()  # the first one does what is due once a second
        time.sleep(0.002)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=1000)
    parser.add_argument("--profile", action="store_true", help="show where the time goes; costs are not true then")
    chosen = parser.parse_args()
    unwind_on_signals()
    with opened(1, chosen.tasks + _WARM, 64) as simulation:
        simulation.submit(1, chosen.tasks + _WARM)
        simulation.farm.stop("dispatcher")
        later = utc_now() + timedelta(days=1)
        file = RobotsFile(storefront_id=1, origin="http://shop.example:80", state=State.NONE, failures=0)
        file.due_at, file.expires_at, file.is_whole, file.delay_ms = later, later, True, 0
        db.session.add(file)
        db.session.execute(update(Task).values(state=TaskState.QUEUED, release_no=1, released_at=utc_now()))
        db.session.execute(update(Job).values(state=JobState.RUNNING, started_at=utc_now()))
        db.session.commit()
        costs = Costs(psutil.Process(int((Path(simulation.folder) / "mariadb" / "mariadbd.pid").read_text())))
        ids = list(db.session.scalars(select(Task.id).order_by(Task.id)))
        db.session.rollback()
        for task_id in ids[:_WARM]:
            _visit(costs, task_id)
        costs.forget()
        with _profiled(chosen.profile):
            for task_id in ids[_WARM:]:
                _visit(costs, task_id)
        _turns(simulation.app, costs, "turn without an open job")
        costs.show()
    return 0


if __name__ == "__main__":
    sys.exit(main())
