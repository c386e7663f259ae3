"""Making, changing, pausing and deleting saved reports."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import delete, func, insert, select

from app.analytics.errors import ReportNotFound, ReportStale, ReportUnscheduled, TooManyReports
from app.analytics.models.reports import Report, ReportRecipient, ReportRun, ReportShare
from app.analytics.queries.report_kinds import KINDS
from app.analytics.queries.reports import get_report, require_own
from app.auth.models import User
from app.auth.queries.access import list_holders
from app.core import audit
from app.core.errors import FieldError, Invalid
from app.core.extensions import db
from app.core.orm import database_now
from app.core.permissions import Principal
from app.core.transactions import in_transaction
from app.rpa.rules.timing import TimingRefused

MAX_REPORTS: Final = 100
"""Reports that one person may have."""
_MAY_READ: Final = "reports:read"


@in_transaction
def create_report(*, actor: Principal, recipients: Sequence[int] = (), **wanted: Any) -> Report:
    """Save a report, which runs at each slot of its schedule from now on.

    ``wanted`` are ``name``, ``kind``, ``period``, ``days``, ``filters`` and ``schedule``, all checked. Raises
    PermissionMissing where the actor may not read the figures, Invalid for a recipient who may not, TooManyReports.
    """
    actor.require(KINDS[wanted["kind"]].permission)
    owner_id = lock_owner(actor)
    _require_readers(recipients, wanted["kind"])
    row = Report(version=1, owner_id=owner_id, is_active=True, **actor.attribution())
    now = database_now(db.session())
    row.created_at = now
    _fill(row, now, wanted)
    db.session.add(row)
    db.session.flush()
    _send_to(row.id, recipients)
    audit.record(actor=actor, action="report.create", subject=("report", row.id), after=audited(row, recipients))
    return get_report(actor, row.id)


@in_transaction
def update_report(
    *, actor: Principal, report_id: int, expected_version: int, recipients: Sequence[int] = (), **wanted: Any
) -> Report:
    """Replace what a report is. Where its slots do not change, a due slot stays due.

    Raises ReportNotFound, ReportNotYours, ReportStale, PermissionMissing, or Invalid for a recipient.
    """
    row = lock_own(actor, report_id, expected_version)
    actor.require(KINDS[wanted["kind"]].permission)
    _require_readers(recipients, wanted["kind"])
    before = audited(row, row.recipients)
    _fill(row, database_now(db.session()), wanted)
    row.version += 1
    db.session.flush()
    db.session.execute(delete(ReportRecipient).where(ReportRecipient.report_id == report_id))
    _send_to(report_id, recipients)
    db.session.expire(row, ["people"])
    audit.record(
        actor=actor,
        action="report.update",
        subject=("report", report_id),
        before=before,
        after=audited(row, recipients),
    )
    return get_report(actor, report_id)


@in_transaction
def set_active(*, actor: Principal, report_id: int, is_active: bool) -> Report:
    """Pause a report's schedule, or let it go on from its next slot: those of the pause are not caught up.

    Asking again changes nothing. Raises ReportNotFound, ReportNotYours or ReportUnscheduled.
    """
    row = lock_own(actor, report_id)
    if row.rhythm is None:
        raise ReportUnscheduled("This report has no schedule: it runs when somebody asks for it.")
    if row.is_active != is_active:
        switch(row, database_now(db.session()), is_active=is_active)
        row.version += 1
        action = f"report.{'resume' if is_active else 'pause'}"
        audit.record(actor=actor, action=action, subject=("report", report_id), after={"is_active": is_active})
    return get_report(actor, report_id)


@in_transaction
def delete_report(*, actor: Principal, report_id: int, expected_version: int) -> None:
    """Delete a report with its links and runs; a run that is under way ends and mails nothing.

    Raises ReportNotFound, ReportNotYours or ReportStale.
    """
    row = lock_own(actor, report_id, expected_version)
    audit.record(actor=actor, action="report.delete", subject=("report", row.id), before=audited(row, row.recipients))
    remove(row)


def remove(row: Report) -> None:
    """Delete a locked report and all that belongs to it in the open transaction; its files are swept up later."""
    for below in (ReportRecipient, ReportShare, ReportRun):
        db.session.execute(delete(below).where(below.report_id == row.id))
    db.session.execute(delete(Report).where(Report.id == row.id))


def lock_own(actor: Principal, report_id: int, expected_version: int | None = None) -> Report:
    """A report of one's own, locked in the open transaction; raises ReportNotFound, ReportNotYours or ReportStale."""
    get_report(actor, report_id)
    row = lock_report(report_id)
    if row is None:
        raise ReportNotFound("There is no such report, or nobody has sent it to you.")
    require_own(actor, row)
    if expected_version is not None and row.version != expected_version:
        raise ReportStale(f"The report is at version {row.version}, not {expected_version}; read it again.")
    return row


def lock_report(report_id: int) -> Report | None:
    """The report as it is now, locked in the open transaction; None when it is gone."""
    wanted = select(Report).where(Report.id == report_id).with_for_update()
    return db.session.scalar(wanted.execution_options(populate_existing=True))


def switch(row: Report, now: datetime, *, is_active: bool) -> None:
    """Let the schedule of a locked report run from its next slot on, or not at all."""
    row.is_active, row.updated_at = is_active, now
    try:
        timing = row.timing
    except TimingRefused:
        raise Invalid.field("/schedule/timezone", "is not known here any more; choose another one.") from None
    row.next_at = timing.after(now) if timing is not None and is_active else None


def readers(kind: str, among: Collection[int]) -> set[int]:
    """Which of these users may read saved reports and the figures of this kind."""
    wanted = list(among)
    holders = (list_holders(needed, among=wanted) for needed in (_MAY_READ, KINDS[kind].permission))
    return set.intersection(*({holder.user_id for holder in found} for found in holders))


def lock_owner(actor: Principal) -> int:
    """The person a new report belongs to: two of theirs are made one after the other, so that none is too many."""
    if actor.user_id is None:
        raise Invalid("A report belongs to a person.")
    db.session.execute(select(User.id).where(User.id == actor.user_id).with_for_update())
    count = db.session.scalar(select(func.count()).select_from(Report).where(Report.owner_id == actor.user_id)) or 0
    if count >= MAX_REPORTS:
        raise TooManyReports(f"You have {count} reports, which is as many as anybody may have; delete some first.")
    return actor.user_id


def _require_readers(recipients: Sequence[int], kind: str) -> None:
    may = readers(kind, recipients) if recipients else set()
    detail = f"is nobody who may read these figures ({_MAY_READ} and {KINDS[kind].permission})."
    wrong = [at for at, user_id in enumerate(recipients) if user_id not in may]
    if wrong:
        errors = tuple(FieldError(f"/recipients/{at}", detail) for at in wrong)
        raise Invalid("The request breaks a rule.", errors=errors)


def _send_to(report_id: int, recipients: Sequence[int]) -> None:
    rows = [{"report_id": report_id, "user_id": user_id} for user_id in sorted(set(recipients))]
    if rows:
        db.session.execute(insert(ReportRecipient), rows)


def _fill(row: Report, now: datetime, wanted: Mapping[str, Any]) -> None:
    before = row.schedule
    for name in ("name", "kind", "period", "days", "filters"):
        setattr(row, name, wanted[name])
    schedule = wanted.get("schedule") or {}
    for name in ("rhythm", "hour", "weekday", "month_day", "timezone"):
        setattr(row, name, schedule.get(name))
    row.updated_at = now
    if row.schedule != before or row.next_at is None:
        switch(row, now, is_active=row.is_active)


def audited(row: Report, recipients: Sequence[int]) -> dict[str, Any]:
    names = ("name", "kind", "period", "days", "filters", "schedule", "is_active", "version")
    return {name: getattr(row, name) for name in names} | {"recipients": sorted(set(recipients))}
