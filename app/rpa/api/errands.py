"""The API of single errands: one product, now."""

from __future__ import annotations

from functools import partial
from typing import Any

from flask import Response, current_app, url_for
from flask.views import MethodView

from app.core.api import ApiBlueprint, current_principal
from app.core.extensions import db
from app.rpa.models.jobs import Action, Task
from app.rpa.queries.tasks import get_task, is_task_ended
from app.rpa.schemas.jobs import CartErrandIn, ErrandIn, WaitArguments
from app.rpa.schemas.tasks import TaskDetailSchema
from app.rpa.services.submitting import submit_errand

blp = ApiBlueprint("errands", __name__, description="One product, visited now")


@blp.route("/view-product")
class ViewProduct(MethodView):
    """One product, looked at now."""

    @blp.requires("jobs:write")
    @blp.arguments(ErrandIn)
    @blp.arguments(WaitArguments, location="query")
    @blp.answers(202, TaskDetailSchema, location=lambda task: url_for("tasks.TaskDetail", task_id=task.id))
    @blp.alt_response(200, schema=TaskDetailSchema, description="The result, within ?wait= seconds")
    def post(self, sent: dict[str, Any], patience: dict[str, float]) -> Any:
        """Visit one product's page now: the result within ?wait= seconds, else 202 and where to poll."""
        return _run_errand(Action.VIEW_PRODUCT, patience["wait"], sent)


@blp.route("/add-to-cart")
class AddToCart(MethodView):
    """One product, put into a cart now."""

    @blp.requires("jobs:write")
    @blp.arguments(CartErrandIn)
    @blp.arguments(WaitArguments, location="query")
    @blp.answers(202, TaskDetailSchema, location=lambda task: url_for("tasks.TaskDetail", task_id=task.id))
    @blp.alt_response(200, schema=TaskDetailSchema, description="The result, within ?wait= seconds")
    def post(self, sent: dict[str, Any], patience: dict[str, float]) -> Any:
        """Put one product into a cart now and read it back: the result within ?wait= seconds, else 202."""
        return _run_errand(Action.ADD_TO_CART, patience["wait"], sent)


def _task_url(task: Task) -> str:
    return url_for("tasks.TaskDetail", task_id=task.id)


def _run_errand(action: Action, wait_s: float, sent: dict[str, Any]) -> Any:
    task = submit_errand(actor=current_principal(), action=action, **sent)
    if wait_s <= 0:
        return task
    task_id, room = task.id, current_app.extensions["waiting_room"]
    ended = room.wait(partial(is_task_ended, task_id), db.session.remove, seconds=wait_s)
    db.session.remove()  # what was submitted is still in it where the wait had no pause, and as it was then
    task = get_task(task_id)
    if not ended:
        return task
    body = TaskDetailSchema().dumps(task)
    return Response(body, 200, {"Location": _task_url(task)}, mimetype="application/json")
