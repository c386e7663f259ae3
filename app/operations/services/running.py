"""Doing operations: what a background worker runs for a message, slice by slice."""

from __future__ import annotations

import gc
import logging
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import islice
from typing import Final, Protocol

from sqlalchemy import or_, select, update

from app.core.extensions import db
from app.core.files import file_store
from app.core.orm import count_changed, database_now, utc_now
from app.core.transactions import in_transaction
from app.operations.models import ASKING, AT_WORK, Operation, OperationRow, OperationState
from app.operations.services import leases, operations
from app.operations.services.leases import OperationFailed, OperationStopped, Work

SLICE_S: Final = 20.0
"""How long a slice lasts: mails and the like wait for it where there is one background worker."""
ORPHANED: Final = timedelta(minutes=3)
"""For how long nothing happened to an operation that a message must have been lost of."""
UNKNOWN: Final = timedelta(days=1)
"""How long a folder may be without an operation: longer than any upload lasts."""
_SWEPT: Final = 1_000
"""Folders after whose deletion the rest is next time's."""
_LOOKED_AT: Final = 500
_OBJECTS: Final = 100_000
"""New objects after which Python looks for circular garbage; 700 by itself."""

log = logging.getLogger(__name__)


class Clock(Protocol):
    """Tells a step when its slice is over."""

    def __call__(self) -> bool:
        """Whether it is time to hand over."""


Step = Callable[[Work, Clock], Work | None]
"""Does what one state is for: returns the work of the next state, or None where this slice has nothing left to do.

A step looks at its clock often, and hands over (``leases.hand_over``) where time is up.
"""

_STEPS: Final[dict[tuple[str, OperationState], Step]] = {}


def register_steps(steps: Mapping[tuple[str, OperationState], Step]) -> None:
    """Say what is done for operations of a kind in a state; safe to repeat."""
    _STEPS.update(steps)


def run_operation(*, operation_id: int, slice_no: int, slice_s: float = SLICE_S) -> None:
    """Do a slice of an operation; an old or doubled message does nothing.

    Raises OperationBusy while another worker is at it, and whatever broke: the message comes again later.
    """
    with _rarely_collecting():
        _run_slice(operation_id, slice_no, slice_s)


def _run_slice(operation_id: int, slice_no: int, slice_s: float) -> None:
    token = secrets.token_hex(16)
    work = leases.take_lease(operation_id=operation_id, slice_no=slice_no, token=token, now=utc_now())
    deadline = time.monotonic() + slice_s
    while work is not None:
        present = work
        try:
            work = _STEPS[work.kind, work.state](work, lambda: time.monotonic() > deadline)
        except OperationStopped:
            leases.stop(work=present, now=utc_now())
            return
        except OperationFailed as failure:
            leases.stop(work=present, now=utc_now(), failure=failure)
            return
        except BaseException:
            leases.give_back(work=present)
            raise


@contextmanager
def _rarely_collecting() -> Iterator[None]:
    """Have Python look for circular garbage less often: a slice makes millions of objects, and hardly any circles.

    It was a quarter of the processor time of an import.
    """
    before = gc.get_threshold()
    gc.freeze()  # what is there already is not looked through again and again
    gc.set_threshold(_OBJECTS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


@in_transaction
def ring_for_orphans() -> int:
    """Ring for operations that nobody works on though somebody should; returns how many."""
    session = db.session()
    clock = database_now(session)
    waiting = (
        select(Operation)
        .where(Operation.state.in_(AT_WORK), Operation.updated_at < clock - ORPHANED)
        .where(or_(Operation.lease_token.is_(None), Operation.leased_until < clock))
        .order_by(Operation.id)
        .limit(100)
        .with_for_update()
    )
    found = list(session.scalars(waiting))
    for operation in found:
        operation.updated_at = clock
        operations.ring_for(operation)
    return len(found)


def purge_files() -> int:
    """Delete the files of operations whose time is over, and give up those that wait for a decision since then."""
    done = 0
    while (expired := _give_up_expired()) is not None:
        operation_id, folder = expired
        file_store().delete(folder)
        _note_deleted(operation_id=operation_id)
        done += 1
    return done


def sweep_folders(*, now: datetime) -> int:
    """Delete folders that belong to no operation: of uploads that broke off with their process. Returns how many."""
    store, done = file_store(), 0
    folders = store.folders("operations", before=now - UNKNOWN)
    while done < _SWEPT and (some := list(islice(folders, _LOOKED_AT))):
        for folder in set(some) - _known(folders=some):
            store.delete(folder)
            done += 1
    return done


@in_transaction
def _known(*, folders: list[str]) -> set[str]:
    return set(db.session.scalars(select(Operation.folder).where(Operation.folder.in_(folders))))


@in_transaction
def _give_up_expired() -> tuple[int, str] | None:
    session = db.session()
    clock = database_now(session)
    due = (
        select(Operation)
        .where(Operation.files_deleted_at.is_(None), Operation.expires_at < clock, Operation.state.not_in(AT_WORK))
        .order_by(Operation.expires_at, Operation.id)
        .limit(1)
        .with_for_update()
    )
    operation = session.scalar(due)
    if operation is None:
        return None
    if operation.state in ASKING:
        operations.end(operation, OperationState.CANCELLED, clock)
        operation.expires_at = clock
    return operation.id, operation.folder


@in_transaction
def _note_deleted(*, operation_id: int) -> None:
    session = db.session()
    now = database_now(session)
    count_changed(session, update(OperationRow).where(OperationRow.operation_id == operation_id).values(cells=None))
    count_changed(session, update(Operation).where(Operation.id == operation_id).values(files_deleted_at=now))
