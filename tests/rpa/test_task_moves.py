"""Every change of a task's state does nothing unless the task is as it was looked at: each guard by itself."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.core.extensions import db
from app.core.orm import utc_now
from app.core.transactions import in_transaction
from app.rpa.models.jobs import Task, TaskState
from app.rpa.rules.codes import Code
from app.rpa.services import task_moves
from tests.rpa.conftest import ASINS, FarmDriver

S = TaskState
NOW = utc_now().replace(microsecond=0)
RELEASE, TOKEN = 3, "a" * 32
Deed = Callable[[Session, int, int], Any]
"""Something done to a task (by its id) of a job."""


def release(of: TaskState, number: int = RELEASE) -> Deed:
    return lambda session, task_id, _: task_moves.release(session, [task_id], number, of, NOW)


def claim(number: int = RELEASE) -> Deed:
    about: dict[str, Any] = {"token": "b" * 32, "until": NOW, "worker_id": None}
    return lambda session, task_id, _: task_moves.claim(session, task_id, number, **about)


def give_back(number: int = RELEASE) -> Deed:
    return lambda session, task_id, _: task_moves.give_back(session, task_id, number, NOW)


def renew(token: str = TOKEN) -> Deed:
    return lambda session, task_id, _: task_moves.renew(session, task_id, token, NOW)


def settle(token: str = TOKEN, expired_at: datetime | None = None) -> Deed:
    return lambda session, task_id, _: task_moves.settle(
        session, task_id, token, expired_at=expired_at, state=S.SUCCEEDED
    )


def withdraw(session: Session, _: int, job_id: int) -> Any:
    return task_moves.withdraw(session, job_id, 10)


def end(session: Session, _: int, job_id: int) -> Any:
    return task_moves.end(session, job_id, S.CANCELLED, Code.CANCELLED, NOW, 10)


@in_transaction
def do(*, deed: Deed, task_id: int, job_id: int) -> Any:
    return deed(db.session(), task_id, job_id)


@pytest.fixture
def made(farm: FarmDriver) -> tuple[int, int]:
    """The ids of a task and its job."""
    job = farm.submit([ASINS[0]])
    return farm.task_ids(job)[0], job.id


def put(task_id: int, state: TaskState) -> None:
    """Put a task into a state, with a lease where that has one."""
    leased = {"lease_token": TOKEN, "leased_until": NOW} if state is S.LEASED else {}
    values = {"state": state, "release_no": RELEASE, "lease_token": None, "leased_until": None} | leased
    db.session.execute(update(Task).where(Task.id == task_id).values(values))
    db.session.commit()


def row(task_id: int) -> dict[str, Any]:
    db.session.rollback()
    return dict(db.session.execute(select(Task.__table__).where(Task.id == task_id)).mappings().one())


MOVES: dict[str, tuple[Deed, set[TaskState], TaskState]] = {
    "release": (release(S.READY), {S.READY}, S.QUEUED),
    "release again": (release(S.QUEUED), {S.QUEUED}, S.QUEUED),
    "claim": (claim(), {S.QUEUED}, S.LEASED),
    "give back": (give_back(), {S.QUEUED}, S.READY),
    "withdraw": (withdraw, {S.QUEUED}, S.READY),
    "end": (end, {S.READY, S.QUEUED}, S.CANCELLED),
    "renew": (renew(), {S.LEASED}, S.LEASED),
    "settle": (settle(), {S.LEASED}, S.SUCCEEDED),
    "settle what ran out": (settle(expired_at=NOW + timedelta(seconds=1)), {S.LEASED}, S.SUCCEEDED),
}


@pytest.mark.parametrize("name", MOVES)
def test_a_move_is_made_from_its_own_states_and_from_no_other(made: tuple[int, int], name: str) -> None:
    task_id, job_id = made
    deed, sources, target = MOVES[name]
    for state in TaskState:
        put(task_id, state)
        before = row(task_id)
        done = do(deed=deed, task_id=task_id, job_id=job_id)
        if state in sources:
            assert done, state
            assert row(task_id)["state"] == target
        else:
            assert not done, state
            assert row(task_id) == before


@pytest.mark.parametrize(
    ("state", "deed"),
    [
        (S.READY, release(S.READY, RELEASE - 1)),
        (S.READY, release(S.READY, RELEASE + 1)),
        (S.QUEUED, release(S.QUEUED, RELEASE - 1)),
        (S.QUEUED, claim(RELEASE - 1)),
        (S.QUEUED, claim(RELEASE + 1)),
        (S.QUEUED, give_back(RELEASE - 1)),
        (S.LEASED, renew("c" * 32)),
        (S.LEASED, settle("c" * 32)),
        (S.LEASED, settle(expired_at=NOW)),
    ],
)
def test_who_has_another_release_or_lease_or_is_too_early_changes_nothing(
    made: tuple[int, int], state: TaskState, deed: Deed
) -> None:
    task_id, job_id = made
    put(task_id, state)
    before = row(task_id)
    assert not do(deed=deed, task_id=task_id, job_id=job_id)
    assert row(task_id) == before


def test_what_is_released_gets_the_next_number_and_a_settled_lease_is_gone(made: tuple[int, int]) -> None:
    task_id, job_id = made
    put(task_id, S.READY)
    assert do(deed=release(S.READY), task_id=task_id, job_id=job_id) == [task_id]
    assert row(task_id)["release_no"] == RELEASE + 1
    put(task_id, S.LEASED)
    do(deed=settle(), task_id=task_id, job_id=job_id)
    assert (row(task_id)["lease_token"], row(task_id)["leased_until"]) == (None, None)


def test_of_several_only_those_are_released_that_are_as_they_should(farm: FarmDriver) -> None:
    ids = farm.task_ids(farm.submit())
    for task_id, state in zip(ids, (S.READY, S.QUEUED, S.READY, S.LEASED, S.CANCELLED), strict=True):
        put(task_id, state)
    deed: Deed = lambda session, _, __: task_moves.release(session, ids, RELEASE, S.READY, NOW)  # noqa: E731
    assert sorted(do(deed=deed, task_id=0, job_id=0)) == [ids[0], ids[2]]


def test_the_tasks_of_another_job_are_neither_withdrawn_nor_ended(farm: FarmDriver, made: tuple[int, int]) -> None:
    task_id, job_id = made
    (other,) = farm.task_ids(farm.submit([ASINS[1]]))
    for deed, state in ((withdraw, S.READY), (end, S.CANCELLED)):
        put(task_id, S.QUEUED)
        put(other, S.QUEUED)
        assert do(deed=deed, task_id=task_id, job_id=job_id) == 1
        assert (row(task_id)["state"], row(other)["state"]) == (state, S.QUEUED)
