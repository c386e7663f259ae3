"""The API of links to reports."""

from __future__ import annotations

from typing import Any, Final

from flask import Response
from flask.views import MethodView

from app.analytics.api.report_files import CHART, chart_answer, csv_answer
from app.analytics.queries import reports as queries
from app.analytics.schemas import reports as schemas
from app.analytics.services import report_shares
from app.core.api import ApiBlueprint, current_principal
from app.core.orm import utc_now

blp = ApiBlueprint("report-shares", __name__, description="Links by which other staff open a report")

_CSV: Final = {"description": "The rows as CSV", "content": {"text/csv": {}}}


@blp.route("/reports/<int:report_id>/shares")
class Shares(MethodView):
    """The links of a report."""

    @blp.requires("reports:read")
    @blp.answers(200, schemas.ReportSharesSchema)
    def get(self, report_id: int) -> Any:
        """List the links of a report of your own, at most 20; their secrets are not kept."""
        return {"items": queries.list_shares(current_principal(), report_id)}

    @blp.requires("reports:write")
    @blp.answers(201, schemas.MadeReportShareSchema, secret=True)
    def post(self, report_id: int) -> Any:
        """Make a link to a report of your own.

        Who opens it must be logged in, have reports:read and may read the figures; the link alone opens nothing.
        """
        return report_shares.create_share(actor=current_principal(), report_id=report_id, now=utc_now())


@blp.route("/reports/<int:report_id>/shares/<int:share_id>")
class Share(MethodView):
    """One link."""

    @blp.unversioned
    @blp.requires("reports:write")
    @blp.answers(204)
    def delete(self, report_id: int, share_id: int) -> Any:
        """Take a link to a report of your own back."""
        report_shares.revoke_share(actor=current_principal(), report_id=report_id, share_id=share_id)


@blp.route("/shared-reports/<token>")
class SharedReport(MethodView):
    """What somebody shared."""

    @blp.requires("reports:read")
    @blp.answers(200, schemas.ReportFiguresSchema)
    def get(self, token: str) -> Any:
        """Get the figures, as they are now, of a report that somebody shared with this link."""
        principal = current_principal()
        return queries.figures_of(principal, report_shares.open_share(principal, token, now=utc_now()))


@blp.route("/shared-reports/<token>/csv")
class SharedReportCsv(MethodView):
    """The same as a file."""

    @blp.requires("reports:read")
    @blp.doc(responses={"200": _CSV})
    def get(self, token: str) -> Response:
        """Download the figures of a report that somebody shared with this link."""
        principal = current_principal()
        return csv_answer(queries.figures_of(principal, report_shares.open_share(principal, token, now=utc_now())))


@blp.route("/shared-reports/<token>/chart")
class SharedReportChart(MethodView):
    """The same as a chart."""

    @blp.requires("reports:read")
    @blp.arguments(schemas.ReportChartArguments, location="query")
    @blp.doc(responses={"200": CHART})
    def get(self, which: dict[str, Any], token: str) -> Response:
        """Get the chart of a report that somebody shared with this link, for BokehJS to draw."""
        principal = current_principal()
        row = report_shares.open_share(principal, token, now=utc_now())
        return chart_answer(queries.figures_of(principal, row), **which)
