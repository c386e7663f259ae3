"""``python -m workers.dispatcher``: releases tasks, takes lost ones back, ends jobs, fires schedules, rings for others.

Run as many as you like: one leads by a lease in SQL, the others stand by. Every step is safe when two lead at once.
"""

from __future__ import annotations

import logging
import os
import secrets
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from flask import Flask
from sqlalchemy import select

from app import create_base
from app.analytics.services import report_firing
from app.config import Farm, Settings, SettingsError
from app.core import outbox, schedule
from app.core.extensions import db
from app.core.tallies import REPORT_S, Reporter, report
from app.products.search import queue as search_queue
from app.rpa import metrics
from app.rpa.rules.turns import Turns
from app.rpa.services import dispatch, ending, firing, leading, trial_upkeep
from workers.schedule import TIMETABLE

log = logging.getLogger(__name__)

_SLOW_S: Final = 1.0
"""Pause between two rounds of the steps that need not be quick."""
_FAILURE_PAUSE_S: Final = 2.0
_LOOK: Final = select(
    search_queue.IS_DUE.label("search"),
    dispatch.IS_EXPIRED.label("lost"),
    outbox.IS_DUE.label("outbox"),
    firing.IS_DUE.label("schedules"),
    report_firing.IS_DUE.label("reports"),
    trial_upkeep.IS_OPEN.label("trials"),
)
"""Which of the steps that need not be quick have something to do; they look again themselves."""


class Dispatcher:
    """The loop; ``stop`` ends it after the step at hand."""

    def __init__(self, app: Flask, farm: Farm) -> None:
        self._app = app
        self._farm = farm
        self._owner = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self._turns = Turns()
        self._stopped = threading.Event()
        self._reporter = Reporter("dispatcher")
        self._led_at = self._slow_at = self._reported_at = float("-inf")

    def stop(self) -> None:
        """Ask the loop to end; for signal handlers and other threads."""
        self._stopped.set()

    def run(self) -> None:
        """Work until stopped; a database or Redis that is away is waited for."""
        while not self._stopped.is_set():
            try:
                with self._app.app_context():
                    leads = self._timed_turn()
                pause = self._farm.dispatch_s if leads else self._farm.leader_s / 3
            except Exception:
                log.exception("a step of the dispatcher failed; it goes on")
                pause = _FAILURE_PAUSE_S
            self._stopped.wait(pause)
        with self._app.app_context():
            _failure_of(partial(report, reporter=self._reporter))
            leading.resign(owner=self._owner)
            db.engine.dispose()

    def _timed_turn(self) -> bool:
        began_at = time.monotonic()
        try:
            leads = self.turn()
            if leads:
                metrics.TURN_SECONDS.observe(time.monotonic() - began_at)
            return leads
        finally:
            if began_at - self._reported_at > REPORT_S:
                self._reported_at = began_at
                _failure_of(partial(report, reporter=self._reporter))

    def turn(self) -> bool:
        """One round; the slow steps about once a second. Nothing, and False, without the leadership.

        A step that fails does not keep the others from their turn; raises ExceptionGroup after the last.
        """
        now = time.monotonic()
        if now - self._led_at > self._farm.leader_s / 3:
            if not leading.lead(owner=self._owner, lease_s=self._farm.leader_s):
                return False
            self._led_at = now
        steps = self._steps_of(ending.look_at_jobs())
        if now - self._slow_at > _SLOW_S:
            self._slow_at = now
            steps += self._slow_steps()
        failures = [failure for step in steps if (failure := _failure_of(step)) is not None]
        if failures:
            raise ExceptionGroup("steps of the dispatcher failed", failures)
        return True

    def _slow_steps(self) -> list[Callable[[], object]]:
        """The steps that need not be quick and have something to do, or must look for themselves; in their order."""
        session = db.session()
        due = session.execute(_LOOK).one()
        session.rollback()
        steps: list[tuple[bool, Callable[[], object]]] = [
            (due.search, search_queue.ring_due),
            (due.lost, dispatch.reap_expired),
            (True, partial(dispatch.release_again, farm=self._farm)),
            (due.outbox, outbox.ring_due),
            (due.schedules, firing.fire_due),
            (due.reports, report_firing.fire_due),
            (due.trials, partial(trial_upkeep.look_after_trials, patience_s=self._farm.interactive_stale_s)),
            (True, partial(schedule.fire_timetable, timetable=TIMETABLE)),
        ]
        return [step for is_due, step in steps if is_due]

    def _steps_of(self, look: ending.Look) -> list[Callable[[], object]]:
        """The quick steps that have something to do, in their order."""
        steps: list[tuple[bool, Callable[[], object]]] = [
            (look.over, ending.end_open_tasks),
            (look.out, ending.withdraw_paused),
            (look.over or look.through, ending.finish_jobs),
            (look.open, partial(dispatch.release_tasks, farm=self._farm, turns=self._turns)),
        ]
        return [step for is_due, step in steps if is_due]


def _failure_of(step: Callable[[], object]) -> Exception | None:
    try:
        step()
    except Exception as failure:  # noqa: BLE001  # the caller raises it after the other steps
        db.session.rollback()
        return failure
    return None


def main() -> int:
    """Run a dispatcher until SIGTERM or SIGINT; returns 0 then, 1 when the settings are unusable."""
    try:
        settings = Settings.from_env()
    except SettingsError as problem:
        print(problem, file=sys.stderr)
        return 1
    dispatcher = Dispatcher(create_base(settings), settings.farm)
    on_signal: Callable[[int, Any], None] = lambda _number, _frame: dispatcher.stop()  # noqa: E731
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)
    dispatcher.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
