"""Jobs over the ASINs in a file that somebody sends."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from typing import Any, Final

from app.core.errors import Invalid
from app.core.files import file_store
from app.core.permissions import Principal
from app.operations.files.reading import Reading, open_table
from app.operations.files.table import FileRefused, Row
from app.operations.services.imports.decisions import UPLOAD
from app.rpa.models.jobs import Job
from app.rpa.services.choosing import MAX_TASKS
from app.rpa.services.submitting import submit_job

COLUMN: Final = "asin"
MAX_ROWS: Final = 2 * MAX_TASKS
"""With some that are doubled or are none."""
MAX_BYTES: Final = 64 * 1024**2
MAX_S: Final = 15
"""Somebody waits for it, and a thread of the web server."""


def read_asins(key: str, filename: str, reading: Reading) -> list[str]:
    """The texts in the column ``asin`` of a stored file (CSV, TSV, XLSX, JSON Lines) in its order, without empty ones.

    Raises Invalid for a file that cannot be read, has no such column, more than MAX_ROWS rows or MAX_BYTES, or takes
    longer than MAX_S.
    """
    if file_store().size(key) > MAX_BYTES:
        raise Invalid.field("/file", f"has more than {MAX_BYTES // 1024**2} MB.")
    try:
        with (
            file_store().as_local(key) as path,
            open_table(path, filename, reading, beat=partial(_require_time, time.monotonic() + MAX_S)) as table,
        ):
            found = [text for row in _bounded(table.rows) if (text := _text(row, table.columns))]
            if _place(table.columns) is None:
                raise Invalid.field("/file", f"has no column {COLUMN}.")
    except FileRefused as refused:
        raise Invalid.field("/file", refused.detail) from refused
    return found


def _bounded(rows: Iterator[Row]) -> Iterator[Row]:
    for number, row in enumerate(rows):
        if number >= MAX_ROWS:
            raise Invalid.field("/file", f"has more than {MAX_ROWS} rows.")
        yield row


def _require_time(until: float) -> None:
    if time.monotonic() > until:
        raise Invalid.field("/file", f"takes more than {MAX_S} seconds to read; send it as CSV, with fewer columns.")


def _place(columns: list[str]) -> int | None:
    """Which column it is; of JSON Lines columns become known with their rows."""
    return next((place for place, name in enumerate(columns) if name.strip().lower() == COLUMN), None)


def _text(row: Row, columns: list[str]) -> str:
    """What stands in the column; of a row that cannot be read which line it is, for the list of what is no ASIN."""
    if row.reason is not None:
        return f"line {row.line}"
    place, cells = _place(columns), row.cells
    if place is None:
        return ""
    value = cells.get(place) if isinstance(cells, dict) else cells[place] if place < len(cells) else None
    return "" if value is None else str(value).strip()


def submit_file(
    *,
    actor: Principal,
    folder: str,
    filename: str,
    format: str | None,  # noqa: A002  # it is what it is called everywhere
    encoding: str | None,
    delimiter: str | None,
    **wish: Any,
) -> Job:
    """Submit a job over the ASINs of the file ``UPLOAD`` in a folder of the file store, which is deleted then.

    ``wish`` is the rest of what ``submit_job`` takes. Raises what that and ``read_asins`` raise, and Invalid for a file
    without any ASIN.
    """
    reading = Reading(format=format, encoding=encoding, delimiter=delimiter)
    asins = read_asins(f"{folder}/{UPLOAD}", filename, reading)
    if not asins:
        raise Invalid.field("/file", f"has nothing in its column {COLUMN}.")
    job = submit_job(actor=actor, asins=asins, file=filename, **wish)
    file_store().delete(folder)
    return job
