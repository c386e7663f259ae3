"""Telling workers what to do: each hears of it with its next heartbeat, a few seconds later."""

from __future__ import annotations

from sqlalchemy import select

from app.core import audit
from app.core.extensions import db
from app.core.orm import database_now
from app.core.permissions import Principal
from app.core.transactions import in_transaction
from app.rpa.errors import WorkerGone, WorkerNotFound, WorkerStopping
from app.rpa.models.workers import Wanted, Worker
from app.rpa.queries.workers import is_gone, with_work

_ACTS = {Wanted.WORK: "worker.resume", Wanted.DRAIN: "worker.drain", Wanted.STOP: "worker.stop"}


@in_transaction
def tell_worker(*, actor: Principal, worker_id: int, wanted: Wanted) -> Worker:
    """Have a worker drain (finish its task and begin no other), stop (the same, and end), or work again.

    Asking again changes nothing. Raises WorkerNotFound, WorkerGone, and WorkerStopping for one that was told to stop.
    """
    row = db.session.scalar(select(Worker).where(Worker.id == worker_id).with_for_update())
    if row is None:
        raise WorkerNotFound("There is no such worker.")
    if is_gone(row, database_now(db.session())):
        raise WorkerGone("The worker has stopped or is not heard of any more.")
    if row.wanted == Wanted.STOP != wanted:
        raise WorkerStopping("The worker was told to stop, which cannot be taken back.")
    if row.wanted != wanted:
        audit.record(
            actor=actor,
            action=_ACTS[wanted],
            subject=("worker", row.id),
            before={"wanted": row.wanted},
            after={"wanted": wanted, "name": row.name},
        )
        row.wanted = wanted
    return with_work([row])[0]
