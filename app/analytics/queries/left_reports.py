"""Reports that somebody left behind: whose maker is gone, or may not read the figures any more."""

from __future__ import annotations

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import joinedload, selectinload

from app.analytics.errors import ReportNotFound
from app.analytics.models.reports import Report
from app.analytics.queries.report_kinds import KINDS
from app.auth.queries.access import holders
from app.core.extensions import db
from app.core.pagination import Page, fetch_page


def list_left_reports(*, limit: int, cursor: str | None) -> Page[Report]:
    """Reports that nobody makes any more, in the order they were made."""
    whole = select(Report).options(joinedload(Report.last_run), selectinload(Report.people))
    return fetch_page(whole.where(_is_left()), keys=[(Report.id, False)], limit=limit, cursor=cursor)


def is_left(report_id: int) -> bool:
    """Whether nobody makes a report any more; raises ReportNotFound for one that there is not."""
    found = db.session.scalar(select(_is_left()).select_from(Report).where(Report.id == report_id))
    if found is None:
        raise ReportNotFound("There is no such report.")
    return bool(found)


def _is_left() -> ColumnElement[bool]:
    """Who makes a report needs the permission of its figures, and of reports."""
    by_permission: dict[str, list[str]] = {}
    for name, kind in KINDS.items():
        by_permission.setdefault(kind.permission, []).append(name)
    may_not = [
        and_(Report.kind.in_(kinds), Report.owner_id.not_in(holders(permission)))
        for permission, kinds in by_permission.items()
    ]
    return or_(Report.owner_id.not_in(holders("reports:read")), *may_not)
