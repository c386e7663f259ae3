"""The farm's API: storefronts, jobs, tasks, and single errands."""

from __future__ import annotations

from functools import partial
from typing import Any

from flask import Response, current_app, url_for
from flask.views import MethodView

from app.core.api import ApiBlueprint, current_principal, if_match
from app.core.extensions import db
from app.core.fields import PageArguments
from app.core.orm import utc_now
from app.rpa import queries, schemas
from app.rpa.models import Action, Task
from app.rpa.services import jobs, storefronts
from app.rpa.waiting import WaitingRoom

blp = ApiBlueprint("rpa", __name__, description="The farm: storefronts, jobs, tasks and single errands")


@blp.route("/storefronts")
class Storefronts(MethodView):
    """All storefronts."""

    @blp.requires("storefronts:read")
    @blp.arguments(PageArguments, location="query")
    @blp.answers(200, schemas.StorefrontPage)
    def get(self, page: dict[str, Any]) -> Any:
        """List storefronts."""
        return queries.list_storefronts(**page)

    @blp.requires("storefronts:write")
    @blp.arguments(schemas.StorefrontIn)
    @blp.answers(
        201,
        schemas.StorefrontSchema,
        location=lambda row: url_for("rpa.Storefront", storefront_id=row.id),
        etag=True,
    )
    def post(self, sent: dict[str, Any]) -> Any:
        """Add a storefront from its profile."""
        return storefronts.create_storefront(actor=current_principal(), now=utc_now(), **sent)


@blp.route("/storefronts/<int:storefront_id>")
class Storefront(MethodView):
    """One storefront."""

    @blp.requires("storefronts:read")
    @blp.answers(200, schemas.StorefrontSchema, etag=True)
    def get(self, storefront_id: int) -> Any:
        """Get a storefront."""
        return queries.get_storefront(storefront_id)

    @blp.requires("storefronts:write")
    @blp.arguments(schemas.StorefrontChange)
    @blp.answers(200, schemas.StorefrontSchema, etag=True)
    def put(self, sent: dict[str, Any], storefront_id: int) -> Any:
        """Replace a storefront's name and profile; If-Match names the version it is based on."""
        return storefronts.update_storefront(
            actor=current_principal(), now=utc_now(), storefront_id=storefront_id, expected_version=if_match(), **sent
        )

    @blp.requires("storefronts:write")
    @blp.answers(204)
    def delete(self, storefront_id: int) -> Any:
        """Delete a storefront that no job refers to; If-Match names its version."""
        storefronts.delete_storefront(
            actor=current_principal(), storefront_id=storefront_id, expected_version=if_match()
        )


@blp.route("/jobs")
class Jobs(MethodView):
    """All jobs."""

    @blp.requires("jobs:read")
    @blp.arguments(schemas.JobArguments, location="query")
    @blp.answers(200, schemas.JobPage)
    def get(self, which: dict[str, Any]) -> Any:
        """List jobs, newest first; batch jobs unless lane says interactive."""
        return queries.list_jobs(**which)

    @blp.requires("jobs:write")
    @blp.arguments(schemas.JobIn, example=schemas.JOB_IN)
    @blp.answers(202, schemas.JobSchema, location=lambda job: url_for("rpa.Job", job_id=job.id))
    def post(self, sent: dict[str, Any]) -> Any:
        """Submit a job; send an Idempotency-Key, so that sending it twice makes one job."""
        action, products = Action(sent.pop("action")), sent.pop("products", None)
        return jobs.submit_job(actor=current_principal(), action=action, product_filter=products, **sent)


@blp.route("/jobs/<int:job_id>")
class Job(MethodView):
    """One job."""

    @blp.requires("jobs:read")
    @blp.answers(200, schemas.JobSchema)
    def get(self, job_id: int) -> Any:
        """Get a job: counts by outcome, rate and time left."""
        return queries.get_progress(job_id)


@blp.route("/jobs/<int:job_id>/cancel")
class JobCancel(MethodView):
    """Stopping a job."""

    @blp.requires("jobs:write")
    @blp.answers(202, schemas.JobSchema)
    def post(self, job_id: int) -> Any:
        """Cancel a job: nothing more starts, running tasks stop within seconds."""
        return jobs.cancel_job(actor=current_principal(), job_id=job_id)


@blp.route("/jobs/<int:job_id>/tasks")
class JobTasks(MethodView):
    """The tasks of a job."""

    @blp.requires("jobs:read")
    @blp.arguments(schemas.TaskArguments, location="query")
    @blp.answers(200, schemas.TaskPage)
    def get(self, which: dict[str, Any], job_id: int) -> Any:
        """List a job's tasks in the order they were asked for."""
        return queries.list_tasks(job_id, **which)


@blp.route("/tasks/<int:task_id>")
class TaskDetail(MethodView):
    """One task."""

    @blp.requires("jobs:read")
    @blp.answers(200, schemas.TaskDetailSchema)
    def get(self, task_id: int) -> Any:
        """Get a task with its attempts and what each visit saw."""
        return queries.get_task(task_id)


@blp.route("/view-product")
class ViewProduct(MethodView):
    """One product, looked at now."""

    @blp.requires("jobs:write")
    @blp.arguments(schemas.ErrandIn)
    @blp.arguments(schemas.WaitArguments, location="query")
    @blp.answers(202, schemas.TaskDetailSchema, location=lambda task: url_for("rpa.TaskDetail", task_id=task.id))
    @blp.alt_response(200, schema=schemas.TaskDetailSchema, description="The result, within ?wait= seconds")
    def post(self, sent: dict[str, Any], patience: dict[str, float]) -> Any:
        """Visit one product's page now: the result within ?wait= seconds, else 202 and where to poll."""
        return _run_errand(Action.VIEW_PRODUCT, patience["wait"], sent)


@blp.route("/add-to-cart")
class AddToCart(MethodView):
    """One product, put into a cart now."""

    @blp.requires("jobs:write")
    @blp.arguments(schemas.CartErrandIn)
    @blp.arguments(schemas.WaitArguments, location="query")
    @blp.answers(202, schemas.TaskDetailSchema, location=lambda task: url_for("rpa.TaskDetail", task_id=task.id))
    @blp.alt_response(200, schema=schemas.TaskDetailSchema, description="The result, within ?wait= seconds")
    def post(self, sent: dict[str, Any], patience: dict[str, float]) -> Any:
        """Put one product into a cart now and read it back: the result within ?wait= seconds, else 202."""
        return _run_errand(Action.ADD_TO_CART, patience["wait"], sent)


def _task_url(task: Task) -> str:
    return url_for("rpa.TaskDetail", task_id=task.id)


def _run_errand(action: Action, wait_s: float, sent: dict[str, Any]) -> Any:
    task = jobs.submit_errand(actor=current_principal(), action=action, **sent)
    room: WaitingRoom = current_app.extensions["waiting_room"]
    ended = room.wait(partial(queries.is_task_ended, task.id), db.session.remove, seconds=wait_s)
    if not ended:
        return task
    body = schemas.TaskDetailSchema().dumps(queries.get_task(task.id))
    return Response(body, 200, {"Location": _task_url(task)}, mimetype="application/json")
