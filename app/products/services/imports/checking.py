"""The dry run of an import: which rows keep the rules, and what each would change. Nothing is written but files."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO, Any, Final

import orjson

from app.core.extensions import db
from app.core.files import file_store
from app.core.money import exponent
from app.core.orm import json_text, utc_now
from app.core.running import settings
from app.core.transactions import in_transaction
from app.operations.files.duplicates import SeenAsins
from app.operations.models import OperationState
from app.operations.services import leases
from app.operations.services.leases import Work
from app.operations.services.operations import COUNTS
from app.operations.services.running import Clock
from app.products.checking import Reason, RowChecker
from app.products.queries import imports as queries
from app.products.services.imports.reading import BEAT_S, CHUNK, CHUNK_TEXT, cells_of
from app.products.services.imports.rows import Categories, Decision, Row, decide

SHOWN: Final = 10
"""Rows of each outcome that are shown."""
REFUSED_SHOWN: Final = 100
MAX_NEW_CATEGORIES: Final = 1_000
_TEXT_SHOWN: Final = 200


@dataclass(slots=True)
class _Slice:
    """What one slice of a check works with."""

    work: Work
    checker: RowChecker
    seen: SeenAsins
    good: IO[bytes]
    bad: IO[bytes]
    categories: Categories
    decimals: int
    counts: dict[str, int]
    samples: dict[str, list[Any]]
    new_categories: list[str] = field(default_factory=list)

    @property
    def is_dry_run(self) -> bool:
        """Whether somebody wants to see what would change before it is done."""
        return not self.work.arguments.get("run")


def check_rows(work: Work, clock: Clock) -> Work | None:
    """Check rows until all are, or time is up; the files of a slice count from its end on."""
    cursor, store = work.cursor, file_store()
    good, bad, seen = work.key("good"), work.key("bad"), work.key("seen")
    before = cursor.get("counts") or dict.fromkeys((*COUNTS, "good"), 0)
    with store.scratch(work.key("scratch"), copy_of=cursor.get("seen")) as path:
        with store.writing(good) as good_rows, store.writing(bad) as bad_rows:
            part = _begin(work, SeenAsins(path), good_rows, bad_rows, dict(before))
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
    report = work.report | {"samples": part.samples, "new_categories": part.new_categories}
    return _end(work, part, cursor, report, is_over=is_over)


def _end(work: Work, part: _Slice, cursor: dict[str, Any], report: dict[str, Any], *, is_over: bool) -> Work | None:
    counts = {f"{name}_count": part.counts[name] for name in COUNTS}
    if is_over:
        state = OperationState.CHECKED if part.is_dry_run else OperationState.QUEUED
        rest = {"counts": None, "seen": None, "offset": 0}
        return leases.move_on(work=work, state=state, now=utc_now(), report=report, cursor=cursor | rest, **counts)
    _commit(work=work, done=sum(part.counts.values()), counts=part.counts, cursor=cursor, report=report)
    leases.hand_over(work=work)
    return None


def _begin(work: Work, seen: SeenAsins, good: IO[bytes], bad: IO[bytes], counts: dict[str, int]) -> _Slice:
    columns = work.report["columns"]
    currency = settings().currency
    checker = RowChecker(
        targets=[column["target"] for column in columns],
        names=[column["name"] for column in columns],
        currency=currency,
        decimals=exponent(currency),
        private=settings().private_targets,
    )
    samples = work.report.get("samples") if work.cursor.get("counts") else None
    promised = list(work.report.get("new_categories", [])) if work.cursor.get("counts") else []
    part = _Slice(
        work, checker, seen, good, bad, Categories(), exponent(currency), counts,
        samples or {name: [] for name in COUNTS}, promised,
    )  # fmt: skip
    for name in promised:
        part.categories.promise(name)
    return part


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
    refused: list[tuple[int, bytes, list[Reason]]] = []
    texts: dict[int, bytes] = {}
    for offset, text in chunk:
        row = orjson.loads(text)
        values, reasons = ({}, [("", row[2])]) if len(row) > 2 else part.checker.check(cells_of(row))
        if reasons:
            refused.append((row[0], text, reasons))
        else:
            rows.append(Row(row[0], offset, values))
            texts[row[0]] = text
    again = part.seen.add([(row.values["asin"], row.line) for row in rows])
    for row in [row for row in rows if row.line in again] if again else ():
        reason = f"stands on line {again[row.line]} already: {row.values['asin']}."
        refused.append((row.line, texts[row.line], [("asin", reason)]))
    rows = [row for row in rows if row.line not in again] if again else rows
    decisions = list(_decided(part, rows)) if part.is_dry_run else []
    refused += [(each.row.line, texts[each.row.line], each.reasons) for each in decisions if each.reasons]
    good = [each.row for each in decisions if not each.reasons] if part.is_dry_run else rows
    part.good.write(b"".join(orjson.dumps(tuple(row), option=orjson.OPT_APPEND_NEWLINE) for row in good))
    _note(part, decisions, len(good), refused)


def _decided(part: _Slice, rows: list[Row]) -> Iterator[Decision]:
    """What each row would do now."""
    present = queries.find_by_asins([row.values["asin"] for row in rows])
    thresholds = {}
    if any("low_stock_threshold" in row.values for row in rows):
        thresholds = queries.find_thresholds([product.id for product in present.values()])
    db.session.rollback()
    for row in rows:
        if part.work.arguments.get("create_categories"):
            _promise(part, row)
        product = present.get(row.values["asin"])
        yield decide(
            row,
            product,
            currency=settings().currency,
            decimals=part.decimals,
            categories=part.categories,
            threshold=None if product is None else thresholds.get(product.id),
        )


def _promise(part: _Slice, row: Row) -> None:
    """Treat categories that will be made as if they were there."""
    for name in part.categories.missing(row.values.get("categories", ())):
        if len(part.new_categories) < MAX_NEW_CATEGORIES and part.categories.promise(name):
            part.new_categories.append(name)


def _note(part: _Slice, decisions: list[Decision], good: int, refused: list[tuple[int, bytes, list[Reason]]]) -> None:
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
            part.samples[outcome].append(_shown(decision, part.categories))


def _shown(decision: Decision, categories: Categories) -> dict[str, Any]:
    """A row with what it would change, cut where it is long."""
    changes = [
        {"attribute": change.attribute, "previous": _cut(change.previous), "current": _cut(change.current)}
        for change in decision.changes
    ]
    for change in changes:
        if change["attribute"] == "categories":
            change["current"] = json_text(categories.shown(orjson.loads(decision.columns["categories"])))
    return {"line": decision.row.line, "asin": decision.row.values["asin"], "changes": changes}


def _cut(text: str | None) -> str | None:
    return text if text is None or len(text) <= _TEXT_SHOWN else text[:_TEXT_SHOWN] + "..."


@in_transaction
def _commit(*, work: Work, done: int, counts: dict[str, int], cursor: dict[str, Any], report: dict[str, Any]) -> None:
    leases.save_progress(work, done=done, counts=counts, cursor=cursor, report=report)
