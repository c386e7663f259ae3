"""One worker process: an RQ worker that runs its jobs in this very process, where the warm browser is."""

from __future__ import annotations

import logging
import os
import secrets
import signal
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import structlog
from flask import Flask
from redis import Redis
from redis.exceptions import RedisError
from rq import Queue, SimpleWorker
from rq.exceptions import StopRequested
from rq.serializers import JSONSerializer
from rq.worker import WorkerStatus

from app.config import Settings
from app.core.extensions import db
from app.core.queues import BACKGROUND, BATCH, INTERACTIVE, RegisteredJob
from app.products.search.queue import DRAIN
from app.rpa import metrics
from app.rpa.services import leases
from workers.chrome.slot import sweep
from workers.courier import Courier
from workers.duty import Duty
from workers.errands import Errands, browser_settings, shelf_for
from workers.jobs.outbox import Deliveries
from workers.jobs.search import Upkeep
from workers.pulse import Pulse
from workers.trials import Trials

log = logging.getLogger(__name__)

WORKER_TTL_S: Final = 60
"""RQ's own idea of when a worker is gone; ours is in SQL."""
_DRAINED_BEAT_S: Final = 20.0
"""How often a drained worker tells RQ that it lives."""


class FarmWorker(SimpleWorker):
    """RQ's in-process worker, for registered jobs only; a signal finishes the job at hand and ends it."""

    job_class = RegisteredJob

    max_connection_wait_time = 5.0
    """Seconds between two looks for a Redis that is away; RQ's minute would be a minute without work after it."""
    duty: Duty | None = None

    def check_for_suspension(self, burst: bool) -> None:  # RQ's
        """Before the next message: wait while operators want this worker to take none."""
        while not (self._stop_requested or self._takes_tasks()):
            with suppress(RedisError):
                self.heartbeat()
        super().check_for_suspension(burst)

    def _takes_tasks(self) -> bool:
        return self.duty is None or self.duty.wait_until_it_takes_tasks(_DRAINED_BEAT_S)

    def request_stop(self, signum: Any, frame: Any) -> None:
        """End after the job at hand; asking again changes nothing.

        Unlike RQ's own it speaks to nobody: in the middle of a job, a Redis that is away would break the job off.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        if self.get_state() != WorkerStatus.BUSY:
            raise StopRequested
        self._stop_requested = True

    def _install_signal_handlers(self) -> None:
        # The pool decides: an interrupt from the terminal reaches the pool, which asks its workers with SIGTERM.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, self.request_stop)


def run_farm_worker(app: Flask, settings: Settings, *, root: Path, run_as: str | None) -> None:
    """Serve the interactive and batch queues until asked to stop; leaves no browser behind."""
    metrics.ORPHANS.inc(sweep(root))  # what this worker's predecessor left, when it was killed
    worker_id = _register(app)
    structlog.contextvars.bind_contextvars(worker_id=worker_id)
    browsers = shelf_for(settings, root, run_as)
    duty = Duty(browsers)
    pulse = Pulse(app, settings.farm, worker_id, duty)
    errands = Errands(app, settings.farm, browsers, pulse, worker_id, duty)
    trials = Trials(app, settings.farm, browser_settings(settings, root, run_as), pulse, worker_id, duty)
    RegisteredJob.functions = {"run_task": errands.run_task, "run_trial": trials.run_trial}
    pulse.start()
    try:
        _serve(settings, [INTERACTIVE, BATCH], duty)
    finally:
        browsers.close()
        pulse.end()
        with app.app_context():
            leases.retire_worker(worker_id=worker_id)
            db.engine.dispose()


def run_background_worker(app: Flask, settings: Settings) -> None:
    """Serve the background queue, and send webhooks beside it, until asked to stop."""
    RegisteredJob.functions = {"deliver_outbox": Deliveries(app).deliver_outbox, DRAIN: Upkeep(app).drain_search}
    courier = Courier(app, settings)
    courier.start()
    try:
        _serve(settings, [BACKGROUND])
    finally:
        courier.end()


def _serve(settings: Settings, names: list[str], duty: Duty | None = None) -> None:
    keepalive = {} if settings.redis_queue_url.startswith("unix:") else {"socket_keepalive": True}
    connection = Redis.from_url(settings.redis_queue_url, health_check_interval=30, **keepalive)
    queues = [Queue(name, connection=connection, serializer=JSONSerializer, job_class=RegisteredJob) for name in names]
    worker = FarmWorker(
        queues,
        name=f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}",
        connection=connection,
        serializer=JSONSerializer,
        job_class=RegisteredJob,
        worker_ttl=WORKER_TTL_S,
        maintenance_interval=300,
        log_job_description=False,
    )
    worker.duty = duty
    worker.work(logging_level=None)


def _register(app: Flask) -> int:
    host, pid = socket.gethostname(), os.getpid()
    with app.app_context():
        return leases.register_worker(name=f"{host}:{pid}:{secrets.token_hex(4)}", host=host, pid=pid)
