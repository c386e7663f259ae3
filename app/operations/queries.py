"""Reads of long-running work, and of the files that it leaves."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Any

import orjson
from sqlalchemy import select
from sqlalchemy.orm import defer

from app.core.extensions import db
from app.core.files import file_store
from app.core.pagination import Page, fetch_page
from app.operations.errors import FileGone, OperationNotFound
from app.operations.files.guessing import REASON
from app.operations.files.table import JSONL
from app.operations.files.writing import writer_for, written
from app.operations.kinds import KINDS, spoken
from app.operations.models import Operation, OperationRow, OperationState

_CHUNK = 1_000


def get_operation(operation_id: int, kind: str | None = None) -> Operation:
    """An operation, as it is now; raises OperationNotFound, also where it is of another kind."""
    operation = db.session.get(Operation, operation_id, populate_existing=True)
    if operation is None or kind not in {None, operation.kind}:
        raise OperationNotFound(f"There is no {spoken(kind)} {operation_id}.")
    return operation


def find_writer(slot: int) -> int | None:
    """The operation that has the slot, and so writes now."""
    found: int | None = db.session.scalar(select(Operation.id).where(Operation.writer == slot))
    return found


def list_operations(
    *, kinds: Collection[str], limit: int, cursor: str | None = None, state: str | None = None, whole: bool = False
) -> Page[Operation]:
    """Operations of some kinds, newest first; with ``whole`` for lists that show something of their documents."""
    unread = (Operation.cursor,) if whole else (Operation.report, Operation.cursor, Operation.arguments)
    wanted = select(Operation).options(*map(defer, unread))
    if set(kinds) != KINDS.keys():
        wanted = wanted.where(Operation.kind.in_(kinds))
    if state is not None:
        wanted = wanted.where(Operation.state == state)
    return fetch_page(wanted, keys=[(Operation.id, True)], limit=limit, cursor=cursor)


def result_file(operation_id: int, kind: str) -> tuple[Operation, Iterator[bytes]]:
    """A completed operation and the bytes of the file that it wrote; raises OperationNotFound, FileGone."""
    operation = get_operation(operation_id, kind)
    if operation.state != OperationState.COMPLETED or operation.files_deleted_at is not None:
        raise FileGone(f"The {spoken(kind)} is {operation.state}; it has no file" + _after(operation) + ".")
    parts: list[str] = operation.cursor["parts"]
    store = file_store()
    return operation, (piece for part in parts for piece in store.pieces(part))


def refused_rows(import_id: int, kind: str) -> tuple[Operation, Iterator[bytes]]:
    """An import and the bytes of a file of its refused rows, in the format and the columns of the upload.

    Its first column says why; mended, it can be sent again as it is. Raises OperationNotFound, FileGone.
    """
    operation = get_operation(import_id, kind)
    if operation.files_deleted_at is not None or not operation.report.get("columns"):
        raise FileGone(f"The {spoken(kind)} has no refused rows" + _after(operation) + ".")
    names = [column["name"] for column in operation.report["columns"]]
    writer = writer_for(operation.report["format"], [REASON, *names])
    make: Callable[[Any, list[str]], Any] = _as_object if operation.report["format"] == JSONL else _as_cells
    rows = ((make(found, names) for found in chunk) for chunk in _refused(operation))
    return operation, written(writer, rows)


def refused_lines(operation: Operation) -> Iterator[tuple[int, str]]:
    """The line of every row that an import refused, and why."""
    for chunk in _refused(operation):
        yield from ((line, why) for line, why, _ in chunk)


def _after(operation: Operation) -> str:
    return " any more: files are kept for a week" if operation.files_deleted_at is not None else ""


def _refused(operation: Operation) -> Iterator[list[tuple[int, str, Any]]]:
    """The line, why, and the row as it was read: what the check refused, then what the run did."""
    parts, operation_id = operation.cursor.get("bad") or [], operation.id
    for part in parts:
        with file_store().reading(part) as lines:
            while chunk := [orjson.loads(line) for line in _some(lines)]:
                yield [(found["line"], _why(found["reasons"]), found["row"][1]) for found in chunk]
    after = 0
    while True:
        wanted = select(OperationRow).where(OperationRow.operation_id == operation_id, OperationRow.id > after)
        rows = list(db.session.scalars(wanted.order_by(OperationRow.id).limit(_CHUNK)))
        if not rows:
            return
        after = rows[-1].id
        yield [(row.line or 0, _told(row.reasons), orjson.loads(row.cells or "[0,[]]")[1]) for row in rows]


def _some(lines: Any) -> Iterator[bytes]:
    for _ in range(_CHUNK):
        line = lines.readline()
        if not line:
            return
        yield line


def _why(reasons: list[tuple[str, str]]) -> str:
    return "; ".join(f"{name} {detail}".strip() for name, detail in reasons)


def _told(reasons: list[dict[str, str]]) -> str:
    return _why([(reason["column"], reason["detail"]) for reason in reasons])


def _as_cells(found: tuple[int, str, Any], _names: list[str]) -> list[Any]:
    _, why, cells = found
    return [why, *cells]


def _as_object(found: tuple[int, str, Any], names: list[str]) -> dict[str, Any]:
    """With those names only that the row had; what was no object at all stands under ``line``."""
    _, why, cells = found
    return {REASON: why} | {names[int(at)] if int(at) >= 0 else "line": value for at, value in cells.items()}
