"""What the model of the task protocol knows of the world: rows, messages, and who is in the middle of what.

Release numbers and lease tokens are not kept as such but as their age, which is all that the protocol asks about. So
there are finitely many states although numbers grow for ever.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Any, Final, NamedTuple, TypeVar

from app.rpa.models.jobs import ENDS, JobState, TaskState
from app.rpa.rules.job_moves import OPEN

T = TypeVar("T")


class Age(IntEnum):
    """How a release number or lease token that somebody holds compares with the one in the task's row."""

    NOW = 0
    OLD = 1
    USED = 2
    """An old release number by which somebody got a lease: a second attempt of that number cannot be written."""


class Does(StrEnum):
    """What a worker or a dispatcher is in the middle of."""

    NOTHING = "nothing"
    MESSAGE = "message"
    """Has taken a message from the queue."""
    START = "start"
    """Has the storefront's lock and has found that the task may start."""
    BACK = "back"
    """Has the storefront's lock and has found that it may not."""
    VISIT = "visit"
    RELEASE = "release"
    AGAIN = "again"
    REAP = "reap"
    END = "end"
    WITHDRAW = "withdraw"


class Task(NamedTuple):
    """A task's row, and how often what must happen once has happened."""

    state: TaskState | None = None
    """None: not made yet."""
    is_late: bool = False
    """Its lease has run out."""
    attempts: int = 0
    losses: int = 0
    is_used: bool = False
    """An attempt has its release number."""
    open_attempts: int = 0
    ends: int = 0
    observations: int = 0
    seconds: int = 0
    """How often it was sent to a second visit."""
    is_lost: bool = False
    """A worker or a browser was lost with an attempt."""
    spared: int = 0
    """How many losses were not counted."""


class Job(NamedTuple):
    """A job's row."""

    state: JobState = JobState.PREPARING
    prepared: int = 0
    current: int = 0
    succeeded: int = 0
    failed: int = 0
    skipped: int = 0
    cancelled: int = 0
    has_started: bool = False
    is_overdue: bool = False


class Message(NamedTuple):
    """A message in the queue."""

    task: int
    age: Age


class Actor(NamedTuple):
    """A worker or a dispatcher: what it does, with which task (or job), by how old a number or token."""

    does: Does = Does.NOTHING
    at: int = 0
    age: Age = Age.NOW
    end: str = ""
    """As what it is about to end tasks."""


IDLE: Final = Actor()
_BY_NUMBER: Final = (Does.MESSAGE, Does.START, Does.BACK, Does.RELEASE, Does.AGAIN)
_BY_TOKEN: Final = (Does.VISIT, Does.REAP)


class State(NamedTuple):
    """All there is at an instant."""

    jobs: tuple[Job, ...]
    tasks: tuple[Task, ...]
    messages: tuple[Message, ...]
    workers: tuple[Actor, ...]
    dispatchers: tuple[Actor, ...]
    halfway: tuple[Any, ...] = ()
    """A transaction on a job that has looked and not written: only where the job's lock is taken out."""
    is_shut: bool = False
    """The storefront may not be visited now, for whatever reason of politeness."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How large a world is. Each job is how many tasks it has and its own concurrency, if any."""

    jobs: tuple[tuple[int, int | None], ...] = ((1, None),)
    shop: int = 1
    """The storefront's concurrency."""
    workers: int = 2
    dispatchers: int = 1
    attempts: int = 2
    losses: int = 1
    closes: bool = False
    """Whether there are times at which the storefront may not be visited."""
    shares: bool = False
    """Whether visits share browsers, so that the loss of one need not be the visit's fault."""
    without: frozenset[str] = frozenset()
    """Steps that do not happen in it."""

    @property
    def job_of(self) -> tuple[int, ...]:
        """The job of each task."""
        return tuple(at for at, (total, _) in enumerate(self.jobs) for _ in range(total))

    def beginning(self) -> State:
        """The jobs are accepted and nothing has happened yet."""
        nobody = (IDLE,)
        jobs, tasks = (Job(),) * len(self.jobs), (Task(),) * len(self.job_of)
        return State(jobs, tasks, (), nobody * self.workers, nobody * self.dispatchers)


def put(row: tuple[T, ...], at: int, value: T) -> tuple[T, ...]:
    """The row with another value at one place."""
    return (*row[:at], value, *row[at + 1 :])


def renumber(state: State, task: int) -> State:
    """The task gets its next release number; every other one that is around is old from now on."""
    age = Age.USED if state.tasks[task].is_used else Age.OLD
    messages = tuple(Message(task, age) if one == (task, Age.NOW) else one for one in state.messages)
    return _aged(state, task, _BY_NUMBER, age)._replace(
        messages=messages, tasks=put(state.tasks, task, state.tasks[task]._replace(is_used=False))
    )


def end_lease(state: State, task: int) -> State:
    """The task's lease token is replaced or taken away; whoever has it holds nothing from now on."""
    return _aged(state, task, _BY_TOKEN, Age.OLD)


def _aged(state: State, task: int, doing: tuple[Does, ...], age: Age) -> State:
    def older(actor: Actor) -> Actor:
        is_meant = actor.does in doing and actor.at == task and actor.age is Age.NOW
        return actor._replace(age=age) if is_meant else actor

    return state._replace(
        workers=tuple(older(one) for one in state.workers), dispatchers=tuple(older(one) for one in state.dispatchers)
    )


_ALL: Final = "all"
EVERYTHING: Final = frozenset({_ALL})
"""For ``tidy``: nobody is taken to do anything in vain."""


def tidy(state: State, missing: frozenset[str] = frozenset()) -> State:
    """One of the states that differ only in what makes no difference: who of equals is which, and who does in vain.

    Who has an old number or token, or one of a task that has moved on, can do nothing while the guards stand that stop
    him (they are not among ``missing``), and nothing brings his turn back; so he is as good as at rest.
    """
    workers = [IDLE if _is_in_vain(state, one, missing) else one for one in state.workers]
    dispatchers = [IDLE if _is_in_vain(state, one, missing) else one for one in state.dispatchers]
    messages = [
        one for one in state.messages if not _is_in_vain(state, Actor(Does.MESSAGE, one.task, one.age), missing)
    ]
    if missing:  # of old ones that could do harm, one of a kind is enough
        messages = [one for one in messages if one.age is Age.NOW] + [*{one for one in messages if one.age}]
    return state._replace(
        jobs=tuple(
            job if job.state in OPEN else job._replace(has_started=False, is_overdue=False) for job in state.jobs
        ),
        tasks=tuple(_tidy_task(task, missing) for task in state.tasks),
        messages=tuple(sorted(messages)),
        workers=tuple(sorted(workers)),
        dispatchers=tuple(sorted(dispatchers)),
    )


_NUMBERS: Final = frozenset(
    {
        "every release has a number of its own",
        "release by the number that was looked at",
        "claim by the present number",
    }
)
_IN_VAIN_BY_AGE: Final = {
    Does.MESSAGE: frozenset({"claim by the present number"}),
    Does.START: frozenset({"claim by the present number"}),
    Does.BACK: frozenset({"claim by the present number"}),
    Does.VISIT: frozenset(
        {"renew one's own lease", "finish by one's own lease", "record nothing of what was not settled"}
    ),
    Does.RELEASE: frozenset({"release by the number that was looked at"}),
    Does.AGAIN: frozenset({"release by the number that was looked at"}),
    Does.REAP: frozenset({"reap the lease that was looked at"}),
}
"""What stops whoever comes with an old number or token."""
_IN_VAIN_BY_STATE: Final = {
    Does.MESSAGE: (TaskState.QUEUED, _NUMBERS),
    Does.START: (TaskState.QUEUED, _NUMBERS | {"claim and give back what is QUEUED"}),
    Does.BACK: (TaskState.QUEUED, _NUMBERS | {"claim and give back what is QUEUED"}),
    Does.RELEASE: (TaskState.READY, _NUMBERS | {"release only what is as it was looked at"}),
    Does.AGAIN: (TaskState.QUEUED, _NUMBERS | {"release only what is as it was looked at"}),
}
"""In which state a task must be, and what stops whoever finds it in another one."""


def _is_in_vain(state: State, actor: Actor, missing: frozenset[str]) -> bool:
    does = actor.does
    if does is Does.NOTHING or _ALL in missing:
        return False
    if does is Does.END or does is Does.WITHDRAW:
        return state.jobs[actor.at].state not in OPEN and not missing
    if actor.age is not Age.NOW:
        return not _IN_VAIN_BY_AGE[does] & missing
    wanted, guards = _IN_VAIN_BY_STATE.get(does, (None, frozenset()))
    return wanted is not None and state.tasks[actor.at].state is not wanted and not guards & missing


def _tidy_task(task: Task, missing: frozenset[str]) -> Task:
    if task.state in ENDS:
        return task._replace(is_late=False, attempts=0, losses=0, is_used=False, seconds=0, is_lost=False, spared=0)
    if task.is_used and task.state is TaskState.READY and not missing:
        return task._replace(is_used=False)  # it gets another number before anybody claims it
    return task


def is_through(state: State) -> bool:
    """Whether every job has ended."""
    return all(job.state not in OPEN for job in state.jobs)
