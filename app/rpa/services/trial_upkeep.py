"""The dispatcher's and the background workers' side of trials: told of again, taken back, deleted."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Final

from sqlalchemy import delete, exists, select, update

from app.core.extensions import db
from app.core.files import evidence_store
from app.core.orm import count_changed, database_now
from app.core.transactions import after_commit, in_transaction
from app.rpa.models.trials import Trial, TrialState
from app.rpa.rules.codes import Code
from app.rpa.rules.trials import folder_of
from app.rpa.services.trials import ring

log = logging.getLogger(__name__)

LONGEST_WAIT: Final = timedelta(hours=1)
KEPT_MOST: Final = 500
_BATCH: Final = 100


IS_OPEN: Final = exists().where(Trial.state.in_((TrialState.WAITING, TrialState.RUNNING)))
"""Whether there is a trial to look after."""


def look_after_trials(*, patience_s: float) -> int:
    """Ring again for trials that wait, and end those whose worker is gone or that waited too long; returns how many.

    ``patience_s``: how long a message may be on its way.
    """
    session = db.session()
    now = database_now(session)
    waiting = select(Trial.id).where(Trial.state == TrialState.WAITING)
    unheard = (Trial.rung_at.is_(None)) | (Trial.rung_at < now - timedelta(seconds=patience_s))
    due = waiting.where(Trial.not_before <= now, unheard, Trial.created_at >= now - LONGEST_WAIT)
    ids = list(session.scalars(due.order_by(Trial.id).limit(_BATCH)))
    overdue = list(session.scalars(waiting.where(Trial.created_at < now - LONGEST_WAIT).limit(_BATCH)))
    lost = select(Trial.id).where(Trial.state == TrialState.RUNNING, Trial.leased_until < now)
    lost_ids = list(session.scalars(lost.limit(_BATCH)))
    session.rollback()
    return _look_after(due=ids, overdue=overdue, lost=lost_ids) if ids or overdue or lost_ids else 0


@in_transaction
def _look_after(*, due: list[int], overdue: list[int], lost: list[int]) -> int:
    session = db.session()
    now = database_now(session)
    still = update(Trial).where(Trial.state == TrialState.WAITING)
    told = count_changed(session, still.where(Trial.id.in_(due)).values(rung_at=now))
    ended = {"state": TrialState.FAILED, "finished_at": now, "lease_token": None, "leased_until": None}
    late = still.where(Trial.id.in_(overdue))
    told += count_changed(session, late.values(**ended, code=Code.DEADLINE, detail="No worker was free for it."))
    gone = update(Trial).where(Trial.id.in_(lost), Trial.state == TrialState.RUNNING, Trial.leased_until < now)
    told += count_changed(session, gone.values(**ended, code=Code.WORKER_LOST, detail="The worker's lease ran out."))
    if due:
        after_commit(lambda: ring(due, int(now.timestamp() * 1000)))
    return told


def purge_trials() -> int:
    """Delete trials that have expired, and the oldest of more than KEPT_MOST, with their files; returns how many.

    The file goes first: a row whose file could not be deleted is tried again the next time.
    """
    done = 0
    for id_ in _past():
        try:
            evidence_store().delete(folder_of(id_))
        except Exception:  # every kind of store has errors of its own
            log.exception("the files of trial %d could not be deleted", id_)
            continue
        done += _delete(trial_id=id_)
    return done


@in_transaction
def _past() -> list[int]:
    session = db.session()
    ended = (TrialState.DONE, TrialState.FAILED)
    kept = select(Trial.id).order_by(Trial.id.desc()).offset(KEPT_MOST).limit(1)
    last = session.scalar(kept) or 0
    past = (Trial.expires_at <= database_now(session)) | (Trial.id <= last)
    return list(session.scalars(select(Trial.id).where(Trial.state.in_(ended), past).order_by(Trial.id).limit(_BATCH)))


@in_transaction
def _delete(*, trial_id: int) -> int:
    return count_changed(db.session(), delete(Trial).where(Trial.id == trial_id))
