"""The steps of a dispatcher: what it reads outside of a transaction and what it then writes are two steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from app.rpa.models.jobs import JobState, TaskState
from app.rpa.rules.codes import Code
from app.rpa.rules.job_moves import COMPLETES, LIVES, OPEN, WORKS
from tests.model.effects import (
    Following,
    World,
    counted,
    end_task,
    is_queued,
    set_job,
    set_task,
    settle,
    tasks_of,
)
from tests.model.state import IDLE, Actor, Age, Does, Job, Message, State, Task, put, renumber

NOT_STARTED: Final = (TaskState.READY, TaskState.QUEUED)


def release_look(world: World, state: State) -> Following:
    """A dispatcher reads that a task of a job that works is READY."""
    works = _works if world.has("release only of a job that works") else _is_open
    return _looks(world, state, Does.RELEASE, lambda task, job: task.state is TaskState.READY and works(job))


def again_look(world: World, state: State) -> Following:
    """A dispatcher reads that a task is QUEUED, and Redis says that its message is gone."""
    for label, after in _looks(world, state, Does.AGAIN, lambda task, job: is_queued(task) and job.state in WORKS):
        is_lost = Message(int(label[2]), Age.NOW) not in state.messages
        if is_lost or not world.has("release again only what has no message"):
            yield label, after


def reap_look(world: World, state: State) -> Following:
    """A dispatcher reads that a lease has run out."""
    return _looks(world, state, Does.REAP, lambda task, _: task.state is TaskState.LEASED and task.is_late)


def release_write(world: World, state: State) -> Following:
    """It releases the task if that is as it was."""
    return _releases(world, state, Does.RELEASE, TaskState.READY)


def again_write(world: World, state: State) -> Following:
    """It releases the task once more if that is as it was."""
    return _releases(world, state, Does.AGAIN, TaskState.QUEUED)


def reap_write(world: World, state: State) -> Following:
    """It takes the task back if the lease is the one that it read of and has still run out."""
    for at, (does, of, age, _) in enumerate(state.dispatchers):
        if does is not Does.REAP:
            continue
        task, after = state.tasks[of], _rests(state, at)
        is_same = age is Age.NOW or not world.has("reap the lease that was looked at")
        is_over = task.is_late or not world.has("reap only what has run out")
        if task.state is TaskState.LEASED and is_same and is_over:
            after = settle(world, after, of, Code.WORKER_LOST, by=age)
        yield ("reap_write", at, of), after


def end_look(world: World, state: State) -> Following:
    """A dispatcher reads that a job is cancelled or past its deadline."""
    for at in _free(state):
        for of, job in enumerate(state.jobs):
            how = _over(job)
            if how is not None:
                yield ("end_look", at, of, how), _begins(state, at, Actor(Does.END, of, end=how))


def end_write(world: World, state: State) -> Following:
    """It ends all tasks of the job that have not started."""
    for at, (does, of, _, how) in enumerate(state.dispatchers):
        if does is not Does.END:
            continue
        after = _rests(state, at)
        is_over = _over(state.jobs[of]) == how or not world.has("end only what is still over")
        for task_id in tasks_of(world, of) if is_over else ():
            task = state.tasks[task_id]
            if task.state in NOT_STARTED or (task.state and not world.has("end only what has not started")):
                after = end_task(after, of, task_id, task, TaskState(how))
        yield ("end_write", at, of, how), after


def withdraw_look(world: World, state: State) -> Following:
    """A dispatcher reads that a job is paused."""
    for at in _free(state):
        for of, job in enumerate(state.jobs):
            if job.state is JobState.PAUSED or (_is_open(job) and not world.has("withdraw only from a paused job")):
                yield ("withdraw_look", at, of), _begins(state, at, Actor(Does.WITHDRAW, of))


def withdraw_write(world: World, state: State) -> Following:
    """It takes back what was released of the job."""
    for at, (does, of, _, _) in enumerate(state.dispatchers):
        if does is not Does.WITHDRAW:
            continue
        after = _rests(state, at)
        for task_id in tasks_of(world, of):
            task = state.tasks[task_id]
            if is_queued(task) or (task.state and not world.has("withdraw only what is QUEUED")):
                after = set_task(after, task_id, task._replace(state=TaskState.READY))
        yield ("withdraw_write", at, of), after


def finish_jobs(world: World, state: State) -> Following:
    """A dispatcher writes off what will not be made any more and ends the jobs that are through."""
    jobs = tuple(_through(world, at, _written_off(world, at, job)) for at, job in enumerate(state.jobs))
    if jobs != state.jobs:
        yield ("finish_jobs",), state._replace(jobs=jobs)


def _looks(world: World, state: State, does: Does, meant: Callable[[Task, Job], bool]) -> Following:
    for at in _free(state):
        for of, task in enumerate(state.tasks):
            if meant(task, state.jobs[world.bounds.job_of[of]]):
                yield (f"{does}_look", at, of), _begins(state, at, Actor(does, of))


def _releases(world: World, state: State, does: Does, of_state: TaskState) -> Following:
    for at, actor in enumerate(state.dispatchers):
        if actor.does is not does:
            continue
        of, after = actor.at, _rests(state, at)
        is_there = state.tasks[of].state is of_state or not world.has("release only what is as it was looked at")
        if is_there and (actor.age is Age.NOW or not world.has("release by the number that was looked at")):
            if actor.age is Age.NOW and world.has("every release has a number of its own"):
                after = renumber(after, of)  # an old look writes one more than an old number: the present one again
            after = set_task(after, of, after.tasks[of]._replace(state=TaskState.QUEUED))
            after = after._replace(messages=(*after.messages, Message(of, Age.NOW)))
            after = _started(world, after, world.bounds.job_of[of]) if does is Does.RELEASE else after
        yield (f"{does}_write", at, of), after


def _started(world: World, state: State, at: int) -> State:
    job = state.jobs[at]
    is_first = job.state is JobState.QUEUED or not world.has("a job starts only where it is QUEUED")
    if not is_first and not world.has("what is released has started"):
        return state
    return set_job(state, at, job._replace(state=JobState.RUNNING if is_first else job.state, has_started=True))


def _over(job: Job) -> TaskState | None:
    if job.state is JobState.CANCELLING:
        return TaskState.CANCELLED
    return TaskState.SKIPPED if job.state in LIVES and job.is_overdue else None


def _written_off(world: World, at: int, job: Job) -> Job:
    gap = world.bounds.jobs[at][0] - job.prepared
    end = _over(job) if world.has("write off only what is over") else _over(job) or TaskState.SKIPPED
    if end is None or gap <= 0 or job.state not in OPEN:
        return job
    job = counted(job, end, gap)._replace(prepared=job.prepared + gap)
    is_prepared = job.state is JobState.PREPARING and world.has("what is written off is prepared")
    return job._replace(state=JobState.QUEUED) if is_prepared else job


def _through(world: World, at: int, job: Job) -> Job:
    if job.current != world.bounds.jobs[at][0] and world.has("a job ends when all its tasks have"):
        return job
    if job.state is JobState.CANCELLING and world.has("a job ends as its state says"):
        return job._replace(state=JobState.CANCELLED)
    if job.state in COMPLETES or not world.has("a job ends as its state says"):
        has_errors = job.failed + job.skipped > 0
        return job._replace(state=JobState.COMPLETED_WITH_ERRORS if has_errors else JobState.COMPLETED)
    return job


def _works(job: Job) -> bool:
    return job.state in WORKS and not job.is_overdue


def _is_open(job: Job) -> bool:
    return job.state in OPEN


def _free(state: State) -> list[int]:
    return [at for at, actor in enumerate(state.dispatchers) if actor.does is Does.NOTHING]


def _begins(state: State, at: int, actor: Actor) -> State:
    return state._replace(dispatchers=put(state.dispatchers, at, actor))


def _rests(state: State, at: int) -> State:
    return _begins(state, at, IDLE)
