"""Running reports: figures are read, written as CSV, drawn, and mailed to who may read them.

May be called for the same run again and again: one attempt at a time has its token, and only who still has it ends it.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from app.analytics.models.reports import OPEN, Report, ReportRecipient, ReportRun, ReportState
from app.analytics.queries.report_kinds import KINDS, read_figures
from app.analytics.queries.report_mailing import MAIL, key_of
from app.analytics.rules.periods import Period
from app.analytics.rules.report_periods import label_of, period_on
from app.analytics.rules.report_tables import Table, csv_of, plain_rows
from app.analytics.services.reports import lock_report, readers
from app.core import outbox
from app.core.errors import Refusal
from app.core.extensions import db
from app.core.files import FileStore, file_store
from app.core.orm import database_now
from app.core.transactions import in_transaction, is_retryable
from app.orders.services.sales import day_of

TROUBLE: Final = "mail_report_trouble"
FOLDER: Final = "reports"
MAX_PICTURE_BYTES: Final = 1024 * 1024

TakePicture = Callable[[dict[str, Any]], bytes]
"""Draws a chart (``title``, ``chart``, ``rows``) as a PNG; raises NoPicture."""

log = logging.getLogger(__name__)


class NoPicture(Exception):
    """There is no picture, and the text says why in a sentence for the reader of the mail."""


@dataclass(frozen=True, slots=True)
class _Work:
    """What an attempt at a run has to do."""

    run_id: int
    token: str
    title: str
    kind: str
    period: Period
    filters: dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Made:
    """What it made."""

    folder: str
    table: Table
    has_picture: bool
    note: str | None


def run_report(*, run_id: int, take_picture: TakePicture) -> None:
    """Do a run that waits, or whose worker was lost; nothing where it is over or its report is gone.

    What is refused fails the run and its owner is told; raises what is tried again later: a database that is away.
    """
    work = _begin(run_id=run_id)
    if work is None:
        return
    try:
        made = _make(work, take_picture)
    except Refusal as refusal:
        _fail(run_id=run_id, token=work.token, code=refusal.code, detail=_told(refusal))
    except Exception as failure:
        if isinstance(failure, DBAPIError) and (failure.connection_invalidated or is_retryable(failure)):
            raise
        log.exception("a report could not be run", extra={"run_id": run_id})
        detail = f"{type(failure).__name__}; the log of the background worker has more."
        _fail(run_id=run_id, token=work.token, code="INTERNAL", detail=detail)
    else:
        if not _finish(work=work, made=made):
            file_store().delete(made.folder)


@in_transaction
def _begin(*, run_id: int) -> _Work | None:
    """Take a run, from whoever had it before; None where there is nothing to do, or its owner may not read it."""
    report_id = db.session.scalar(select(ReportRun.report_id).where(ReportRun.id == run_id))
    row = None if report_id is None else lock_report(report_id)
    run = _locked(run_id)
    if row is None or run is None or run.state not in OPEN:
        return None
    if row.owner_id not in readers(row.kind, [row.owner_id]):
        _stop(row, run)
        return None
    period = period_on(row.period, row.days, today=day_of(run.slot_at))
    run.state, run.token = ReportState.RUNNING, secrets.token_hex(16)
    run.first_on, run.last_on = period.first_on, period.last_on
    title = f"{KINDS[row.kind].label}, {label_of(row.period, row.days).lower()}"
    return _Work(run_id, run.token, title, row.kind, period, dict(row.filters))


def _stop(row: Report, run: ReportRun) -> None:
    """Fail a run whose owner may not read the figures any more, and pause its schedule."""
    detail = "Who made the report may not read its figures any more; the schedule was paused."
    _end(run, ReportState.FAILED, code="OWNER_MAY_NOT", detail=detail)
    row.is_active, row.next_at, row.version = False, None, row.version + 1
    _tell_owner(run)


def _make(work: _Work, take_picture: TakePicture) -> _Made:
    table = read_figures(work.kind, work.period, work.filters)
    db.session.rollback()  # drawing takes its time: nothing is held meanwhile
    folder = FileStore.new_folder(FOLDER)
    with file_store().writing(f"{folder}/rows.csv") as stream:
        stream.write(csv_of(table))
    try:
        picture = take_picture(_drawing(work, table))
        if len(picture) > MAX_PICTURE_BYTES:
            raise NoPicture("The chart is too large for a mail.")
    except NoPicture as reason:
        return _Made(folder, table, has_picture=False, note=str(reason))
    with file_store().writing(f"{folder}/chart.png") as stream:
        stream.write(picture)
    return _Made(folder, table, has_picture=True, note=None)


def _drawing(work: _Work, table: Table) -> dict[str, Any]:
    """What the picture is made of: plain values, so that another process can draw it."""
    if not table.rows:
        raise NoPicture("There is nothing to draw: the period has no figures.")
    return {"title": work.title, "chart": KINDS[work.kind].chart, "rows": plain_rows(table)}


@in_transaction
def _finish(*, work: _Work, made: _Made) -> bool:
    """End a run and ask for its mails; False when somebody else has taken it, or it is gone."""
    run = _locked(work.run_id)
    if run is None or run.token != work.token or run.state != ReportState.RUNNING:
        return False
    recipients = select(ReportRecipient.user_id).where(ReportRecipient.report_id == run.report_id)
    wanted = set(db.session.scalars(recipients))
    may = readers(work.kind, wanted) if wanted else set()
    run.folder, run.has_picture = made.folder, made.has_picture
    run.row_count, run.is_cut = len(made.table.rows), made.table.is_cut
    run.mailed_count, run.withheld_count = len(may), len(wanted - may)
    _end(run, ReportState.DONE, detail=made.note)
    for user_id in sorted(may):
        outbox.add(MAIL, key=key_of(run.id, user_id), run_id=run.id, user_id=user_id)
    if run.withheld_count:
        _tell_owner(run)
    return True


@in_transaction
def _fail(*, run_id: int, token: str, code: str, detail: str) -> None:
    run = _locked(run_id)
    if run is not None and run.token == token and run.state == ReportState.RUNNING:
        _end(run, ReportState.FAILED, code=code, detail=detail)
        _tell_owner(run)


def _end(run: ReportRun, state: ReportState, *, code: str | None = None, detail: str | None = None) -> None:
    run.state, run.token, run.code = state, None, code
    run.detail = None if detail is None else detail[:500]
    run.ended_at = database_now(db.session())


def _tell_owner(run: ReportRun) -> None:
    outbox.add(TROUBLE, key=f"{TROUBLE}:{run.id}", run_id=run.id)


def _locked(run_id: int) -> ReportRun | None:
    wanted = select(ReportRun).where(ReportRun.id == run_id).with_for_update()
    return db.session.scalar(wanted.execution_options(populate_existing=True))


def _told(refusal: Refusal) -> str:
    details = "; ".join(f"{error.pointer.lstrip('/')} {error.detail}" for error in refusal.errors)
    return details or refusal.detail
