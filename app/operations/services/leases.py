"""How workers do operations: in slices, each under a lease on the database's clock; one transaction for each step.

A slice begins with a message (an outbox row) that carries a number; only the newest number counts. It takes a lease,
and everything it writes stands in one transaction with ``save_progress``, which fails when the lease is not its own any
more. So nothing is lost or doubled when a worker dies or is too slow: what was not committed together with the progress
never happened.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from app.core.extensions import db
from app.core.orm import count_changed, database_now
from app.core.permissions import Principal
from app.core.transactions import in_transaction
from app.operations.kinds import KINDS
from app.operations.models import AT_WORK, ENDED, Operation, OperationState
from app.operations.services.operations import COUNTS, actor_of, end, enter, ring_for

LEASE_S: Final = 30
"""How long a worker may be silent; every ``save_progress`` renews it."""
MAX_ATTEMPTS: Final = 5
"""Slices that may begin without achieving anything before the operation is given up."""


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
    kind: str
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
            operation.writer = KINDS[operation.kind].slot
            session.flush()
    except IntegrityError:
        session.refresh(operation)
        operation.attempts = 0
        return False
    operation.state, operation.started_at, operation.updated_at = OperationState.RUNNING, now, now
    operation.done_count = 0
    return True


def _work(operation: Operation) -> Work:
    return Work(
        id=operation.id,
        kind=operation.kind,
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
