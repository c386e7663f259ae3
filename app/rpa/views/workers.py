"""The page of the workers: what each does, whether it is well, and what it is told."""

from __future__ import annotations

from typing import Any, Final

from flask import redirect, render_template, request, url_for

from app.core.api import current_principal
from app.core.pages import PageBlueprint, flash_outcome, next_path, text_argument
from app.rpa.models.workers import Wanted, WorkerState
from app.rpa.queries.workers import list_workers
from app.rpa.services.workers import tell_worker

pages = PageBlueprint("worker_pages", __name__, url_prefix="/admin/workers")

_BADGES: Final = {
    WorkerState.IDLE: ("Idle", ""),
    WorkerState.BUSY: ("At work", "accent"),
    WorkerState.DRAINING: ("Draining", "warning"),
    WorkerState.DRAINED: ("Drained", "warning"),
    WorkerState.STOPPED: ("Stopped", ""),
    WorkerState.LOST: ("Lost", "bad"),
}
_ALIVE: Final = {"no": False, "all": None}


@pages.get("")
@pages.requires("farm:read")
def index() -> Any:
    """List workers, by the filters of the address; those that are gone only where they are asked for."""
    is_alive = _ALIVE.get(request.args.get("alive", ""), True)
    page = list_workers(host=text_argument("host"), is_alive=is_alive, limit=50, cursor=request.args.get("cursor"))
    return render_template("rpa/workers.html", page=page, badges=_BADGES)


@pages.post("/<int:worker_id>/drain")
@pages.requires("farm:write")
def drain(worker_id: int) -> Any:
    """Have a worker finish its task and begin no other."""
    return _tell(worker_id, Wanted.DRAIN, "The worker begins no other task until it is resumed.")


@pages.post("/<int:worker_id>/resume")
@pages.requires("farm:write")
def resume(worker_id: int) -> Any:
    """Let a drained worker take tasks again."""
    return _tell(worker_id, Wanted.WORK, "The worker takes tasks again.")


@pages.post("/<int:worker_id>/stop")
@pages.requires("farm:write")
def stop(worker_id: int) -> Any:
    """Have a worker finish its task and end."""
    return _tell(worker_id, Wanted.STOP, "The worker ends after its task; its pool starts another one.")


def _tell(worker_id: int, wanted: Wanted, done: str) -> Any:
    with flash_outcome(done):
        tell_worker(actor=current_principal(), worker_id=worker_id, wanted=wanted)
    return redirect(next_path(url_for("worker_pages.index")))
