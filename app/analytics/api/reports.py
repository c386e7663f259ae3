"""The API of saved reports."""

from __future__ import annotations

from typing import Any, Final

from flask import Response, url_for
from flask.views import MethodView

from app.analytics.api.report_files import CHART, chart_answer, csv_answer, file_answer
from app.analytics.queries import reports as queries
from app.analytics.queries.report_kinds import list_kinds, list_readers
from app.analytics.queries.report_mailing import list_failed_mails
from app.analytics.schemas import reports as schemas
from app.analytics.services import report_firing, reports
from app.core.api import ApiBlueprint, current_principal, if_match
from app.core.fields import PageArguments

blp = ApiBlueprint("reports", __name__, description="Saved reports: figures that come by themselves")

_CSV: Final = {
    "description": "The rows as CSV; `Cartwright-Rows-Cut: true` says that there are more",
    "content": {"text/csv": {}},
}
_PNG: Final = {"description": "The chart", "content": {"image/png": {}}}


@blp.route("/report-kinds")
class ReportKinds(MethodView):
    """What there are reports of."""

    @blp.requires("reports:read")
    @blp.answers(200, schemas.ReportKindsSchema)
    def get(self) -> Any:
        """List the kinds of reports with their columns, filters, and who may read their figures."""
        return {"items": list_kinds()}


@blp.route("/report-kinds/<kind>/readers")
class ReportReaders(MethodView):
    """Who may get a report."""

    @blp.requires("reports:read")
    @blp.answers(200, schemas.ReportReadersSchema)
    def get(self, kind: str) -> Any:
        """List the first 1,000 people whom reports of a kind may be mailed to."""
        return {"readers": list_readers(kind)}


@blp.route("/reports")
class Reports(MethodView):
    """All reports of one's own."""

    @blp.requires("reports:read")
    @blp.arguments(schemas.ReportArguments, location="query")
    @blp.answers(200, schemas.ReportPage)
    def get(self, which: dict[str, Any]) -> Any:
        """List the reports that you made or get by mail, with what came of the last run."""
        return queries.list_reports(current_principal(), **which)

    @blp.requires("reports:write")
    @blp.arguments(schemas.ReportIn, example=schemas.REPORT_IN)
    @blp.answers(201, schemas.ReportSchema, location=lambda row: url_for("reports.Report", report_id=row.id), etag=True)
    def post(self, sent: dict[str, Any]) -> Any:
        """Save a report; you need the permission of its figures, and so do those who get it by mail."""
        return reports.create_report(actor=current_principal(), **sent)


@blp.route("/reports/preview")
class ReportPreview(MethodView):
    """What a report would have."""

    @blp.requires("reports:read")
    @blp.arguments(schemas.ReportPreviewIn, example=schemas.PREVIEW_IN)
    @blp.answers(200, schemas.ReportFiguresSchema)
    def post(self, sent: dict[str, Any]) -> Any:
        """Get the figures that a report would have now, without saving it."""
        return queries.preview_figures(current_principal(), **sent)


@blp.route("/reports/<int:report_id>")
class Report(MethodView):
    """One report."""

    @blp.requires("reports:read")
    @blp.answers(200, schemas.ReportSchema, etag=True)
    def get(self, report_id: int) -> Any:
        """Get a report that you made or get by mail."""
        return queries.get_report(current_principal(), report_id)

    @blp.requires("reports:write")
    @blp.arguments(schemas.ReportIn, example=schemas.REPORT_IN)
    @blp.answers(200, schemas.ReportSchema, etag=True)
    def put(self, sent: dict[str, Any], report_id: int) -> Any:
        """Replace a report of your own; If-Match names the version it is based on."""
        return reports.update_report(
            actor=current_principal(), report_id=report_id, expected_version=if_match(), **sent
        )

    @blp.requires("reports:write")
    @blp.answers(204)
    def delete(self, report_id: int) -> Any:
        """Delete a report of your own with its links and runs; If-Match names its version."""
        reports.delete_report(actor=current_principal(), report_id=report_id, expected_version=if_match())


@blp.route("/reports/<int:report_id>/figures")
class ReportFigures(MethodView):
    """What a report says now."""

    @blp.requires("reports:read")
    @blp.answers(200, schemas.ReportFiguresSchema)
    def get(self, report_id: int) -> Any:
        """Get the figures of a report as they are now."""
        principal = current_principal()
        return queries.figures_of(principal, queries.get_report(principal, report_id))


@blp.route("/reports/<int:report_id>/csv")
class ReportCsv(MethodView):
    """The same as a file."""

    @blp.requires("reports:read")
    @blp.doc(responses={"200": _CSV})
    def get(self, report_id: int) -> Response:
        """Download the figures of a report as they are now; cells that a spreadsheet would run get an apostrophe."""
        principal = current_principal()
        return csv_answer(queries.figures_of(principal, queries.get_report(principal, report_id)))


@blp.route("/reports/<int:report_id>/chart")
class ReportChart(MethodView):
    """The same as a chart."""

    @blp.requires("reports:read")
    @blp.arguments(schemas.ReportChartArguments, location="query")
    @blp.doc(responses={"200": CHART})
    def get(self, which: dict[str, Any], report_id: int) -> Response:
        """Get the chart of a report as it is now, for BokehJS to draw: one currency at a time."""
        principal = current_principal()
        return chart_answer(queries.figures_of(principal, queries.get_report(principal, report_id)), **which)


@blp.route("/reports/<int:report_id>/run")
class ReportRunNow(MethodView):
    """Running out of turn."""

    @blp.requires("reports:write")
    @blp.answers(
        202,
        schemas.ReportRunSchema,
        location=lambda run: url_for("reports.ReportRun", report_id=run.report_id, run_id=run.id),
    )
    def post(self, report_id: int) -> Any:
        """Run a report of your own now and mail it to its recipients, also while it is paused.

        Refused with 409 while an earlier run has not ended.
        """
        return report_firing.run_now(actor=current_principal(), report_id=report_id)


@blp.route("/reports/<int:report_id>/pause")
class ReportPause(MethodView):
    """Stopping for a while."""

    @blp.requires("reports:write")
    @blp.answers(200, schemas.ReportSchema, etag=True)
    def post(self, report_id: int) -> Any:
        """Pause the schedule of a report of your own."""
        return reports.set_active(actor=current_principal(), report_id=report_id, is_active=False)


@blp.route("/reports/<int:report_id>/resume")
class ReportResume(MethodView):
    """Going on."""

    @blp.requires("reports:write")
    @blp.answers(200, schemas.ReportSchema, etag=True)
    def post(self, report_id: int) -> Any:
        """Let a paused schedule go on at its next slot; those of the pause are not caught up."""
        return reports.set_active(actor=current_principal(), report_id=report_id, is_active=True)


@blp.route("/reports/<int:report_id>/runs")
class ReportRuns(MethodView):
    """What came of the slots."""

    @blp.requires("reports:read")
    @blp.arguments(PageArguments, location="query")
    @blp.answers(200, schemas.ReportRunPage)
    def get(self, which: dict[str, Any], report_id: int) -> Any:
        """List what came of a report's slots, the newest first; the newest 100 are kept."""
        return queries.list_runs(current_principal(), report_id, **which)


@blp.route("/reports/<int:report_id>/runs/<int:run_id>")
class ReportRun(MethodView):
    """One run."""

    @blp.requires("reports:read")
    @blp.answers(200, schemas.ReportRunSchema)
    def get(self, report_id: int, run_id: int) -> Any:
        """Get a run: how far it is, and what came of it."""
        return queries.get_run(current_principal(), report_id, run_id)


@blp.route("/reports/<int:report_id>/runs/<int:run_id>/failed-mails")
class ReportFailedMails(MethodView):
    """Mails that did not get through."""

    @blp.requires("reports:read")
    @blp.answers(200, schemas.FailedMailsSchema)
    def get(self, report_id: int, run_id: int) -> Any:
        """List the mails of a run that were tried and did not get through, with when they are tried again.

        They are tried 20 times within about ten hours; then they are given up, and forgotten after a week.
        """
        return {"mails": list_failed_mails(current_principal(), report_id, run_id)}

    @blp.requires("reports:write")
    @blp.answers(202, schemas.MailedAgainSchema)
    def post(self, report_id: int, run_id: int) -> Any:
        """Try the mails of a run of a report of your own again now, also those that were given up."""
        count = report_firing.mail_again(actor=current_principal(), report_id=report_id, run_id=run_id)
        return {"count": count}


@blp.route("/reports/<int:report_id>/runs/<int:run_id>/csv")
class ReportRunCsv(MethodView):
    """What was mailed."""

    @blp.requires("reports:read")
    @blp.doc(responses={"200": _CSV})
    def get(self, report_id: int, run_id: int) -> Response:
        """Download the figures of a run as they were then; kept for 90 days."""
        key = queries.file_of_run(current_principal(), report_id, run_id, "rows.csv")
        return file_answer(key, content_type="text/csv; charset=utf-8", filename=f"report-{report_id}-{run_id}.csv")


@blp.route("/reports/<int:report_id>/runs/<int:run_id>/picture")
class ReportRunPicture(MethodView):
    """The picture that was mailed."""

    @blp.requires("reports:read")
    @blp.doc(responses={"200": _PNG})
    def get(self, report_id: int, run_id: int) -> Response:
        """Download the chart of a run as it was then; kept for 90 days."""
        key = queries.file_of_run(current_principal(), report_id, run_id, "chart.png")
        return file_answer(key, content_type="image/png", filename=f"report-{report_id}-{run_id}.png")
