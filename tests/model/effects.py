"""What the steps of the task protocol are made of: a world, and changes of its rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Final

from app.rpa.models.jobs import JobState, TaskState
from app.rpa.profiles.profile import RetryBudget
from app.rpa.rules import retrying
from app.rpa.rules.codes import Code
from tests.model.guards import GUARDS, SPARE
from tests.model.state import Actor, Age, Bounds, Job, Message, State, Task, end_lease, put

Label = tuple[str | int, ...]
"""A step's name and with what: who, which task or job, how."""
Following = Iterator[tuple[Label, State]]

LOSSES: Final = frozenset({Code.WORKER_LOST, Code.CHROME_CRASH})
"""Ends of attempts after which a task is visited alone."""
COUNTERS: Final = {
    TaskState.SUCCEEDED: "succeeded",
    TaskState.FAILED: "failed",
    TaskState.SKIPPED: "skipped",
    TaskState.CANCELLED: "cancelled",
}


@dataclass(frozen=True, slots=True)
class World:
    """Bounds, and which guards of the code are taken out."""

    bounds: Bounds
    missing: frozenset[str] = frozenset()

    def has(self, guard: str) -> bool:
        """Whether this guard stands."""
        return guard not in self.missing

    def __post_init__(self) -> None:
        """Refuse guards that nobody knows."""
        assert self.missing <= GUARDS.keys() | SPARE.keys()


def settle(world: World, state: State, of: int, code: Code | None, *, by: Age, how: str = "") -> State:
    """What ``outcomes`` writes of a task whose attempt has ended, by how old a token; ``how``: see ``worker.CODES``."""
    at, task = world.bounds.job_of[of], state.tasks[of]
    is_spared = how == "shared" and not (task.is_lost and world.has("what does not count happens once"))
    budget = (world.bounds.attempts, world.bounds.losses)
    end, attempts, losses = _decided(code, task.attempts, task.losses, not is_spared, *budget)
    bound = "losses are bounded" if code in LOSSES else "attempts are bounded"
    if end is TaskState.FAILED and not world.has(bound):
        end = TaskState.READY
    seconds = task.seconds
    if how == "doubtful" and (not seconds or not world.has("a product is visited a second time once")):
        end, attempts, losses, seconds = TaskState.READY, task.attempts, task.losses, seconds + 1
    is_cancelled = state.jobs[at].state is JobState.CANCELLING
    if end is TaskState.READY and is_cancelled and world.has("nothing goes back into a cancelled job"):
        end = TaskState.CANCELLED
    task = task._replace(is_late=False, attempts=attempts, losses=losses, seconds=seconds)
    task = task._replace(is_lost=task.is_lost or code in LOSSES, spared=task.spared + is_spared)
    task = task._replace(open_attempts=task.open_attempts - (by is Age.NOW))
    state = end_lease(state, of)
    return (
        set_task(state, of, task._replace(state=end)) if end is TaskState.READY else end_task(state, at, of, task, end)
    )


@cache
def _decided(code: Code | None, attempts: int, losses: int, counts: bool, *budget: int) -> tuple[TaskState, int, int]:
    spent = retrying.Spent(attempts, losses)
    after = retrying.decide(code, spent, RetryBudget(attempts=budget[0], losses=budget[1]), counts=counts)
    return after.state, after.spent.attempts, after.spent.losses


def end_task(state: State, job: int, of: int, task: Task, end: TaskState) -> State:
    """The task has come to an end, which is counted."""
    observations = task.observations + (end is TaskState.SUCCEEDED)
    ended = task._replace(state=end, ends=task.ends + 1, observations=observations)
    return count_end(set_task(state, of, ended), job, end)


def count_end(state: State, at: int, end: TaskState, by: int = 1) -> State:
    """A job counts ends of tasks."""
    return set_job(state, at, counted(state.jobs[at], end, by))


def counted(job: Job, end: TaskState, by: int) -> Job:
    """A job with so many more ends of this kind."""
    name = COUNTERS[end]
    return job._replace(**{"current": job.current + by, name: getattr(job, name) + by})


def tasks_of(world: World, at: int) -> list[int]:
    """The places of a job's tasks."""
    return [of for of, job in enumerate(world.bounds.job_of) if job == at]


def is_queued(task: Task) -> bool:
    """Whether the task is released and not claimed."""
    return task.state is TaskState.QUEUED


def set_worker(state: State, at: int, actor: Actor) -> State:
    """The worker does something else from now on."""
    return state._replace(workers=put(state.workers, at, actor))


def set_task(state: State, at: int, task: Task) -> State:
    """Another row in a task's place."""
    return state._replace(tasks=put(state.tasks, at, task))


def set_job(state: State, at: int, job: Job) -> State:
    """Another row in a job's place."""
    return state._replace(jobs=put(state.jobs, at, job))


def take_message(state: State, message: Message) -> State:
    """The message is no longer in the queue."""
    at = state.messages.index(message)
    return state._replace(messages=(*state.messages[:at], *state.messages[at + 1 :]))
