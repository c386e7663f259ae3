"""The page of one task: what was asked, what each visit saw, and its evidence."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from flask import render_template

from app.core.headers import allow_frames
from app.core.pages import PageBlueprint
from app.rpa.models.jobs import TaskState
from app.rpa.queries.evidence import list_evidence
from app.rpa.queries.tasks import get_task, newest_attempts
from app.rpa.rules.codes import RULES, Code
from app.rpa.views import badges

pages = PageBlueprint("task_pages", __name__, url_prefix="/admin/tasks")


@pages.get("/<int:task_id>")
@pages.requires("jobs:read")
def show(task_id: int) -> Any:
    """Show a task with its newest attempts and what they saw."""
    task, evidence = get_task(task_id), list_evidence(task_id, limit=100, cursor=None).items
    kept = {attempt: list(rows) for attempt, rows in groupby(evidence, key=lambda row: row.attempt_id)}
    attempts = newest_attempts(task_id, limit=50)
    allow_frames()
    state = badges.TASKS[TaskState(task.state)]
    return render_template("rpa/task.html", task=task, attempts=attempts, kept=kept, state=state, advice=_advice)


def _advice(code: str) -> str:
    return RULES[Code(code)].advice
