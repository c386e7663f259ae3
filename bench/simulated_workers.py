"""Workers without browsers, as greenlets of one process: they claim, wait as long as a page takes, and record.

Started by bench/simulate.py, which says what with a JSON document as the argument; prints a JSON document.
"""

from gevent import monkey

monkey.patch_all()

import json  # noqa: E402  # nothing may be imported before the patch
import logging  # noqa: E402
import os  # noqa: E402
import secrets  # noqa: E402
import statistics  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
from typing import Any, Final  # noqa: E402

import gevent  # noqa: E402
import psutil  # noqa: E402
from redis import Redis  # noqa: E402
from sqlalchemy import func, select, text  # noqa: E402

from app import create_base  # noqa: E402
from app.config import Settings  # noqa: E402
from app.core import orm  # noqa: E402
from app.core.extensions import db  # noqa: E402
from app.core.queues import BATCH, INTERACTIVE  # noqa: E402
from app.rpa.models.jobs import Job  # noqa: E402
from app.rpa.services import leases  # noqa: E402
from app.rpa.services.outcomes import finish_task  # noqa: E402
from tests.rpa.conftest import SUCCESS  # noqa: E402

CONNECTIONS: Final = 200
_LEASE_S: Final = 60.0
_WARM_S: Final = 5.0
_STATUS: Final = ("Questions", "Com_commit", "Com_rollback", "Innodb_row_lock_waits", "Innodb_row_lock_time")


class Crew:
    """The workers and what they saw."""

    def __init__(self, page_s: float, renew_s: float) -> None:
        original = orm.engine_options
        orm.engine_options = lambda url: (  # type: ignore[assignment]
            original(url) | {"pool_size": CONNECTIONS, "max_overflow": 0, "pool_timeout": 120}
        )
        self.settings = Settings.from_env()
        self.app = create_base(self.settings)
        logging.disable(logging.WARNING)
        self.page_s, self.renew_s = page_s, renew_s
        self.recorded = self.refused = 0
        self.is_over = False
        self.claim_s: list[float] = []
        self.record_s: list[float] = []
        self._greenlets: list[gevent.Greenlet] = []

    def grow_to(self, count: int) -> None:
        """Have so many workers at work."""
        while len(self._greenlets) < count:
            self._greenlets.append(gevent.spawn(self._work))

    def end(self) -> None:
        """Have everybody finish what they are at, and end."""
        self.is_over = True
        gevent.joinall(self._greenlets, timeout=90)

    def _work(self) -> None:
        redis = Redis.from_url(self.settings.redis_queue_url)
        with self.app.app_context():
            name = secrets.token_hex(8)
            me = leases.register_worker(name=name, host="simulated", pid=os.getpid())
        heart = gevent.spawn(self._beat, me)
        try:
            while not self.is_over:
                message = redis.blpop([f"rq:queue:{INTERACTIVE}", f"rq:queue:{BATCH}"], timeout=15)
                if message is not None:
                    with self.app.app_context():
                        self._visit(message[1].decode(), me)
        finally:
            heart.kill()

    def _beat(self, me: int) -> None:
        while True:
            gevent.sleep(self.renew_s)
            with self.app.app_context():
                leases.heartbeat(worker_id=me)

    def _visit(self, message: str, me: int) -> None:
        _, task_id, release_no = message.split("-")
        begun = time.monotonic()
        lease = leases.claim_task(task_id=int(task_id), release_no=int(release_no), worker_id=me, lease_s=_LEASE_S)
        if lease is None:
            self.refused += 1
            return
        self.claim_s.append(time.monotonic() - begun)
        gevent.sleep(lease.wait_s + self.page_s)
        begun = time.monotonic()
        if finish_task(lease=lease, outcome=SUCCESS):
            self.recorded += 1
        self.record_s.append(time.monotonic() - begun)


class Meter:
    """What a stretch of time cost, of each process and of the database."""

    def __init__(self, crew: Crew, processes: dict[str, int]) -> None:
        self._crew = crew
        self._processes = {name: psutil.Process(pid) for name, pid in processes.items()} | {"workers": psutil.Process()}
        self._begin()

    def _begin(self) -> None:
        crew = self._crew
        crew.claim_s.clear()
        crew.record_s.clear()
        self._at, self._recorded, self._refused = time.monotonic(), crew.recorded, crew.refused
        self._cpu, self._status = self._read_cpu(), self._read_status()

    def take(self) -> dict[str, Any]:
        """What was measured since the last time."""
        seconds, crew = time.monotonic() - self._at, self._crew
        tasks = crew.recorded - self._recorded
        each = max(tasks, 1)
        cpu, status = self._read_cpu(), self._read_status()
        spent = {name: status[name] - self._status[name] for name in _STATUS}
        ends = spent["Com_commit"] + spent["Com_rollback"]
        found = {
            "seconds": seconds,
            "tasks": tasks,
            "tasks/s": tasks / seconds,
            "refused claims per task": (crew.refused - self._refused) / each,
            "commits per task": spent["Com_commit"] / each,
            "reads per task": spent["Com_rollback"] / each,
            "statements per task": (spent["Questions"] - ends) / each,
            "lock waits per task": spent["Innodb_row_lock_waits"] / each,
            "lock wait ms per task": spent["Innodb_row_lock_time"] / each,
            "claim ms p50": _percentile(crew.claim_s, 50),
            "claim ms p95": _percentile(crew.claim_s, 95),
            "record ms p50": _percentile(crew.record_s, 50),
            "record ms p95": _percentile(crew.record_s, 95),
        }
        for name, now in cpu.items():
            found[f"{name} CPU ms per task"] = (now - self._cpu[name]) * 1000 / each
            found[f"{name} cores"] = (now - self._cpu[name]) / seconds
        self._begin()
        return found

    def _read_cpu(self) -> dict[str, float]:
        return {name: sum(process.cpu_times()[:2]) for name, process in self._processes.items()}

    def _read_status(self) -> dict[str, int]:
        with self._crew.app.app_context():
            rows = db.session.execute(text("SHOW GLOBAL STATUS")).all()
            db.session.rollback()
        return {row[0]: int(row[1]) for row in rows if row[0] in _STATUS}


def _percentile(seconds: list[float], percent: int) -> float:
    if len(seconds) < 2:
        return 0.0
    return statistics.quantiles(seconds, n=100)[percent - 1] * 1000


def _left(crew: Crew) -> int:
    with crew.app.app_context():
        open_tasks = db.session.scalar(select(func.sum(Job.total_count - Job.current_count)))
        db.session.rollback()
    return int(open_tasks or 0)


def main() -> int:
    """Run the stretches with 1, 10, ... workers, then all of them until nothing is left or the time is up."""
    asked = json.loads(sys.argv[1])
    up_at = time.monotonic() + asked["most_s"]
    crew = Crew(asked["page_s"], asked["renew_s"])
    meter = Meter(crew, asked["processes"])
    found = []
    for count in asked["counts"]:
        crew.grow_to(count)
        gevent.sleep(_WARM_S)
        meter.take()
        gevent.sleep(asked["seconds"])
        found.append({"workers": count} | meter.take())
        print(json.dumps(found[-1]), file=sys.stderr, flush=True)
    while (left := _left(crew)) and time.monotonic() < up_at:
        gevent.sleep(1)
    found.append({"workers": f"{asked['counts'][-1]}, {'after that' if left else 'to the end'}"} | meter.take())
    with crew.app.app_context():
        used = db.session.execute(text("SHOW GLOBAL STATUS LIKE 'Max_used_connections'")).one()[1]
    crew.end()
    print(json.dumps({"stretches": found, "recorded": crew.recorded, "connections": int(used)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
