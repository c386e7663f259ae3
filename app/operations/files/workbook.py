"""Reading XLSX: the first sheet, row by row, in bounded memory however large it is.

A parser of our own because a million rows must fit into the memory of a worker and pass in minutes: openpyxl was
measured at 2,700 rows a second, and calamine keeps the whole sheet in memory. What an archive could do to who opens it
(bombs, entities, endless texts) is refused before or while it is read.
"""

from __future__ import annotations

import io
import os
import re
import tempfile
import zipfile
import zlib
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, Final
from xml.parsers import expat

from app.operations.files.cells import unprotect
from app.operations.files.table import MAX_COLUMNS, MAX_RECORD, XLSX, FileRefused, Row, Table, check_columns

MAX_ENTRIES: Final = 5_000
MAX_DIRECTORY: Final = 1024**2
"""Bytes of the list of an archive's parts: ``zipfile`` makes objects of all of it before it can be asked how many."""
MAX_INFLATED: Final = 2 * 1024**3
"""Bytes of all parts together, as the archive declares them: what a part has beyond that is not read."""
MAX_RATIO: Final = 300
"""Inflated over stored bytes, where it is more than SMALL: tables of texts stay below 100, deflate ends at 1032."""
SMALL: Final = 32 * 1024**2
MAX_TAG: Final = 512 * 1024
"""Bytes of a tag or comment that are read before it is clear that it has no end: expat keeps it, and its attributes."""
MAX_TEXT: Final = 4 * 1024**2
"""Characters of a cell that are read before it is clear that they have no end."""
MAX_PARTS: Final = 50_000
"""Pieces that the text of a cell may come in."""
MAX_DEPTH: Final = 64
"""Elements within each other: a cell's text is 8 deep, and expat keeps all that are open."""
MAX_NAMES: Final = 5_000
"""Different names of elements and attributes in a part: there are some hundreds, and expat keeps each."""
MAX_SHARED: Final = 8_000_000
"""Texts that cells share: 8 bytes of memory for each."""
MAX_CELL: Final = 32_767
"""Characters, Excel's own limit."""
LAST_ROW: Final = 1_048_576
_PIECE: Final = 8 * 1024
"""Bytes of XML read at once: at 22 bytes for a cell, so many shared texts are in memory together."""
_LETTERS: Final = 3
_ESCAPED: Final = re.compile(r"_x([0-9A-Fa-f]{4})_")
_PLAIN_NUMBER: Final = re.compile(r"-?[0-9]{1,15}")
_NOT_READABLE: Final = "NOT_A_WORKBOOK"


class _Archive(io.FileIO):
    """A file of which never more is read at once than the list of parts may have."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > MAX_DIRECTORY:
            raise FileRefused("WORKBOOK_TOO_LARGE", "The workbook has more parts than one has: save it as CSV.")
        return super().read(-1 if size is None else size)


@contextmanager
def open_workbook(path: str, beat: Callable[[], None]) -> Iterator[Table]:
    """The first sheet of a workbook, whose first row names the columns; raises FileRefused, also while it is read.

    ``beat`` is called again and again meanwhile, also where there are no rows for long.
    """
    # beside the workbook there is room for its texts; /tmp may be memory
    with _Archive(path) as file, _opened(file) as archive, tempfile.TemporaryFile(dir=os.path.dirname(path)) as texts:
        with _refusing():
            _check_sizes(archive)
            shared = _SharedTexts(texts, beat)
            if "xl/sharedStrings.xml" in archive.namelist():
                shared.read(archive, "xl/sharedStrings.xml")
            rows = _rows(archive, _first_sheet(archive, beat), shared, beat)
            first = next((row for row in rows if any(row.cells)), None)
            if first is None:
                raise FileRefused("EMPTY_FILE", "The first sheet of the workbook is empty.")
            columns = check_columns([str(name) for name in first.cells])
        yield Table(XLSX, columns, _fitted(rows, len(columns)), "utf-8")


def _opened(file: BinaryIO | io.FileIO) -> zipfile.ZipFile:
    with _refusing():
        return zipfile.ZipFile(file)


@contextmanager
def _refusing() -> Iterator[None]:
    """Say of whatever is wrong with an archive or its XML that the file cannot be read."""
    try:
        yield
    except (
        zipfile.BadZipFile,
        zlib.error,
        expat.ExpatError,
        LookupError,
        ValueError,
        OSError,
        EOFError,
        RuntimeError,  # zipfile: a password is needed, a kind of compression is not known
    ) as error:
        raise FileRefused(_NOT_READABLE, f"The file is no XLSX workbook that can be read: {error}.") from error


def _check_sizes(archive: zipfile.ZipFile) -> None:
    parts = archive.infolist()
    inflated, stored = sum(part.file_size for part in parts), sum(part.compress_size for part in parts)
    if len(parts) > MAX_ENTRIES or inflated > MAX_INFLATED:
        raise FileRefused("WORKBOOK_TOO_LARGE", "The workbook is too large when it is unpacked: save it as CSV.")
    if inflated > SMALL and inflated > MAX_RATIO * max(stored, 1):
        raise FileRefused("WORKBOOK_TOO_LARGE", "The workbook unpacks to far more than it should: save it as CSV.")


def _fitted(rows: Iterator[Row], width: int) -> Iterator[Row]:
    """Rows as wide as the header; white ones are left out."""
    for row in rows:
        cells = list(row.cells)
        if not any(cells) and row.reason is None:
            continue
        if len(cells) < width:
            cells += [""] * (width - len(cells))
        elif any(cells[width:]):
            yield Row(row.line, cells, row.reason or f"has {len(cells)} fields instead of {width}.")
            continue
        yield Row(row.line, [unprotect(cell) for cell in cells[:width]], row.reason)


class _Parser:
    """Expat over one part of the archive: no document types, so no entities, and nothing that grows in memory."""

    def __init__(self, beat: Callable[[], None]) -> None:
        self._beat = beat
        self._depth = 0
        self._names: dict[str, str] = {}
        self._parts: list[str] = []
        self.parser = parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.StartDoctypeDeclHandler = self._refuse
        self._interned = parser.intern

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """An element begins; ``name`` is without its prefix."""

    def end(self, name: str) -> None:
        """An element ends."""

    def read(self, archive: zipfile.ZipFile, name: str) -> None:
        """Read a part to its end."""
        with archive.open(name) as part:
            for _ in self.feed(part):
                pass

    def feed(self, part: Any) -> Iterator[None]:
        """Read a part piece by piece."""
        fed = 0
        while piece := part.read(_PIECE):
            self._beat()
            self.parser.Parse(piece)
            fed += len(piece)
            is_endless = len(self._parts) > MAX_PARTS or sum(map(len, self._parts)) > MAX_TEXT
            if is_endless or fed - self.parser.CurrentByteIndex > MAX_TAG:
                raise FileRefused("WORKBOOK_TOO_LARGE", "The workbook has a text without end: save it as CSV.")
            yield
        self.parser.Parse(b"", True)
        yield

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH or len(self._interned) > MAX_NAMES:
            raise FileRefused(_NOT_READABLE, "The workbook has more names, or deeper elements, than a workbook has.")
        self.start(self._local(name), attributes)

    def _end(self, name: str) -> None:
        self._depth -= 1
        self.end(self._local(name))

    def _local(self, name: str) -> str:
        found = self._names.get(name)
        if found is None:
            found = self._names[name] = name.rpartition(":")[2]
        return found

    @staticmethod
    def _refuse(*_arguments: Any) -> None:
        raise FileRefused(_NOT_READABLE, "The workbook declares a document type, which no workbook has.")


class _Relations(_Parser):
    """The id of the first sheet, or the part that an id stands for."""

    def __init__(self, beat: Callable[[], None], sheet: str | None = None) -> None:
        super().__init__(beat)
        self.sheet = sheet
        self.target = ""

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "sheet" and self.sheet is None:
            ids = [value for key, value in attributes.items() if key.rpartition(":")[2] == "id" and ":" in key]
            self.sheet = ids[0] if ids else None
        elif name == "Relationship" and attributes.get("Id", "") == self.sheet:
            self.target = attributes.get("Target", "")


def _first_sheet(archive: zipfile.ZipFile, beat: Callable[[], None]) -> str:
    workbook = _Relations(beat)
    workbook.read(archive, "xl/workbook.xml")
    relations = _Relations(beat, workbook.sheet)
    relations.read(archive, "xl/_rels/workbook.xml.rels")
    return relations.target[1:] if relations.target.startswith("/") else f"xl/{relations.target}"


class _SharedTexts(_Parser):
    """The texts that cells share, in a file on disk; in memory is only where each one begins."""

    def __init__(self, file: BinaryIO, beat: Callable[[], None]) -> None:
        super().__init__(beat)
        self._file = file
        self._at = array("Q", [0])
        self._phonetic = 0

    def read(self, archive: zipfile.ZipFile, name: str) -> None:
        super().read(archive, name)
        self._file.flush()

    def __getitem__(self, number: int) -> str:
        begin, end = self._at[number], self._at[number + 1]
        # not mapped: what was looked at would count as memory of the process
        return "" if begin == end else os.pread(self._file.fileno(), end - begin, begin).decode()

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "t" and not self._phonetic:
            self.parser.CharacterDataHandler = self._parts.append
        elif name == "rPh":
            self._phonetic += 1

    def end(self, name: str) -> None:
        if name == "t":
            self.parser.CharacterDataHandler = None
        elif name == "rPh":
            self._phonetic -= 1
        elif name == "si":
            text = _unescaped("".join(self._parts)[: MAX_CELL + 1]).encode("utf-8", "replace")
            self._parts.clear()
            self._file.write(text)
            if len(self._at) > MAX_SHARED:
                raise FileRefused("WORKBOOK_TOO_LARGE", "The workbook has too many different texts: save it as CSV.")
            self._at.append(self._at[-1] + len(text))


class _Sheet(_Parser):
    """Rows of a sheet, as they become complete."""

    def __init__(self, shared: _SharedTexts, beat: Callable[[], None]) -> None:
        super().__init__(beat)
        self.rows: list[Row] = []
        self._shared = shared
        self._letters: dict[str, int] = {}
        self._cells: list[str] = []
        self._reason: str | None = None
        self._line = self._column = self._next = self._phonetic = self._size = 0
        self._kind = "n"

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "c":
            self._kind = attributes.get("t", "n")
            place = attributes.get("r")
            self._column = self._next if place is None else self._column_of(place)
            self._next = self._column + 1
        elif name in {"v", "t"}:
            if not self._phonetic:
                self.parser.CharacterDataHandler = self._parts.append
        elif name == "row":
            line = int(attributes.get("r") or self._line + 1)
            if not self._line < line <= LAST_ROW:
                raise FileRefused(_NOT_READABLE, f"The workbook's rows are not in order at row {line}.")
            self._line, self._next = line, 0
        elif name == "rPh":
            self._phonetic += 1

    def end(self, name: str) -> None:
        if name in {"v", "t"}:
            self.parser.CharacterDataHandler = None
        elif name == "c":
            if self._parts:
                if self._size <= MAX_RECORD:
                    self._put(self._value())
                self._parts.clear()
        elif name == "row":
            self.rows.append(Row(self._line, self._cells, self._reason))
            self._cells, self._reason, self._size = [], None, 0
        elif name == "rPh":
            self._phonetic -= 1

    def _put(self, value: str) -> None:
        if len(value) > MAX_CELL:
            value, self._reason = value[:MAX_CELL], f"has a cell of more than {MAX_CELL} characters."
        self._size += len(value)
        missing = self._column - len(self._cells)
        if self._size > MAX_RECORD:
            self._cells, self._reason = [], f"has more than {MAX_RECORD} characters."
        elif missing == 0:
            self._cells.append(value)
        elif missing > 0 and self._column <= MAX_COLUMNS:
            self._cells.extend([""] * missing)
            self._cells.append(value)
        elif missing < 0:
            raise FileRefused(_NOT_READABLE, f"The cells of the workbook's row {self._line} are not in order.")
        elif value:
            self._reason = f"has a value beyond column {MAX_COLUMNS}."

    def _value(self) -> str:
        text = self._parts[0] if len(self._parts) == 1 else "".join(self._parts)
        kind = self._kind
        if kind == "s":
            return self._shared_text(text)
        if kind == "n":
            return text if _PLAIN_NUMBER.fullmatch(text) else self._number(text)
        if kind == "b":
            return "true" if text == "1" else "false"
        if kind == "e":
            self._reason = f"has the error value {text[:20]}."
        return _unescaped(text)

    def _shared_text(self, text: str) -> str:
        try:
            number = int(text)
            if number < 0:
                raise IndexError(number)
            return self._shared[number]
        except (ValueError, IndexError):
            raise FileRefused(_NOT_READABLE, "The workbook refers to a text that it has not.") from None

    def _number(self, text: str) -> str:
        """A number with the 15 digits that Excel keeps: its files say 0.1 + 0.2 with 17."""
        try:
            value = float(text)
            shown = f"{value:.15g}"
            return shown if "e" not in shown and "n" not in shown else f"{value:f}".rstrip("0").rstrip(".")
        except (ValueError, OverflowError):
            self._reason = f"has a number that is none: {text[:40]}."
            return text

    def _column_of(self, place: str) -> int:
        letters = place.rstrip("0123456789")
        found = self._letters.get(letters)
        if found is None:
            found = 0
            if not (letters.isascii() and letters.isalpha() and len(letters) <= _LETTERS):
                raise ValueError(f"no cell is at {place[:20]}")
            for letter in letters:
                found = found * 26 + ord(letter.upper()) - 64
            found = self._letters[letters] = found - 1
        return found


def _rows(archive: zipfile.ZipFile, name: str, shared: _SharedTexts, beat: Callable[[], None]) -> Iterator[Row]:
    sheet = _Sheet(shared, beat)
    with archive.open(name) as part:
        pieces = sheet.feed(part)
        while True:
            with _refusing():
                if next(pieces, False) is False:
                    return
            yield from sheet.rows
            sheet.rows.clear()


def _unescaped(text: str) -> str:
    """Text in which _x000D_ stands for a character that XML cannot carry (ECMA-376, 22.9.2.19, ST_Xstring)."""
    return _ESCAPED.sub(_character, text) if "_x" in text else text


def _character(escaped: re.Match[str]) -> str:
    number = int(escaped[1], 16)
    return escaped[0] if 0xD800 <= number < 0xE000 else chr(number)
