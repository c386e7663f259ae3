"""The dry run of an import: which rows keep the rules, and what each would do. Nothing is written but files.

What the rows mean, an ``Examiner`` of the domain says; here they are gone through, counted, and kept for the run.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import IO, Any, ClassVar, Final, Protocol

import orjson

from app.core.files import file_store
from app.core.orm import utc_now
from app.core.transactions import in_transaction
from app.operations.files.duplicates import SeenKeys
from app.operations.files.table import Cells
from app.operations.models import OperationState
from app.operations.services import leases
from app.operations.services.imports.reading import BEAT_S, CHUNK, CHUNK_TEXT
from app.operations.services.imports.rows import Reason, Row, Values, cells_of
from app.operations.services.leases import Work
from app.operations.services.operations import COUNTS
from app.operations.services.running import Clock

SHOWN: Final = 10
"""Rows of each outcome that are shown."""
REFUSED_SHOWN: Final = 100


class Decided(Protocol):
    """What would become of one row."""

    @property
    def row(self) -> Row:
        """The row that it is about."""

    @property
    def reasons(self) -> Sequence[Reason]:
        """Why it is refused; nothing where it is not."""

    @property
    def outcome(self) -> str:
        """``new``, ``changed``, ``unchanged`` or ``refused``."""


class Examiner(ABC):
    """What rows mean to a domain; one for each slice."""

    key: ClassVar[str]
    """The target that no two rows of a file may have alike; every row that keeps the rules has it."""
    key_type: ClassVar[type[int | str]]

    @abstractmethod
    def check(self, cells: Cells) -> tuple[Values, list[Reason]]:
        """The values of a row, and what is wrong with it by itself; values count only where nothing is."""

    @abstractmethod
    def number(self, value: Any) -> int | str:
        """A key as it is compared."""

    @abstractmethod
    def decide(self, rows: list[Row]) -> Iterable[Decided]:
        """What rows would do now."""

    @abstractmethod
    def show(self, decision: Any) -> dict[str, Any]:
        """A decision as people see it, bounded."""

    @abstractmethod
    def report(self) -> dict[str, Any]:
        """What else is told of the dry run so far."""


@dataclass(slots=True)
class _Slice:
    """What one slice of a check works with."""

    work: Work
    examiner: Examiner
    seen: SeenKeys
    good: IO[bytes]
    bad: IO[bytes]
    counts: dict[str, int]
    samples: dict[str, list[Any]]

    @property
    def is_dry_run(self) -> bool:
        """Whether somebody wants to see what would change before it is done."""
        return not self.work.arguments.get("run")


def check_rows(work: Work, clock: Clock, begin: Callable[[Work], Examiner]) -> Work | None:
    """Check rows until all are, or time is up; the files of a slice count from its end on."""
    cursor, store = work.cursor, file_store()
    good, bad, seen = work.key("good"), work.key("bad"), work.key("seen")
    before = cursor.get("counts") or dict.fromkeys((*COUNTS, "good"), 0)
    samples = (work.report.get("samples") if is_begun(work) else None) or {name: [] for name in COUNTS}
    with store.scratch(work.key("scratch"), copy_of=cursor.get("seen")) as path:
        with store.writing(good) as good_rows, store.writing(bad) as bad_rows:
            examiner = begin(work)
            keys = SeenKeys(path, examiner.key_type)
            part = _Slice(work, examiner, keys, good_rows, bad_rows, dict(before), samples)
            offset, done = _check(part, clock, cursor.get("offset", 0), sum(before.values()))
        part.seen.close()
        is_over = done >= (work.total or 0)
        if not is_over:
            store.keep(path, seen)
    cursor = cursor | {
        "good": [*cursor.get("good", []), good],
        "bad": [*cursor.get("bad", []), bad],
        "counts": part.counts,
        "offset": offset,
        "seen": seen,
    }
    return _end(part, cursor, work.report | {"samples": part.samples} | examiner.report(), is_over=is_over)


def is_begun(work: Work) -> bool:
    """Whether slices of this check have been done already."""
    return bool(work.cursor.get("counts"))


def _end(part: _Slice, cursor: dict[str, Any], report: dict[str, Any], *, is_over: bool) -> Work | None:
    work = part.work
    counts = {f"{name}_count": part.counts[name] for name in COUNTS}
    if is_over:
        state = OperationState.CHECKED if part.is_dry_run else OperationState.QUEUED
        rest = {"counts": None, "seen": None, "offset": 0}
        return leases.move_on(work=work, state=state, now=utc_now(), report=report, cursor=cursor | rest, **counts)
    _commit(work=work, done=sum(part.counts.values()), counts=part.counts, cursor=cursor, report=report)
    leases.hand_over(work=work)
    return None


def _check(part: _Slice, clock: Clock, offset: int, done: int) -> tuple[int, int]:
    beaten = time.monotonic()
    with file_store().reading(part.work.cursor["staged"]) as staged:
        staged.seek(offset)
        while chunk := _read(staged, offset):
            _check_chunk(part, chunk)
            offset = chunk[-1][0] + len(chunk[-1][1])
            done += len(chunk)
            if time.monotonic() - beaten > BEAT_S:
                leases.beat(work=part.work, done=done, counts=part.counts)
                beaten = time.monotonic()
            if clock():
                break
    return offset, done


def _read(staged: IO[bytes], offset: int) -> list[tuple[int, bytes]]:
    """Some lines, each with the place that it begins at."""
    found: list[tuple[int, bytes]] = []
    begin = offset
    while len(found) < CHUNK and offset - begin < CHUNK_TEXT and (line := staged.readline()):
        found.append((offset, line))
        offset += len(line)
    return found


def _check_chunk(part: _Slice, chunk: list[tuple[int, bytes]]) -> None:
    rows: list[Row] = []
    refused: list[tuple[int, bytes, Sequence[Reason]]] = []
    texts: dict[int, bytes] = {}
    for offset, text in chunk:
        row = orjson.loads(text)
        values, reasons = ({}, [("", row[2])]) if len(row) > 2 else part.examiner.check(cells_of(row))
        if reasons:
            refused.append((row[0], text, reasons))
        else:
            rows.append(Row(row[0], offset, values))
            texts[row[0]] = text
    key = part.examiner.key
    again = part.seen.add([(part.examiner.number(row.values[key]), row.line) for row in rows])
    for row in [row for row in rows if row.line in again] if again else ():
        reason = f"stands on line {again[row.line]} already: {row.values[key]}."
        refused.append((row.line, texts[row.line], [(key, reason)]))
    rows = [row for row in rows if row.line not in again] if again else rows
    decisions = list(part.examiner.decide(rows)) if part.is_dry_run else []
    refused += [(each.row.line, texts[each.row.line], each.reasons) for each in decisions if each.reasons]
    good = [each.row for each in decisions if not each.reasons] if part.is_dry_run else rows
    part.good.write(b"".join(orjson.dumps(tuple(row), option=orjson.OPT_APPEND_NEWLINE) for row in good))
    _note(part, decisions, len(good), refused)


def _note(
    part: _Slice, decisions: list[Decided], good: int, refused: list[tuple[int, bytes, Sequence[Reason]]]
) -> None:
    for line, text, reasons in sorted(refused):
        part.bad.write(b'{"line":%d,"row":%b,"reasons":%b}\n' % (line, text.rstrip(), orjson.dumps(reasons)))
        if len(part.samples["refused"]) < REFUSED_SHOWN:
            found = [{"column": name or None, "detail": detail} for name, detail in reasons]
            part.samples["refused"].append({"line": line, "reasons": found})
    part.counts["refused"] += len(refused)
    part.counts["good"] += 0 if part.is_dry_run else good  # neither new nor changed: they are not compared yet
    for decision in decisions:
        outcome = decision.outcome
        if outcome == "refused":
            continue
        part.counts[outcome] += 1
        if len(part.samples[outcome]) < SHOWN:
            part.samples[outcome].append(part.examiner.show(decision))


@in_transaction
def _commit(*, work: Work, done: int, counts: dict[str, int], cursor: dict[str, Any], report: dict[str, Any]) -> None:
    leases.save_progress(work, done=done, counts=counts, cursor=cursor, report=report)
