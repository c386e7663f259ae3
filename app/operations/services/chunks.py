"""Going through an operation chunk by chunk: each is one transaction together with how far the operation is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from app.core.orm import utc_now
from app.core.permissions import Principal
from app.operations.models import Operation, OperationState
from app.operations.services import leases, operations
from app.operations.services.leases import Work
from app.operations.services.operations import COUNTS
from app.operations.services.running import Clock


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
    kind: str,
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
    """Do chunks until all are done, or time is up; ``count`` says how many rows there are, the first time."""
    if work.total is None:
        work.total = count(work)
        leases.beat(work=work, done=work.done, total=work.total)
    while True:
        progress = step(work=work, now=utc_now())
        work.cursor, work.counts, work.report = progress.cursor, progress.counts, progress.report
        work.done = sum(work.counts.values())
        if progress.is_over:
            return leases.move_on(work=work, state=_ended(work.counts), now=utc_now(), total_count=work.done)
        if clock():
            leases.hand_over(work=work)
            return None


def note_progress(
    work: Work,
    new: Mapping[str, int],
    cursor: Mapping[str, Any],
    *,
    is_over: bool,
    report: dict[str, Any] | None = None,
) -> Progress:
    """Say how far the operation is, the last statement of a chunk's transaction; ``new`` is what the chunk counted."""
    counts = {name: work.counts[name] + new.get(name, 0) for name in COUNTS}
    told = work.report if report is None else report
    leases.save_progress(work, done=sum(counts.values()), counts=counts, cursor=dict(cursor), report=told)
    return Progress(dict(cursor), counts, told, is_over)


def finish_at_once(operation: Operation, counts: Mapping[str, int], *, actor: Principal, now: datetime) -> None:
    """End an operation that was begun in the open transaction and is done."""
    operation.total_count = operation.done_count = sum(counts.values())
    for name, number in counts.items():
        setattr(operation, f"{name}_count", number)
    operations.end(operation, _ended(counts), now, actor=actor)


def _ended(counts: Mapping[str, int]) -> OperationState:
    return OperationState.COMPLETED_WITH_ERRORS if counts["refused"] else OperationState.COMPLETED
