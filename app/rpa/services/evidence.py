"""Keeping evidence: a row with the attempt's end, and deleting in time; a row goes before its file.

So nothing is shown that is not there. A file that has no row (a worker died between the two, a lease was lost, a store
was away when it should have been deleted) is swept.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from sqlalchemy import ColumnElement, delete, func, select, true, update
from sqlalchemy.orm import Session

from app.core.extensions import db
from app.core.files import evidence_store
from app.core.orm import count_changed, database_now
from app.core.running import settings
from app.core.transactions import in_transaction
from app.products.events import ProductDeleted
from app.products.models.products import Product
from app.rpa.evidence import CONTENT_TYPES, FOLDER, Kept, Why
from app.rpa.models.evidence import Evidence
from app.rpa.models.jobs import Attempt
from app.rpa.services.leases import Lease

log = logging.getLogger(__name__)

MEGABYTE: Final = 1_000_000
UNKNOWN: Final = timedelta(hours=1)
"""How long a file may be without a row: longer than any lease lasts after its errand."""
_BATCH: Final = 500
_ROUNDS: Final = 40
"""Batches after which the rest is next time's."""


def record_evidence(session: Session, lease: Lease, kept: Sequence[Kept], code: str | None, now: datetime) -> None:
    """Write the rows of what an attempt's worker has stored, in the transaction of its end; tasks are locked before.

    Of a product that was deleted meanwhile nothing is kept.
    """
    if not kept:
        return
    gone = select(Product.deleted_at).where(Product.id == lease.product_id).with_for_update()
    if session.execute(gone).one()[0] is not None:
        return
    attempt_id = session.scalars(select(Attempt.id).where(Attempt.lease_token == lease.token)).one()
    limits = settings().evidence
    for piece in kept:
        row = Evidence(attempt_id=attempt_id, code=code, created_at=now)
        row.job_id, row.task_id, row.product_id = lease.job_id, lease.task_id, lease.product_id
        row.kind, row.why, row.content_type = piece.kind, piece.why, CONTENT_TYPES[piece.kind]
        row.path, row.bytes, row.sha256 = piece.path, piece.size, piece.sha256
        row.expires_at = now + timedelta(days=limits.sample_days if piece.why is Why.SAMPLE else limits.days)
        session.add(row)


def forget_evidence(event: ProductDeleted) -> None:
    """Show nobody any more what a deleted product looked like; in the open transaction."""
    session = db.session()
    now = database_now(session)
    of_product = update(Evidence).where(Evidence.product_id == event.product_id, Evidence.expires_at > now)
    count_changed(session, of_product.values(expires_at=now))


def purge_evidence() -> int:
    """Delete what has expired, then the oldest of what is more than a job or all of them may have; returns how many."""
    limits = settings().evidence
    done = _delete(_take_expired)
    for job_id in _large_jobs(limits.job_mb * MEGABYTE):
        of_job = partial(_take_oldest, which=Evidence.job_id == job_id, most=limits.job_mb * MEGABYTE)
        done += _delete(of_job)
    return done + _delete(partial(_take_oldest, which=true(), most=limits.max_mb * MEGABYTE))


def sweep_evidence(*, now: datetime) -> int:
    """Delete files that have no row, an hour after they were written; returns how many."""
    store, before, done = evidence_store(), now - UNKNOWN, 0
    for name in store.names(FOLDER):
        files = store.files(f"{FOLDER}/{name}")
        for some in (files[at : at + _BATCH] for at in range(0, len(files), _BATCH)):
            for path in sorted(set(some) - _known(paths=some)):
                written = store.changed_at(path)
                if written is not None and written < before:
                    store.delete(path)
                    done += 1
        store.prune(f"{FOLDER}/{name}", before=before)
    return done


def _delete(take: Callable[[], list[str]]) -> int:
    """Take rows and delete their files, some at a time; returns how many."""
    done = 0
    for _ in range(_ROUNDS):
        paths = take()
        for path in paths:
            _delete_file(path)
        done += len(paths)
        if not paths:
            break
    return done


def _delete_file(path: str) -> None:
    try:
        evidence_store().delete(path)
    except Exception:  # every kind of store has errors of its own, and the sweep comes for it
        log.exception("evidence %s could not be deleted", path)


@in_transaction
def _take_expired() -> list[str]:
    session = db.session()
    due = select(Evidence.id, Evidence.path).where(Evidence.expires_at <= database_now(session))
    return _take(session, session.execute(due.order_by(Evidence.expires_at, Evidence.id).limit(_BATCH)).all())


@in_transaction
def _take_oldest(*, which: ColumnElement[bool], most: int) -> list[str]:
    session = db.session()
    too_much = int(session.scalar(select(func.coalesce(func.sum(Evidence.bytes), 0)).where(which)) or 0) - most
    taken = []
    oldest = select(Evidence.id, Evidence.path, Evidence.bytes).where(which).order_by(Evidence.id).limit(_BATCH)
    for row in session.execute(oldest) if too_much > 0 else ():
        if too_much <= 0:
            break
        too_much -= row.bytes
        taken.append(row)
    return _take(session, taken)


def _take(session: Session, rows: Sequence[Any]) -> list[str]:
    """Delete these rows; the paths of their files."""
    if rows:
        session.execute(delete(Evidence).where(Evidence.id.in_([row.id for row in rows])))
    return [row.path for row in rows]


@in_transaction
def _large_jobs(most: int) -> list[int]:
    large = select(Evidence.job_id).group_by(Evidence.job_id).having(func.sum(Evidence.bytes) > most).limit(_BATCH)
    return list(db.session.scalars(large))


@in_transaction
def _known(*, paths: list[str]) -> set[str]:
    return set(db.session.scalars(select(Evidence.path).where(Evidence.path.in_(paths))))
