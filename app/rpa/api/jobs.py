"""The API of jobs."""

from __future__ import annotations

from typing import Any

from flask import url_for
from flask.views import MethodView

from app.core.api import ApiBlueprint, current_principal
from app.rpa.queries.jobs import get_progress, list_jobs
from app.rpa.queries.tasks import list_tasks
from app.rpa.schemas.jobs import JOB_IN, JobArguments, JobIn, JobPage, JobSchema
from app.rpa.schemas.tasks import TaskArguments, TaskPage
from app.rpa.services import jobs

blp = ApiBlueprint("jobs", __name__, description="One errand for many products")


@blp.route("/jobs")
class Jobs(MethodView):
    """All jobs."""

    @blp.requires("jobs:read")
    @blp.arguments(JobArguments, location="query")
    @blp.answers(200, JobPage)
    def get(self, which: dict[str, Any]) -> Any:
        """List jobs, newest first; batch jobs unless lane says interactive."""
        return list_jobs(**which)

    @blp.requires("jobs:write")
    @blp.arguments(JobIn, example=JOB_IN)
    @blp.answers(202, JobSchema, location=lambda job: url_for("jobs.Job", job_id=job.id))
    def post(self, sent: dict[str, Any]) -> Any:
        """Submit a job; send an Idempotency-Key, so that sending it twice makes one job."""
        return jobs.submit_job(actor=current_principal(), **jobs.as_submission(sent))


@blp.route("/jobs/<int:job_id>")
class Job(MethodView):
    """One job."""

    @blp.requires("jobs:read")
    @blp.answers(200, JobSchema)
    def get(self, job_id: int) -> Any:
        """Get a job: counts by outcome, rate and time left."""
        return get_progress(job_id)


@blp.route("/jobs/<int:job_id>/cancel")
class JobCancel(MethodView):
    """Stopping a job."""

    @blp.requires("jobs:write")
    @blp.answers(202, JobSchema)
    def post(self, job_id: int) -> Any:
        """Cancel a job: nothing more starts, running tasks stop within seconds."""
        return jobs.cancel_job(actor=current_principal(), job_id=job_id)


@blp.route("/jobs/<int:job_id>/tasks")
class JobTasks(MethodView):
    """The tasks of a job."""

    @blp.requires("jobs:read")
    @blp.arguments(TaskArguments, location="query")
    @blp.answers(200, TaskPage)
    def get(self, which: dict[str, Any], job_id: int) -> Any:
        """List a job's tasks in the order they were asked for."""
        return list_tasks(job_id, **which)
