"""Which of the dispatchers leads. It saves work, nothing depends on it: two leaders break nothing."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from app.core.extensions import db
from app.core.orm import database_now
from app.core.transactions import in_transaction
from app.rpa.models.workers import Leader


def lead(*, owner: str, lease_s: float) -> bool:
    """Take or keep the leadership of the dispatchers; False while another one leads."""
    try:
        return _lead(owner=owner, lease_s=lease_s)
    except IntegrityError:
        return False


@in_transaction
def _lead(*, owner: str, lease_s: float) -> bool:
    session = db.session()
    now = database_now(session)
    row = session.scalar(select(Leader).where(Leader.name == "dispatcher").with_for_update())
    if row is None:
        session.add(Leader(name="dispatcher", owner=owner, until=now + timedelta(seconds=lease_s), since=now))
        return True
    if row.owner != owner and row.until > now:
        return False
    if row.owner != owner or row.until <= now:
        row.since = now
    row.owner, row.until = owner, now + timedelta(seconds=lease_s)
    return True


@in_transaction
def resign(*, owner: str) -> None:
    """Give the leadership up at once, so that the next dispatcher need not wait for it to run out."""
    session = db.session()
    row = session.scalar(select(Leader).where(Leader.name == "dispatcher", Leader.owner == owner).with_for_update())
    if row is not None:
        row.until = database_now(session)
