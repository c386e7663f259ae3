"""The API of reports that somebody left behind."""

from __future__ import annotations

from typing import Any

from flask.views import MethodView

from app.analytics.queries.left_reports import list_left_reports
from app.analytics.schemas import reports as schemas
from app.analytics.services import left_reports
from app.core.api import ApiBlueprint, current_principal, if_match
from app.core.fields import PageArguments

blp = ApiBlueprint("left-reports", __name__, description="Reports of people who left")


@blp.route("/left-reports")
class LeftReports(MethodView):
    """What people left behind."""

    @blp.requires("users:read")
    @blp.arguments(PageArguments, location="query")
    @blp.answers(200, schemas.ReportPage)
    def get(self, which: dict[str, Any]) -> Any:
        """List reports whose owner is not active any more, or may not read their figures any more."""
        return list_left_reports(**which)


@blp.route("/left-reports/<int:report_id>")
class LeftReport(MethodView):
    """One of them."""

    @blp.requires("users:write")
    @blp.answers(204)
    def delete(self, report_id: int) -> Any:
        """Delete a report that was left behind with its links and runs; If-Match names its version."""
        left_reports.delete_left_report(actor=current_principal(), report_id=report_id, expected_version=if_match())


@blp.route("/left-reports/<int:report_id>/take-over")
class LeftReportTaken(MethodView):
    """Going on with it."""

    @blp.requires("users:write")
    @blp.answers(200, schemas.ReportSchema, etag=True)
    def post(self, report_id: int) -> Any:
        """Make a report that was left behind your own; you need reports:write and the permission of its figures.

        Its recipients, links and runs stay; a schedule that is paused stays paused.
        """
        return left_reports.take_over(actor=current_principal(), report_id=report_id)
