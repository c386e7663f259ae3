"""Whether what is added up of the farm is what its tasks and attempts say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, select

from app.analytics.models.farm import FarmBucket
from app.analytics.queries.farm_marks import Mark, find_mark
from app.analytics.queries.farm_raw import Stretch, count_stretch, first_attempt, first_update
from app.analytics.rules.farm_buckets import (
    OUTCOMES,
    Bucket,
    Grain,
    Key,
    beginnings,
    difference,
    following,
    summed,
)
from app.analytics.rules.farm_windows import still_kept
from app.core.extensions import db
from app.core.orm import database_now, table_of
from app.core.reading import reading
from app.core.running import settings

_BUCKET = table_of(FarmBucket)


@dataclass(frozen=True, slots=True)
class Compared:
    """One day, its hours, or a month: how many buckets were compared, and which sums are wrong by how much."""

    grain: Grain
    begins_at: datetime
    buckets: int
    wrong: dict[Key, Bucket]
    """What is missing, or negative where it is too much."""


def compare_days(days: int) -> Iterator[Compared]:
    """Count each of the last ``days`` anew up to where it is added up, and compare it and its hours with what is kept.

    Months of which a day is among them are compared with what is kept of all their days. Nothing where nothing is.
    """
    zone = settings().timezone
    with reading() as asked:
        mark = find_mark(asked)
        if mark is None or mark.zone != zone.key:
            return
        now = database_now(db.session())
        first = mark.until - timedelta(days=days - 1)
        for since in beginnings(Grain.DAY, first, mark.until, zone):
            yield from _compare_day(asked, since, mark, now)
        for since in beginnings(Grain.MONTH, first, mark.until, zone):
            until = following(Grain.MONTH, since, zone)
            due = summed(_kept(asked, Grain.DAY, since, until), Grain.MONTH, zone)
            yield _compared(asked, Grain.MONTH, since, until, still_kept(due, Grain.MONTH, now=now), now)


def _compare_day(asked: Connection, since: datetime, mark: Mark, now: datetime) -> Iterator[Compared]:
    zone = ZoneInfo(mark.zone)
    until = min(following(Grain.DAY, since, zone), mark.until)
    rest = Stretch(since, until, first_attempt(asked, since), first_update(asked, since))
    hours = count_stretch(asked, rest, Grain.HOUR, zone)
    for grain, due in ((Grain.HOUR, hours), (Grain.DAY, summed(hours, Grain.DAY, zone))):
        yield _compared(asked, grain, since, until, still_kept(due, grain, now=now), now)


def _compared(
    asked: Connection, grain: Grain, since: datetime, until: datetime, due: Mapping[Key, Bucket], now: datetime
) -> Compared:
    kept = still_kept(_kept(asked, grain, since, until), grain, now=now)
    both = {*due, *kept}
    wrong = {key: difference(due.get(key, {}), kept.get(key, {})) for key in both}
    return Compared(grain, since, len(both), {key: by for key, by in wrong.items() if by})


def _kept(asked: Connection, grain: Grain, since: datetime, until: datetime) -> dict[Key, Bucket]:
    within = (_BUCKET.c.grain == grain) & (_BUCKET.c.at >= since) & (_BUCKET.c.at < until)
    rows = asked.execute(select(_BUCKET).where(within))
    return {Key(row.at, row.storefront_id, row.action, row.worker_id): _bucket_of(row) for row in rows}


def _bucket_of(row: object) -> Bucket:
    bucket = Bucket(row.detail)  # type: ignore[attr-defined]
    bucket.update({f"tasks:{outcome}": getattr(row, outcome.lower()) for outcome in OUTCOMES})
    return bucket
