"""Whether what is added up of the farm is what its tasks and attempts say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select

from app.analytics.models.farm import FarmBucket
from app.analytics.queries.farm_marks import find_mark
from app.analytics.queries.farm_raw import Stretch, count_stretch, first_attempt, first_update
from app.analytics.rules.farm_buckets import OUTCOMES, Bucket, Grain, Key, beginning, beginnings, difference, following
from app.core.orm import table_of
from app.core.reading import reading
from app.core.running import settings

_BUCKET = table_of(FarmBucket)


@dataclass(frozen=True, slots=True)
class Compared:
    """One day: how many buckets were compared, and in which the sums are not what they should be, and by how much."""

    begins_at: datetime
    buckets: int
    wrong: dict[Key, Bucket]
    """What is missing, or negative where it is too much."""


def compare_days(days: int) -> Iterator[Compared]:
    """Count each of the last ``days`` anew up to where it is added up, and compare; nothing where nothing is."""
    zone = settings().timezone
    with reading() as asked:
        mark = find_mark(asked)
        if mark is None or mark.zone != zone.key:
            return
        for since in beginnings(Grain.DAY, mark.until - timedelta(days=days - 1), mark.until, zone):
            until = min(following(Grain.DAY, since, zone), mark.until)
            rest = Stretch(since, until, first_attempt(asked, since), first_update(asked, since))
            counted = count_stretch(asked, rest, Grain.DAY, zone)
            of_day = (_BUCKET.c.grain == Grain.DAY) & (_BUCKET.c.at == beginning(Grain.DAY, since, zone))
            kept = {
                Key(row.at, row.storefront_id, row.action, row.worker_id): _bucket_of(row)
                for row in asked.execute(select(_BUCKET).where(of_day))
            }
            both = {*counted, *kept}
            wrong = {key: difference(counted.get(key, {}), kept.get(key, {})) for key in both}
            yield Compared(since, len(both), {key: by for key, by in wrong.items() if by})


def _bucket_of(row: object) -> Bucket:
    bucket = Bucket(row.detail)  # type: ignore[attr-defined]
    bucket.update({f"tasks:{outcome}": getattr(row, outcome.lower()) for outcome in OUTCOMES})
    return bucket
