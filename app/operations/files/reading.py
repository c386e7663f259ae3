"""Reading a file of any format as a table: what it is, is seen from its first bytes, then from its name."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from app.operations.files.delimited import encoding_of, read_delimited
from app.operations.files.lines import read_lines
from app.operations.files.table import CSV, JSONL, TSV, XLSX, FileRefused, Table
from app.operations.files.workbook import open_workbook

HEAD_BYTES: Final = 4096
_BUFFER: Final = 64 * 1024
_ARCHIVE: Final = b"PK\x03\x04"
_OLD_WORKBOOK: Final = b"\xd0\xcf\x11\xe0"
_ENDINGS: Final = {"csv": CSV, "tsv": TSV, "tab": TSV, "xlsx": XLSX, "jsonl": JSONL, "ndjson": JSONL, "json": JSONL}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What the sender says of a file; None is to be found out."""

    format: str | None = None
    encoding: str | None = None
    delimiter: str | None = None


class _Watched(io.FileIO):
    """A file that tells whenever some of it is read."""

    def __init__(self, path: str, beat: Callable[[], None]) -> None:
        super().__init__(path)
        self._beat = beat

    def readinto(self, buffer: Any, /) -> int | None:
        self._beat()
        return super().readinto(buffer)


@contextmanager
def open_table(path: str, name: str, reading: Reading, *, beat: Callable[[], None] = lambda: None) -> Iterator[Table]:
    """The table in a file of this machine; ``name`` is what its sender calls it.

    ``beat`` is called several times a second while it is read, also where it has no rows for long. Raises FileRefused,
    also while its rows are read, and whatever ``beat`` raises.
    """
    with io.BufferedReader(_Watched(path, beat), _BUFFER) as stream:
        head = stream.read(HEAD_BYTES)
        kind = format_of(head, name, reading.format)
        stream.seek(0)
        if kind == XLSX:
            with open_workbook(path, beat) as table:
                yield table
        elif kind == JSONL:
            yield read_lines(stream)
        else:
            encoding = encoding_of(head, reading.encoding)
            yield read_delimited(stream, encoding=encoding, format=kind, delimiter=reading.delimiter)


def format_of(head: bytes, name: str, stated: str | None) -> str:
    """The format of a file that begins with ``head``; raises FileRefused for what is none of them."""
    if not head:
        raise FileRefused("EMPTY_FILE", "The file is empty.")
    if head.startswith(_OLD_WORKBOOK):
        raise FileRefused("OLD_WORKBOOK", "The file is a workbook with a password or of the old kind: save it as XLSX.")
    if head.startswith(_ARCHIVE):
        return XLSX
    if stated is not None:
        return stated
    known = _ENDINGS.get(name.rpartition(".")[2].lower())
    first = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    if first == b"[" and known == JSONL:
        raise FileRefused("NOT_JSON_LINES", "The file is one JSON list: write one object on each line instead.")
    if first == b"{":
        return JSONL
    return known or CSV
