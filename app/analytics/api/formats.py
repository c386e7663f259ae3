"""The same figures as JSON, as a CSV file, or as a chart that browsers draw: every API of figures answers so.

    return in_format(which.pop("format"), found, table=table_of_totals, name="sales", chart=chart_of_totals)

``found`` is what the schema of the answer dumps; ``table`` makes rows of it, ``chart`` a Bokeh figure's json_item.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final, TypeVar

import orjson
from flask import Response

from app.analytics.charts.words import written_for
from app.analytics.schemas.formats import CHART, CSV
from app.core.display import display
from app.core.errors import Invalid
from app.core.fields import utc_text
from app.core.money import decimal_text
from app.operations.files.cells import protect
from app.operations.files.writing import CONTENT_TYPES

T = TypeVar("T")
FORMATS: Final[dict[int, Any]] = {200: {"description": "The figures", "content": {"text/csv": {}}}}
"""For ``blp.doc(responses=...)``: that there is a file as well."""


@dataclass(frozen=True, slots=True)
class Table:
    """What a file of figures says. Texts are protected from being formulas, numbers stay numbers."""

    columns: Sequence[str]
    rows: Iterable[Sequence[str | int | Decimal | date | None]]


def in_format(
    kind: str,
    found: T,
    *,
    table: Callable[[T], Table],
    name: str,
    chart: Callable[[T], dict[str, Any]] | None = None,
) -> T | Response:
    """What was found, in the form that was asked for; ``name`` is that of the file. Raises Invalid without a chart."""
    if kind == CSV:
        return _file(table(found), name)
    if kind == CHART:
        if chart is None:
            raise Invalid.field("/format", "must be json or csv: there is no chart of this.", place="query")
        with written_for(display().locale):
            return Response(orjson.dumps(chart(found)), mimetype="application/json")
    return found


def money(minor: int | None, currency: str) -> Decimal | None:
    """An amount as a number of a file, with all decimals of its currency."""
    return None if minor is None else Decimal(decimal_text(minor, currency))


def _file(table: Table, name: str) -> Response:
    lines = [",".join(map(_cell, row)) for row in (table.columns, *table.rows)]
    answer = Response("\r\n".join([*lines, ""]), content_type=CONTENT_TYPES["csv"])
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return answer


def _cell(value: str | int | Decimal | date | None) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return utc_text(value)
    if not isinstance(value, str):
        return str(value)
    text = protect(value)
    return '"' + text.replace('"', '""') + '"' if any(sign in text for sign in ',"\r\n') else text
