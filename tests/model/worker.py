"""The steps of a worker; one that stalls or has lost its lease goes on some time, not knowing."""

from __future__ import annotations

from typing import Final

from app.rpa.models.jobs import JobState, TaskState
from app.rpa.rules.codes import Code
from app.rpa.rules.job_moves import WORKS
from tests.model.effects import (
    Following,
    World,
    count_end,
    is_queued,
    set_task,
    set_worker,
    settle,
    take_message,
)
from tests.model.state import IDLE, Actor, Age, Does, State, Task, end_lease

CODES: Final = {
    "success": None,
    "doubtful": None,
    "failure": Code.NAV_TIMEOUT,
    "stopped": Code.CANCELLED,
    "shared": Code.CHROME_CRASH,
}
"""How a visit ends: well, with what is looked at twice, so that it may be tried again, as its job is cancelled, or with
the loss of a browser in which others had pages, too."""


def pick(_: World, state: State) -> Following:
    """A worker that has nothing to do takes a message."""
    for at, actor in enumerate(state.workers):
        if actor is IDLE or actor == IDLE:
            for message in dict.fromkeys(state.messages):
                taken = Actor(Does.MESSAGE, message.task, message.age)
                yield ("pick", at, *message), take_message(set_worker(state, at, taken), message)


def claim_look(world: World, state: State) -> Following:
    """It takes the storefront's lock and reads whether the task may start."""
    is_locked = any(actor.does in {Does.START, Does.BACK} for actor in state.workers)
    if is_locked and world.has("claims of a storefront wait for each other"):
        return
    for at, (does, of, age, _) in enumerate(state.workers):
        if does is not Does.MESSAGE:
            continue
        found = IDLE
        is_there = is_queued(state.tasks[of]) and (age is Age.NOW or not world.has("claim by the present number"))
        if is_there or not world.has("look before the claim"):
            found = Actor(Does.START if _may_start(world, state, of) else Does.BACK, of, age)
        yield ("claim_look", at, of), set_worker(state, at, found)


def claim_write(world: World, state: State) -> Following:
    """It leases the task or gives it back, if that is as it was, and lets go of the lock."""
    for at, (does, of, age, _) in enumerate(state.workers):
        if does not in {Does.START, Does.BACK}:
            continue
        task, after = state.tasks[of], set_worker(state, at, IDLE)
        is_there = is_queued(task) or not world.has("claim and give back what is QUEUED")
        if is_there and (age is Age.NOW or not world.has("claim by the present number")):
            after = set_task(after, of, task._replace(state=TaskState.READY))
            if does is Does.START:
                after = set_worker(_lease(after, of, task, age), at, Actor(Does.VISIT, of))
        yield ("claim_write", at, of, does), after


def renew(world: World, state: State) -> Following:
    """It prolongs its lease; one who has lost it breaks off."""
    for at, (does, of, age, _) in enumerate(state.workers):
        if does is not Does.VISIT:
            continue
        task, after = state.tasks[of], state
        if age is Age.NOW or (task.state is TaskState.LEASED and not world.has("renew one's own lease")):
            after = set_task(after, of, task._replace(is_late=False))
        else:
            after = set_worker(after, at, IDLE)
        if after != state:
            yield ("renew", at, of), after


def finish(world: World, state: State) -> Following:
    """It reports how its visit ended; nothing is recorded of a lease that is lost."""
    for at, (does, of, age, _) in enumerate(state.workers):
        if does is not Does.VISIT:
            continue
        is_cancelled = state.jobs[world.bounds.job_of[of]].state is JobState.CANCELLING
        for how, code in CODES.items():
            if (how == "stopped" and not is_cancelled) or (how == "shared" and not world.bounds.shares):
                continue
            if how in world.bounds.without:
                continue
            after = set_worker(state, at, IDLE)
            if age is Age.NOW or not world.has("finish by one's own lease"):
                after = settle(world, after, of, code, by=age, how=how)
            elif not world.has("record nothing of what was not settled") and code is None:
                after = count_end(after, world.bounds.job_of[of], TaskState.SUCCEEDED)
            yield ("finish", at, of, how), after


def _may_start(world: World, state: State, of: int) -> bool:
    at = world.bounds.job_of[of]
    job, concurrency = state.jobs[at], world.bounds.jobs[at][1]
    leased = [at_ for at_, task in zip(world.bounds.job_of, state.tasks, strict=True) if task.state is TaskState.LEASED]
    return not (
        (job.state not in WORKS and world.has("claim of a job that works"))
        or (job.is_overdue and world.has("claim before the deadline"))
        or (state.is_shut and world.has("claim only what may be visited now"))
        or (len(leased) >= world.bounds.shop and world.has("claim within the storefront's concurrency"))
        or (
            concurrency is not None
            and leased.count(at) >= concurrency
            and world.has("claim within the job's concurrency")
        )
    )


def _lease(state: State, of: int, task: Task, age: Age) -> State:
    leased = task._replace(
        state=TaskState.LEASED,
        is_late=False,
        is_used=task.is_used or age is Age.NOW,
        open_attempts=task.open_attempts + 1,
    )
    return set_task(end_lease(state, of), of, leased)
