"""Reads of trials."""

from __future__ import annotations

import logging
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import defer

from app.core.extensions import db
from app.core.files import evidence_store
from app.core.orm import database_now
from app.core.pagination import Page, fetch_page
from app.rpa.errors import EvidenceAway, EvidenceNotFound, TrialNotFound
from app.rpa.models.trials import Trial, TrialKind, TrialState
from app.rpa.queries.storefronts import get_storefront
from app.rpa.rules.trials import screenshot_of

log = logging.getLogger(__name__)


def list_tries(storefront_id: int, *, limit: int, cursor: str | None) -> Page[Trial]:
    """The tries of a storefront without what they read, the newest first; raises StorefrontNotFound."""
    get_storefront(storefront_id)
    query = _kept(TrialKind.TRY).where(Trial.storefront_id == storefront_id)
    return fetch_page(
        query.options(defer(Trial.result, raiseload=True)), keys=[(Trial.id, True)], limit=limit, cursor=cursor
    )


def get_try(storefront_id: int, try_id: int) -> Trial:
    """One try of a storefront; raises TrialNotFound, also for what has expired."""
    return _found(_kept(TrialKind.TRY).where(Trial.storefront_id == storefront_id, Trial.id == try_id))


def get_suggestion(suggestion_id: int) -> Trial:
    """One suggested profile; raises TrialNotFound, also for what has expired."""
    return _found(_kept(TrialKind.SUGGEST).where(Trial.id == suggestion_id))


def read_screenshot(row: Trial) -> bytes:
    """The picture that a trial took; raises EvidenceNotFound and EvidenceAway."""
    if not row.has_screenshot:
        raise EvidenceNotFound("No screenshot was taken.")
    try:
        return b"".join(evidence_store().pieces(screenshot_of(row.id)))
    except FileNotFoundError:
        raise EvidenceNotFound("The screenshot is gone.") from None
    except Exception as error:  # every kind of store has errors of its own
        log.exception("the screenshot of trial %d cannot be read", row.id)
        raise EvidenceAway("The store of evidence does not answer; try again in a moment.") from error


def is_trial_ended(trial_id: int) -> bool:
    """Whether a trial has come to its end."""
    state = db.session.scalar(select(Trial.state).where(Trial.id == trial_id))
    return state in (TrialState.DONE, TrialState.FAILED)


def _kept(kind: TrialKind) -> Any:
    return select(Trial).where(Trial.kind == kind, Trial.expires_at > database_now(db.session()))


def _found(query: Any) -> Trial:
    row: Trial | None = db.session.scalar(query.limit(1))
    if row is None:
        raise TrialNotFound("There is no such thing, or no more: it is kept for seven days.")
    return row
