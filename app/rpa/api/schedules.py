"""The API of schedules."""

from __future__ import annotations

from typing import Any

from flask import url_for
from flask.views import MethodView

from app.core.api import ApiBlueprint, current_principal, if_match
from app.rpa.queries.schedules import get_schedule, list_runs, list_schedules, preview_timing
from app.rpa.schemas.schedules import (
    SCHEDULE_IN,
    PreviewSchema,
    RunArguments,
    RunPage,
    RunSchema,
    ScheduleArguments,
    ScheduleDetailSchema,
    ScheduleIn,
    SchedulePage,
    TimingIn,
)
from app.rpa.services import firing, schedules

blp = ApiBlueprint("job-schedules", __name__, description="Jobs that are submitted by themselves")


@blp.route("/job-schedules")
class Schedules(MethodView):
    """All schedules."""

    @blp.requires("jobs:read")
    @blp.arguments(ScheduleArguments, location="query")
    @blp.answers(200, SchedulePage)
    def get(self, which: dict[str, Any]) -> Any:
        """List schedules with their next runs, what came of the last one, and what stands in their way."""
        return list_schedules(**which)

    @blp.requires("jobs:write")
    @blp.arguments(ScheduleIn, example=SCHEDULE_IN)
    @blp.answers(
        201,
        ScheduleDetailSchema,
        location=lambda row: url_for("job-schedules.Schedule", schedule_id=row.id),
        etag=True,
    )
    def post(self, sent: dict[str, Any]) -> Any:
        """Make a schedule; a run is skipped while the job of an earlier one is open."""
        return schedules.create_schedule(actor=current_principal(), **sent)


@blp.route("/job-schedules/preview")
class SchedulePreview(MethodView):
    """When a schedule would run."""

    @blp.requires("jobs:read")
    @blp.arguments(TimingIn, example={"cron": "0 6 * * mon-fri", "timezone": "Europe/Berlin"})
    @blp.answers(200, PreviewSchema)
    def post(self, sent: dict[str, Any]) -> Any:
        """Say when a schedule would run next, without making it."""
        return preview_timing(**sent)


@blp.route("/job-schedules/<int:schedule_id>")
class Schedule(MethodView):
    """One schedule."""

    @blp.requires("jobs:read")
    @blp.answers(200, ScheduleDetailSchema, etag=True)
    def get(self, schedule_id: int) -> Any:
        """Get a schedule with its job."""
        return get_schedule(schedule_id)

    @blp.requires("jobs:write")
    @blp.arguments(ScheduleIn, example=SCHEDULE_IN)
    @blp.answers(200, ScheduleDetailSchema, etag=True)
    def put(self, sent: dict[str, Any], schedule_id: int) -> Any:
        """Replace a schedule; If-Match names the version it is based on."""
        return schedules.update_schedule(
            actor=current_principal(), schedule_id=schedule_id, expected_version=if_match(), **sent
        )

    @blp.requires("jobs:write")
    @blp.answers(204)
    def delete(self, schedule_id: int) -> Any:
        """Delete a schedule and the list of its runs; its jobs stay. If-Match names its version."""
        schedules.delete_schedule(actor=current_principal(), schedule_id=schedule_id, expected_version=if_match())


@blp.route("/job-schedules/<int:schedule_id>/run-now")
class ScheduleRunNow(MethodView):
    """Running out of turn."""

    @blp.requires("jobs:write")
    @blp.answers(202, RunSchema, location=lambda run: url_for("jobs.Job", job_id=run.job_id))
    def post(self, schedule_id: int) -> Any:
        """Submit a schedule's job now, also while it is paused; refused while its last job is open."""
        return firing.run_now(actor=current_principal(), schedule_id=schedule_id)


@blp.route("/job-schedules/<int:schedule_id>/pause")
class SchedulePause(MethodView):
    """Stopping for a while."""

    @blp.requires("jobs:write")
    @blp.answers(200, ScheduleDetailSchema, etag=True)
    def post(self, schedule_id: int) -> Any:
        """Pause a schedule: nothing runs until it is resumed; the job that is open goes on."""
        return schedules.set_active(actor=current_principal(), schedule_id=schedule_id, is_active=False)


@blp.route("/job-schedules/<int:schedule_id>/resume")
class ScheduleResume(MethodView):
    """Going on."""

    @blp.requires("jobs:write")
    @blp.answers(200, ScheduleDetailSchema, etag=True)
    def post(self, schedule_id: int) -> Any:
        """Let a paused schedule go on at its next slot; those of the pause are not caught up."""
        return schedules.set_active(actor=current_principal(), schedule_id=schedule_id, is_active=True)


@blp.route("/job-schedules/<int:schedule_id>/runs")
class ScheduleRuns(MethodView):
    """What came of the slots."""

    @blp.requires("jobs:read")
    @blp.arguments(RunArguments, location="query")
    @blp.answers(200, RunPage)
    def get(self, which: dict[str, Any], schedule_id: int) -> Any:
        """List what came of a schedule's slots, the newest first; the newest 1,000 are kept."""
        return list_runs(schedule_id, **which)
