"""Files of reports over HTTP."""

from __future__ import annotations

from typing import Final

import orjson
from flask import Response

from app.analytics.charts.item import chart_item
from app.analytics.charts.of_reports import figure_of
from app.analytics.charts.words import written_for
from app.analytics.errors import ReportRunNotFound
from app.analytics.queries.report_kinds import KINDS
from app.analytics.queries.reports import Figures
from app.analytics.rules.report_tables import csv_of
from app.core.display import display
from app.core.downloads import send_pieces
from app.core.errors import Invalid
from app.core.files import file_store

CHART: Final = {
    "description": "BokehJS's json_item, with what is said beside it: a caption, and the same figures as a table",
    "content": {
        "application/json": {
            "schema": {"type": "object", "description": "For BokehJS and a page", "additionalProperties": True},
            "example": {"target_id": None, "root_id": "p1004", "doc": {"version": "3.9.1", "roots": []}, "caption": ""},
        }
    },
}


def csv_answer(figures: Figures) -> Response:
    """The rows as CSV, called by their kind and days."""
    body = csv_of(figures.table)
    name = f"{figures.kind}-{figures.period.first_on}-{figures.period.last_on}.csv"
    answer = send_pieces(iter([body]), content_type="text/csv; charset=utf-8", filename=name, size=len(body))
    answer.headers["Cartwright-Rows-Cut"] = str(figures.table.is_cut).lower()
    return answer


def chart_answer(figures: Figures, currency: str | None) -> Response:
    """The chart as browsers draw it, of one currency: by itself that of most rows. Raises Invalid for another one."""
    rows = figures.rows
    if currency is not None and currency not in {row.get("currency") for row in rows}:
        raise Invalid.field("/currency", "must be a currency of the report's figures.", place="query")
    with written_for(display().locale):
        item = chart_item(figure_of(KINDS[figures.kind].chart, rows, currency))
    return Response(orjson.dumps(item), mimetype="application/json")


def file_answer(key: str, *, content_type: str, filename: str) -> Response:
    """A file of the store; raises ReportRunNotFound where it is gone."""
    try:
        size = file_store().size(key)
    except FileNotFoundError:
        raise ReportRunNotFound("This run has no such file, or it was deleted.") from None
    return send_pieces(file_store().pieces(key), content_type=content_type, filename=filename, size=size)
