"""Reads of evidence."""

from __future__ import annotations

import logging

from sqlalchemy import func, select

from app.core.extensions import db
from app.core.files import evidence_store
from app.core.orm import database_now
from app.core.pagination import Page, fetch_page
from app.core.running import settings
from app.rpa.errors import EvidenceAway, EvidenceNotFound
from app.rpa.models.evidence import Evidence
from app.rpa.queries.tasks import get_task
from app.rpa.rules import evidence
from app.rpa.rules.evidence import PER_CODE

log = logging.getLogger(__name__)


def list_evidence(task_id: int, *, limit: int, cursor: str | None) -> Page[Evidence]:
    """What is kept of a task's visits, in the order it came; raises TaskNotFound."""
    get_task(task_id)
    query = select(Evidence).where(Evidence.task_id == task_id, Evidence.expires_at > database_now(db.session()))
    return fetch_page(query, keys=[(Evidence.id, False)], limit=limit, cursor=cursor)


def get_evidence(evidence_id: int) -> Evidence:
    """One piece of evidence; raises EvidenceNotFound for what has expired, too."""
    row = db.session.get(Evidence, evidence_id)
    if row is None or row.expires_at <= database_now(db.session()):
        raise EvidenceNotFound("There is no such evidence, or no more.")
    return row


def read_evidence(row: Evidence) -> bytes:
    """The file of a piece of evidence, a few megabytes at most; raises EvidenceNotFound and EvidenceAway."""
    try:
        return b"".join(evidence_store().pieces(row.path))
    except FileNotFoundError:
        raise EvidenceNotFound("The file of this evidence is gone.") from None
    except Exception as error:  # every kind of store has errors of its own
        log.exception("evidence %d cannot be read", row.id)
        raise EvidenceAway("The store of evidence does not answer; try again in a moment.") from error


def wants_page(storefront_id: int) -> bool:
    """Whether one more page of a storefront that was read well is worth keeping for replays."""
    most, now = settings().evidence.replay_samples, database_now(db.session())
    kept = select(Evidence.created_at).where(Evidence.pages_of == storefront_id, Evidence.expires_at > now)
    return evidence.wants_page(list(db.session.scalars(kept.order_by(Evidence.id.desc()).limit(most))), now, most=most)


def has_room(job_id: int, code: str) -> bool:
    """Whether fewer attempts than PER_CODE of a job are kept with this code."""
    kept = select(func.count(Evidence.attempt_id.distinct())).where(Evidence.job_id == job_id, Evidence.code == code)
    return (db.session.scalar(kept) or 0) < PER_CODE
