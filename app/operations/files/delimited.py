"""Reading CSV and TSV: one broken row, quote or byte never costs the rows around it."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator
from typing import BinaryIO, Final

from app.operations.files.cells import unprotect
from app.operations.files.table import CSV, MAX_RECORD, TSV, FileRefused, Row, Table, check_columns

ENCODINGS: Final = ("utf-8", "utf-16", "windows-1252")
DELIMITERS: Final = (",", ";", "\t", "|")
_BOMS: Final = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


class _RowTooLong(Exception):
    """A row that has more characters than are read."""


class Lines:
    """Lines of a text, of which those that a broken row swallowed can be given back."""

    def __init__(self, stream: BinaryIO, encoding: str) -> None:
        # What no character is becomes something that is recognised per row. UTF-16 has no way to keep its bytes.
        self._errors = "replace" if encoding == "utf-16" else "surrogateescape"
        self._text = io.TextIOWrapper(stream, encoding=encoding, errors=self._errors, newline="")
        self._given_back: list[str] = []
        self._taken: list[str] = []
        self._size = 0
        self.number = 0
        self.is_broken = False

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._given_back.pop() if self._given_back else self._text.readline(MAX_RECORD)
        if not line:
            raise StopIteration
        self.number += 1
        self._taken.append(line)
        self._size += len(line)
        if self._size >= MAX_RECORD:
            self._taken[-1] = self._skip_to_its_end(line)
            raise _RowTooLong
        if not line.isascii() and not self._is_readable(line):
            self.is_broken = True
        return line

    def begin(self) -> None:
        """A new row begins with the next line."""
        self._taken.clear()
        self._size, self.is_broken = 0, False

    def give_back(self) -> str:
        """Read all lines of this row again but the first, which is returned."""
        first, rest = self._taken[0], self._taken[1:]
        self._given_back.extend(reversed(rest))
        self.number -= len(rest)
        return first

    def taken(self) -> int:
        """How many lines this row has so far."""
        return len(self._taken)

    def _skip_to_its_end(self, line: str) -> str:
        """Pass over what is left of a line; the line as it is given back, which must not be skipped twice."""
        rest = line
        while rest and rest[-1] not in "\r\n":
            rest = self._text.readline(MAX_RECORD)
        return line if rest is line else line + "\n"

    def _is_readable(self, line: str) -> bool:
        if self._errors == "replace":
            return "\ufffd" not in line
        try:
            line.encode()
        except UnicodeEncodeError:
            return False
        return True


def encoding_of(head: bytes, stated: str | None) -> str:
    """The encoding of a file that begins with ``head``: what its mark says, else what was stated, else UTF-8.

    Raises FileRefused for UTF-16 without a mark, and for what is no text at all.
    """
    for mark, encoding in _BOMS:
        if head.startswith(mark):
            return encoding
    if head.count(0) * 10 > len(head):
        raise FileRefused("NOT_TEXT", "The file is no text, or UTF-16 without a byte order mark.")
    return "cp1252" if stated == "windows-1252" else "utf-8"


def read_delimited(stream: BinaryIO, *, encoding: str, format: str, delimiter: str | None) -> Table:  # noqa: A002  # it is what it is called everywhere
    """Read a file whose first line names its columns; raises FileRefused."""
    lines = Lines(stream, encoding)
    header = _header(lines)
    chosen = delimiter or ("\t" if format == TSV else _delimiter_of(header))
    columns = check_columns(_parse(header, chosen))
    kind = TSV if chosen == "\t" else CSV
    return Table(kind, columns, _rows(lines, chosen, len(columns), encoding), encoding, chosen)


def _header(lines: Lines) -> str:
    """The first line that is not white."""
    for line in _until_long(lines):
        if line.strip():
            if lines.is_broken:
                raise FileRefused("WRONG_ENCODING", "The first line is in another encoding than the file's.")
            return line
    raise FileRefused("EMPTY_FILE", "The file is empty.")


def _until_long(lines: Lines) -> Iterator[str]:
    try:
        for line in lines:
            yield line
            lines.begin()
    except _RowTooLong:
        raise FileRefused("HEADER_TOO_LONG", "The first line is too long to be the names of columns.") from None


def _delimiter_of(header: str) -> str:
    """The sign that separates most names."""
    counts = {sign: len(cells) for sign in DELIMITERS if (cells := _try_parse(header, sign))}
    return max(counts, key=lambda sign: counts[sign], default=",")


def _try_parse(header: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([header], delimiter=delimiter, strict=True), [])
    except csv.Error:
        return []


def _parse(header: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([header], delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise FileRefused("HEADER_BROKEN", f"The first line is not CSV: {error}.") from error


def _rows(lines: Lines, delimiter: str, width: int, encoding: str) -> Iterator[Row]:
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        lines.begin()
        first = lines.number + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            reason = _why(error, lines.taken())
            yield Row(first, [_readable(lines.give_back().rstrip("\r\n"))[:MAX_RECORD]], reason)
            continue
        except _RowTooLong:
            lines.give_back()
            yield Row(first, [], f"has more than {MAX_RECORD} characters.")
            continue
        if lines.is_broken:
            yield Row(first, [_readable(cell) for cell in cells], f"is not {_NAMES[encoding]}.")
        elif len(cells) == width:
            yield Row(first, [unprotect(cell) for cell in cells], None)
        elif any(cells):  # else it is a white line
            yield from _of_other_width(first, cells, width)


def _of_other_width(line: int, cells: list[str], width: int) -> Iterator[Row]:
    cells = [unprotect(cell) for cell in cells]
    if len(cells) > width and not any(cells[width:]):
        yield Row(line, cells[:width], None)
    else:
        yield Row(line, cells, f"has {len(cells)} fields instead of {width}.")


def _why(error: csv.Error, lines: int) -> str:
    if lines > 1 or "unexpected end" in str(error):
        return "has a quotation mark that is not closed, or that stands in the middle of a field."
    return f"is not CSV: {error}."


def _readable(text: str) -> str:
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


_NAMES: Final = {"utf-8": "UTF-8", "utf-8-sig": "UTF-8", "utf-16": "UTF-16", "cp1252": "Windows-1252"}
