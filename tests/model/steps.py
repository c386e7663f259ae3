"""The steps of the task protocol, each as the transaction or the part of one that the code has for it.

What a dispatcher reads outside of a transaction and what it then writes are two steps; so are, because READ COMMITTED
lets others come in between, the reading and the writing of a claim and of a release. A step is a function from a world
and a state to the labels and states that may follow.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from app.core.errors import Refusal
from app.rpa.models.jobs import JobState, TaskState
from app.rpa.rules.job_moves import LIVES, OPEN, Move, ask
from tests.model import dispatcher, worker
from tests.model.effects import (
    Following,
    Label,
    World,
    set_job,
    set_task,
    set_worker,
    take_message,
)
from tests.model.state import IDLE, Age, Does, State, Task


def prepare(world: World, state: State) -> Following:
    """The next task of a job is made."""
    for at, (job, (total, _)) in enumerate(zip(state.jobs, world.bounds.jobs, strict=True)):
        is_rest = job.prepared < total or not world.has("make as many tasks as were accepted")
        lives = job.state in LIVES and not job.is_overdue
        if is_rest and (lives or not world.has("tasks are made of a job that lives")):
            yield from _under_lock(world, "tasks are made under the job's lock", state, ("prepare", at, job.prepared))


def pause(world: World, state: State) -> Following:
    """Somebody pauses a job."""
    return _moves(world, state, Move.PAUSE)


def resume(world: World, state: State) -> Following:
    """Somebody resumes a job."""
    return _moves(world, state, Move.RESUME)


def cancel(world: World, state: State) -> Following:
    """Somebody cancels a job."""
    return _moves(world, state, Move.CANCEL)


def extend(_: World, state: State) -> Following:
    """Somebody gives a job that is past its deadline a later one."""
    for at, job in enumerate(state.jobs):
        if job.state in LIVES and job.is_overdue:
            yield ("extend", at), set_job(state, at, job._replace(is_overdue=False))


def write(world: World, state: State) -> Following:
    """What read a job without its lock writes what it has made up its mind to."""
    if state.halfway:
        yield ("write", *state.halfway), _written(world, state._replace(halfway=()), state.halfway)


def expire(_: World, state: State) -> Following:
    """Time passes and a lease runs out; who has it need not know."""
    for at, task in enumerate(state.tasks):
        if task.state is TaskState.LEASED and not task.is_late:
            yield ("expire", at), set_task(state, at, task._replace(is_late=True))


def deadline(_: World, state: State) -> Following:
    """A job's deadline passes."""
    for at, job in enumerate(state.jobs):
        if job.state in OPEN and not job.is_overdue:
            yield ("deadline", at), set_job(state, at, job._replace(is_overdue=True))


def lose(_: World, state: State) -> Following:
    """A message is lost."""
    for message in dict.fromkeys(state.messages):
        yield ("lose", *message), take_message(state, message)


def duplicate(_: World, state: State) -> Following:
    """A message is doubled."""
    for message in dict.fromkeys(state.messages):
        if message.age is Age.NOW and state.messages.count(message) == 1:
            yield ("duplicate", *message), state._replace(messages=(*state.messages, message))


def die(_: World, state: State) -> Following:
    """A worker dies and another one begins in its place; its open transaction is rolled back."""
    for at, actor in enumerate(state.workers):
        if actor.does is not Does.NOTHING:
            yield ("die", at), set_worker(state, at, IDLE)


def close_shop(world: World, state: State) -> Following:
    """The storefront's hours end, its day's pages are used up, or it asks to wait or blocks."""
    if world.bounds.closes and not state.is_shut:
        yield ("close_shop",), state._replace(is_shut=True)


def open_shop(_: World, state: State) -> Following:
    """It may be visited again."""
    if state.is_shut:
        yield ("open_shop",), state._replace(is_shut=False)


DISPATCHER: Final[tuple[Callable[[World, State], Following], ...]] = (
    dispatcher.release_look, dispatcher.release_write, dispatcher.again_look, dispatcher.again_write,
    dispatcher.reap_look, dispatcher.reap_write, dispatcher.end_look, dispatcher.end_write,
    dispatcher.withdraw_look, dispatcher.withdraw_write, dispatcher.finish_jobs,
)  # fmt: skip
WORKER: Final = (worker.pick, worker.claim_look, worker.claim_write, worker.renew, worker.finish)
PEOPLE: Final = (pause, resume, cancel, extend)
FATE: Final = (deadline, lose, duplicate, die, close_shop, open_shop)
STEPS: Final = (*DISPATCHER, *WORKER, prepare, *PEOPLE, write, expire, *FATE)


def following(world: World, state: State) -> Following:
    """Every step that this state allows in this world, and what it leads to."""
    for step in STEPS:
        if step.__name__ not in world.bounds.without:
            yield from step(world, state)


def _moves(world: World, state: State, move: Move) -> Following:
    for at, job in enumerate(state.jobs):
        try:
            after = ask(job.state, move, has_tasks=job.prepared > 0, has_started=job.has_started)
        except Refusal:
            if world.has("moves are as the table has them"):
                continue
            after = {Move.PAUSE: JobState.PAUSED, Move.RESUME: JobState.RUNNING, Move.CANCEL: JobState.CANCELLING}[move]
        if after is not job.state:
            yield from _under_lock(world, "moves are made under the job's lock", state, (move.value, at, after))


def _under_lock(world: World, guard: str, state: State, decided: Label) -> Following:
    """One step where the job's lock is held from looking to writing, two where it is not."""
    if world.has(guard):
        yield decided, _written(world, state, decided)
    elif not state.halfway:
        yield ("look", *decided), state._replace(halfway=decided)


def _written(world: World, state: State, decided: Label) -> State:
    name, at, found = decided
    assert isinstance(at, int)
    job = state.jobs[at]
    if name != "prepare":
        return set_job(state, at, job._replace(state=JobState(str(found))))
    assert isinstance(found, int)
    of = world.bounds.job_of.index(at) + found
    is_first = job.state is JobState.PREPARING or not world.has("preparing changes no other state")
    job = job._replace(prepared=found + 1, state=JobState.QUEUED if is_first else job.state)
    if found >= world.bounds.jobs[at][0]:
        return set_job(state, at, job)
    if state.tasks[of].state is not None:
        return state  # the second task of that number is refused, and all of the transaction with it
    return set_job(set_task(state, of, Task(TaskState.READY)), at, job)
