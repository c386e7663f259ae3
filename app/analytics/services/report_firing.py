"""Firing the schedules of reports.

A slot's row, the report's next slot and the message to the worker are one transaction under the lock of the report's
row, so that a slot fires once however many dispatchers look. Slots that were due while none was at work are caught up
by one run, that of the newest.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import delete, exists, select

from app.analytics.errors import ReportRunOpen
from app.analytics.models.reports import OPEN, Report, ReportRun, ReportState
from app.analytics.queries.report_mailing import MAIL, key_of
from app.analytics.queries.reports import get_run
from app.analytics.services.reports import lock_own
from app.core import audit, outbox
from app.core.extensions import db
from app.core.in_turn import do_in_turn
from app.core.orm import clock, database_now
from app.core.permissions import Principal
from app.core.transactions import in_transaction
from app.rpa.rules.timing import TimingRefused, due_slots

RUN: Final = "run_report"
KEPT_RUNS: Final = 100
"""Runs of a report whose rows stay."""
_COUNTED: Final = 100
"""Missed slots are counted up to this."""


IS_DUE: Final = exists().where(Report.next_at <= clock())
"""Whether a report is due."""


def fire_due(*, limit: int = 20, budget_s: float = 2.0) -> int:
    """Fire reports that are due, the longest due first; returns how many. What is left waits for the next call.

    Raises ExceptionGroup when some could not be fired, after the others had their turn.
    """
    session = db.session()
    due = select(Report.id).where(Report.next_at <= database_now(session))
    ids = list(session.scalars(due.order_by(Report.next_at, Report.id).limit(limit)))
    session.rollback()
    return do_in_turn(
        ids, lambda report_id: fire(report_id=report_id), budget_s=budget_s, otherwise="reports could not be fired"
    )


@in_transaction
def fire(*, report_id: int) -> bool:
    """Start a run for the newest due slot of a report; False when another dispatcher did.

    While an earlier run has not ended the slot is noted as failed. A time zone that is not known any more ends the
    schedule, and the run says so.
    """
    session = db.session()
    now = database_now(session)
    due = select(Report).where(Report.id == report_id, Report.next_at <= now)
    row = session.scalar(due.with_for_update(skip_locked=True))
    if row is None or row.next_at is None:
        return False
    try:
        timing = row.timing
    except TimingRefused:
        note_run(row, row.next_at, now, failed=("TIMEZONE_UNKNOWN", f"The time zone {row.timezone} is not known here."))
        row.is_active, row.next_at = False, None
        return True
    slots = [] if timing is None else due_slots(timing, since=row.next_at, until=now, most=_COUNTED + 1)
    row.next_at = None if timing is None else timing.after(now)
    if not slots or _is_noted(row.id, slots[0]):
        return False
    failed = ("RUN_OPEN", "An earlier run had not ended.") if has_open_run(row) else None
    note_run(row, slots[0], now, missed_count=len(slots) - 1, failed=failed)
    return True


@in_transaction
def run_now(*, actor: Principal, report_id: int) -> ReportRun:
    """Run a report of one's own now, paused or not, and mail it to its recipients; its slots stay as they are.

    Raises ReportNotFound, ReportNotYours, or ReportRunOpen while its last run has not ended.
    """
    row = lock_own(actor, report_id)
    if has_open_run(row):
        raise ReportRunOpen("The last run of this report has not ended; wait for it.")
    now = database_now(db.session())
    # slots are whole hours, and what somebody asks for falls between them
    run = note_run(row, now.replace(microsecond=now.microsecond or 1), now, is_manual=True)
    audit.record(actor=actor, action="report.run", subject=("report", row.id), after={"run_id": run.id})
    return run


@in_transaction
def mail_again(*, actor: Principal, report_id: int, run_id: int) -> int:
    """Try the mails of a run that did not get through again now, also those that were given up; returns how many.

    Raises ReportNotFound, ReportNotYours or ReportRunNotFound.
    """
    row = lock_own(actor, report_id)
    get_run(actor, report_id, run_id)
    count = outbox.try_again(MAIL, [key_of(run_id, 0)[:-1]])
    if count:
        audit.record(actor=actor, action="report.mail_again", subject=("report", row.id), after={"run_id": run_id})
    return count


def has_open_run(row: Report) -> bool:
    """Whether a run of a locked report waits or is under way."""
    last = select(ReportRun.id).where(ReportRun.id == row.last_run_id, ReportRun.state.in_(OPEN))
    return row.last_run_id is not None and db.session.scalar(last) is not None


def note_run(
    row: Report,
    slot: datetime,
    now: datetime,
    *,
    is_manual: bool = False,
    missed_count: int = 0,
    failed: tuple[str, str] | None = None,
) -> ReportRun:
    """Write the run of a slot of a locked report and ring for a worker, or note that it failed: (code, detail)."""
    session = db.session()
    run = ReportRun(report_id=row.id, slot_at=slot, noted_at=now, is_manual=is_manual, missed_count=missed_count)
    run.state = ReportState.WAITING
    if failed is not None:
        run.state, run.ended_at = ReportState.FAILED, now
        run.code, run.detail = failed
    _trim(row.id)
    session.add(run)
    session.flush()
    if failed is None:
        row.last_run_id = run.id
        outbox.add(RUN, key=f"{RUN}:{run.id}", run_id=run.id)
    return run


def _is_noted(report_id: int, slot: datetime) -> bool:
    """Whether a slot has its row already: after the database's clock went back, say."""
    mine = select(ReportRun.id).where(ReportRun.report_id == report_id, ReportRun.slot_at == slot)
    return db.session.scalar(mine) is not None


def _trim(report_id: int) -> None:
    """Leave the newest runs, one less than are kept; the files of the others are swept up."""
    mine = select(ReportRun.id).where(ReportRun.report_id == report_id).order_by(ReportRun.id.desc())
    oldest_kept = db.session.scalar(mine.offset(KEPT_RUNS - 2).limit(1))
    if oldest_kept is not None:
        old = delete(ReportRun).where(ReportRun.report_id == report_id, ReportRun.id < oldest_kept)
        db.session.execute(old)
