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
from app.core.transactions import after_commit, in_transaction
from app.products.events import ProductDeleted
from app.products.models.products import Product
from app.rpa import metrics
from app.rpa.metrics import Dropped
from app.rpa.models.evidence import Evidence
from app.rpa.models.jobs import Attempt
from app.rpa.rules.evidence import CONTENT_TYPES, FOLDER, Kept, Why
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
        row.pages_of = lease.storefront_id if piece.why is Why.PAGE else None
        row.path, row.bytes, row.sha256 = piece.path, piece.size, piece.sha256
        row.expires_at = now + timedelta(days=limits.sample_days if piece.why is Why.SAMPLE else limits.days)
        session.add(row)
        after_commit(partial(metrics.count_kept, str(piece.kind), str(piece.why), piece.size))


def forget_evidence(event: ProductDeleted) -> None:
    """Show nobody any more what a deleted product looked like; in the open transaction."""
    session = db.session()
    now = database_now(session)
    of_product = update(Evidence).where(Evidence.product_id == event.product_id, Evidence.expires_at > now)
    count_changed(session, of_product.values(expires_at=now))


def purge_evidence() -> int:
    """Delete what has expired, then the oldest of what is too much; returns how many.

    A storefront may have so many pages that were read well, a job and all of them so many bytes.
    """
    limits = settings().evidence
    done = _delete(_take_expired)
    for storefront_id in _supplied_storefronts(limits.replay_samples):
        done += _delete(partial(_take_old_pages, storefront_id=storefront_id, most=limits.replay_samples))
    for job_id in _large_jobs(limits.job_mb * MEGABYTE):
        done += _shrink(Evidence.job_id == job_id, limits.job_mb, Dropped.JOB_FULL)
    return done + _shrink(true(), limits.max_mb, Dropped.STORE_FULL)


def sweep_evidence(*, now: datetime) -> int:
    """Delete files that have no row, an hour after they were written; returns how many."""
    store, before, done = evidence_store(), now - UNKNOWN, 0
    for name in store.names(FOLDER):
        files = store.files(f"{FOLDER}/{name}")
        for some in (files[at : at + _BATCH] for at in range(0, len(files), _BATCH)):
            for path in sorted(set(some) - _known(paths=some)):
                written = store.changed_at(path)
                if written is not None and written < before:
                    size = _size_of(path)
                    store.delete(path)
                    metrics.count_dropped(Dropped.NO_ROW, [size])
                    done += 1
        store.prune(f"{FOLDER}/{name}", before=before)
    return done


def _shrink(which: ColumnElement[bool], most_mb: int, reason: Dropped) -> int:
    return _delete(partial(_take_oldest, which=which, most=most_mb * MEGABYTE, reason=reason))


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


def _size_of(path: str) -> int:
    try:
        return evidence_store().size(path)
    except FileNotFoundError:  # another sweep was faster
        return 0


def _delete_file(path: str) -> None:
    try:
        evidence_store().delete(path)
    except Exception:  # every kind of store has errors of its own, and the sweep comes for it
        log.exception("evidence %s could not be deleted", path)


@in_transaction
def _take_expired() -> list[str]:
    session = db.session()
    due = select(Evidence.id, Evidence.path, Evidence.bytes).where(Evidence.expires_at <= database_now(session))
    rows = session.execute(due.order_by(Evidence.expires_at, Evidence.id).limit(_BATCH)).all()
    return _take(session, rows, Dropped.EXPIRED)


@in_transaction
def _take_oldest(*, which: ColumnElement[bool], most: int, reason: Dropped) -> list[str]:
    session = db.session()
    too_much = int(session.scalar(select(func.coalesce(func.sum(Evidence.bytes), 0)).where(which)) or 0) - most
    taken = []
    oldest = select(Evidence.id, Evidence.path, Evidence.bytes).where(which).order_by(Evidence.id).limit(_BATCH)
    for row in session.execute(oldest) if too_much > 0 else ():
        if too_much <= 0:
            break
        too_much -= row.bytes
        taken.append(row)
    return _take(session, taken, reason)


@in_transaction
def _supplied_storefronts(most: int) -> list[int]:
    supplied = select(Evidence.pages_of).where(Evidence.pages_of.is_not(None)).group_by(Evidence.pages_of)
    return [one for one in db.session.scalars(supplied.having(func.count() > most).limit(_BATCH)) if one is not None]


@in_transaction
def _take_old_pages(*, storefront_id: int, most: int) -> list[str]:
    session = db.session()
    pages = select(Evidence.id, Evidence.path, Evidence.bytes).where(Evidence.pages_of == storefront_id)
    rows = session.execute(pages.order_by(Evidence.id.desc()).offset(most).limit(_BATCH)).all()
    return _take(session, rows, Dropped.PAGES_FULL)


def _take(session: Session, rows: Sequence[Any], reason: Dropped) -> list[str]:
    """Delete these rows; the paths of their files."""
    if rows:
        after_commit(partial(metrics.count_dropped, reason, [row.bytes for row in rows]))
        session.execute(delete(Evidence).where(Evidence.id.in_([row.id for row in rows])))
    return [row.path for row in rows]


@in_transaction
def _large_jobs(most: int) -> list[int]:
    large = select(Evidence.job_id).group_by(Evidence.job_id).having(func.sum(Evidence.bytes) > most).limit(_BATCH)
    return list(db.session.scalars(large))


@in_transaction
def _known(*, paths: list[str]) -> set[str]:
    return set(db.session.scalars(select(Evidence.path).where(Evidence.path.in_(paths))))
