"""Long-running work on the catalogue: begun, leased, continued, cancelled and ended; one transaction for each.

A worker does an operation in slices. A slice begins with a message (an outbox row) that carries a number; only the
newest number counts. It takes a lease on the database's clock, and everything it writes to the catalogue stands in one
transaction with ``save_progress``, which fails when the lease is not its own any more. So nothing is lost or doubled
when a worker dies or is too slow: what was not committed together with the progress never happened.

Reading and checking write nothing to the catalogue. One operation at a time writes; others are QUEUED, in their order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from app.core import audit, outbox
from app.core.extensions import db
from app.core.files import FileStore
from app.core.orm import count_changed, database_now
from app.core.permissions import Principal
from app.core.transactions import in_transaction
from app.products.errors import OperationChanged, OperationEnded, OperationNotFound
from app.products.models.operations import AT_WORK, ENDED, WRITER, Operation, OperationKind, OperationState

LEASE_S: Final = 30
"""How long a worker may be silent; every ``save_progress`` renews it."""
MAX_ATTEMPTS: Final = 5
"""Slices that may begin without achieving anything before the operation is given up."""
KEEP: Final = timedelta(days=7)
"""How long files are kept."""
COUNTS: Final = ("new", "changed", "unchanged", "refused")


class OperationBusy(Exception):
    """Another worker has the lease; the message comes again later."""


class OperationStopped(Exception):
    """The lease is lost or somebody cancelled: what is not committed yet is given up."""


class OperationFailed(Exception):
    """The operation cannot be completed; ``code`` is stable, ``detail`` a sentence for who asked for it."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


@dataclass(slots=True, kw_only=True)
class Work:
    """A slice of an operation, as the steps that do it see it."""

    id: int
    kind: OperationKind
    state: OperationState
    token: str
    folder: str
    actor: Principal
    arguments: dict[str, Any]
    report: dict[str, Any]
    cursor: dict[str, Any]
    total: int | None
    done: int
    counts: dict[str, int] = field(default_factory=dict)
    """``new``, ``changed``, ``unchanged``, ``refused``."""

    def key(self, name: str) -> str:
        """The key of a file of this slice: no other slice writes to it."""
        return f"{self.folder}/{name}-{self.token[:8]}"


def add_operation(
    *,
    actor: Principal,
    now: datetime,
    kind: OperationKind,
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


def get_for_decision(operation_id: int, kind: OperationKind | None = None) -> Operation:
    """The locked row of an operation that somebody decides about; raises OperationNotFound."""
    wanted = select(Operation).where(Operation.id == operation_id).with_for_update()
    operation = db.session.scalar(wanted)
    if operation is None or kind not in {None, operation.kind}:
        raise OperationNotFound(f"There is no {kind or 'operation'} {operation_id}.")
    return operation


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
    """Stop an operation: what it has written to the catalogue stays, nothing more is written.

    Asking again while it stops changes nothing. Raises OperationNotFound, OperationEnded.
    """
    operation = get_for_decision(operation_id)
    if operation.state in ENDED:
        raise OperationEnded(f"The {operation.kind} has ended ({operation.state}).")
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


@in_transaction
def take_lease(*, operation_id: int, slice_no: int, token: str, now: datetime) -> Work | None:
    """Begin a slice; None when the message is old or there is nothing to do. Raises OperationBusy."""
    operation = db.session.scalar(select(Operation).where(Operation.id == operation_id).with_for_update())
    if operation is None or operation.state not in AT_WORK or operation.slice_no != slice_no:
        return None
    clock = database_now(db.session())
    if operation.lease_token is not None and operation.leased_until is not None and operation.leased_until > clock:
        raise OperationBusy(f"operation {operation.id} is being worked on")
    operation.lease_token = operation.leased_until = None
    operation.attempts += 1
    if operation.state == OperationState.CANCELLING:
        end(operation, OperationState.CANCELLED, now)
    elif operation.attempts > MAX_ATTEMPTS:
        operation.error_code, operation.error_detail = "GIVEN_UP", f"It was begun {MAX_ATTEMPTS} times in vain."
        end(operation, OperationState.FAILED, now)
    elif operation.state != OperationState.QUEUED or _take_turn(operation, now):
        operation.lease_token, operation.leased_until = token, clock + timedelta(seconds=LEASE_S)
        return _work(operation)
    return None


def save_progress(work: Work, *, done: int, counts: Mapping[str, int] | None = None, **changes: Any) -> None:
    """Say how far the work is, as the last statement of the transaction that writes what was done.

    ``counts`` replace those there are, ``changes`` are columns (``cursor``, ``total_count``). Raises OperationStopped,
    which must undo the transaction.
    """
    session = db.session()
    session.flush()
    now = database_now(session)
    values = {f"{name}_count": counts[name] for name in COUNTS if name in counts} if counts else {}
    mine = update(Operation).where(
        Operation.id == work.id, Operation.lease_token == work.token, Operation.state == work.state
    )
    renewed = {"leased_until": now + timedelta(seconds=LEASE_S), "updated_at": now, "attempts": 0}
    if count_changed(session, mine.values(done_count=done, **values, **changes, **renewed)) != 1:
        raise OperationStopped(f"operation {work.id}")


@in_transaction
def beat(*, work: Work, done: int, counts: Mapping[str, int] | None = None, total: int | None = None) -> None:
    """Say how far work is that writes nothing to the catalogue; raises OperationStopped."""
    changes = {} if total is None else {"total_count": total}
    save_progress(work, done=done, counts=counts, **changes)


@in_transaction
def move_on(*, work: Work, state: OperationState, now: datetime, **changes: Any) -> Work | None:
    """Begin the next state; None where nothing is left to this slice. Raises OperationStopped."""
    operation = db.session.scalar(select(Operation).where(Operation.id == work.id).with_for_update())
    if operation is None or operation.lease_token != work.token or operation.state != work.state:
        raise OperationStopped(f"operation {work.id}")
    for name, value in changes.items():
        setattr(operation, name, value)
    if state in ENDED:
        end(operation, state, now)
        return None
    enter(operation, state, now)
    if (state in AT_WORK and state != OperationState.QUEUED) or _has_turn(operation, now):
        operation.leased_until = database_now(db.session(), plus_s=LEASE_S)
        return _work(operation)
    operation.lease_token = operation.leased_until = None
    if state == OperationState.QUEUED:
        ring_for(operation)
    return None


@in_transaction
def hand_over(*, work: Work) -> None:
    """End a slice and have another one go on."""
    operation = db.session.scalar(select(Operation).where(Operation.id == work.id).with_for_update())
    if operation is not None and operation.lease_token == work.token:
        operation.lease_token = operation.leased_until = None
        ring_for(operation)


@in_transaction
def give_back(*, work: Work) -> None:
    """Give up the lease after an error: the same message may begin the slice again."""
    mine = update(Operation).where(Operation.id == work.id, Operation.lease_token == work.token)
    count_changed(db.session(), mine.values(lease_token=None, leased_until=None))


@in_transaction
def stop(*, work: Work, now: datetime, failure: OperationFailed | None = None) -> None:
    """End an operation that was cancelled, or failed; does nothing when it is somebody else's by now."""
    operation = db.session.scalar(select(Operation).where(Operation.id == work.id).with_for_update())
    if operation is None or operation.lease_token != work.token:
        return
    if operation.state == OperationState.CANCELLING:
        end(operation, OperationState.CANCELLED, now)
    elif failure is not None:
        operation.error_code, operation.error_detail = failure.code, failure.detail[:500]
        end(operation, OperationState.FAILED, now)


def end(operation: Operation, state: OperationState, now: datetime, *, actor: Principal | None = None) -> None:
    """End an operation in the open transaction, and let the next one in line write to the catalogue.

    ``actor`` is who is there while it ends; else it is told of who asked for it.
    """
    was_writer = operation.writer is not None
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
    if was_writer:
        _ring_for_next()


def actor_of(operation: Operation) -> Principal:
    """For whom an operation is done; what it may do was checked when it was asked for."""
    return Principal(
        kind=operation.actor_kind,
        id=operation.actor_id,
        name=operation.actor_kind,
        permissions=frozenset(),
        request_id=operation.request_id,
    )


def _has_turn(operation: Operation, now: datetime) -> bool:
    """Whether an operation that is QUEUED may begin at once."""
    return operation.state == OperationState.QUEUED and _take_turn(operation, now)


def _take_turn(operation: Operation, now: datetime) -> bool:
    """Become the one that writes, or False: then the one that does will ring.

    The unique key decides, because it also waits for one that is just ending: a mere look would not see that.
    """
    session = db.session()
    try:
        with session.begin_nested():
            operation.writer = WRITER
            session.flush()
    except IntegrityError:
        session.refresh(operation)
        operation.attempts = 0
        return False
    operation.state, operation.started_at, operation.updated_at = OperationState.RUNNING, now, now
    operation.done_count = 0
    return True


def _ring_for_next() -> None:
    wanted = select(Operation).where(Operation.state == OperationState.QUEUED).order_by(Operation.id).limit(1)
    following = db.session.scalar(wanted)
    if following is not None:
        ring_for(following)


def _work(operation: Operation) -> Work:
    return Work(
        id=operation.id,
        kind=OperationKind(operation.kind),
        state=OperationState(operation.state),
        token=operation.lease_token or "",
        folder=operation.folder,
        actor=actor_of(operation),
        arguments=operation.arguments,
        report=operation.report,
        cursor=operation.cursor,
        total=operation.total_count,
        done=operation.done_count,
        counts={name: getattr(operation, f"{name}_count") for name in COUNTS},
    )
