"""The page of the workers: what each does, and whether it is well."""

from __future__ import annotations

from typing import Any, Final

from flask import render_template, request

from app.core.pages import PageBlueprint, text_argument
from app.rpa.models.workers import WorkerState
from app.rpa.queries.workers import list_workers

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
