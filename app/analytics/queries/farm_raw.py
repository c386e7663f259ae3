"""What the farm did in a stretch of time, counted from tasks, attempts and the products' history themselves.

A task counts when it ended, an attempt when it ended, a change when it was recorded. Reads go by numbers and by the
index of (job, end): none looks at more than the open jobs and what lies in the stretch and shortly before it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Select, func, select

from app.analytics.rules.farm_buckets import Bucket, Grain, Key, beginning, keys_of
from app.analytics.rules.latencies import class_of
from app.core.orm import table_of
from app.products.models.products import ProductUpdate, Source
from app.rpa.models.jobs import ENDS, Attempt, Job, JobState, Task
from app.rpa.rules.job_moves import OPEN

_TASK, _JOB, _ATTEMPT, _UPDATE = (table_of(model) for model in (Task, Job, Attempt, ProductUpdate))
_CLOSED: Final = tuple(state for state in JobState if state not in OPEN)
_JOBS: Final = 500
_ROWS: Final = 2_000
_CLOCKS: Final = timedelta(minutes=5)
"""Numbers are given out a little before or after the instant that is written beside them."""
_LONGEST_VISIT: Final = timedelta(days=2)
"""An attempt that is open for longer will hardly end."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """From when, before when, and from which numbers on to look."""

    since: datetime
    until: datetime
    attempt_id: int = 0
    update_id: int = 0
    job_id: int | None = None
    """Only of this job."""
    is_newest: bool = False
    """Whether it goes on to this moment, so that there is nothing behind it to be kept out."""


class _Counting:
    """Buckets that fill."""

    def __init__(self, grain: Grain, zone: ZoneInfo) -> None:
        self.buckets: dict[Key, Bucket] = {}
        self._grain, self._zone = grain, zone
        self._found: dict[tuple[Any, ...], list[Bucket]] = {}

    def buckets_of(self, when: datetime, storefront_id: int, action: str, worker_id: int | None) -> list[Bucket]:
        """The buckets that what happened at an instant counts in."""
        short = (when.replace(second=0, microsecond=0), storefront_id, action, worker_id)
        found = self._found.get(short)
        if found is None:
            at = beginning(self._grain, when, self._zone)
            keys = keys_of(at, storefront_id, action, worker_id)
            found = self._found[short] = [self.buckets.setdefault(key, Counter()) for key in keys]
        return found


def count_stretch(connection: Connection, stretch: Stretch, grain: Grain, zone: ZoneInfo) -> dict[Key, Bucket]:
    """Everything that happened in a stretch, in buckets of a grain; those in which nothing happened are missing."""
    counting = _Counting(grain, zone)
    _count_tasks(connection, stretch, counting)
    _count_attempts(connection, stretch, counting)
    _count_changes(connection, stretch, counting)
    return counting.buckets


def first_attempt(connection: Connection, since: datetime) -> int:
    """A number that no attempt is below which ended at an instant or later, nor any that is still open."""
    lowest = first_number(connection, _ATTEMPT.c.id, _ATTEMPT.c.started_at, since - _LONGEST_VISIT)
    return open_since(connection, lowest, since)


def open_since(connection: Connection, lowest: int, since: datetime) -> int:
    """The first attempt from a number on that had not ended before an instant; the next number where all had."""
    attempt = _ATTEMPT.c
    is_late = attempt.ended_at.is_(None) | (attempt.ended_at >= since)
    found = select(attempt.id).where(attempt.id >= lowest, is_late).order_by(attempt.id).limit(1)
    number = connection.scalar(found)
    if number is None:
        number = (connection.scalar(select(func.max(attempt.id))) or 0) + 1
    return max(lowest, int(number))


def first_update(connection: Connection, since: datetime) -> int:
    """A number that no row of the products' history is below which was written at an instant or later."""
    return first_number(connection, _UPDATE.c.id, _UPDATE.c.created_at, since - _CLOCKS)


def first_number(connection: Connection, number: Any, written: Any, since: datetime) -> int:
    """The first number whose row was written at an instant or later, where both rise together; found by halving."""
    low, high = connection.execute(select(func.min(number), func.max(number))).one()
    if low is None:
        return 0
    high += 1
    while low < high:
        middle = (low + high) // 2
        row = connection.execute(
            select(number, written).where(number >= middle, number < high).order_by(number).limit(1)
        ).one_or_none()
        if row is None or row[1] >= since:
            high = middle
        else:
            low = row[0] + 1
    return int(low)


def _count_tasks(connection: Connection, stretch: Stretch, counting: _Counting) -> None:
    task = _TASK.c
    jobs = list(_find_jobs(connection, stretch).items())
    for start in range(0, len(jobs), _JOBS):
        of = dict(jobs[start : start + _JOBS])
        ended = select(task.job_id, task.finished_at, task.state, task.code).where(
            task.job_id.in_(of), task.finished_at >= stretch.since, task.finished_at < stretch.until,
            task.state.in_(ENDS),
        )  # fmt: skip
        for row in _rows(connection, ended):
            outcome, code = f"tasks:{row.state}", f"code:{row.code}"
            for bucket in counting.buckets_of(row.finished_at, *of[row.job_id], None):
                bucket[outcome] += 1
                if row.code is not None:
                    bucket[code] += 1


def _find_jobs(connection: Connection, stretch: Stretch) -> dict[int, tuple[int, str]]:
    """Storefront and action of every job that a task may have ended of, by number."""
    job = _JOB.c
    shown = select(job.id, job.storefront_id, job.action)
    if stretch.job_id is not None:
        queries = [shown.where(job.id == stretch.job_id)]
    else:  # in this order: one that ends between the two is in both
        began = shown.where(job.created_at < stretch.until)
        queries = [
            began.where(job.state.in_(OPEN)),
            began.where(job.state.in_(_CLOSED), job.finished_at >= stretch.since),
        ]
    return {row.id: (row.storefront_id, row.action) for query in queries for row in connection.execute(query)}


def _count_attempts(connection: Connection, stretch: Stretch, counting: _Counting) -> None:
    attempt, task, job = _ATTEMPT.c, _TASK.c, _JOB.c
    ended = (
        select(
            attempt.started_at, attempt.ended_at, attempt.outcome, attempt.code, attempt.worker_id, attempt.number,
            attempt.facts["timings_ms"].label("timings"), job.storefront_id, job.action, task.release_no,
            task.released_at,
        )
        .select_from(_ATTEMPT.join(_TASK, task.id == attempt.task_id).join(_JOB, job.id == task.job_id))
        .where(attempt.ended_at >= stretch.since, attempt.ended_at < stretch.until)
    )  # fmt: skip
    if stretch.job_id is not None:
        ended = ended.where(task.job_id == stretch.job_id)
    else:
        ended = ended.where(attempt.id >= stretch.attempt_id)
        if not stretch.is_newest:
            high = first_number(connection, attempt.id, attempt.started_at, stretch.until + _CLOCKS)
            ended = ended.where(attempt.id < high)
    for row in _rows(connection, ended):
        names = list(_names_of(row))
        own = _names_of_worker(row)
        every, of_worker = _apart(counting.buckets_of(row.ended_at, row.storefront_id, row.action, row.worker_id))
        for bucket in every:
            for name in names:
                bucket[name] += 1
        for bucket in of_worker:
            for name in (*names, *own):
                bucket[name] += 1


def _apart(buckets: list[Bucket]) -> tuple[list[Bucket], list[Bucket]]:
    """Those of everybody, and that of the worker."""
    return buckets[:3], buckets[3:]


def _names_of(row: Any) -> Iterator[str]:
    """What an attempt counts as."""
    yield f"attempts:{row.outcome}"
    if row.outcome == "RETRY":
        yield f"retry:{row.code}"
    if not row.timings:
        return
    for stage, spent in row.timings.items():
        yield f"stage:{stage}:{class_of(int(spent))}"
    yield f"stage:total:{class_of(_milliseconds(row.ended_at - row.started_at))}"
    if row.number == row.release_no and row.released_at is not None:
        yield f"stage:queue:{class_of(_milliseconds(row.started_at - row.released_at))}"


def _names_of_worker(row: Any) -> tuple[str, ...]:
    """What the end of a task counts as with the worker that made the last attempt."""
    if row.outcome not in ENDS:
        return ()
    return (f"tasks:{row.outcome}",) if row.code is None else (f"tasks:{row.outcome}", f"code:{row.code}")


def _milliseconds(spent: timedelta) -> int:
    return max(0, round(spent.total_seconds() * 1000))


def _count_changes(connection: Connection, stretch: Stretch, counting: _Counting) -> None:
    update, job = _UPDATE.c, _JOB.c
    seen = (
        select(update.created_at, update.attribute, update.storefront_id, job.action)
        .select_from(_UPDATE.join(_JOB, job.id == update.job_id))
        .where(
            update.source == Source.FARM, update.observed_id.is_(None), update.created_at >= stretch.since,
            update.created_at < stretch.until,
        )
    )  # fmt: skip
    if stretch.job_id is not None:
        seen = seen.where(update.job_id == stretch.job_id)
    else:
        seen = seen.where(update.id >= stretch.update_id)
        if not stretch.is_newest:
            seen = seen.where(
                update.id < first_number(connection, update.id, update.created_at, stretch.until + _CLOCKS)
            )
    for row in _rows(connection, seen):
        for bucket in counting.buckets_of(row.created_at, row.storefront_id, row.action, None):
            bucket[f"change:{row.attribute}"] += 1


def _rows(connection: Connection, query: Select[Any]) -> Iterable[Any]:
    return connection.execute(query, execution_options={"yield_per": _ROWS})
