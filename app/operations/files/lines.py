"""Reading JSON Lines: one object on a line, its names are the columns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO, Final

import orjson

from app.operations.files.table import JSONL, MAX_COLUMNS, MAX_HEADER, MAX_RECORD, FileRefused, Row, Table

_MAX_DEPTH: Final = 100
"""Lists and objects within each other. What is written of a row must be less deep than 254 (orjson)."""
_BOM: Final = b"\xef\xbb\xbf"


def read_lines(stream: BinaryIO) -> Table:
    """Read a file of JSON objects; its columns are complete when all its rows were read. Raises FileRefused."""
    columns: dict[str, int] = {}
    names: list[str] = []
    head = stream.read(1)
    stream.seek(0)
    if not head:
        raise FileRefused("EMPTY_FILE", "The file is empty.")
    return Table(JSONL, names, _rows(stream, columns, names), "utf-8")


def _rows(stream: BinaryIO, columns: dict[str, int], names: list[str]) -> Iterator[Row]:
    number = 0
    while line := stream.readline(MAX_RECORD):
        number += 1
        if number == 1:
            line = line.removeprefix(_BOM)
        if len(line) >= MAX_RECORD and not line.endswith(b"\n"):
            _skip_line(stream)
            yield Row(number, {}, f"has more than {MAX_RECORD} bytes.")
        elif line.strip():
            yield _row(number, line, columns, names)


def _row(number: int, line: bytes, columns: dict[str, int], names: list[str]) -> Row:
    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        return Row(number, {-1: _shown(line)}, f"is not JSON: {error}.")
    if not isinstance(found, dict):
        return Row(number, {-1: _shown(line)}, "is not a JSON object.")
    if line.count(b"[") + line.count(b"{") > _MAX_DEPTH and _is_deep(found):
        return Row(number, {-1: _shown(line)}, "is nested too deeply.")
    cells: dict[int, Any] = {}
    for name, value in found.items():
        at = columns.get(name)
        if at is None:
            if len(names) >= MAX_COLUMNS or not 0 < len(name) <= MAX_HEADER:
                return Row(number, cells, f"has more than {MAX_COLUMNS} different names, or one that is too long.")
            at = columns[name] = len(names)
            names.append(name)
        cells[at] = value
    return Row(number, cells, None)


def _is_deep(value: Any) -> bool:
    """Whether there are more lists and objects within each other than are taken."""
    level = [value]
    for _ in range(_MAX_DEPTH):
        inner = (each.values() if isinstance(each, dict) else each for each in level)
        level = [one for each in inner for one in each if isinstance(one, list | dict)]
        if not level:
            return False
    return True


def _shown(line: bytes) -> str:
    return line.strip().decode("utf-8", "replace")


def _skip_line(stream: BinaryIO) -> None:
    while (piece := stream.readline(MAX_RECORD)) and not piece.endswith(b"\n"):
        pass
