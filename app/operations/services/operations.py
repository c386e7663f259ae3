"""The rows of long-running work: added, decided about, cancelled and ended; one transaction for each.

Reading and checking write nothing but files. Of the operations that write to the same (``Kind.slot``) one writes at a
time; the others are QUEUED, in their order. How a worker does an operation is in ``leases``.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import select

from app.core import audit, outbox
from app.core.extensions import db
from app.core.files import FileStore
from app.core.permissions import Principal
from app.core.transactions import in_transaction
from app.operations.errors import OperationChanged, OperationEnded, OperationNotFound
from app.operations.kinds import KINDS, spoken, writing_to
from app.operations.models import ENDED, Operation, OperationState

KEEP: Final = timedelta(days=7)
"""How long files are kept."""
COUNTS: Final = ("new", "changed", "unchanged", "refused")


def add_operation(
    *,
    actor: Principal,
    now: datetime,
    kind: str,
    state: OperationState,
    arguments: Mapping[str, Any],
    cursor: Mapping[str, Any] | None = None,
    folder: str | None = None,
    ring: bool = True,
) -> Operation:
    """Add an operation in the open transaction; with ``ring`` a background worker begins after the commit."""
    operation = Operation(
        kind=kind,
        state=state,
        arguments=dict(arguments),
        report={},
        cursor=dict(cursor or {}),
        folder=folder or FileStore.new_folder("operations"),
        started_at=now,
        expires_at=now + KEEP,
        created_at=now,
        updated_at=now,
        **actor.attribution(),
    )
    db.session.add(operation)
    db.session.flush()
    if ring:
        ring_for(operation)
    return operation


def ring_for(operation: Operation) -> None:
    """Have a background worker begin a slice after the commit; older messages count no more."""
    operation.slice_no += 1
    key = f"operation-{operation.id}-{operation.slice_no}"
    outbox.add("run_operation", key=key, operation_id=operation.id, slice_no=operation.slice_no)


def get_for_decision(operation_id: int, kind: str | None = None) -> Operation:
    """The locked row of an operation that somebody decides about; raises OperationNotFound."""
    wanted = select(Operation).where(Operation.id == operation_id).with_for_update()
    operation = db.session.scalar(wanted)
    if operation is None or kind not in {None, operation.kind}:
        raise OperationNotFound(f"There is no {spoken(kind)} {operation_id}.")
    return operation


def require_may_stop(actor: Principal, operation: Operation) -> None:
    """Raise PermissionMissing unless the actor may stop operations of this kind."""
    actor.require(KINDS[operation.kind].writes)


def require_version(operation: Operation, expected: int) -> None:
    """Raise OperationChanged unless the operation has this version."""
    if operation.version != expected:
        raise OperationChanged(f"The operation has version {operation.version}; this was based on {expected}.")


def enter(operation: Operation, state: OperationState, now: datetime) -> None:
    """Begin a state: what is counted in it begins at 0."""
    operation.state, operation.started_at, operation.updated_at = state, now, now
    operation.attempts = operation.done_count = 0


@in_transaction
def cancel_operation(*, actor: Principal, now: datetime, operation_id: int) -> Operation:
    """Stop an operation: what it has written stays, nothing more is written.

    Asking again while it stops changes nothing. Raises OperationNotFound, PermissionMissing, OperationEnded.
    """
    operation = get_for_decision(operation_id)
    require_may_stop(actor, operation)
    if operation.state in ENDED:
        raise OperationEnded(f"The {spoken(operation.kind)} has ended ({operation.state}).")
    if operation.state == OperationState.CANCELLING:
        return operation
    before = operation.state
    is_leased = operation.lease_token is not None
    operation.state, operation.updated_at = OperationState.CANCELLING, now
    operation.version += 1
    if is_leased:
        ring_for(operation)  # for the case that its worker is dead
    else:
        end(operation, OperationState.CANCELLED, now)
    audit.record(
        actor=actor,
        action="operation.cancel",
        subject=("operation", operation.id),
        before={"state": before},
        after={"state": operation.state},
    )
    return operation


def end(operation: Operation, state: OperationState, now: datetime, *, actor: Principal | None = None) -> None:
    """End an operation in the open transaction, and let the next one in line write.

    ``actor`` is who is there while it ends; else it is told of who asked for it.
    """
    slot = operation.writer
    operation.state, operation.finished_at, operation.updated_at = state, now, now
    operation.expires_at = now + KEEP
    operation.lease_token = operation.leased_until = operation.writer = None
    counts = {name: getattr(operation, f"{name}_count") for name in COUNTS}
    audit.record(
        actor=actor or actor_of(operation),
        action=f"{operation.kind}.end",
        subject=("operation", operation.id),
        after={"state": state, "error": operation.error_code, **counts},
    )
    db.session.flush()
    if slot is not None:
        _ring_for_next(slot)


def actor_of(operation: Operation) -> Principal:
    """For whom an operation is done; what it may do was checked when it was asked for."""
    return Principal(
        kind=operation.actor_kind,
        id=operation.actor_id,
        name=operation.actor_kind,
        permissions=frozenset(),
        request_id=operation.request_id,
    )


def _ring_for_next(slot: int) -> None:
    waiting = select(Operation).where(Operation.state == OperationState.QUEUED, Operation.kind.in_(writing_to(slot)))
    following = db.session.scalar(waiting.order_by(Operation.id).limit(1))
    if following is not None:
        ring_for(following)
