"""What the database and the queue hold, in the model's words."""

from __future__ import annotations

from collections import Counter
from typing import Final

from sqlalchemy import select

from app.core.extensions import db
from app.core.orm import database_now
from app.core.queues import doorbell
from app.rpa.models.jobs import ENDS, Attempt, JobState, TaskState
from app.rpa.models.jobs import Job as JobRow
from app.rpa.models.jobs import Task as TaskRow
from app.rpa.models.observations import Observation
from tests.model.effects import LOSSES
from tests.model.state import Age, Bounds, Job, Message, Task

QUEUE: Final = "rq:queue:batch"
_OF_TASK: Final = (
    TaskRow.id,
    TaskRow.job_id,
    TaskRow.seq,
    TaskRow.state,
    TaskRow.release_no,
    TaskRow.lease_token,
    TaskRow.leased_until,
    TaskRow.not_before,
    TaskRow.attempt_count,
    TaskRow.loss_count,
    TaskRow.first_look,
)
_OF_JOB: Final = (
    JobRow.state,
    JobRow.prepared_count,
    JobRow.current_count,
    JobRow.succeeded_count,
    JobRow.failed_count,
    JobRow.skipped_count,
    JobRow.cancelled_count,
    JobRow.started_at,
    JobRow.deadline_at,
)


class Rows:
    """The rows of a walk's jobs as they were when ``read`` was last called."""

    def __init__(self, bounds: Bounds, jobs: list[int]) -> None:
        self._jobs = jobs
        job_of = bounds.job_of
        self._places = [(jobs[job], of - job_of.index(job) + 1) for of, job in enumerate(job_of)]
        self.read()

    def read(self) -> None:
        """Read everything afresh."""
        db.session.rollback()
        found = db.session.execute(select(*_OF_TASK).where(TaskRow.job_id.in_(self._jobs))).all()
        self.tasks = {self._places.index((row.job_id, row.seq)): row for row in found}
        self._at = {row.id: at for at, row in self.tasks.items()}
        self._attempts = db.session.execute(
            select(Attempt.task_id, Attempt.number, Attempt.ended_at, Attempt.code)
        ).all()
        self._numbers = {(row.task_id, row.number) for row in self._attempts}

    def task_id(self, of: int) -> int:
        """The id of the task that has this place in the model."""
        found: int = self.tasks[of].id
        return found

    def found(self) -> tuple[list[Job], list[Task], Counter[Message]]:
        """All that the model has in its state but who is in the middle of what."""
        messages = Counter(Message(self._at[task_id], self._age(task_id, number)) for task_id, number in queued())
        return self._found_jobs(), self._found_tasks(), messages

    def number(self, of: int, age: Age) -> int:
        """A release number of that age of which the queue has a message."""
        task_id = self.task_id(of)
        return next(number for id_, number in queued() if id_ == task_id and self._age(id_, number) is age)

    def _found_jobs(self) -> list[Job]:
        now = database_now(db.session())
        return [
            Job(
                JobState(row.state), *row[1:7], has_started=row.started_at is not None, is_overdue=row.deadline_at < now
            )
            for row in db.session.execute(select(*_OF_JOB).where(JobRow.id.in_(self._jobs)).order_by(JobRow.id))
        ]

    def _found_tasks(self) -> list[Task]:
        now = database_now(db.session())
        seen = Counter(db.session.scalars(select(Observation.task_id)))
        lost = Counter(row.task_id for row in self._attempts if row.code in LOSSES)
        is_open = Counter(row.task_id for row in self._attempts if row.ended_at is None)
        found = [Task()] * len(self._places)
        for at, row in self.tasks.items():
            found[at] = Task(
                state=TaskState(row.state),
                is_late=row.leased_until is not None and row.leased_until < now,
                attempts=row.attempt_count,
                losses=row.loss_count,
                is_used=(row.id, row.release_no) in self._numbers,
                open_attempts=is_open[row.id],
                ends=int(row.state in ENDS),
                observations=seen[row.id],
                seconds=int(row.first_look is not None),
                is_lost=lost[row.id] > 0,
                spared=lost[row.id] - row.loss_count,
            )
        return found

    def _age(self, task_id: int, number: int) -> Age:
        if number == self.tasks[self._at[task_id]].release_no:
            return Age.NOW
        return Age.USED if (task_id, number) in self._numbers else Age.OLD


def queued() -> list[tuple[int, int]]:
    """Task and release number of every message in the queue."""
    names = [_text(name).split("-") for name in doorbell().redis.lrange(QUEUE, 0, -1)]
    return [(int(task_id), int(number)) for _, task_id, number in names]


def _text(name: bytes | str) -> str:
    return name.decode() if isinstance(name, bytes) else name
