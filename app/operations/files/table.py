"""What every format is read as: named columns and numbered rows, each good or refused with its reason."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

CSV: Final = "csv"
TSV: Final = "tsv"
XLSX: Final = "xlsx"
JSONL: Final = "jsonl"
FORMATS: Final = (CSV, TSV, XLSX, JSONL)

MAX_COLUMNS: Final = 256
MAX_HEADER: Final = 200
"""Characters of a column's name."""
MAX_ROWS: Final = 10_000_000
MAX_RECORD: Final = 2 * 1024 * 1024
"""Characters of one row: longer ones are refused without being read whole."""

Cells = list[Any] | dict[int, Any]
"""The values of a row by column: all of them, or by number those that are there."""


class FileRefused(Exception):
    """The file as a whole cannot be read; ``code`` is stable, the message a sentence for who sent it."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


class Row(NamedTuple):
    """One row: the line (of a workbook the row) that it begins on, its cells, and why it is refused, if it is."""

    line: int
    cells: Cells
    reason: str | None


@dataclass(frozen=True, slots=True)
class Table:
    """A file that can be read: ``columns`` may grow while the rows of JSON Lines are read."""

    format: str
    columns: list[str]
    rows: Iterator[Row]
    encoding: str
    delimiter: str | None = None


def check_columns(columns: list[str]) -> list[str]:
    """The names of columns, trimmed; raises FileRefused where there are too many or one is too long."""
    names = [name.strip() for name in columns]
    while names and not names[-1]:
        names.pop()
    if not names:
        raise FileRefused("NO_HEADER", "The first line names no columns.")
    if len(names) > MAX_COLUMNS:
        raise FileRefused("TOO_MANY_COLUMNS", f"The file has {len(names)} columns; {MAX_COLUMNS} are allowed.")
    for name in names:
        if len(name) > MAX_HEADER:
            raise FileRefused("HEADER_TOO_LONG", f"The column {name[:40]!r}... has more than {MAX_HEADER} characters.")
    return names
