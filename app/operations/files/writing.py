"""Writing tables: CSV and TSV, XLSX and JSON Lines, in pieces as they are made, so that nothing waits for the end."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, Protocol

import orjson

from app.operations.files.cells import protect
from app.operations.files.table import CSV, JSONL, TSV, XLSX
from app.operations.files.workbook import LAST_ROW

CONTENT_TYPES: Final = {
    CSV: "text/csv; charset=utf-8",
    TSV: "text/tab-separated-values; charset=utf-8",
    XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    JSONL: "application/x-ndjson",
}


class TooManyRows(Exception):
    """A sheet cannot have that many rows."""


class Writer(Protocol):
    """Makes the bytes of a file: ``begin``, then ``rows`` any number of times, then ``end``."""

    def begin(self) -> bytes:
        """What stands before all rows."""

    def rows(self, rows: Iterable[Sequence[Any]]) -> bytes:
        """Some rows; a value is None, a text, a number, a bool, a list or an object. JSON Lines take objects, too."""

    def end(self) -> bytes:
        """What stands behind all rows."""


def writer_for(format: str, columns: Sequence[str]) -> Writer:  # noqa: A002  # it is what it is called everywhere
    """A writer of tables with these columns."""
    return _WRITERS[format](columns)


def written(writer: Writer, chunks: Iterable[Iterable[Sequence[Any]]]) -> Iterator[bytes]:
    """The bytes of a whole file, a piece for each chunk of rows."""
    yield writer.begin()
    for chunk in chunks:
        yield writer.rows(chunk)
    yield writer.end()


def text_of(value: Any) -> str:
    """A value as a cell of a spreadsheet says it; lists of texts are joined where ``export`` has not done so."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return orjson.dumps(value).decode() if isinstance(value, list | dict) else str(value)


class _DelimitedWriter:
    def __init__(self, columns: Sequence[str], delimiter: str = ",") -> None:
        self._columns = columns
        self._delimiter = delimiter

    def begin(self) -> bytes:
        return self.rows([self._columns])

    def rows(self, rows: Iterable[Sequence[Any]]) -> bytes:
        text = io.StringIO(newline="")
        sheet = csv.writer(text, delimiter=self._delimiter)
        sheet.writerows([protect(text_of(value)) for value in row] for row in rows)
        return text.getvalue().encode("utf-8", "replace")

    def end(self) -> bytes:
        return b""


class _LinesWriter:
    def __init__(self, columns: Sequence[str]) -> None:
        self._columns = columns

    def begin(self) -> bytes:
        return b""

    def rows(self, rows: Iterable[Sequence[Any]]) -> bytes:
        objects = (row if isinstance(row, dict) else dict(zip(self._columns, row, strict=True)) for row in rows)
        return b"".join(orjson.dumps(one, option=orjson.OPT_APPEND_NEWLINE) for one in objects)

    def end(self) -> bytes:
        return b""


_NOT_IN_XML: Final = re.compile(r"[\x00-\x08\x0b-\x1f\ud800-\udfff\ufffe\uffff]|_(?=x[0-9A-Fa-f]{4}_)|[&<>]")
_ENTITIES: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_XML: Final = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_MAIN: Final = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_PACKAGE: Final = "http://schemas.openxmlformats.org/package/2006"
_OFFICE: Final = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_KIND: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_PARTS: Final = {
    "[Content_Types].xml": (
        f'<Types xmlns="{_PACKAGE}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{_KIND}.sheet.main+xml"/>'
        f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{_KIND}.worksheet+xml"/></Types>'
    ),
    "_rels/.rels": (
        f'<Relationships xmlns="{_PACKAGE}/relationships">'
        f'<Relationship Id="rId1" Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>'
    ),
    "xl/workbook.xml": (
        f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}">'
        '<sheets><sheet name="Products" sheetId="1" r:id="rId1"/></sheets></workbook>'
    ),
    "xl/_rels/workbook.xml.rels": (
        f'<Relationships xmlns="{_PACKAGE}/relationships">'
        f'<Relationship Id="rId1" Type="{_OFFICE}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>'
    ),
}


class _Pipe(io.RawIOBase):
    """What an archive is written into: its bytes are taken out again and again, and nothing of it stays."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, piece: Any) -> int:
        self._pieces.append(bytes(piece))
        return len(piece)

    def take(self) -> bytes:
        found = b"".join(self._pieces)
        self._pieces.clear()
        return found


class _WorkbookWriter:
    """A workbook of one sheet whose cells are all texts: no spreadsheet turns an ASIN into a number.

    Written by hand because the libraries write into a file that must be complete before its first byte can be sent.
    """

    def __init__(self, columns: Sequence[str]) -> None:
        self._columns = columns
        self._pipe = _Pipe()
        self._archive = zipfile.ZipFile(self._pipe, "w", zipfile.ZIP_DEFLATED, compresslevel=1)
        self._count = 0
        self._sheet: Any = None

    def begin(self) -> bytes:
        for name, content in _PARTS.items():
            self._archive.writestr(name, _XML + content)
        self._sheet = self._archive.open("xl/worksheets/sheet1.xml", "w", force_zip64=True)
        self._sheet.write(f'{_XML}<worksheet xmlns="{_MAIN}"><sheetData>'.encode())
        return self.rows([self._columns])

    def rows(self, rows: Iterable[Sequence[Any]]) -> bytes:
        """Raises TooManyRows."""
        made = ["<row>" + "".join(map(_cell, row)) + "</row>" for row in rows]
        self._count += len(made)
        if self._count > LAST_ROW:
            raise TooManyRows(f"A sheet has at most {LAST_ROW} rows.")
        self._sheet.write("".join(made).encode())
        return self._pipe.take()

    def end(self) -> bytes:
        self._sheet.write(b"</sheetData></worksheet>")
        self._sheet.close()
        self._archive.close()
        return self._pipe.take()


def _cell(value: Any) -> str:
    text = protect(text_of(value))
    if not text:
        return "<c/>"
    if _NOT_IN_XML.search(text):
        text = _NOT_IN_XML.sub(_escape, text)
    return f'<c t="inlineStr"><is><t xml:space="preserve">{text}</t></is></c>'


def _escape(found: re.Match[str]) -> str:
    """What XML cannot carry, as ECMA-376 has it (22.9.2.19, ST_Xstring)."""
    return _ENTITIES.get(found[0]) or f"_x{ord(found[0]):04X}_"


_WRITERS: Final[dict[str, Callable[[Sequence[str]], Writer]]] = {
    CSV: _DelimitedWriter,
    TSV: lambda columns: _DelimitedWriter(columns, "\t"),
    XLSX: _WorkbookWriter,
    JSONL: _LinesWriter,
}
