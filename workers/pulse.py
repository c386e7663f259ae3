"""The threads beside an errand: one renews its lease and says that the worker lives, one ends what must end.

They are two because the heart waits for the database, and the watchdog must not.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

import structlog
from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

from app.config import Farm
from app.core.tallies import Reporter, report
from app.rpa.models.workers import Wanted
from app.rpa.queries.jobs import is_cancelled
from app.rpa.services import leases
from app.rpa.services.trials import TrialLease, renew_trial
from workers.duty import Duty

log = logging.getLogger(__name__)

STUCK_EXIT: Final = 70
"""Exit status of a worker whose main thread did not come back (EX_SOFTWARE)."""


def end_process() -> None:
    """End at once, without a farewell."""
    os._exit(STUCK_EXIT)


class Stop(StrEnum):
    """Why an errand was stopped from outside."""

    CANCELLED = "cancelled"
    LEASE_LOST = "lease lost"
    TIMEOUT = "timeout"


@dataclass(slots=True)
class Watch:
    """One errand under watch. ``kill`` makes whatever the main thread waits for fail at once."""

    lease: leases.Lease | TrialLease
    ends_at: float
    lease_ends_at: float
    kill: Callable[[], None] = lambda: None
    stop: Stop | None = None
    stopped_at: float = field(default=0.0)

    def is_stopped(self) -> bool:
        """Whether the errand must end."""
        return self.stop is not None


class Pulse:
    """Beats every ``renew_s`` seconds as long as the process lives; one errand at a time is under watch.

    Between two beats it asks every ``cancel_check_s`` seconds whether the errand is cancelled, which only reads.
    """

    def __init__(
        self,
        app: Flask,
        farm: Farm,
        worker_id: int,
        duty: Duty | None = None,
        *,
        reporter: Reporter | None = None,
        on_stuck: Callable[[], None] = end_process,
    ) -> None:
        """``duty`` hears with each beat what operators want, and says what goes with it.

        With each beat goes what the process has counted, where there is a ``reporter``: one pulse of a process has it.
        ``on_stuck`` is called, in the watchdog's thread, where not even the end of its browser brings an errand back.
        """
        self._app = app
        self._farm = farm
        self._worker_id = worker_id
        self._duty = duty
        self._reporter = reporter
        self._on_stuck = on_stuck
        self._lock = threading.Lock()
        self._watch: Watch | None = None
        self._ended = threading.Event()
        self._threads = [
            threading.Thread(target=self._keep_beating, name="heart", daemon=True),
            threading.Thread(target=self._keep_watch, name="watchdog", daemon=True),
        ]

    def start(self) -> None:
        """Begin to beat."""
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        """Stop beating, wait for the last beat, and report what was counted since."""
        self._ended.set()
        for thread in self._threads:
            thread.join(timeout=10)
        if self._reporter is not None and not any(thread.is_alive() for thread in self._threads):
            report_last(self._app, self._reporter)

    @contextmanager
    def watching(self, lease: leases.Lease | TrialLease, *, limit_s: float) -> Iterator[Watch]:
        """Keep the lease of one errand alive, and stop the errand when it is cancelled, lost or over its limit.

        Leaving it waits for a kill that has begun, so that none ever meets the next errand.
        """
        now = time.monotonic()
        watch = Watch(lease, ends_at=now + limit_s, lease_ends_at=now + self._farm.lease_s)
        with self._lock:
            self._watch = watch
        try:
            yield watch
        finally:
            with self._lock:
                self._watch = None

    def _keep_watch(self) -> None:
        structlog.contextvars.bind_contextvars(worker_id=self._worker_id)
        while not self._ended.wait(min(0.25, self._farm.renew_s)):
            with self._lock:
                if self._watch is not None:
                    with named(self._watch):
                        self._guard(self._watch)

    def _guard(self, watch: Watch) -> None:
        now = time.monotonic()
        if watch.stop is None and now > watch.ends_at:
            self._stop(watch, Stop.TIMEOUT)
        elif watch.stop is None and now > watch.lease_ends_at - self._farm.renew_s:
            # The database cannot be reached: end before another worker gets the task, so that no two visit the shop.
            self._stop(watch, Stop.LEASE_LOST)
        elif watch.stop is not None and now > watch.stopped_at + self._farm.kill_grace_s:
            log.error("%s does not come back; the worker ends itself", _shown(watch.lease))
            watch.stopped_at = float("inf")
            self._on_stuck()

    def _keep_beating(self) -> None:
        structlog.contextvars.bind_contextvars(worker_id=self._worker_id)
        beats_at = time.monotonic()
        while True:
            with self._lock:
                watch = self._watch
            is_due = time.monotonic() >= beats_at
            if is_due:
                beats_at = time.monotonic() + self._farm.renew_s
            with named(watch):
                self._step(watch, is_due=is_due)
            pause = min(self._farm.cancel_check_s, max(0.0, beats_at - time.monotonic()))
            if self._ended.wait(pause):
                return

    def _step(self, watch: Watch | None, *, is_due: bool) -> None:
        try:
            if is_due:
                self._beat(watch)
            elif watch is not None and watch.stop is None:
                self._look(watch)
        except SQLAlchemyError as error:
            log.warning("the heartbeat did not reach the database: %s", error)
        except Exception:
            log.exception("the heartbeat failed; the next one comes")

    def _look(self, watch: Watch) -> None:
        """Stop an errand whose job is cancelled."""
        with self._app.app_context():
            cancelled = isinstance(watch.lease, leases.Lease) and is_cancelled(watch.lease.job_id)
        with self._lock:
            if self._watch is watch and watch.stop is None and cancelled:
                self._stop(watch, Stop.CANCELLED)

    def _beat(self, watch: Watch | None) -> None:
        asked_at = time.monotonic()
        vitals = self._duty.vitals() if self._duty else None
        with self._app.app_context():
            if watch is None or watch.stop is Stop.LEASE_LOST:
                beat = leases.heartbeat(worker_id=self._worker_id, vitals=vitals, reporter=self._reporter)
                self._hear(beat)
                return
            renewal = _renewed(watch.lease, self._farm.lease_s, vitals, self._reporter)
        self._hear(renewal.wanted)
        with self._lock:
            if renewal.held:
                watch.lease_ends_at = asked_at + self._farm.lease_s
            if self._watch is watch and watch.stop is None and not renewal.held:
                self._stop(watch, Stop.LEASE_LOST)
            elif self._watch is watch and watch.stop is None and renewal.cancelled:
                self._stop(watch, Stop.CANCELLED)

    def _hear(self, wanted: Wanted) -> None:
        if self._duty is not None:
            self._duty.hear(wanted)

    def _stop(self, watch: Watch, why: Stop) -> None:
        """Stop the errand under watch; the lock is held."""
        watch.stop, watch.stopped_at = why, time.monotonic()
        log.info("%s is stopped: %s", _shown(watch.lease), why)
        try:
            watch.kill()
        except Exception:
            log.exception("the browser could not be killed")


def report_last(app: Flask, reporter: Reporter) -> None:
    """Report what was counted since the last beat; a database that is away is no reason to stay."""
    try:
        with app.app_context():
            report(reporter=reporter)
    except SQLAlchemyError as error:
        log.warning("what was counted last could not be reported: %s", error)


def named(watch: Watch | None) -> AbstractContextManager[None]:
    """Have lines of the log that this thread writes meanwhile name the errand that they are about."""
    if watch is None:
        return nullcontext()
    if isinstance(watch.lease, TrialLease):
        return structlog.contextvars.bound_contextvars(trial_id=watch.lease.trial_id)
    return structlog.contextvars.bound_contextvars(task_id=watch.lease.task_id, job_id=watch.lease.job_id)


def _renewed(
    lease: leases.Lease | TrialLease, lease_s: float, vitals: dict[str, Any] | None, reporter: Reporter | None
) -> leases.Renewal:
    if isinstance(lease, TrialLease):
        return renew_trial(lease=lease, lease_s=lease_s, vitals=vitals)
    return leases.renew_lease(lease=lease, lease_s=lease_s, vitals=vitals, reporter=reporter)


def _shown(lease: leases.Lease | TrialLease) -> str:
    return f"trial {lease.trial_id}" if isinstance(lease, TrialLease) else f"task {lease.task_id}"
