"""A pool of worker processes: forked from one parent that has imported everything, restarted when they die."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from workers.privileges import die_with_parent

log = logging.getLogger(__name__)

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
_LONGEST_PAUSE_S: Final = 30.0
_STEADY_S: Final = 60.0
"""A worker that lived this long is restarted at once; one that did not waits, twice as long every time."""


@dataclass(slots=True)
class _Slot:
    pid: int = 0
    started_at: float = 0.0
    failures: int = 0
    not_before: float = 0.0


class Pool:
    """Keeps ``size`` processes running ``work`` until it is told to stop.

    The parent must hold no connection and run no thread when it forks. SIGTERM or SIGINT lets every worker finish what
    it does, at most ``grace_s`` seconds; then they are killed. A worker never outlives the pool.
    """

    def __init__(self, work: Callable[[], None], *, size: int, grace_s: float) -> None:
        self._work = work
        self._slots = [_Slot() for _ in range(size)]
        self._grace_s = grace_s
        self._stopping = False

    def run(self) -> None:
        """Fork the workers and look after them; returns when all have ended after a signal."""
        for number in _SIGNALS:
            signal.signal(number, self._on_signal)
        while not self._stopping:
            for slot in self._slots:
                if slot.pid == 0 and time.monotonic() >= slot.not_before:
                    self._fork(slot)
            self._reap()
            time.sleep(0.1)
        self._stop()

    def _on_signal(self, number: int, _frame: Any) -> None:
        self._stopping = True

    def _fork(self, slot: _Slot) -> None:
        parent = os.getpid()
        # Blocked until the child has handlers of its own: a signal to the newborn must not be lost in the pool's.
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        pid = os.fork()
        if pid:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
            slot.pid, slot.started_at = pid, time.monotonic()
            return
        status = 1
        try:
            die_with_parent()
            if os.getppid() == parent:
                signal.signal(signal.SIGTERM, signal.SIG_DFL)
                signal.signal(signal.SIGINT, signal.SIG_IGN)
                signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
                self._work()
                status = 0
        except BaseException:
            log.exception("a worker failed")
        finally:
            logging.shutdown()
            os._exit(status)

    def _reap(self) -> None:
        for slot in self._slots:
            if not slot.pid:
                continue
            pid, status = os.waitpid(slot.pid, os.WNOHANG)
            if pid:
                self._ended(slot, status)

    def _ended(self, slot: _Slot, status: int) -> None:
        lived = time.monotonic() - slot.started_at
        slot.failures = 0 if lived > _STEADY_S else slot.failures + 1
        pause = 0.0 if slot.failures == 0 else min(_LONGEST_PAUSE_S, 0.5 * 2 ** (slot.failures - 1))
        if not self._stopping:
            code = os.waitstatus_to_exitcode(status)
            log.warning("worker %d ended (%d) after %.0f s; another starts in %.1f s", slot.pid, code, lived, pause)
        slot.pid, slot.not_before = 0, time.monotonic() + pause

    def _stop(self) -> None:
        self._signal(signal.SIGTERM)
        deadline = time.monotonic() + self._grace_s
        while any(slot.pid for slot in self._slots) and time.monotonic() < deadline:
            self._reap()
            time.sleep(0.05)
        self._signal(signal.SIGKILL)
        for slot in self._slots:
            if slot.pid:
                os.waitpid(slot.pid, 0)

    def _signal(self, number: signal.Signals) -> None:
        for slot in self._slots:
            if slot.pid:
                os.kill(slot.pid, number)
