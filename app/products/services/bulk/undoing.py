"""Undoing operations that changed the catalogue, from the update history; an undo is undone likewise."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Select, func, select

from app.core import audit
from app.core.extensions import db
from app.core.permissions import Principal
from app.core.transactions import in_transaction
from app.operations.errors import AlreadyUndone, NothingToUndo, OperationNotFound, OperationNotReady
from app.operations.models import ENDED, Operation, OperationState
from app.operations.services import operations
from app.operations.services.chunks import Progress, begin, finish_at_once, go_on, note_progress
from app.operations.services.leases import Work
from app.operations.services.running import Clock
from app.products import kinds
from app.products.changes import THRESHOLD
from app.products.models.products import ProductUpdate, Source
from app.products.queries.bulk import BulkAction, present
from app.products.services.bulk.actions import AT_ONCE
from app.products.services.bulk.rows import CHUNK, Chunk, with_sample, write
from app.products.services.bulk.undo_rows import examine_updates

BULK: Final = frozenset({kinds.BULK, kinds.UNDO})
IMPORTS: Final = frozenset({kinds.IMPORT})
_AGAIN: Final = frozenset({OperationState.CANCELLED, OperationState.FAILED, OperationState.COMPLETED_WITH_ERRORS})
"""Ends of an undo that leave something to another one."""


@in_transaction
def submit_undo(
    *,
    actor: Principal,
    now: datetime,
    operation_id: int,
    dry_run: bool = False,
    of: Collection[str] = BULK,
) -> BulkAction:
    """Give all that an operation changed the values back that it had before, by its rows in the update history.

    What somebody has changed since stays as it is and is refused by name. Products that an import added are deleted,
    those that it brought back are deleted again, unless people have worked on them since. With up to AT_ONCE changes
    it is done when this returns. Raises OperationNotFound, OperationNotReady for one that has not ended, NothingToUndo,
    AlreadyUndone (an undo that was cancelled, has failed or had refusals may be repeated), PermissionMissing.
    """
    target = operations.get_for_decision(operation_id)
    if target.kind not in of:
        raise OperationNotFound(f"There is no such operation {operation_id}.")
    _check(target)
    thresholds = _sets_thresholds(target)
    if thresholds:  # they belong to stock
        actor.require_all(frozenset({"stock:write"}), to="set thresholds back")
    arguments = {"undoes": target.id, "thresholds": thresholds, "dry_run": dry_run}
    updates = list(db.session.scalars(_updates(target.id).limit(AT_ONCE + 1)))
    if not updates:
        raise NothingToUndo(f"The {target.kind} {target.id} changed nothing.")
    is_small = len(updates) <= AT_ONCE
    operation = begin(
        actor=actor,
        now=now,
        kind=kinds.UNDO,
        arguments=arguments,
        cursor={"before": updates[0].id + 1},
        at_once=is_small,
    )
    if not dry_run:
        target.report = target.report | {"undone_by": operation.id}
    audit.record(actor=actor, action=f"{target.kind}.undo", subject=("operation", target.id), after=arguments)
    if not is_small:
        return present(operation, now=now)
    chunk = _examine(updates, actor, now, operation.id, dry_run=dry_run)
    if dry_run:
        operation.report = with_sample(operation.report, chunk.results)
    finish_at_once(operation, chunk.counts(), actor=actor, now=now)
    return present(operation, now=now, rows=chunk.results)


def write_undo(work: Work, clock: Clock) -> Work | None:
    """Do a slice of an undo."""
    return go_on(work, clock, _count, _do_chunk)


def _check(target: Operation) -> None:
    if target.state not in ENDED:
        raise OperationNotReady(f"The {target.kind} has not ended ({target.state}); wait for it, or cancel it.")
    undone_by = target.report.get("undone_by")
    if undone_by is not None:
        undo = db.session.scalars(select(Operation).where(Operation.id == undone_by)).one()
        if undo.state not in _AGAIN:
            raise AlreadyUndone(
                f"It was undone by the operation {undone_by} ({undo.state}); undo that to have it back.",
                undone_by=undone_by,
            )


def _sets_thresholds(target: Operation) -> bool:
    if target.kind == kinds.UNDO:
        return bool(target.arguments["thresholds"])
    columns = target.report.get("columns", ())
    return THRESHOLD in target.arguments.get("action", ()) or "low_stock_threshold" in {
        column["target"] for column in columns
    }


def _updates(operation_id: int, *, before: int | None = None) -> Select[Any]:
    """What an operation changed, the newest first: what was changed last is taken back first."""
    rows = select(ProductUpdate).where(ProductUpdate.operation_id == operation_id)
    return (rows if before is None else rows.where(ProductUpdate.id < before)).order_by(ProductUpdate.id.desc())


def _count(work: Work) -> int:
    db.session.rollback()
    rows = select(func.count()).select_from(ProductUpdate)
    count = db.session.scalar(rows.where(ProductUpdate.operation_id == work.arguments["undoes"])) or 0
    db.session.rollback()
    return count


def _examine(
    updates: Sequence[ProductUpdate], actor: Principal, now: datetime, operation_id: int, *, dry_run: bool
) -> Chunk:
    chunk = examine_updates(updates, lock=not dry_run)
    if not dry_run:
        write(chunk, actor=actor, now=now, source=Source.REVERT, operation_id=operation_id)
    return chunk


@in_transaction
def _do_chunk(*, work: Work, now: datetime) -> Progress:
    rows = _updates(work.arguments["undoes"], before=work.cursor["before"]).limit(CHUNK)
    updates = list(db.session.scalars(rows))
    is_dry = work.state == OperationState.CHECKING
    chunk = _examine(updates, work.actor, now, work.id, dry_run=is_dry)
    is_over = len(updates) < CHUNK
    cursor = {"before": 0 if is_over else updates[-1].id}
    report = with_sample(work.report, chunk.results) if is_dry else None
    return note_progress(work, chunk.counts(), cursor, is_over=is_over, report=report)
