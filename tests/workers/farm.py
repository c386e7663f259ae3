"""A whole farm of real processes for the tests: dispatcher, background worker and a pool, on one database and Redis."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from flask import Flask
from sqlalchemy import select

from app.config import Settings
from app.core.extensions import db
from app.rpa.models.jobs import Job
from app.rpa.models.workers import Worker
from app.rpa.rules.job_moves import OPEN

ROOT = Path(__file__).resolve().parent.parent.parent


@dataclass
class RunningFarm:
    """Processes that this object started, and the way to wait for what they do."""

    app: Flask
    settings: Settings
    folder: Path
    market_port: int
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, name: str, *command: str, **variables: str) -> subprocess.Popen[bytes]:
        """Start ``python -m <command>`` with short leases; its output is in a file of the folder."""
        scratch = self.folder / "tmp"
        scratch.mkdir(exist_ok=True)
        scratch.chmod(0o1777)  # for a pool that gave up root, as /tmp is
        environment = os.environ | {
            "INSTANCE_DIR": str(self.folder / "instance"),
            "SECRET_KEY": "x" * 32,
            "JWT_SECRET_KEY": "y" * 32,
            "DATABASE_URL": self.settings.database_url,
            "REDIS_QUEUE_URL": self.settings.redis_queue_url,
            "REDIS_CACHE_URL": self.settings.redis_cache_url,
            "ALLOWED_PRIVATE_TARGETS": f"127.0.0.1:{self.market_port}",
            "LEASE_S": "20",  # no disk is away for so long
            "LEASE_RENEW_S": "0.5",
            "LEADER_S": "2",
            "BATCH_STALE_S": "2",
            "INTERACTIVE_STALE_S": "1",
            "WORKER_COUNT": "2",
            "STOP_GRACE_S": "20",
            "TMPDIR": str(scratch),
            **variables,
        }
        with open(self.folder / f"{name}.log", "ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", *command],
                cwd=ROOT,
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.processes[name] = process
        return process

    def start_all(self, **variables: str) -> None:
        """Start one of each and wait until the workers are there."""
        self.start("dispatcher", "workers.dispatcher", **variables)
        self.start("background", "workers", "--background", **variables)
        self.start("pool", "workers", **variables)
        count = int(variables.get("WORKER_COUNT", 2)) * int(variables.get("CONTEXTS_PER_BROWSER", 1))
        self.until(lambda: len(self.workers()) == count, f"{count} workers")

    def until(self, happened: Callable[[], Any], what: str, *, seconds: float = 60) -> None:
        """Wait until something has happened; fails with the processes' last words."""
        deadline = time.monotonic() + seconds
        while True:
            db.session.rollback()
            if happened():
                return
            if time.monotonic() > deadline:
                raise AssertionError(f"waited {seconds} s for {what}\n{self.last_words()}")
            time.sleep(0.05)

    def finished(self, job: Job, *, seconds: float = 60) -> Job:
        """Wait for a job's end."""
        state = select(Job.state).where(Job.id == job.id)
        self.until(lambda: db.session.scalar(state) not in OPEN, f"job {job.id} to end", seconds=seconds)
        return db.session.scalars(select(Job).where(Job.id == job.id)).one()

    def workers(self) -> list[Worker]:
        """The workers whose process is there."""
        rows = db.session.scalars(select(Worker).where(Worker.stopped_at.is_(None)))
        return [row for row in rows if psutil.pid_exists(row.pid)]

    def browsers(self) -> list[psutil.Process]:
        """Every process of a browser or its driver that this farm started, known by the folder they work in."""
        return [process for process in self.alive() if "chrom" in name_of(process)]

    def alive(self) -> list[psutil.Process]:
        """Every living process of this farm, known by the temporary folder in its environment."""
        found = []
        for process in psutil.process_iter():
            try:
                inside = process.environ().get("TMPDIR", "").startswith(str(self.folder))
                if inside and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except (psutil.Error, OSError):
                continue
        return found

    def stop(self, *names: str) -> None:
        """Ask processes to end and wait for it; kills what does not, and then raises TimeoutExpired."""
        failure = None
        for name in names or tuple(self.processes):
            process = self.processes.pop(name)
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired as late:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(timeout=10)
                failure = failure or late
        if failure is not None:
            raise failure

    def last_words(self) -> str:
        """The end of every process's output."""
        logs = sorted(self.folder.glob("*.log"))
        return "\n".join(f"--- {log.name}\n{log.read_text(errors='replace')[-3000:]}" for log in logs)


def name_of(process: psutil.Process) -> str:
    """The name of a process's program; none of one that has ended meanwhile."""
    try:
        return process.name()
    except psutil.Error:
        return ""
