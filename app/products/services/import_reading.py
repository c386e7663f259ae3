"""The first state of an import: a file of any format becomes numbered rows of JSON, and its columns are guessed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import IO, Any, Final

import orjson

from app.core.files import CHUNK_BYTES, file_store
from app.core.orm import utc_now
from app.products.files.guessing import THRESHOLD, Guess, guess_columns
from app.products.files.reading import Reading, open_table
from app.products.files.table import MAX_ROWS, Cells, FileRefused, Table
from app.products.models.operations import OperationState
from app.products.services import operations
from app.products.services.operations import OperationFailed, Work
from app.products.services.running import Clock

BEAT_S: Final = 2.0
SAMPLES: Final = 5
_LOOKED_AT: Final = 200
"""Values of a column that a guess is based on."""
_CHUNK: Final = 1_000
_SHOWN: Final = 200
MAX_STAGED: Final = 8
"""How many times larger than the limit on uploads the rows may become that a file unpacks to."""


def read_upload(work: Work, _clock: Clock) -> Work | None:
    """Read the uploaded file; begun again from its start where a worker died, which costs nothing but time."""
    reading = Reading(**{name: work.arguments.get(name) for name in ("format", "encoding", "delimiter")})
    key = work.key("rows")
    try:
        with (
            file_store().as_local(work.cursor["upload"]) as path,
            open_table(path, work.arguments["filename"], reading) as table,
            file_store().writing(key) as staged,
        ):
            samples = _Samples()
            total = _stage(work, table, staged, samples)
    except FileRefused as refused:
        raise OperationFailed(refused.code, refused.detail) from refused
    if not total:
        raise OperationFailed("NO_ROWS", "The file names columns, but it has no rows.")
    guesses = guess_columns(table.columns, samples.values(len(table.columns)))
    if not work.arguments.get("may_set_thresholds"):
        guesses = [Guess(None, None) if guess.target == THRESHOLD else guess for guess in guesses]
    columns = [
        {"name": name, "target": guess.target, "guessed_by": guess.by, "samples": samples.shown(at)}
        for at, (name, guess) in enumerate(zip(table.columns, guesses, strict=True))
    ]
    report = {
        "format": table.format,
        "encoding": "windows-1252" if table.encoding == "cp1252" else table.encoding.removesuffix("-sig"),
        "delimiter": table.delimiter,
        "columns": columns,
    }
    is_known = any(guess.target == "asin" for guess in guesses)
    return operations.move_on(
        work=work,
        state=OperationState.CHECKING if is_known else OperationState.MAPPING_NEEDED,
        now=utc_now(),
        total_count=total,
        report=report,
        cursor=work.cursor | {"staged": key},
    )


def _stage(work: Work, table: Table, staged: IO[bytes], samples: _Samples) -> int:
    """Write the rows as lines of JSON: line number, cells, and the reason where one is refused."""
    total, size, beaten, checked = 0, 0, time.monotonic(), 0
    limit = MAX_STAGED * int(work.arguments["limit"])
    for chunk in _chunks(table):
        text = b"\n".join(chunk) + b"\n"
        staged.write(text)
        total += len(chunk)
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
        if time.monotonic() - beaten > BEAT_S:
            operations.beat(work=work, done=total)
            beaten = time.monotonic()
    return total


def _chunks(table: Table) -> Iterator[list[bytes]]:
    chunk: list[bytes] = []
    for line, cells, reason in table.rows:
        chunk.append(
            orjson.dumps((line, cells) if reason is None else (line, cells, reason), option=orjson.OPT_NON_STR_KEYS)
        )
        if len(chunk) >= _CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def cells_of(row: list[Any]) -> Cells:
    """The cells of a row as it was read: of JSON Lines by number, which JSON can only keep as a text."""
    cells = row[1]
    return {int(at): value for at, value in cells.items()} if isinstance(cells, dict) else cells


class _Samples:
    """The first values of each column that say something."""

    def __init__(self) -> None:
        self._found: dict[int, list[Any]] = {}

    def look_at(self, chunk: list[bytes]) -> None:
        for text in chunk:
            row = orjson.loads(text)
            if len(row) > 2:
                continue
            cells = cells_of(row)
            for at, value in cells.items() if isinstance(cells, dict) else enumerate(cells):
                known = self._found.setdefault(at, [])
                if value not in (None, "") and len(known) < _LOOKED_AT:
                    known.append(value)

    def values(self, width: int) -> list[list[Any]]:
        return [self._found.get(at, []) for at in range(width)]

    def shown(self, at: int) -> list[str]:
        found = self._found.get(at, [])[:SAMPLES]
        texts = (value if isinstance(value, str) else orjson.dumps(value).decode() for value in found)
        return [text[:_SHOWN] for text in texts]
