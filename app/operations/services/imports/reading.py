"""The first state of an import: a file of any format becomes numbered rows of JSON, and its columns are guessed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import IO, Any, Final

import orjson

from app.core.files import CHUNK_BYTES, file_store
from app.core.orm import utc_now
from app.operations.files.guessing import Guess
from app.operations.files.reading import Reading, open_table
from app.operations.files.table import MAX_ROWS, FileRefused, Table
from app.operations.models import OperationState
from app.operations.services import leases
from app.operations.services.imports.rows import cells_of
from app.operations.services.leases import OperationFailed, Work

BEAT_S: Final = 2.0
SAMPLES: Final = 5
_LOOKED_AT: Final = 200
"""Values of a column that a guess is based on."""
CHUNK: Final = 1_000
"""Rows that are in memory together."""
CHUNK_TEXT: Final = 8 * 1024**2
"""Bytes of their JSON after which it is fewer rows."""
_SHOWN: Final = 200
MAX_STAGED: Final = 8
"""How many times larger than the limit on uploads the rows may become that a file unpacks to."""


Guesser = Callable[[Work, Sequence[str], Sequence[Sequence[Any]]], list[Guess]]
"""Guesses what columns are, by their names and some values of each."""


def read_upload(work: Work, *, guess: Guesser, needs: frozenset[str]) -> Work | None:
    """Read the uploaded file; begun again from its start where a worker died, which costs nothing but time.

    Where columns that are needed (``needs`` are targets) are not guessed, somebody has to say which they are.
    """
    reading = Reading(**{name: work.arguments.get(name) for name in ("format", "encoding", "delimiter")})
    key = work.key("rows")
    try:
        with (
            file_store().as_local(work.cursor["upload"]) as path,
            open_table(path, work.arguments["filename"], reading, beat=(pulse := _Pulse(work)).beat) as table,
            file_store().writing(key) as staged,
        ):
            samples = _Samples()
            total = _stage(work, table, staged, samples, pulse)
    except FileRefused as refused:
        raise OperationFailed(refused.code, refused.detail) from refused
    if not total:
        raise OperationFailed("NO_ROWS", "The file names columns, but it has no rows.")
    guesses = guess(work, table.columns, samples.values(len(table.columns)))
    columns = [
        {"name": name, "target": found.target, "guessed_by": found.by, "samples": samples.shown(at)}
        for at, (name, found) in enumerate(zip(table.columns, guesses, strict=True))
    ]
    report: dict[str, Any] = {
        "format": table.format,
        "encoding": "windows-1252" if table.encoding == "cp1252" else table.encoding.removesuffix("-sig"),
        "delimiter": table.delimiter,
        "columns": columns,
    }
    missing = sorted(needs - {found.target for found in guesses})
    if missing:
        report["missing"] = {"targets": missing, "detail": _said(missing)}
    return leases.move_on(
        work=work,
        state=OperationState.MAPPING_NEEDED if missing else OperationState.CHECKING,
        now=utc_now(),
        total_count=total,
        report=report,
        cursor=work.cursor | {"staged": key},
    )


def _said(missing: Sequence[str]) -> str:
    which = ", ".join(missing)
    return f"No column was recognised as {which}. Say what each column is; the import needs one for each of these."


class _Pulse:
    """Says now and then that the work goes on, so that nobody takes it over while a file has no rows for long."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._at = time.monotonic()
        self.total = 0

    def beat(self) -> None:
        if time.monotonic() - self._at > BEAT_S:
            leases.beat(work=self._work, done=self.total)
            self._at = time.monotonic()


def _stage(work: Work, table: Table, staged: IO[bytes], samples: _Samples, pulse: _Pulse) -> int:
    """Write the rows as lines of JSON: line number, cells, and the reason where one is refused."""
    total, size, checked = 0, 0, 0
    limit = MAX_STAGED * int(work.arguments["limit"])
    for chunk in _chunks(table):
        text = b"\n".join(chunk) + b"\n"
        staged.write(text)
        total = pulse.total = total + len(chunk)
        size += len(text)
        if total > MAX_ROWS:
            raise FileRefused("TOO_MANY_ROWS", f"The file has more than {MAX_ROWS} rows: split it.")
        if size > limit:
            raise FileRefused("TOO_LARGE", "The file unpacks to far more than it should: save it as CSV.")
        if size - checked > 64 * CHUNK_BYTES:
            file_store().require_room(64 * CHUNK_BYTES)
            checked = size
        if total <= _LOOKED_AT * 5:
            samples.look_at(chunk)
        pulse.beat()
    return total


def _chunks(table: Table) -> Iterator[list[bytes]]:
    chunk: list[bytes] = []
    size = 0
    for line, cells, reason in table.rows:
        chunk.append(
            orjson.dumps((line, cells) if reason is None else (line, cells, reason), option=orjson.OPT_NON_STR_KEYS)
        )
        size += len(chunk[-1])
        if len(chunk) >= CHUNK or size >= CHUNK_TEXT:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


class _Samples:
    """The first values of each column that say something."""

    def __init__(self) -> None:
        self._found: dict[int, list[str]] = {}
        self._shown: dict[int, list[str]] = {}

    def look_at(self, chunk: list[bytes]) -> None:
        for text in chunk:
            row = orjson.loads(text)
            if len(row) > 2:
                continue
            cells = cells_of(row)
            for at, value in cells.items() if isinstance(cells, dict) else enumerate(cells):
                if value not in (None, ""):
                    self._note(at, value)

    def _note(self, at: int, value: Any) -> None:
        """Keep the beginning of a value: some are as long as a row may be."""
        shown, texts = self._shown.setdefault(at, []), self._found.setdefault(at, [])
        if len(shown) < SAMPLES:
            shown.append((value if isinstance(value, str) else orjson.dumps(value).decode())[:_SHOWN])
        if isinstance(value, str) and len(texts) < _LOOKED_AT:
            texts.append(value[:_SHOWN])

    def values(self, width: int) -> list[list[str]]:
        """The texts of each column, which it is guessed from."""
        return [self._found.get(at, []) for at in range(width)]

    def shown(self, at: int) -> list[str]:
        return self._shown.get(at, [])
