"""Reads of saved reports, their runs and links."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import Select, exists, or_, select
from sqlalchemy.orm import joinedload, selectinload

from app.analytics.errors import ReportNotFound, ReportNotYours, ReportRunNotFound
from app.analytics.models.reports import Report, ReportRecipient, ReportRun, ReportShare
from app.analytics.queries.report_kinds import KINDS, read_figures
from app.analytics.rules.periods import Period
from app.analytics.rules.report_periods import period_on
from app.analytics.rules.report_tables import Column, Table, plain_rows
from app.core.extensions import db
from app.core.orm import utc_now
from app.core.pagination import Page, fetch_page
from app.core.permissions import Principal
from app.orders.services.sales import day_of


@dataclass(frozen=True, slots=True)
class Figures:
    """A table with the days and the kind that it is of."""

    kind: str
    period: Period
    table: Table

    @property
    def first_on(self) -> date:
        """The first day."""
        return self.period.first_on

    @property
    def last_on(self) -> date:
        """The last day, which counts as well."""
        return self.period.last_on

    @property
    def columns(self) -> tuple[Column, ...]:
        """What its rows have."""
        return self.table.columns

    @property
    def is_cut(self) -> bool:
        """Whether there are more rows than these."""
        return self.table.is_cut

    @property
    def rows(self) -> list[dict[str, Any]]:
        """As JSON carries them."""
        return plain_rows(self.table)


def list_reports(actor: Principal, *, kind: str | None, limit: int, cursor: str | None) -> Page[Report]:
    """The reports that somebody made or gets by mail, in the order they were made."""
    query = _whole().where(_seen_by(actor))
    if kind is not None:
        query = query.where(Report.kind == kind)
    return fetch_page(query, keys=[(Report.id, False)], limit=limit, cursor=cursor)


def get_report(actor: Principal, report_id: int) -> Report:
    """A report that somebody made or gets by mail; raises ReportNotFound."""
    row = db.session.scalar(_whole().where(Report.id == report_id, _seen_by(actor)))
    if row is None:
        raise ReportNotFound("There is no such report, or nobody has sent it to you.")
    return row


def get_own_report(actor: Principal, report_id: int) -> Report:
    """A report that somebody made; raises ReportNotFound, or ReportNotYours for what they only get by mail."""
    row = get_report(actor, report_id)
    require_own(actor, row)
    return row


def require_own(actor: Principal, row: Report) -> None:
    """Raise ReportNotYours for a report that somebody else made."""
    if row.owner_id != actor.user_id:
        raise ReportNotYours("Only who made a report may change it; make one of your own.")


def get_shared(actor: Principal, token: str) -> Report:
    """The report that a link leads to; raises ReportNotFound for one that is not there or was taken back."""
    share = ReportShare.token_hash == hash_of(token)
    row = db.session.scalar(_whole().where(Report.id.in_(select(ReportShare.report_id).where(share))))
    if row is None:
        raise ReportNotFound("This link leads to no report, or was taken back.")
    actor.require(KINDS[row.kind].permission)
    return row


def figures_of(actor: Principal, row: Report, *, now: datetime | None = None) -> Figures:
    """The figures of a report as they are now; raises PermissionMissing where somebody may not read them."""
    return preview_figures(actor, kind=row.kind, period=row.period, days=row.days, filters=row.filters, now=now)


def preview_figures(
    actor: Principal,
    *,
    kind: str,
    period: str,
    days: int | None,
    filters: Mapping[str, Any],
    now: datetime | None = None,
) -> Figures:
    """The figures that a report of this kind would have; raises PermissionMissing."""
    actor.require(KINDS[kind].permission)
    span = period_on(period, days, today=day_of(now or utc_now()))
    return Figures(kind, span, read_figures(kind, span, filters))


def list_runs(actor: Principal, report_id: int, *, limit: int, cursor: str | None) -> Page[ReportRun]:
    """What came of a report's slots, the newest first; raises ReportNotFound."""
    get_report(actor, report_id)
    mine = select(ReportRun).where(ReportRun.report_id == report_id)
    return fetch_page(mine, keys=[(ReportRun.slot_at, True)], limit=limit, cursor=cursor)


def get_run(actor: Principal, report_id: int, run_id: int) -> ReportRun:
    """One run of a report; raises ReportNotFound or ReportRunNotFound."""
    get_report(actor, report_id)
    row = db.session.scalar(select(ReportRun).where(ReportRun.id == run_id, ReportRun.report_id == report_id))
    if row is None:
        raise ReportRunNotFound("The report has no such run.")
    return row


def file_of_run(actor: Principal, report_id: int, run_id: int, name: str) -> str:
    """The key of a file of a run; raises PermissionMissing or ReportRunNotFound."""
    report = get_report(actor, report_id)
    actor.require(KINDS[report.kind].permission)
    run = get_run(actor, report_id, run_id)
    if run.folder is None or (name == "chart.png" and not run.has_picture):
        raise ReportRunNotFound("This run has no such file, or it was deleted.")
    return f"{run.folder}/{name}"


def list_shares(actor: Principal, report_id: int) -> Sequence[ReportShare]:
    """The links of a report of one's own, the newest first; raises ReportNotFound or ReportNotYours."""
    get_own_report(actor, report_id)
    mine = select(ReportShare).where(ReportShare.report_id == report_id)
    return list(db.session.scalars(mine.order_by(ReportShare.id.desc())))


def hash_of(token: str) -> str:
    """What is kept of the secret of a link."""
    return sha256(token.encode()).hexdigest()


def _whole() -> Select[Report]:
    return select(Report).options(joinedload(Report.last_run), selectinload(Report.people))


def _seen_by(actor: Principal) -> Any:
    mine = ReportRecipient.report_id == Report.id, ReportRecipient.user_id == actor.user_id
    return or_(Report.owner_id == actor.user_id, exists().where(*mine))
