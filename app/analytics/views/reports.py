"""The pages of saved reports: what they say, when they are sent and to whom, and who may open them by a link."""

from __future__ import annotations

from typing import Any

from flask import flash, redirect, render_template, request, url_for

from app.analytics.forms.reports import NewReportForm, ReportForm
from app.analytics.models.reports import Report
from app.analytics.queries import reports as queries
from app.analytics.queries.left_reports import list_left_reports
from app.analytics.queries.report_kinds import KINDS
from app.analytics.services import left_reports, report_firing, report_shares, reports
from app.analytics.views import report_parts as parts
from app.auth.queries.names import user_names
from app.core.api import current_principal
from app.core.orm import utc_now
from app.core.pages import PageBlueprint, flash_outcome

pages = PageBlueprint("report_pages", __name__, url_prefix="/admin/reports")
_WORDS = {"kinds": KINDS, "states": parts.STATES, "when": parts.schedule_words, "period": parts.period_words}


@pages.get("")
@pages.requires("reports:read")
def index() -> Any:
    """List the reports that somebody made or gets."""
    actor = current_principal()
    page = queries.list_reports(actor, kind=None, limit=50, cursor=request.args.get("cursor"))
    return render_template("reports/index.html", page=page, my_id=actor.user_id, **_WORDS)


@pages.route("/new", methods=["GET", "POST"])
@pages.requires("reports:write")
def create() -> Any:
    """Make a report."""
    form, made = NewReportForm(data=parts.filled_in(None)), list[Report]()
    form.offer(parts.readers_of())
    if form.does(lambda: made.append(_create(form))):
        flash("The report is saved.", "success")
        return redirect(url_for("report_pages.show", report_id=made[0].id))
    return render_template("reports/form.html", form=form, report=None), form.status()


@pages.get("/<int:report_id>")
@pages.requires("reports:read")
def show(report_id: int) -> Any:
    """Show what a report says now, what came of its runs, and who gets it."""
    actor = current_principal()
    row = queries.get_report(actor, report_id)
    figures, reason = parts.figures_or_reason(actor, row)
    runs = queries.list_runs(actor, report_id, limit=10, cursor=request.args.get("cursor"))
    is_mine = row.owner_id == actor.user_id
    shares = queries.list_shares(actor, report_id) if is_mine else ()
    failed = parts.failed_by_run(runs.items)
    people = user_names({*row.recipients, row.owner_id, *(mail.user_id for each in failed.values() for mail in each)})
    more = {"runs": runs, "shares": shares, "is_mine": is_mine, "people": people, "failed": failed}
    return render_template("reports/show.html", report=row, **_shown(figures, reason), **more, **_WORDS)


@pages.route("/<int:report_id>/edit", methods=["GET", "POST"])
@pages.requires("reports:write")
def edit(report_id: int) -> Any:
    """Change a report."""
    row = queries.get_own_report(current_principal(), report_id)
    form = ReportForm(lambda: _read(report_id))
    form.offer(parts.readers_of(), row.days)
    if form.saves(lambda version: _update(form, report_id, version)):
        flash("The report is saved.", "success")
        return redirect(url_for("report_pages.show", report_id=report_id))
    return render_template("reports/form.html", form=form, report=row), form.status()


@pages.post("/<int:report_id>/run")
@pages.requires("reports:write")
def run(report_id: int) -> Any:
    """Run a report now, and mail it."""
    with flash_outcome("The report is being made; who gets it has it in a moment."):
        report_firing.run_now(actor=current_principal(), report_id=report_id)
    return _back(report_id)


@pages.post("/<int:report_id>/runs/<int:run_id>/mail-again")
@pages.requires("reports:write")
def mail_again(report_id: int, run_id: int) -> Any:
    """Try the mails of a run that did not get through again."""
    with flash_outcome("The mails that did not get through are tried again now."):
        report_firing.mail_again(actor=current_principal(), report_id=report_id, run_id=run_id)
    return _back(report_id)


@pages.get("/left")
@pages.requires("users:write")
def left() -> Any:
    """List the reports of people who left."""
    page = list_left_reports(limit=50, cursor=request.args.get("cursor"))
    owners = user_names({row.owner_id for row in page.items})
    return render_template("reports/left.html", page=page, owners=owners, **_WORDS)


@pages.post("/left/<int:report_id>/take-over")
@pages.requires("users:write")
def take_over(report_id: int) -> Any:
    """Go on with a report that somebody left behind."""
    with flash_outcome("The report is yours now. If it is paused, let it go on."):
        left_reports.take_over(actor=current_principal(), report_id=report_id)
        return _back(report_id)
    return redirect(url_for("report_pages.left"))


@pages.post("/left/<int:report_id>/delete")
@pages.requires("users:write")
def delete_left(report_id: int) -> Any:
    """Delete a report that somebody left behind, as it was when its page was shown."""
    version = int(request.form.get("version", "0")[:9] or 0)
    with flash_outcome("The report is deleted."):
        left_reports.delete_left_report(actor=current_principal(), report_id=report_id, expected_version=version)
    return redirect(url_for("report_pages.left"))


@pages.post("/<int:report_id>/pause")
@pages.requires("reports:write")
def pause(report_id: int) -> Any:
    """Send it no more for a while."""
    with flash_outcome("The report is paused."):
        reports.set_active(actor=current_principal(), report_id=report_id, is_active=False)
    return _back(report_id)


@pages.post("/<int:report_id>/resume")
@pages.requires("reports:write")
def resume(report_id: int) -> Any:
    """Send it again from its next time on."""
    with flash_outcome("The report is sent again from its next time on."):
        reports.set_active(actor=current_principal(), report_id=report_id, is_active=True)
    return _back(report_id)


@pages.post("/<int:report_id>/delete")
@pages.requires("reports:write")
def delete(report_id: int) -> Any:
    """Delete a report, as it was when its page was shown."""
    version = int(request.form.get("version", "0")[:9] or 0)
    with flash_outcome("The report is deleted."):
        reports.delete_report(actor=current_principal(), report_id=report_id, expected_version=version)
        return redirect(url_for("report_pages.index"))
    return _back(report_id)


@pages.post("/<int:report_id>/shares")
@pages.requires("reports:write")
def share(report_id: int) -> Any:
    """Make a link, and show it this once."""
    actor = current_principal()
    made = report_shares.create_share(actor=actor, report_id=report_id, now=utc_now())
    link = url_for("report_pages.shared", secret=made.token, _external=True)
    return render_template("reports/shared_link.html", report=queries.get_report(actor, report_id), link=link)


@pages.post("/<int:report_id>/shares/<int:share_id>/revoke")
@pages.requires("reports:write")
def revoke(report_id: int, share_id: int) -> Any:
    """Take a link back."""
    report_shares.revoke_share(actor=current_principal(), report_id=report_id, share_id=share_id)
    flash("The link leads nowhere any more.", "success")
    return _back(report_id)


@pages.get("/shared/<secret>")
@pages.requires("reports:read")
def shared(secret: str) -> Any:
    """Show a report that somebody shared."""
    actor = current_principal()
    row = report_shares.open_share(actor, secret, now=utc_now())
    shown = _shown(*parts.figures_or_reason(actor, row))
    return render_template(
        "reports/shared.html", report=row, secret=secret, owner=user_names({row.owner_id}), **shown, **_WORDS
    )


def _create(form: NewReportForm) -> Report:
    return reports.create_report(actor=current_principal(), **parts.checked(form.wanted()))


def _update(form: ReportForm, report_id: int, version: int) -> Report:
    wanted = parts.checked(form.wanted())
    actor = current_principal()
    return reports.update_report(actor=actor, report_id=report_id, expected_version=version, **wanted)


def _read(report_id: int) -> tuple[int, dict[str, Any]]:
    row = queries.get_own_report(current_principal(), report_id)
    return row.version, parts.filled_in(row)


def _shown(figures: queries.Figures | None, reason: str | None) -> dict[str, Any]:
    rows = [] if figures is None else parts.cells_of(figures)
    currencies = [] if figures is None else parts.currencies_of(figures)
    return {"figures": figures, "reason": reason, "rows": rows, "currencies": currencies, "shown": parts.SHOWN}


def _back(report_id: int) -> Any:
    return redirect(url_for("report_pages.show", report_id=report_id))
