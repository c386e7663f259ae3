"""Going through an operation chunk by chunk: each is one transaction together with how far the operation is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final, Protocol

from app.core.orm import utc_now
from app.core.permissions import Principal
from app.products.models.operations import Operation, OperationKind, OperationState
from app.products.services import operations
from app.products.services.bulk_rows import Chunk, RowResult
from app.products.services.operations import COUNTS, Work
from app.products.services.running import Clock

SAMPLE: Final = 25
"""Products of which a dry run keeps what would become of them: so many changed ones, and so many refused."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an operation is after a chunk."""

    cursor: dict[str, Any]
    counts: dict[str, int]
    report: dict[str, Any]
    is_over: bool


class Step(Protocol):
    """Does one chunk in a transaction of its own."""

    def __call__(self, *, work: Work, now: datetime) -> Progress:
        """How far the operation is then; raises OperationStopped."""


def begin(
    *,
    actor: Principal,
    now: datetime,
    kind: OperationKind,
    arguments: dict[str, Any],
    cursor: dict[str, Any],
    at_once: bool,
) -> Operation:
    """Add an operation in the open transaction: one that ends in it (``at_once``), or one that a worker is rung for."""
    waiting = OperationState.CHECKING if arguments["dry_run"] else OperationState.QUEUED
    return operations.add_operation(
        actor=actor,
        now=now,
        kind=kind,
        state=OperationState.RUNNING if at_once else waiting,
        arguments=arguments,
        cursor={} if at_once else cursor,
        ring=not at_once,
    )


def go_on(work: Work, clock: Clock, count: Callable[[Work], int], step: Step) -> Work | None:
    """Do chunks until all are done, or time is up; ``count`` says of how many products the first time."""
    if work.total is None:
        work.total = count(work)
        operations.beat(work=work, done=work.done, total=work.total)
    while True:
        progress = step(work=work, now=utc_now())
        work.cursor, work.counts, work.report = progress.cursor, progress.counts, progress.report
        work.done = sum(work.counts.values())
        if progress.is_over:
            return operations.move_on(work=work, state=_ended(work.counts), now=utc_now(), total_count=work.done)
        if clock():
            operations.hand_over(work=work)
            return None


def note_progress(work: Work, chunk: Chunk, cursor: Mapping[str, Any], *, is_over: bool, is_dry: bool) -> Progress:
    """Say how far the operation is, as the last statement of a chunk's transaction."""
    new = chunk.counts()
    counts = {name: work.counts[name] + new.get(name, 0) for name in COUNTS}
    report = _with_sample(work.report, chunk.results) if is_dry else work.report
    operations.save_progress(work, done=sum(counts.values()), counts=counts, cursor=dict(cursor), report=report)
    return Progress(dict(cursor), counts, report, is_over)


def finish_at_once(
    operation: Operation, results: Sequence[RowResult], *, actor: Principal, now: datetime, is_dry: bool
) -> None:
    """End an operation that was begun in the open transaction and is done."""
    counts = Chunk(results=list(results)).counts()
    operation.total_count = operation.done_count = len(results)
    for name, number in counts.items():
        setattr(operation, f"{name}_count", number)
    if is_dry:
        operation.report = _with_sample(operation.report, results)
    operations.end(operation, _ended(counts), now, actor=actor)


def _ended(counts: Mapping[str, int]) -> OperationState:
    return OperationState.COMPLETED_WITH_ERRORS if counts["refused"] else OperationState.COMPLETED


def _with_sample(report: Mapping[str, Any], results: Sequence[RowResult]) -> dict[str, Any]:
    sample: list[dict[str, Any]] = list(report.get("sample", ()))
    for result in ("changed", "refused"):
        room = SAMPLE - sum(row["result"] == result for row in sample)
        sample += [asdict(row) for row in results if row.result == result][: max(0, room)]
    return dict(report) | {"sample": sample}
