"""What must hold in every state and of every step of the task protocol, whatever comes in between."""

from __future__ import annotations

from typing import Final

from app.rpa.models.jobs import ENDS, JobState, TaskState
from app.rpa.rules.job_moves import MOVES, OPEN, WORKS, Move
from tests.model.effects import COUNTERS, Label
from tests.model.state import Age, Bounds, Does, State, Task

_BY: Final = {
    "prepare": {Move.PREPARED},
    "release_write": {Move.START},
    "pause": {Move.PAUSE},
    "resume": {Move.RESUME},
    "cancel": {Move.CANCEL},
    "finish_jobs": {Move.FINISH, Move.PREPARED},
}
"""Which moves of a job a step may make."""


def wrong_state(bounds: Bounds, state: State) -> str | None:
    """Which rule this state breaks, in words; None where all hold."""
    return _wrong_tasks(bounds, state) or _wrong_starts(bounds, state) or _wrong_jobs(bounds, state)


def wrong_step(bounds: Bounds, before: State, label: Label, after: State) -> str | None:
    """Which rule this step breaks, in words; None where all hold."""
    return (
        _wrong_moves(before, label, after)
        or _wrong_changes(bounds, before, after)
        or _wrong_claim(bounds, before, label, after)
        or _wrong_writer(before, label, after)
    )


def _wrong_tasks(bounds: Bounds, state: State) -> str | None:
    leased = [at for at, task in zip(bounds.job_of, state.tasks, strict=True) if task.state is TaskState.LEASED]
    if len(leased) > bounds.shop:
        return "more leases than the storefront's concurrency"
    for at, (_, concurrency) in enumerate(bounds.jobs):
        if concurrency is not None and leased.count(at) > concurrency:
            return "more leases than the job's concurrency"
    holders = [one.at for one in state.workers if one.does is Does.VISIT and one.age is Age.NOW]
    found = (_wrong_task(bounds, task, holders.count(at)) for at, task in enumerate(state.tasks))
    return next((wrong for wrong in found if wrong), None)


def _wrong_task(bounds: Bounds, task: Task, holders: int) -> str | None:
    is_leased = task.state is TaskState.LEASED
    if holders > is_leased:
        return "a lease is held that is not the task's"
    if task.ends != (task.state in ENDS) or task.observations != (task.state is TaskState.SUCCEEDED):
        return "an end or its observation is not recorded once"
    if task.open_attempts != is_leased:
        return "not just the attempt that runs is open"
    if task.attempts > bounds.attempts or task.losses > bounds.losses + 1:
        return "more tries than the budget has"
    if task.spared > 1 or task.seconds > 1:
        return "a loss was not counted, or a product sent to a second visit, twice"
    return None


def _wrong_starts(bounds: Bounds, state: State) -> str | None:
    for at, task in zip(bounds.job_of, state.tasks, strict=True):
        if task.state is TaskState.LEASED and not state.jobs[at].has_started:
            return "a task runs of a job that has not started"
    return None


def _wrong_jobs(bounds: Bounds, state: State) -> str | None:
    for at, (job, (total, _)) in enumerate(zip(state.jobs, bounds.jobs, strict=True)):
        tasks = [task.state for of, task in zip(bounds.job_of, state.tasks, strict=True) if of == at and task.state]
        counts = {end: getattr(job, name) for end, name in COUNTERS.items()}
        ended = {end: tasks.count(end) for end in counts}
        written_off = job.prepared - len(tasks)
        if job.prepared > total or job.current > total:
            return "more tasks are made or counted than were accepted"
        if job.current != sum(counts.values()) or any(counts[end] < ended[end] for end in ended):
            return "the counters do not add up"
        if sum(counts.values()) - sum(ended.values()) != written_off:
            return "the counters are not the ended tasks"
        if job.state not in OPEN and (job.current != total or sum(ended.values()) != len(tasks)):
            return "a job has ended and a task of it has not"
        if job.state is JobState.COMPLETED and job.failed + job.skipped:
            return "a job with errors ended as one without"
    return None


def _wrong_moves(before: State, label: Label, after: State) -> str | None:
    moves = _BY.get(str(label[1] if label[0] == "write" else label[0]), set())
    for old, new in zip(before.jobs, after.jobs, strict=True):
        reached = {old.state}
        for _ in moves:
            reached |= {to for state in reached for move in moves for to in MOVES[state].get(move, ())}
        if new.state not in reached:
            return f"a job went from {old.state} to {new.state} by {label[0]}"
    return None


def _wrong_changes(bounds: Bounds, before: State, after: State) -> str | None:
    for of, (old, new) in enumerate(zip(before.tasks, after.tasks, strict=True)):
        job = before.jobs[bounds.job_of[of]]
        if old.state in ENDS and new != old:
            return "an ended task was changed"
        if new.state is old.state:
            continue
        if new.state is TaskState.CANCELLED and job.state is not JobState.CANCELLING:
            return "a task was cancelled whose job is not"
        if new.state is TaskState.SKIPPED and not job.is_overdue:
            return "a task was skipped before the deadline"
        if old.state is TaskState.LEASED and new.state is TaskState.QUEUED:
            return "a leased task was released"
    for job, then in zip(before.jobs, after.jobs, strict=True):
        is_over = job.is_overdue or job.state is JobState.CANCELLING
        made = sum(task.state is not None for task in after.tasks) - sum(
            task.state is not None for task in before.tasks
        )
        if then.prepared > job.prepared and not made and not is_over:
            return "tasks were written off that could still be made"
    return None


def _wrong_claim(bounds: Bounds, before: State, label: Label, after: State) -> str | None:
    if label[0] == "claim_look":
        at, of = int(label[1]), int(label[2])
        job = before.jobs[bounds.job_of[of]]
        if after.workers[at].does is Does.START and (job.state not in WORKS or job.is_overdue):
            return "a task starts of a job that is paused, cancelled or over"
        if after.workers[at].does is Does.START and before.is_shut:
            return "a task starts of a storefront that may not be visited now"
    if label[0] == "claim_write":
        at, of = int(label[1]), int(label[2])
        age, task = before.workers[at].age, before.tasks[of]
        is_again = age is Age.USED or (age is Age.NOW and task.is_used)
        if after.workers[at].does is Does.VISIT and is_again:
            return "two attempts have one release number"
    return None


def _wrong_writer(before: State, label: Label, after: State) -> str | None:
    if label[0] in {"renew", "finish"} and before.workers[int(label[1])].age is not Age.NOW:
        of = int(label[2])
        if before.tasks[of] != after.tasks[of]:
            return "a task was changed by who has lost it"
    if label[0] == "reap_write":
        of = int(label[2])
        if before.tasks[of] != after.tasks[of] and not before.tasks[of].is_late:
            return "a lease was taken away before it ran out"
    return None
