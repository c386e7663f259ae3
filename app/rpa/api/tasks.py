"""The API of tasks."""

from __future__ import annotations

from typing import Any

from flask.views import MethodView

from app.core.api import ApiBlueprint
from app.rpa.queries.tasks import get_task
from app.rpa.schemas.tasks import TaskDetailSchema

blp = ApiBlueprint("tasks", __name__, description="The tasks of jobs, and what each visit saw")


@blp.route("/tasks/<int:task_id>")
class TaskDetail(MethodView):
    """One task."""

    @blp.requires("jobs:read")
    @blp.answers(200, TaskDetailSchema)
    def get(self, task_id: int) -> Any:
        """Get a task with its attempts and what each visit saw."""
        return get_task(task_id)
