"""The pages of jobs: how far each is, what it waits for, its tasks, and what can be asked of it."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Any, Final

from flask import redirect, render_template, request, url_for

from app.core.api import current_principal
from app.core.pages import PageBlueprint, flash_outcome, text_argument
from app.rpa.models.jobs import BATCH, INTERACTIVE, Job, JobState, TaskState
from app.rpa.queries.jobs import count_codes, outcomes
from app.rpa.queries.progress import get_progress, list_jobs
from app.rpa.queries.tasks import list_tasks
from app.rpa.rules.codes import RULES, Code
from app.rpa.rules.job_moves import OPEN, allowed
from app.rpa.rules.planning import Limit, spoken
from app.rpa.services import controlling, repeating
from app.rpa.views import badges

pages = PageBlueprint("job_pages", __name__, url_prefix="/admin/jobs")

_LIMITS: Final = {
    Limit.PACE: "the storefront's pace",
    Limit.STOREFRONT: "how many visits of the storefront may run at once",
    Limit.JOB: "the job's own concurrency",
    Limit.WORKERS: "the workers that are alive",
    Limit.CRAWL_DELAY: "the pause that the shop's robots.txt wants",
    Limit.HOURS: "the storefront's hours",
    Limit.DAILY_CAP: "the storefront's pages a day",
}


@pages.get("")
@pages.requires("jobs:read")
def index() -> Any:
    """List jobs, by the filters of the address, the newest first."""
    lane = INTERACTIVE if request.args.get("lane") == INTERACTIVE else BATCH
    which = {"state": _chosen(JobState, "state"), "storefront": text_argument("storefront"), "lane": lane}
    page = list_jobs(**which, schedule_id=None, limit=50, cursor=request.args.get("cursor"))
    shown = {"badges": badges.JOBS, "spoken": spoken, "is_live": any(job.state in OPEN for job in page.items)}
    return render_template("rpa/jobs.html", page=page, lane=lane, **shown)


@pages.get("/<int:job_id>")
@pages.requires("jobs:read")
def show(job_id: int) -> Any:
    """Show how far a job is, what limits it, and its tasks by the filters of the address."""
    which = {"state": _chosen(TaskState, "state"), "code": _chosen(Code, "code")}
    tasks = list_tasks(job_id, **which, limit=50, cursor=request.args.get("cursor"))
    job = get_progress(job_id)
    moves = {"allowed": allowed(JobState(job.state)), "is_live": job.state in OPEN}
    ends = {"outcomes": outcomes(job), "codes": count_codes(job_id), "rules": RULES, "limits": _LIMITS}
    words = {"job_badges": badges.JOBS, "badges": badges.TASKS, "spoken": spoken}
    return render_template("rpa/job.html", job=job, page=tasks, **moves, **ends, **words)


@pages.post("/<int:job_id>/pause")
@pages.requires("jobs:write")
def pause(job_id: int) -> Any:
    """Let nothing more of a job start."""
    return _move(controlling.pause_job, job_id, "Nothing more of the job starts until it is resumed.")


@pages.post("/<int:job_id>/resume")
@pages.requires("jobs:write")
def resume(job_id: int) -> Any:
    """Let a paused job go on."""
    return _move(controlling.resume_job, job_id, "The job goes on.")


@pages.post("/<int:job_id>/cancel")
@pages.requires("jobs:write")
def cancel(job_id: int) -> Any:
    """Stop a job for good."""
    return _move(controlling.cancel_job, job_id, "The job is being cancelled; what runs stops within seconds.")


@pages.post("/<int:job_id>/retry")
@pages.requires("jobs:write")
def retry(job_id: int) -> Any:
    """Submit a new job of what failed of an ended one."""
    made = list[Job]()
    with flash_outcome("This is a new job of what failed."):
        made.append(repeating.retry_job(actor=current_principal(), job_id=job_id))
    return redirect(url_for("job_pages.show", job_id=made[0].id if made else job_id))


def _move(move: Callable[..., Job], job_id: int, done: str) -> Any:
    with flash_outcome(done):
        move(actor=current_principal(), job_id=job_id)
    return redirect(url_for("job_pages.show", job_id=job_id))


def _chosen(words: type[StrEnum], name: str) -> str | None:
    """A filter of the address, None where it is none of these words."""
    asked = request.args.get(name)
    return asked if asked in set(words) else None
