"""What is left of reports after a while: files of old runs, runs whose worker was lost, reports of erased people."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import delete, select, update

from app.analytics.models.reports import OPEN, Report, ReportRecipient, ReportRun, ReportState
from app.analytics.services.report_runs import FOLDER
from app.analytics.services.reports import lock_report, remove
from app.core.extensions import db
from app.core.files import file_store
from app.core.orm import count_changed
from app.core.transactions import in_transaction

KEPT: Final = timedelta(days=90)
"""How long the files of a run are kept."""
LOST: Final = timedelta(hours=6)
"""After so long an open run is given up."""
_UNKNOWN: Final = timedelta(hours=1)
"""Files that no run has are deleted when they have lain about for so long: a run under way writes its own first."""
_BATCH: Final = 500


def purge_reports(*, now: datetime) -> int:
    """Give up lost runs, forget the files of old ones, and delete files that no run has; returns how many folders."""
    _give_up(before=now - LOST)
    _forget_files(before=now - KEPT)
    store, done = file_store(), 0
    folders = list(store.folders(FOLDER, before=now - _UNKNOWN))
    for some in (folders[at : at + _BATCH] for at in range(0, len(folders), _BATCH)):
        for folder in sorted(set(some) - _known(folders=some)):
            store.delete(folder)
            done += 1
    return done


@in_transaction
def _give_up(*, before: datetime) -> None:
    lost = update(ReportRun).where(ReportRun.state.in_(OPEN), ReportRun.noted_at < before)
    told = "No background worker could do it for hours."
    count_changed(
        db.session(),
        lost.values(state=ReportState.FAILED, token=None, code="LOST", detail=told, ended_at=before + LOST),
    )


@in_transaction
def _forget_files(*, before: datetime) -> None:
    old = update(ReportRun).where(ReportRun.folder.is_not(None), ReportRun.ended_at < before)
    count_changed(db.session(), old.values(folder=None, has_picture=False))


@in_transaction
def _known(*, folders: list[str]) -> set[str | None]:
    return set(db.session.scalars(select(ReportRun.folder).where(ReportRun.folder.in_(folders))))


def export_person(user_id: int) -> list[dict[str, Any]]:
    """The reports that somebody made, for a copy of their data."""
    names = ("id", "name", "kind", "period", "days", "filters", "schedule")
    rows = db.session.scalars(select(Report).where(Report.owner_id == user_id).order_by(Report.id))
    return [{name: getattr(row, name) for name in names} | {"created_at": row.created_at.isoformat()} for row in rows]


def erase_person(user_id: int) -> None:
    """Delete the reports that somebody made, and send them no others; in the open transaction."""
    for report_id in list(db.session.scalars(select(Report.id).where(Report.owner_id == user_id).order_by(Report.id))):
        row = lock_report(report_id)
        if row is not None:
            remove(row)
    db.session.execute(delete(ReportRecipient).where(ReportRecipient.user_id == user_id))
