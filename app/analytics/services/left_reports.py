"""What becomes of reports that somebody left behind: taken over by somebody else, or deleted."""

from __future__ import annotations

from app.analytics.errors import ReportNotFound, ReportNotLeft, ReportStale
from app.analytics.models.reports import Report
from app.analytics.queries.left_reports import is_left
from app.analytics.queries.report_kinds import KINDS
from app.analytics.queries.reports import get_report
from app.analytics.services.reports import audited, lock_owner, lock_report, remove
from app.core import audit
from app.core.extensions import db
from app.core.orm import database_now
from app.core.permissions import Principal
from app.core.transactions import in_transaction


@in_transaction
def take_over(*, actor: Principal, report_id: int) -> Report:
    """Make a report that was left behind one's own, with its recipients, links and runs; a paused one stays paused.

    Raises ReportNotFound, ReportNotLeft, TooManyReports, or PermissionMissing where the actor may not read the figures.
    """
    owner_id = lock_owner(actor)
    row = _lock_left(report_id)
    for needed in ("reports:read", "reports:write", KINDS[row.kind].permission):
        actor.require(needed)
    before = row.owner_id
    row.owner_id, row.version, row.updated_at = owner_id, row.version + 1, database_now(db.session())
    audit.record(
        actor=actor, action="report.take_over", subject=("report", row.id), before={"owner_id": before},
        after={"owner_id": owner_id},
    )  # fmt: skip
    db.session.flush()
    return get_report(actor, report_id)


@in_transaction
def delete_left_report(*, actor: Principal, report_id: int, expected_version: int) -> None:
    """Delete a report that was left behind, with its links and runs.

    Raises ReportNotFound, ReportNotLeft or ReportStale.
    """
    row = _lock_left(report_id)
    if row.version != expected_version:
        raise ReportStale(f"The report is at version {row.version}, not {expected_version}; read it again.")
    before = audited(row, row.recipients) | {"owner_id": row.owner_id}
    audit.record(actor=actor, action="report.delete", subject=("report", row.id), before=before)
    remove(row)


def _lock_left(report_id: int) -> Report:
    row = lock_report(report_id)
    if row is None:
        raise ReportNotFound("There is no such report.")
    if not is_left(report_id):
        raise ReportNotLeft("Who made the report still has it made; only they may delete it.")
    return row
