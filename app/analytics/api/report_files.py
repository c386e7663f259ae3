"""Files of reports over HTTP."""

from __future__ import annotations

from flask import Response

from app.analytics.errors import ReportRunNotFound
from app.analytics.queries.reports import Figures
from app.analytics.rules.report_tables import csv_of
from app.core.downloads import send_pieces
from app.core.files import file_store


def csv_answer(figures: Figures) -> Response:
    """The rows as CSV, called by their kind and days."""
    body = csv_of(figures.table)
    name = f"{figures.kind}-{figures.period.first_on}-{figures.period.last_on}.csv"
    answer = send_pieces(iter([body]), content_type="text/csv; charset=utf-8", filename=name, size=len(body))
    answer.headers["Cartwright-Rows-Cut"] = str(figures.table.is_cut).lower()
    return answer


def file_answer(key: str, *, content_type: str, filename: str) -> Response:
    """A file of the store; raises ReportRunNotFound where it is gone."""
    try:
        size = file_store().size(key)
    except FileNotFoundError:
        raise ReportRunNotFound("This run has no such file, or it was deleted.") from None
    return send_pieces(file_store().pieces(key), content_type=content_type, filename=filename, size=size)
