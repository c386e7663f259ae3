"""The thread beside an errand: renews its lease, says that the worker lives, and ends an errand that must end."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

from app.config import Farm
from app.rpa.services import leases

log = logging.getLogger(__name__)

STUCK_EXIT: Final = 70
"""Exit status of a worker whose main thread did not come back (EX_SOFTWARE)."""


class Stop(StrEnum):
    """Why an errand was stopped from outside."""

    CANCELLED = "cancelled"
    LEASE_LOST = "lease lost"
    TIMEOUT = "timeout"


@dataclass(slots=True)
class Watch:
    """One errand under watch. ``kill`` makes whatever the main thread waits for fail at once."""

    lease: leases.Lease
    ends_at: float
    lease_ends_at: float
    kill: Callable[[], None] = lambda: None
    stop: Stop | None = None
    stopped_at: float = field(default=0.0)

    def is_stopped(self) -> bool:
        """Whether the errand must end."""
        return self.stop is not None


class Pulse:
    """Beats every ``renew_s`` seconds as long as the process lives; one errand at a time is under watch."""

    def __init__(self, app: Flask, farm: Farm, worker_id: int) -> None:
        self._app = app
        self._farm = farm
        self._worker_id = worker_id
        self._lock = threading.Lock()
        self._watch: Watch | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pulse", daemon=True)

    def start(self) -> None:
        """Begin to beat."""
        self._thread.start()

    def end(self) -> None:
        """Stop beating and wait for the last beat."""
        self._ended.set()
        self._thread.join(timeout=10)

    @contextmanager
    def watching(self, lease: leases.Lease, *, limit_s: float) -> Iterator[Watch]:
        """Keep the lease of one errand alive, and stop the errand when it is cancelled, lost or over its limit."""
        now = time.monotonic()
        watch = Watch(lease, ends_at=now + limit_s, lease_ends_at=now + self._farm.lease_s)
        with self._lock:
            self._watch = watch
        try:
            yield watch
        finally:
            with self._lock:
                self._watch = None

    def _run(self) -> None:
        beaten_at = 0.0
        while not self._ended.wait(min(0.25, self._farm.renew_s)):
            with self._lock:
                watch = self._watch
            due = time.monotonic() - beaten_at >= self._farm.renew_s
            if watch is not None:
                self._guard(watch)
            if due:
                beaten_at = time.monotonic()
                self._beat(watch)

    def _guard(self, watch: Watch) -> None:
        now = time.monotonic()
        if watch.stop is None and now > watch.ends_at:
            self._stop(watch, Stop.TIMEOUT)
        elif watch.stop is None and now > watch.lease_ends_at - self._farm.renew_s:
            # The database cannot be reached: end before another worker gets the task, so that no two visit the shop.
            self._stop(watch, Stop.LEASE_LOST)
        elif watch.stop is not None and now > watch.stopped_at + self._farm.kill_grace_s:
            log.error("task %d does not come back; the worker ends itself", watch.lease.task_id)
            os._exit(STUCK_EXIT)

    def _beat(self, watch: Watch | None) -> None:
        asked_at = time.monotonic()
        try:
            with self._app.app_context():
                if watch is None or watch.stop is Stop.LEASE_LOST:
                    leases.heartbeat(worker_id=self._worker_id)
                    return
                renewal = leases.renew_lease(lease=watch.lease, lease_s=self._farm.lease_s)
        except SQLAlchemyError as error:
            log.warning("the heartbeat did not reach the database: %s", error)
            return
        if renewal.held:
            watch.lease_ends_at = asked_at + self._farm.lease_s
        if watch.stop is None and not renewal.held:
            self._stop_if_current(watch, Stop.LEASE_LOST)
        elif watch.stop is None and renewal.cancelled:
            self._stop_if_current(watch, Stop.CANCELLED)

    def _stop_if_current(self, watch: Watch, why: Stop) -> None:
        with self._lock:
            current = self._watch is watch
        if current:
            self._stop(watch, why)

    def _stop(self, watch: Watch, why: Stop) -> None:
        watch.stop, watch.stopped_at = why, time.monotonic()
        log.info("task %d is stopped: %s", watch.lease.task_id, why)
        try:
            watch.kill()
        except Exception:
            log.exception("the browser could not be killed")
