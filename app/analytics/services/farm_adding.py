"""Adding up what the farm did, away from the transactions that end tasks.

Every few seconds the buckets of the last minutes are counted anew from tasks and attempts, so that what was committed
late is in, and what they have become more by is added to their hour, day and month, all in one transaction. Who writes
says which step it goes on from, so two at once are as good as one. Where nothing was added up before, or the clocks of
the shop have become others, it begins with the first task and goes on hour by hour until it has caught up.
"""

from __future__ import annotations

import secrets
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Connection, delete, func, select, update

from app.analytics.models.farm import FarmBucket, FarmMark, FarmWorker
from app.analytics.queries.farm_marks import Mark, find_mark
from app.analytics.queries.farm_raw import Stretch, count_stretch, first_attempt, first_update, open_since
from app.analytics.rules.farm_buckets import (
    ALL,
    OUTCOMES,
    Bucket,
    Grain,
    Key,
    beginning,
    difference,
    following,
    summed,
)
from app.analytics.rules.farm_windows import KEPT, LEEWAY, still_kept
from app.core.extensions import db
from app.core.many_rows import upsert
from app.core.orm import database_now, table_of
from app.core.reading import reading
from app.core.running import settings
from app.core.transactions import connection, in_transaction
from app.rpa.models.jobs import Job
from app.rpa.models.workers import Worker

MINUTES_FOR: Final = KEPT[Grain.MINUTE]
"""For how long there are buckets of minutes."""
GRACE: Final = timedelta(minutes=3)
"""How far back is counted again: what commits later than this after its own time is missing until a rebuild."""
_LAG: Final = timedelta(seconds=2)
"""What is younger is left to the next step, because most of it is not committed."""
_SETTLED: Final = timedelta(hours=1)
_STEP: Final = timedelta(hours=6)
_AT_A_TIME_S: Final = 20.0
"""How long one call works; the next one goes on."""
_CHUNK: Final = 500
_BUCKET, _MARK, _WORKER = table_of(FarmBucket), table_of(FarmMark), table_of(FarmWorker)
_ABOVE: Final = {Grain.MINUTE: (Grain.HOUR, Grain.DAY, Grain.MONTH), Grain.HOUR: (Grain.DAY, Grain.MONTH)}
"""What steps of minutes, or of hours, are added to."""


@dataclass(frozen=True, slots=True)
class _Step:
    """One stretch, counted."""

    grain: Grain
    since: datetime
    until: datetime
    buckets: Mapping[Key, Bucket]
    mark: Mark
    now: datetime


def add_up(*, for_s: float = _AT_A_TIME_S) -> bool:
    """Add up what is new, for at most so many seconds; whether everything is in now."""
    ends_at = time.monotonic() + for_s
    while True:
        is_through = _take_step()
        if is_through or time.monotonic() > ends_at:
            return is_through


@in_transaction
def begin_anew() -> None:
    """Forget all sums; who reads them waits until they are there again."""
    write, zone = connection(), settings().timezone
    write.execute(delete(_BUCKET))
    first = write.scalar(select(func.min(table_of(Job).c.created_at)))
    until = beginning(Grain.HOUR, first or database_now(db.session()), zone)
    version = secrets.randbelow(2**30)  # so that no step which goes on from before fits
    upsert(
        write, _MARK,
        [{"id": 1, "version": version, "zone": zone.key, "until": until, "attempt_id": 0, "update_id": 0}],
    )  # fmt: skip


def _take_step() -> bool:
    """Add up the next stretch; whether it was the last one, or another process is at it."""
    zone = settings().timezone
    with reading() as asked:
        mark = find_mark(asked)
    if mark is None or mark.zone != zone.key:
        begin_anew()
        with reading() as asked:
            mark = find_mark(asked)
    if mark is None:
        return True
    with reading() as asked:
        step = _count(asked, mark, database_now(db.session()), zone)
    if step is None or not _write_step(step=step, version=mark.version):
        return True
    return step.mark.until >= database_now(db.session()) - _SETTLED


def _count(asked: Connection, mark: Mark, now: datetime, zone: ZoneInfo) -> _Step | None:
    end = now - _LAG
    if mark.until >= end:
        return None
    by_minutes = beginning(Grain.HOUR, now - MINUTES_FOR, zone)
    lowest = mark.attempt_id
    if mark.until < by_minutes:
        grain, since = Grain.HOUR, beginning(Grain.HOUR, mark.until, zone)
        end = min(by_minutes, following(Grain.DAY, since, zone))
        if since < mark.until:
            lowest = first_attempt(asked, since)
    else:
        grain = Grain.MINUTE
        since = beginning(grain, mark.until if now - mark.until > _SETTLED else mark.until - GRACE, zone)
        end = min(end, since + _STEP)
    is_newest = end == now - _LAG
    stretch = Stretch(since, end, lowest, first_update(asked, since), is_newest=is_newest)
    buckets = count_stretch(asked, stretch, grain, zone)
    again = beginning(Grain.MINUTE, end - GRACE, zone)
    after = Mark(mark.version + 1, zone.key, end, open_since(asked, lowest, again), first_update(asked, again))
    return _Step(grain, since, end, buckets, after, now)


@in_transaction
def _write_step(*, step: _Step, version: int) -> bool:
    """Write a step if it goes on from the last one; False where another process was quicker."""
    write, mark = connection(), step.mark
    values = {"version": mark.version, "until": mark.until, "attempt_id": mark.attempt_id, "update_id": mark.update_id}
    if write.execute(update(_MARK).where(_MARK.c.version == version).values(values)).rowcount != 1:
        return False
    zone = ZoneInfo(mark.zone)
    old = _read_stretch(write, step.grain, step.since, step.until)
    changes = {key: difference(step.buckets.get(key, {}), old.get(key, {})) for key in {*step.buckets, *old}}
    changes = {key: change for key, change in changes.items() if change}
    past = step.now - LEEWAY  # what would be deleted soon is not written: of a long past that is very much
    kept = still_kept(changes, step.grain, now=past)
    _write(write, step.grain, {key: step.buckets.get(key, Counter()) for key in kept})
    for grain in _ABOVE[step.grain]:
        sums = still_kept(summed(changes, grain, zone), grain, now=past)
        for key, before in _read_some(write, grain, sums).items():
            sums[key].update(before)
        _write(write, grain, sums)
    _name_workers(write, {key.worker_id for key in changes} - {ALL})
    return True


def _read_stretch(asked: Connection, grain: Grain, since: datetime, until: datetime) -> dict[Key, Bucket]:
    at = _BUCKET.c.at
    return _read(asked, grain, (at >= since) & (at < until))


def _read_some(asked: Connection, grain: Grain, keys: Iterable[Key]) -> dict[Key, Bucket]:
    wanted = {key.at for key in keys}
    found = _read(asked, grain, _BUCKET.c.at.in_(wanted)) if wanted else {}
    return {key: found[key] for key in keys if key in found}


def _read(asked: Connection, grain: Grain, which: ColumnElement[bool]) -> dict[Key, Bucket]:
    found = {}
    for row in asked.execute(select(_BUCKET).where(_BUCKET.c.grain == grain, which)):
        bucket = Counter(row.detail)
        for outcome in OUTCOMES:
            if count := getattr(row, outcome.lower()):
                bucket[f"tasks:{outcome}"] = count
        found[Key(row.at, row.storefront_id, row.action, row.worker_id)] = bucket
    return found


def _write(write: Connection, grain: Grain, buckets: Mapping[Key, Bucket]) -> None:
    rows = [_row(grain, key, buckets[key]) for key in sorted(buckets)]
    for start in range(0, len(rows), _CHUNK):
        upsert(write, _BUCKET, rows[start : start + _CHUNK])


def _row(grain: Grain, key: Key, bucket: Bucket) -> dict[str, Any]:
    outcomes = {outcome.lower(): bucket[f"tasks:{outcome}"] for outcome in OUTCOMES}
    detail = {name: count for name, count in bucket.items() if count and not name.startswith("tasks:")}
    own = {"storefront_id": key.storefront_id, "action": key.action, "worker_id": key.worker_id, "at": key.at}
    return {"grain": grain, **own, **outcomes, "detail": detail}


def _name_workers(write: Connection, ids: Iterable[int]) -> None:
    """Keep the names of workers, which the farm forgets."""
    unknown = set(ids) - set(write.scalars(select(_WORKER.c.id).where(_WORKER.c.id.in_(ids))))
    worker = table_of(Worker).c
    found = write.execute(select(worker.id, worker.name, worker.host).where(worker.id.in_(unknown))).mappings()
    if rows := [dict(row) for row in found]:
        upsert(write, _WORKER, sorted(rows, key=lambda row: row["id"]))
