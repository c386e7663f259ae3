"""Rows of an import on their way: as they were read, as they were checked, and as they were refused."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import orjson
from sqlalchemy import insert

from app.core.extensions import db
from app.core.files import file_store
from app.operations.files.table import Cells
from app.operations.models import OperationRow, OperationState
from app.operations.services.leases import Work
from app.operations.services.operations import COUNTS

Reason = tuple[str, str]
"""A column's name and the rule that its value breaks."""
Values = dict[str, Any]
MISSING: Final = "Missing data for required field."


class Row(NamedTuple):
    """A row that keeps the rules of its own: ``offset`` is where it stands in the file of what was read."""

    line: int
    offset: int
    values: Values


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedRow:
    """A checked row that cannot be written all the same."""

    row: Row
    reasons: Sequence[Reason]
    product_id: int | None
    asin: str | None


def cells_of(row: list[Any]) -> Cells:
    """The cells of a row as it was read: of JSON Lines by number, which JSON can only keep as a text."""
    cells = row[1]
    return {int(at): value for at, value in cells.items()} if isinstance(cells, dict) else cells


def checked_rows(work: Work, size: int) -> Iterator[tuple[list[Row], list[int]]]:
    """The checked rows of an import from where it is, so many at a time, each with the place behind them.

    The place belongs into the cursor under ``at``, in the transaction that writes the rows.
    """
    parts: list[str] = work.cursor["good"]
    first, begin = work.cursor.get("at") or (0, 0)
    for part in range(first, len(parts)):
        for rows, behind in _chunks(parts[part], begin if part == first else 0, size):
            yield rows, [part, behind]


def counts_so_far(work: Work) -> dict[str, int]:
    """What a run has counted; before its first row that is what the dry run refused, and nothing else of it."""
    if work.cursor.get("at") is None:
        return {name: work.counts[name] if name == "refused" else 0 for name in COUNTS}
    return dict(work.counts)


def end_of(counts: dict[str, int]) -> OperationState:
    """The state in which a run ends."""
    return OperationState.COMPLETED_WITH_ERRORS if counts["refused"] else OperationState.COMPLETED


def refuse(work: Work, refused: Sequence[RefusedRow]) -> None:
    """Note rows that cannot be written as things are now, with what was read, in the open transaction."""
    if not refused:
        return
    rows = []
    with file_store().reading(work.cursor["staged"]) as staged:
        for each in refused:
            staged.seek(each.row.offset)
            row: dict[str, Any] = {"operation_id": work.id, "line": each.row.line}
            row |= {"product_id": each.product_id, "asin": each.asin}
            row["reasons"] = [{"column": name, "detail": detail} for name, detail in each.reasons]
            row["cells"] = staged.readline().decode()
            rows.append(row)
    db.session.execute(insert(OperationRow), rows)


def _chunks(key: str, offset: int, size: int) -> Iterator[tuple[list[Row], int]]:
    """The rows of a file from a place on, with the place behind them."""
    with file_store().reading(key) as lines:
        lines.seek(offset)
        rows: list[Row] = []
        while line := lines.readline():
            offset += len(line)
            rows.append(Row(*orjson.loads(line)))
            if len(rows) >= size:
                yield rows, offset
                rows = []
        if rows:
            yield rows, offset
