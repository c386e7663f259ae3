"""What the farm did in a stretch of time, counted from tasks, attempts and the products' history themselves.

A task counts when it ended, an attempt when it ended, a change when it was recorded. Reads go by numbers and by the
index of (job, end): none looks at more than the open jobs and what lies in the stretch and shortly before it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Select, func, select

from app.analytics.queries.farm_statements import attempts_within, changes_within, jobs_within, tasks_of_jobs
from app.analytics.rules.farm_buckets import EVERYBODYS, Bucket, Grain, Key, beginning, keys_of
from app.analytics.rules.latencies import class_of
from app.core.orm import table_of
from app.products.models.products import ProductUpdate
from app.rpa.models.jobs import ENDS, Attempt

_ATTEMPT, _UPDATE = table_of(Attempt), table_of(ProductUpdate)
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
    jobs = list(_find_jobs(connection, stretch).items())
    for start in range(0, len(jobs), _JOBS):
        of = dict(jobs[start : start + _JOBS])
        for row in _rows(connection, tasks_of_jobs(), {**_values(stretch), "jobs": list(of)}):
            outcome, code = f"tasks:{row.state}", f"code:{row.code}"
            for bucket in counting.buckets_of(row.finished_at, *of[row.job_id], None):
                bucket[outcome] += 1
                if row.code is not None:
                    bucket[code] += 1


def _find_jobs(connection: Connection, stretch: Stretch) -> dict[int, tuple[int, str]]:
    """Storefront and action of every job that a task may have ended of, by number."""
    queries = jobs_within(of_job=stretch.job_id is not None)
    found = (row for query in queries for row in connection.execute(query, _values(stretch)))
    return {row.id: (row.storefront_id, row.action) for row in found}


def _count_attempts(connection: Connection, stretch: Stretch, counting: _Counting) -> None:
    values, has_high = _values(stretch), stretch.job_id is None and not stretch.is_newest
    if has_high:
        values["high"] = first_number(connection, _ATTEMPT.c.id, _ATTEMPT.c.started_at, stretch.until + _CLOCKS)
    for row in _rows(connection, attempts_within(of_job=stretch.job_id is not None, has_high=has_high), values):
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
    return buckets[:EVERYBODYS], buckets[EVERYBODYS:]


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
    values, has_high = _values(stretch), stretch.job_id is None and not stretch.is_newest
    if has_high:
        values["high"] = first_number(connection, _UPDATE.c.id, _UPDATE.c.created_at, stretch.until + _CLOCKS)
    for row in _rows(connection, changes_within(of_job=stretch.job_id is not None, has_high=has_high), values):
        for bucket in counting.buckets_of(row.created_at, row.storefront_id, row.action, row.worker_id):
            bucket[f"change:{row.attribute}"] += 1


def _rows(connection: Connection, query: Select[Any], values: dict[str, Any]) -> Iterable[Any]:
    return connection.execute(query, values, execution_options={"yield_per": _ROWS})


def _values(stretch: Stretch) -> dict[str, Any]:
    return asdict(stretch)
