"""One worker process: an RQ worker that runs its jobs in this very process, where the warm browser is."""

from __future__ import annotations

import logging
import os
import secrets
import signal
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import structlog
from flask import Flask
from redis import Redis
from redis.exceptions import RedisError
from rq import Queue
from rq.exceptions import StopRequested
from rq.job import Job
from rq.serializers import JSONSerializer
from rq.timeouts import BaseDeathPenalty, JobTimeoutException
from rq.worker import WorkerStatus

from app.config import Settings
from app.core.extensions import db
from app.core.queues import BACKGROUND, JOB_TIMEOUT_S, TASK_QUEUES, RegisteredJob
from app.core.tallies import ProcessReporter, Reporter
from app.products.search.queue import DRAIN
from app.rpa import metrics
from app.rpa.services import leases
from workers.chrome.settings import BrowserSettings
from workers.chrome.sharing import SharedChromes
from workers.chrome.shelf import Browsers, BrowserShelf
from workers.chrome.slot import sweep
from workers.courier import Courier
from workers.duty import Duty
from workers.errands import Errands, browser_settings, recycling_limits
from workers.jobs.outbox import Deliveries
from workers.jobs.search import Upkeep
from workers.lanes import Lane, LaneBrowsers, run_lanes
from workers.outages import OutlivesRedis
from workers.pulse import Pulse, end_process, report_last
from workers.trials import Trials

log = logging.getLogger(__name__)

_Functions = dict[str, Callable[..., Any]]
"""What messages may name."""

WORKER_TTL_S: Final = 60
"""RQ's own idea of when a worker is gone; ours is in SQL."""
_BEAT_S: Final = 10.0
"""How often a worker that is at work tells RQ that it lives."""
_LANE_WAITS_S: Final = 1
_DRAINED_BEAT_S: Final = 20.0
"""How often a drained worker tells RQ that it lives."""


class _NoPenalty(BaseDeathPenalty):
    """None, as RQ's needs signals: what lanes do has limits of its own, which the watchdog keeps."""

    def setup_death_penalty(self) -> None:
        """Do nothing."""

    def cancel_death_penalty(self) -> None:
        """Do nothing."""


class FarmWorker(OutlivesRedis):
    """RQ's in-process worker, for registered jobs only; a signal finishes the job at hand and ends it."""

    job_class = RegisteredJob

    duty: Duty | None = None
    lane: Lane | None = None
    """Where the worker is one of several in its process, and not in the main thread."""

    def check_for_suspension(self, burst: bool) -> None:  # RQ's
        """Before the next message: wait while operators want this worker to take none."""
        while not (self._stop_requested or self._takes_tasks()):
            self.heartbeat()
        with suppress(RedisError):
            super().check_for_suspension(burst)

    def _takes_tasks(self) -> bool:
        beat_s = _DRAINED_BEAT_S if self.lane is None else _LANE_WAITS_S
        return self.duty is None or self.duty.wait_until_it_takes_tasks(beat_s)

    def request_stop(self, signum: Any, frame: Any) -> None:
        """End after the job at hand; asking again changes nothing.

        Unlike RQ's own it speaks to nobody: in the middle of a job, a Redis that is away would break the job off.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        if self.get_state() != WorkerStatus.BUSY:
            raise StopRequested
        self._stop_requested = True

    @property
    def dequeue_timeout(self) -> int:
        """How long RQ waits for a message at a time: a lane gets no signal that would wake it up."""
        return _LANE_WAITS_S if self.lane is not None else super().dequeue_timeout

    def _install_signal_handlers(self) -> None:
        if self.lane is not None:
            return
        # The pool decides: an interrupt from the terminal reaches the pool, which asks its workers with SIGTERM.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, self.request_stop)


class TaskWorker(FarmWorker):
    """Runs messages and forgets them: what becomes of tasks is in SQL, so RQ's registries of them serve nobody.

    With them a message is 59 commands and 4 ms of processor time, without them 10 and less than one.
    """

    _beaten_at = float("-inf")
    _has_message = False

    def heartbeat(self, timeout: int | None = None, pipeline: Any = None) -> None:  # RQ's
        """Tell RQ that this worker lives, which it wants to hear around each message; once in _BEAT_S is enough.

        RQ asks for it in every round of waiting, so that this is where a lane hears that it shall end.
        """
        if self.lane is not None and self.lane.is_stopping and not self._has_message:
            raise StopRequested
        if timeout is None and pipeline is None:
            if time.monotonic() < self._beaten_at + _BEAT_S:
                return
            self._beaten_at = time.monotonic()
        super().heartbeat(timeout, pipeline)

    def reorder_queues(self, reference_queue: Queue) -> None:  # RQ's
        """RQ calls this as soon as it has a message."""
        self._has_message = True
        super().reorder_queues(reference_queue)

    def execute_job(self, job: Job, queue: Queue) -> None:  # RQ's
        """Run a message; whatever comes of it, it is not kept."""
        self._state = WorkerStatus.BUSY  # what request_stop goes by; in Redis nobody reads it
        try:
            with self.death_penalty_class(job.timeout or JOB_TIMEOUT_S, JobTimeoutException, job_id=job.id):
                job.func(*job.args, **job.kwargs)
        except Exception:
            log.exception("message %s failed", job.id)
        with suppress(RedisError):  # it goes by itself after MESSAGE_TTL_S
            self.connection.delete(job.key)
        self._state, self._has_message = WorkerStatus.IDLE, False


def run_farm_worker(app: Flask, settings: Settings, *, root: Path, run_as: str | None) -> None:
    """Serve errands, trials and batch work until asked to stop, in several lanes where the settings say so.

    Leaves no browser behind.
    """
    metrics.ORPHANS.inc(sweep(root))  # what this worker's predecessor left, when it was killed
    told, limits = browser_settings(settings, root, run_as), recycling_limits(settings)
    count, capacity = settings.browsers.lanes, settings.browsers.per_worker
    reporter = Reporter("worker")
    try:
        if count == 1:
            _work(app, settings, told, BrowserShelf(told, limits=limits, capacity=capacity), reporter)
            return
        shared = SharedChromes(told, limits=limits, capacity=capacity + count - 1)

        def serve(lane: Lane) -> None:
            browsers = LaneBrowsers(shared, told, limits, lanes=count)
            _work(app, settings, told, browsers, reporter if lane.number == 0 else None, lane)

        try:
            run_lanes(count, serve)
        finally:
            shared.close()
            report_last(app, reporter)
    finally:
        with app.app_context():
            db.engine.dispose()


def _work(
    app: Flask,
    settings: Settings,
    told: BrowserSettings,
    browsers: Browsers,
    reporter: Reporter | None,
    lane: Lane | None = None,
) -> None:
    """Be one worker until asked to stop."""
    worker_id = _register(app)
    structlog.contextvars.bind_contextvars(worker_id=worker_id)
    duty = Duty(browsers, lanes=settings.browsers.lanes)
    on_stuck = end_process if lane is None else lane.give_up
    pulse = Pulse(app, settings.farm, worker_id, duty, reporter=reporter, on_stuck=on_stuck)
    errands = Errands(app, settings.farm, browsers, pulse, worker_id, duty)
    trials = Trials(app, settings.farm, told, pulse, worker_id, duty)
    pulse.start()
    try:
        functions: _Functions = {"run_task": errands.run_task, "run_trial": trials.run_trial}
        _serve(TaskWorker, settings, TASK_QUEUES, functions, duty, lane)
    finally:
        browsers.close()
        pulse.end()
        with app.app_context():
            leases.retire_worker(worker_id=worker_id)


def run_background_worker(app: Flask, settings: Settings) -> None:
    """Serve the background queue, and send webhooks beside it, until asked to stop."""
    courier = Courier(app, settings)
    courier.start()
    reporter = ProcessReporter(app, "background")
    reporter.start()
    try:
        functions: _Functions = {"deliver_outbox": Deliveries(app).deliver_outbox, DRAIN: Upkeep(app).drain_search}
        _serve(FarmWorker, settings, (BACKGROUND,), functions)
    finally:
        courier.end()
        reporter.end()


def _serve(
    kind: type[FarmWorker],
    settings: Settings,
    names: Sequence[str],
    functions: _Functions,
    duty: Duty | None = None,
    lane: Lane | None = None,
) -> None:
    job_class = type("WorkersJob", (RegisteredJob,), {"functions": functions})
    keepalive = {} if settings.redis_queue_url.startswith("unix:") else {"socket_keepalive": True}
    connection = Redis.from_url(settings.redis_queue_url, health_check_interval=30, **keepalive)
    queues = [Queue(name, connection=connection, serializer=JSONSerializer, job_class=job_class) for name in names]
    worker = kind(
        queues,
        name=f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}",
        connection=connection,
        serializer=JSONSerializer,
        job_class=job_class,
        worker_ttl=WORKER_TTL_S,
        maintenance_interval=300,
        log_job_description=False,
    )
    worker.duty, worker.lane = duty, lane
    if lane is not None:
        worker.death_penalty_class = _NoPenalty
    worker.work(logging_level=None)


def _register(app: Flask) -> int:
    host, pid = socket.gethostname(), os.getpid()
    with app.app_context():
        return leases.register_worker(name=f"{host}:{pid}:{secrets.token_hex(4)}", host=host, pid=pid)
