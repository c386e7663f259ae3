"""Taking back what an import of sales has added: exactly its own facts, some thousand in a transaction."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import delete, select

from app.core import audit, events
from app.core.extensions import db
from app.core.orm import count_changed
from app.core.permissions import Principal
from app.core.transactions import in_transaction
from app.operations.errors import AlreadyUndone, NothingToUndo, OperationNotReady
from app.operations.models import ENDED, Operation, OperationState
from app.operations.services import operations
from app.operations.services.chunks import Progress, go_on, note_progress
from app.operations.services.leases import Work
from app.operations.services.running import Clock
from app.orders.events import ImportedSalesUndone
from app.orders.kinds import SALES_IMPORT, SALES_UNDO
from app.orders.models.sales import Sale
from app.orders.queries import sales_imports as queries

CHUNK: Final = 2_000
_AGAIN: Final = frozenset({OperationState.CANCELLED, OperationState.FAILED})
"""Ends of an undo that leave something to another one."""


@in_transaction
def submit_undo(*, actor: Principal, now: datetime, import_id: int) -> Operation:
    """Begin to delete the facts that an import has added; whatever else was recorded or imported stays.

    Afterwards the same file can be imported again. Raises OperationNotFound, OperationNotReady for an import that has
    not ended, NothingToUndo, AlreadyUndone (an undo that was cancelled or has failed may be repeated).
    """
    target = operations.get_for_decision(import_id, SALES_IMPORT)
    _check(target)
    operation = operations.add_operation(
        actor=actor, now=now, kind=SALES_UNDO, state=OperationState.QUEUED, arguments={"undoes": target.id}
    )
    target.report = target.report | {"undone_by": operation.id}
    audit.record(
        actor=actor,
        action=f"{SALES_IMPORT}.undo",
        subject=("operation", target.id),
        after={"undone_by": operation.id},
    )
    return operation


def take_back(work: Work, clock: Clock) -> Work | None:
    """Do a slice of an undo."""
    return go_on(work, clock, _count, _delete_chunk)


def _check(target: Operation) -> None:
    if target.state not in ENDED:
        raise OperationNotReady(f"The import has not ended ({target.state}); wait for it, or cancel it.")
    undone_by = target.report.get("undone_by")
    if undone_by is not None:
        state = db.session.scalar(select(Operation.state).where(Operation.id == undone_by))
        if state not in _AGAIN:
            said = f"It was undone by the operation {undone_by} ({state}); import the file again to have it back."
            raise AlreadyUndone(said, undone_by=undone_by)
    if queries.last_of_chunk(target.id, 1) is None:
        raise NothingToUndo(f"The import {target.id} has added nothing.")


def _count(work: Work) -> int:
    db.session.rollback()
    left = queries.count_added(work.arguments["undoes"])
    db.session.rollback()
    return sum(work.counts.values()) + left


@in_transaction
def _delete_chunk(*, work: Work, now: datetime) -> Progress:  # noqa: ARG001  # called as other steps are
    import_id: int = work.arguments["undoes"]
    last = queries.last_of_chunk(import_id, CHUNK)
    gone = 0
    if last is not None:
        events.publish(ImportedSalesUndone(import_id, last))
        added = delete(Sale).where(Sale.operation_id == import_id, Sale.id <= last)
        gone = count_changed(db.session(), added)
    return note_progress(work, {"changed": gone}, {}, is_over=gone < CHUNK)
