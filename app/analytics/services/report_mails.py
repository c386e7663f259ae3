"""Mails of reports: the figures to each recipient, and to the owner what went wrong."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import select

from app.analytics.models.reports import Report, ReportRun
from app.analytics.queries.report_kinds import KINDS
from app.analytics.queries.report_mailing import MAIL
from app.analytics.rules.report_tables import MAX_ROWS
from app.analytics.services.report_runs import TROUBLE
from app.analytics.services.reports import readers
from app.auth import preferences
from app.auth.models import User
from app.core import mail
from app.core.extensions import db
from app.core.files import file_store
from app.operations.files.cells import unprotect

SHOWN: Final = 15
"""Rows that stand in the mail itself."""
MAX_CSV_BYTES: Final = 4 * 1024 * 1024
_PICTURE: Final = "chart"


@dataclass(frozen=True, slots=True)
class _Addressee:
    email: str
    name: str


def send_report(*, run_id: int, user_id: int, now: datetime) -> None:
    """Mail a run to somebody; nothing if it is gone, or who it is may not read it any more or does not want to."""
    found = _find(run_id)
    if found is None or user_id not in readers(found[0].kind, [user_id]):
        return
    report, run = found
    to = _wanting(user_id)
    folder = run.folder
    values = _values(report, run)
    db.session.rollback()  # a mail server may take its time: nothing is held meanwhile
    content = None if folder is None else _read(f"{folder}/rows.csv")
    if to is None or content is None:
        return
    picture = _read(f"{folder}/chart.png") if values["has_picture"] else None
    values |= {
        "has_picture": picture is not None,
        "is_too_large": len(content) > MAX_CSV_BYTES,
        "table": _head(content),
    }
    files = [] if values["is_too_large"] else [mail.Attachment(values["filename"], "text/csv", content)]
    if picture is not None:
        files.append(mail.Attachment("chart.png", "image/png", picture, _PICTURE))
    mail.send_mail_with(files, to.email, values["title"], "report", date=now, name=to.name, **values)


def send_trouble(*, run_id: int, now: datetime) -> None:
    """Tell the owner of a report that a run failed, or that recipients got none; nothing if it is gone."""
    found = _find(run_id)
    if found is None:
        return
    report, run = found
    to = _wanting(report.owner_id)
    values = _values(report, run) | {"reason": run.detail if run.code else None, "withheld": run.withheld_count}
    subject = f"Your report was not {'made' if run.code else 'sent to everybody'}: {report.name}"
    db.session.rollback()
    if to is not None:
        mail.send_mail(to.email, subject, "report_trouble", date=now, name=to.name, **values)


SENDERS: Final[dict[str, Callable[..., None]]] = {MAIL: send_report, TROUBLE: send_trouble}


def _find(run_id: int) -> tuple[Report, ReportRun] | None:
    wanted = select(Report, ReportRun).join(ReportRun, ReportRun.report_id == Report.id).where(ReportRun.id == run_id)
    found = db.session.execute(wanted).one_or_none()
    return None if found is None else (found[0], found[1])


def _wanting(user_id: int) -> _Addressee | None:
    """Where somebody active gets mails of reports; None for who does not want any."""
    active = User.id == user_id, User.is_active.is_(True), User.email_verified_at.is_not(None)
    row = db.session.execute(select(User.email, User.name, User.notifications).where(*active)).one_or_none()
    if row is None or not preferences.wants(row.notifications, "reports"):
        return None
    return _Addressee(row.email, row.name)


def _values(report: Report, run: ReportRun) -> dict[str, Any]:
    kind = KINDS[report.kind]
    return {
        "title": report.name,
        "kind": kind.label,
        "labels": [column.label for column in kind.columns],
        "report_id": report.id,
        "first_on": run.first_on,
        "last_on": run.last_on,
        "row_count": run.row_count or 0,
        "most": MAX_ROWS if run.is_cut else None,
        "missed": run.missed_count,
        "has_picture": run.has_picture,
        "note": run.detail,
        "filename": f"{report.kind}-{run.first_on}-{run.last_on}.csv",
    }


def _head(content: bytes) -> list[list[str]]:
    """The first rows of a CSV, without its names."""
    lines = csv.reader(io.StringIO(content.decode(), newline=""))
    next(lines, None)
    return [[unprotect(cell) for cell in line] for line, _ in zip(lines, range(SHOWN), strict=False)]


def _read(key: str) -> bytes | None:
    try:
        return b"".join(file_store().pieces(key))
    except FileNotFoundError:
        return None
