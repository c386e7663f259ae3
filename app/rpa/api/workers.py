"""The API of workers."""

from __future__ import annotations

from typing import Any

from flask.views import MethodView

from app.core.api import ApiBlueprint, current_principal
from app.rpa.models.workers import Wanted
from app.rpa.queries.workers import get_worker, list_workers
from app.rpa.schemas.workers import WorkerArguments, WorkerPage, WorkerSchema
from app.rpa.services.workers import tell_worker

blp = ApiBlueprint("workers", __name__, description="Who does the tasks, and what they are told")


@blp.route("/workers")
class Workers(MethodView):
    """All workers."""

    @blp.requires("farm:read")
    @blp.arguments(WorkerArguments, location="query")
    @blp.answers(200, WorkerPage)
    def get(self, which: dict[str, Any]) -> Any:
        """List workers with what they do, the newest first; one that is gone is listed for a day."""
        return list_workers(**which)


@blp.route("/workers/<int:worker_id>")
class Worker(MethodView):
    """One worker."""

    @blp.requires("farm:read")
    @blp.answers(200, WorkerSchema)
    def get(self, worker_id: int) -> Any:
        """Get a worker with what it does."""
        return get_worker(worker_id)


@blp.route("/workers/<int:worker_id>/drain")
class WorkerDrain(MethodView):
    """Taking a worker out of work."""

    @blp.requires("farm:write")
    @blp.answers(200, WorkerSchema)
    def post(self, worker_id: int) -> Any:
        """Have a worker finish its task and begin no other until it is resumed; it hears of it within seconds."""
        return tell_worker(actor=current_principal(), worker_id=worker_id, wanted=Wanted.DRAIN)


@blp.route("/workers/<int:worker_id>/resume")
class WorkerResume(MethodView):
    """Putting a worker back to work."""

    @blp.requires("farm:write")
    @blp.answers(200, WorkerSchema)
    def post(self, worker_id: int) -> Any:
        """Let a drained worker take tasks again."""
        return tell_worker(actor=current_principal(), worker_id=worker_id, wanted=Wanted.WORK)


@blp.route("/workers/<int:worker_id>/stop")
class WorkerStop(MethodView):
    """Ending a worker."""

    @blp.requires("farm:write")
    @blp.answers(200, WorkerSchema)
    def post(self, worker_id: int) -> Any:
        """Have a worker finish its task and end; its pool puts a fresh one in its place."""
        return tell_worker(actor=current_principal(), worker_id=worker_id, wanted=Wanted.STOP)
