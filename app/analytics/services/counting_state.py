"""How far orders were counted for recommendations, and the lock of who counts."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from app.analytics.models.recommendations import RecommendationState
from app.core.extensions import db
from app.core.transactions import in_transaction

_ONLY: Final = 1


def make_state() -> None:
    """Make the row that is locked, once and for all."""
    with suppress(IntegrityError):  # another process was quicker
        _make_state()


def read_state() -> RecommendationState:
    """The state as it is now, without a lock; nothing stays open."""
    found = db.session.get_one(RecommendationState, _ONLY, populate_existing=True)
    db.session.expunge(found)
    db.session.rollback()
    return found


def lock() -> RecommendationState:
    """The state, in a transaction that nobody else counts beside."""
    state = select(RecommendationState).where(RecommendationState.id == _ONLY).with_for_update()
    return db.session.scalars(state, execution_options={"populate_existing": True}).one()


@in_transaction
def _make_state() -> None:
    if db.session.get(RecommendationState, _ONLY) is None:
        db.session.add(RecommendationState(id=_ONLY, round_no=1, is_emptying=False))
