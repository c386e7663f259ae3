"""Summing observations up by day, and deleting those that are old: away from the transactions that end tasks.

A day is summed up when it has been over for an hour, so that no transaction which belongs to it is still open. Each
step takes some observations in their order and notes how far it came in the same transaction: none is counted twice.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Final

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from app.core.extensions import db
from app.core.orm import count_changed, database_now
from app.core.pagination import behind
from app.core.running import settings
from app.core.transactions import in_transaction
from app.rpa.models.observations import Observation, ObservationDay, ObservationFold
from app.rpa.rules.series import day_of, fold, new_day

CHUNK: Final = 1_000
GRACE: Final = timedelta(hours=1)
_AT_A_TIME_S: Final = 20.0
"""How long one call works; the next one goes on."""
_BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)
_KEYS: Final = [(Observation.observed_at, False), (Observation.id, False)]
_Key = tuple[int, int, date]


def fold_observations() -> int:
    """Sum up the observations of days that are over; returns of how many, and of very many some."""
    return _repeated(_fold_some)


def purge_observations() -> int:
    """Delete observations older than OBSERVATION_DAYS that are summed up; returns how many, of very many some."""
    return _repeated(_purge_some)


def _repeated(step: Callable[[], int]) -> int:
    done, until = 0, time.monotonic() + _AT_A_TIME_S
    while time.monotonic() < until:
        count = step()
        done += count
        if count < CHUNK:
            break
    return done


@in_transaction
def _fold_some() -> int:
    session = db.session()
    end = datetime.combine(day_of(database_now(session) - GRACE), datetime.min.time(), UTC)
    mark = session.get(ObservationFold, 1, with_for_update=True)
    if mark is None:
        mark = ObservationFold(id=1, until=_BEGINNING, observed_at=_BEGINNING, observation_id=0)
        session.add(mark)
    next_ones = select(Observation).where(
        behind(_KEYS, [mark.observed_at, mark.observation_id]), Observation.observed_at < end
    )
    rows = list(session.scalars(next_ones.order_by(Observation.observed_at, Observation.id).limit(CHUNK)))
    days = _days(session, rows)
    for row in rows:
        fold(days[_key(row)], row)
    if rows:
        mark.observed_at, mark.observation_id = rows[-1].observed_at, rows[-1].id
    if len(rows) < CHUNK:
        mark.until = max(mark.until, end)
    return len(rows)


def _days(session: Session, rows: list[Observation]) -> dict[_Key, ObservationDay]:
    """The days that these observations belong to, those that are there and new ones."""
    found: dict[_Key, ObservationDay] = {}
    if rows:
        there = select(ObservationDay).where(
            ObservationDay.product_id.in_({row.product_id for row in rows}),
            ObservationDay.day.between(day_of(rows[0].observed_at), day_of(rows[-1].observed_at)),
        )
        found = {(one.product_id, one.storefront_id, one.day): one for one in session.scalars(there)}
    for row in rows:
        if _key(row) not in found:
            found[_key(row)] = new_day(row)
            session.add(found[_key(row)])
    return found


def _key(row: Observation) -> _Key:
    return row.product_id, row.storefront_id, day_of(row.observed_at)


@in_transaction
def _purge_some() -> int:
    session = db.session()
    folded = session.scalar(select(ObservationFold.until)) or _BEGINNING
    before = min(folded, database_now(session) - timedelta(days=settings().evidence.observation_days))
    old = select(Observation.id).where(Observation.observed_at < before)
    ids = list(session.scalars(old.order_by(Observation.observed_at, Observation.id).limit(CHUNK)))
    return count_changed(session, delete(Observation).where(Observation.id.in_(ids))) if ids else 0
