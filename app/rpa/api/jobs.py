"""The API of jobs."""

from __future__ import annotations

from typing import Any

from flask import url_for
from flask.views import MethodView

from app.core.api import ApiBlueprint, current_principal, if_match
from app.rpa.queries.progress import get_progress, list_jobs
from app.rpa.queries.tasks import list_tasks
from app.rpa.schemas.estimates import ForeseenSchema
from app.rpa.schemas.job_changes import JobChange, JobCloneIn, JobRetryIn
from app.rpa.schemas.jobs import JOB_IN, JobArguments, JobIn, JobPage, JobSchema
from app.rpa.schemas.tasks import TaskArguments, TaskPage
from app.rpa.services import controlling, repeating, submitting
from app.rpa.services.estimating import estimate_job

blp = ApiBlueprint("jobs", __name__, description="One errand for many products")


def _location(job: Any) -> str:
    return url_for("jobs.Job", job_id=job.id)


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
    @blp.answers(202, JobSchema, location=_location, etag=True)
    def post(self, sent: dict[str, Any]) -> Any:
        """Submit a job; send an Idempotency-Key, so that sending it twice makes one job."""
        return submitting.submit_job(actor=current_principal(), **sent)


@blp.route("/jobs/estimate")
class JobEstimate(MethodView):
    """What a job would be."""

    @blp.requires("jobs:read")
    @blp.arguments(JobIn, example=JOB_IN)
    @blp.answers(200, ForeseenSchema)
    def post(self, sent: dict[str, Any]) -> Any:
        """Say of a job how many tasks it would have, how long they would take, and what limits it; changes nothing."""
        return estimate_job(**sent)


@blp.route("/jobs/<int:job_id>")
class Job(MethodView):
    """One job."""

    @blp.requires("jobs:read")
    @blp.answers(200, JobSchema, etag=True)
    def get(self, job_id: int) -> Any:
        """Get a job: counts by outcome, rate, what it waits for, and how long what is left will take."""
        return get_progress(job_id)

    @blp.requires("jobs:write")
    @blp.arguments(JobChange)
    @blp.answers(200, JobSchema, etag=True)
    @blp.alt_response(409, description="The job has ended or is being cancelled")
    def patch(self, sent: dict[str, Any], job_id: int) -> Any:
        """Change the priority, deadline or concurrency of an open job, from its next task on."""
        return controlling.change_job(actor=current_principal(), job_id=job_id, expected_version=if_match(), **sent)


@blp.route("/jobs/<int:job_id>/pause")
class JobPause(MethodView):
    """Holding a job."""

    @blp.requires("jobs:write")
    @blp.answers(202, JobSchema, etag=True)
    @blp.alt_response(409, description="The job has ended or is being cancelled")
    def post(self, job_id: int) -> Any:
        """Pause a job: nothing more starts, what runs is finished. Its deadline goes on passing."""
        return controlling.pause_job(actor=current_principal(), job_id=job_id)


@blp.route("/jobs/<int:job_id>/resume")
class JobResume(MethodView):
    """Letting a job go on."""

    @blp.requires("jobs:write")
    @blp.answers(202, JobSchema, etag=True)
    @blp.alt_response(409, description="The job has ended or is being cancelled")
    def post(self, job_id: int) -> Any:
        """Let a paused job go on."""
        return controlling.resume_job(actor=current_principal(), job_id=job_id)


@blp.route("/jobs/<int:job_id>/cancel")
class JobCancel(MethodView):
    """Stopping a job."""

    @blp.requires("jobs:write")
    @blp.answers(202, JobSchema, etag=True)
    @blp.alt_response(409, description="The job has ended")
    def post(self, job_id: int) -> Any:
        """Cancel a job: nothing more starts, running tasks stop within seconds."""
        return controlling.cancel_job(actor=current_principal(), job_id=job_id)


@blp.route("/jobs/<int:job_id>/retry")
class JobRetry(MethodView):
    """Doing again what failed."""

    @blp.requires("jobs:write")
    @blp.arguments(JobRetryIn)
    @blp.answers(202, JobSchema, location=_location, etag=True)
    @blp.alt_response(409, description="The job has not ended, or none of its tasks ended so")
    def post(self, sent: dict[str, Any], job_id: int) -> Any:
        """Submit a new job of the tasks of an ended one that failed, or ended as outcomes says."""
        return repeating.retry_job(actor=current_principal(), job_id=job_id, **sent)


@blp.route("/jobs/<int:job_id>/clone")
class JobClone(MethodView):
    """Doing all of it again."""

    @blp.requires("jobs:write")
    @blp.arguments(JobCloneIn)
    @blp.answers(202, JobSchema, location=_location, etag=True)
    def post(self, sent: dict[str, Any], job_id: int) -> Any:
        """Submit the same job again: over the same products, or those that fit its filter by now."""
        return repeating.clone_job(actor=current_principal(), job_id=job_id, **sent)


@blp.route("/jobs/<int:job_id>/tasks")
class JobTasks(MethodView):
    """The tasks of a job."""

    @blp.requires("jobs:read")
    @blp.arguments(TaskArguments, location="query")
    @blp.answers(200, TaskPage)
    def get(self, which: dict[str, Any], job_id: int) -> Any:
        """List a job's tasks in the order they were asked for."""
        return list_tasks(job_id, **which)
