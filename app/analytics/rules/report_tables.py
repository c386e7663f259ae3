"""Tables of reports: columns, rows, and how a value stands in JSON and in CSV; knows no database."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Final

from app.core.money import decimal_text
from app.operations.files.cells import protect

MAX_ROWS: Final = 5000
"""Rows of one report; what comes after them is cut off, and said to be."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column: ``kind`` is ``text``, ``day``, ``whole``, ``decimal``, ``percent``, ``seconds`` or ``money``.

    Money is whole minor units of the currency that the row names in ``currency``.
    """

    name: str
    label: str
    kind: str = "text"


@dataclass(frozen=True, slots=True)
class Table:
    """The figures of a report: at most ``MAX_ROWS`` rows, each with a value for every column."""

    columns: tuple[Column, ...]
    rows: Sequence[Mapping[str, Any]]
    is_cut: bool = False
    """There are more rows than these."""


def table_of(columns: tuple[Column, ...], rows: Iterable[Mapping[str, Any]]) -> Table:
    """The first ``MAX_ROWS`` of some rows."""
    found: list[Mapping[str, Any]] = []
    for row in rows:
        if len(found) == MAX_ROWS:
            return Table(columns, found, is_cut=True)
        found.append(row)
    return Table(columns, found)


def plain_rows(table: Table) -> list[dict[str, Any]]:
    """The rows as JSON carries them: money and other decimals as texts, days as ISO 8601."""
    return [{column.name: _plain(row[column.name], column, row) for column in table.columns} for row in table.rows]


def csv_of(table: Table) -> bytes:
    """The table as CSV with a line of column names; a text that a spreadsheet would run begins with an apostrophe.

    Numbers stay numbers, also those below nothing.
    """
    text = io.StringIO(newline="")
    sheet = csv.writer(text)
    sheet.writerow([column.name for column in table.columns])
    for row in plain_rows(table):
        sheet.writerow([_cell(row[column.name], column) for column in table.columns])
    return text.getvalue().encode("utf-8", "replace")


def _cell(value: Any, column: Column) -> Any:
    return protect(value) if column.kind == "text" and isinstance(value, str) else value


def _plain(value: Any, column: Column, row: Mapping[str, Any]) -> Any:
    if value is None:
        return None
    if column.kind == "money":
        return decimal_text(value, row["currency"])
    if isinstance(value, date):
        return value.isoformat()
    return str(value) if isinstance(value, Decimal) else value
