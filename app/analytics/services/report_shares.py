"""Links by which other staff open a report: made, opened and taken back."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete, func, or_, select, update

from app.analytics.errors import ReportNotFound, TooManyShares
from app.analytics.models.reports import Report, ReportShare
from app.analytics.queries.reports import get_shared, hash_of
from app.analytics.services.reports import lock_own
from app.core import audit
from app.core.extensions import db
from app.core.orm import count_changed
from app.core.permissions import Principal
from app.core.transactions import in_transaction

MAX_SHARES: Final = 20
"""Links of one report."""
_NOTED_EVERY: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class MadeShare:
    """A new link with its secret, which nobody can be told again."""

    id: int
    token: str
    created_at: datetime
    opened_at: datetime | None = None


@in_transaction
def create_share(*, actor: Principal, report_id: int, now: datetime) -> MadeShare:
    """Make a link to a report of one's own: with it staff who may read the figures open it, and nobody else.

    Raises ReportNotFound, ReportNotYours or TooManyShares.
    """
    lock_own(actor, report_id)
    mine = select(func.count()).select_from(ReportShare).where(ReportShare.report_id == report_id)
    if (db.session.scalar(mine) or 0) >= MAX_SHARES:
        raise TooManyShares(f"A report has at most {MAX_SHARES} links; take one back first.")
    token = secrets.token_urlsafe(32)
    row = ReportShare(report_id=report_id, token_hash=hash_of(token), created_by_id=actor.user_id, created_at=now)
    db.session.add(row)
    db.session.flush()
    audit.record(actor=actor, action="report.share", subject=("report", report_id), after={"share_id": row.id})
    return MadeShare(row.id, token, now)


@in_transaction
def revoke_share(*, actor: Principal, report_id: int, share_id: int) -> None:
    """Take a link back: from now on it leads nowhere. Raises ReportNotFound or ReportNotYours."""
    lock_own(actor, report_id)
    mine = delete(ReportShare).where(ReportShare.id == share_id, ReportShare.report_id == report_id)
    if count_changed(db.session(), mine) == 0:
        raise ReportNotFound("The report has no such link.")
    audit.record(actor=actor, action="report.unshare", subject=("report", report_id), before={"share_id": share_id})


def open_share(actor: Principal, token: str, *, now: datetime) -> Report:
    """The report that a link leads to, for who may read its figures; notes that it was opened, once an hour.

    Raises ReportNotFound or PermissionMissing.
    """
    row = get_shared(actor, token)
    share = db.session.scalar(select(ReportShare.opened_at).where(ReportShare.token_hash == hash_of(token)))
    if share is None or share < now - _NOTED_EVERY:
        _note_opened(token=token, now=now)
        row = get_shared(actor, token)
    return row


@in_transaction
def _note_opened(*, token: str, now: datetime) -> None:
    stale = or_(ReportShare.opened_at.is_(None), ReportShare.opened_at < now - _NOTED_EVERY)
    mine = update(ReportShare).where(ReportShare.token_hash == hash_of(token), stale)
    count_changed(db.session(), mine.values(opened_at=now))
