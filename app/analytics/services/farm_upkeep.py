"""Noting how the farm stands, and deleting what need not be kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import Delete, delete

from app.analytics.models.farm import FarmBucket, FarmSample
from app.analytics.queries.farm_load import FINE_FOR, find_load
from app.analytics.queries.farm_marks import find_mark
from app.analytics.rules.farm_buckets import ALL, Grain
from app.analytics.rules.farm_windows import KEPT, KEPT_OF_WORKERS, LEEWAY, kept_since
from app.core.extensions import db
from app.core.many_rows import upsert
from app.core.orm import database_now, table_of
from app.core.reading import reading
from app.core.transactions import connection, in_transaction

EVERY_S: Final = 30
COARSE_S: Final = 600
_SAMPLES_FOR: Final = timedelta(days=90)
_BUCKET, _SAMPLE = table_of(FarmBucket).c, table_of(FarmSample).c


@in_transaction
def note_load() -> None:
    """Note how the farm stands, once in half a minute however often it is called."""
    load = find_load()
    slot = load.at.timestamp() // EVERY_S * EVERY_S
    row = {
        "at": datetime.fromtimestamp(slot, UTC), "is_coarse": slot % COARSE_S == 0, "waiting": load.waiting,
        "queued": load.queued, "running": load.running, "idle": load.idle, "busy": load.busy,
        "draining": load.draining,
    }  # fmt: skip
    upsert(connection(), table_of(FarmSample), [row])


@in_transaction
def purge_farm_figures() -> int:
    """Delete buckets and samples that are older than they are kept; returns how many.

    Minutes are kept for 48 hours, hours for 90 days, days and months for ever; of single workers 2 hours, 14 and
    400 days.
    """
    now, write = database_now(db.session()), connection()
    with reading() as asked:
        mark = find_mark(asked)
    until = now if mark is None else min(now, mark.until)
    old = [
        delete(FarmSample).where(~_SAMPLE.is_coarse, _SAMPLE.at < now - FINE_FOR - LEEWAY),
        delete(FarmSample).where(_SAMPLE.is_coarse, _SAMPLE.at < now - _SAMPLES_FOR),
        *(_delete_old(grain, until) for grain in KEPT),
        *(_delete_old(grain, until, of_worker=True) for grain in KEPT_OF_WORKERS),
    ]
    return sum(write.execute(statement).rowcount for statement in old)


def _delete_old(grain: Grain, now: datetime, *, of_worker: bool = False) -> Delete:
    before = kept_since(grain, of_worker=of_worker, now=now) - LEEWAY
    old = delete(FarmBucket).where(_BUCKET.grain == grain, _BUCKET.at < before)
    return old.where(_BUCKET.worker_id != ALL) if of_worker else old
