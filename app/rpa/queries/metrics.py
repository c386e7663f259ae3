"""Everything that Prometheus is told: what the processes have counted, and how the farm stands at this moment.

Every read here is bounded by the number of open jobs, storefronts and workers, never by that of tasks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from prometheus_client.core import GaugeMetricFamily, Metric
from redis.exceptions import RedisError
from sqlalchemy import func, select

from app.core.extensions import db
from app.core.metrics import shown
from app.core.orm import database_now
from app.core.outbox import MAX_ATTEMPTS, Outbox
from app.core.queues import BACKGROUND, TASK_QUEUES, doorbell
from app.core.tallies import read_total
from app.rpa import metrics  # noqa: F401  # what it defines is shown here
from app.rpa.models.jobs import Job, Task, TaskState
from app.rpa.models.storefronts import Storefront
from app.rpa.models.workers import Leader, Worker, WorkerState
from app.rpa.queries.workers import with_work
from app.rpa.rules.holds import find_hold
from app.rpa.rules.job_moves import OPEN, WORKS

_JOBS: Final = 1_000
"""Open jobs that are looked at for the oldest task that waits, the oldest jobs first."""
_WORKERS: Final = 2_000


def read_metrics() -> Iterator[Metric]:
    """All metrics, each read when its turn comes."""
    now = database_now(db.session())
    shops = list(db.session.scalars(select(Storefront)))
    codes = {shop.id: shop.code for shop in shops}
    yield from shown(read_total(), {"storefront": {str(id_): code for id_, code in codes.items()}})
    yield from _of_jobs(codes)
    yield from _of_tasks(codes, now)
    yield _holds(shops, now)
    yield from _of_workers()
    yield from _of_dispatcher(now)
    yield from _of_outbox(now)
    yield from _of_queues()


def _gauge(name: str, documentation: str, values: Mapping[Any, float], *labels: str) -> GaugeMetricFamily:
    metric = GaugeMetricFamily(name, documentation, labels=labels)
    for key, value in values.items():
        metric.add_metric([str(part) for part in (key if isinstance(key, tuple) else (key,))], value)
    return metric


def _of_jobs(codes: Mapping[int, str]) -> Iterator[Metric]:
    left = func.sum(Job.total_count - Job.current_count)
    rows = db.session.execute(
        select(Job.storefront_id, Job.state, func.count(), left)
        .where(Job.state.in_(OPEN))
        .group_by(Job.storefront_id, Job.state)
    ).all()
    jobs, tasks = Counter[str](), dict.fromkeys(codes.values(), 0)
    for storefront_id, state, count, open_tasks in rows:
        jobs[state] += count
        tasks[codes[storefront_id]] += int(open_tasks)
    states = {state.value: jobs[state] for state in OPEN}
    yield _gauge("cartwright_jobs_open", "Jobs that have not ended", states, "state")
    yield _gauge("cartwright_tasks_open", "Tasks of jobs that have not ended, running ones too", tasks, "storefront")


def _of_tasks(codes: Mapping[int, str], now: datetime) -> Iterator[Metric]:
    out = (
        select(Task.storefront_id, Task.state, func.count(), func.min(Task.released_at))
        .where(Task.state.in_((TaskState.QUEUED, TaskState.LEASED)))
        .group_by(Task.storefront_id, Task.state)
    )
    found = {(codes[row[0]], row[1]): row[2:] for row in db.session.execute(out)}
    oldest = dict.fromkeys(codes.values(), now)
    for (code, state), (_count, released_at) in found.items():
        if state == TaskState.QUEUED:
            oldest[code] = min(oldest[code], released_at or now)
    for storefront_id, ready_at in db.session.execute(_first_ready()):
        if ready_at is not None:
            oldest[codes[storefront_id]] = min(oldest[codes[storefront_id]], ready_at)
    for name, state, documentation in (
        ("cartwright_tasks_queued", TaskState.QUEUED, "Tasks that were released and are not claimed"),
        ("cartwright_leases", TaskState.LEASED, "Tasks that workers hold"),
    ):
        counts = {code: found.get((code, state), (0,))[0] for code in codes.values()}
        yield _gauge(name, documentation, counts, "storefront")
    waited = {code: (now - since).total_seconds() for code, since in oldest.items()}
    told = "For how long the task has been due that waits longest, of jobs that are not paused"
    yield _gauge("cartwright_oldest_pending_seconds", told, waited, "storefront")


def _first_ready() -> Any:
    """Of each open job the storefront, and since when its first task that is READY is due."""
    first = (
        select(Task.not_before)
        .where(Task.job_id == Job.id, Task.state == TaskState.READY)
        .order_by(Task.not_before)
        .limit(1)
        .scalar_subquery()
    )
    return select(Job.storefront_id, first).where(Job.state.in_(WORKS)).order_by(Job.id).limit(_JOBS)


def _holds(shops: list[Storefront], now: datetime) -> Metric:
    values: dict[tuple[str, str], float] = {}
    for shop in shops:
        hold = find_hold(shop, now)
        if hold is not None:
            left = 0.0 if hold.until is None else max(0.0, (hold.until - now).total_seconds())
            values[shop.code, hold.reason] = left
    told = "Why nothing starts on a storefront now, and for how much longer; 0 where nobody knows"
    return _gauge("cartwright_storefront_held_seconds", told, values, "storefront", "reason")


def _of_workers() -> Iterator[Metric]:
    rows = with_work(db.session.scalars(select(Worker).order_by(Worker.id.desc()).limit(_WORKERS)).all())
    states = Counter(row.state for row in rows)
    yield _gauge(
        "cartwright_workers", "Workers by what they do; those that are gone for a day",
        {state.value: states[state] for state in WorkerState}, "state",
    )  # fmt: skip
    memory = {
        (row.host, row.id): row.vitals["memory_bytes"]
        for row in rows
        if row.vitals is not None and row.state not in {WorkerState.STOPPED, WorkerState.LOST}
    }
    told = "Proportional set size of a worker and its browsers"
    yield _gauge("cartwright_worker_memory_bytes", told, memory, "host", "worker")


def _of_dispatcher(now: datetime) -> Iterator[Metric]:
    leader = db.session.scalar(select(Leader).where(Leader.name == "dispatcher"))
    left = 0.0 if leader is None else (leader.until - now).total_seconds()
    led = 0.0 if leader is None or leader.since is None or left <= 0 else (now - leader.since).total_seconds()
    told = "For how much longer the leading dispatcher leads unless it says so again; negative: nobody does"
    yield GaugeMetricFamily("cartwright_dispatcher_lease_seconds", told, value=left)
    yield GaugeMetricFamily("cartwright_dispatcher_led_seconds", "For how long the same dispatcher has led", value=led)


def _of_outbox(now: datetime) -> Iterator[Metric]:
    is_open, is_due = Outbox.done_at.is_(None), Outbox.not_before <= now
    waiting = select(func.count(), func.min(Outbox.not_before)).where(is_open, is_due, Outbox.attempts < MAX_ATTEMPTS)
    due, oldest = db.session.execute(waiting).one()
    given_up = select(func.count()).where(is_open, Outbox.attempts >= MAX_ATTEMPTS)
    age = (now - oldest).total_seconds() if due else 0.0
    yield GaugeMetricFamily("cartwright_outbox_due", "Effects that are due and not done", value=due)
    yield GaugeMetricFamily("cartwright_outbox_oldest_seconds", "For how long the oldest has been due", value=age)
    told = "Effects that failed too often; they are kept for a week"
    yield GaugeMetricFamily("cartwright_outbox_given_up", told, value=db.session.scalar(given_up) or 0)


def _of_queues() -> Iterator[Metric]:
    depths, is_up = {}, 1
    try:
        depths = {name: doorbell().queue(name).count for name in (*TASK_QUEUES, BACKGROUND)}
    except (RedisError, OSError):
        is_up = 0
    yield _gauge("cartwright_queue_depth", "Messages that wait in Redis", depths, "queue")
    yield GaugeMetricFamily("cartwright_queue_up", "Whether the Redis of the queues answers", value=is_up)
