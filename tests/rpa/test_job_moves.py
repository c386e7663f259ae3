"""Which state of a job follows which, every pair of state and wish."""

from __future__ import annotations

import pytest

from app.core.errors import Conflict
from app.rpa.errors import JobFinished, JobMoveRefused
from app.rpa.models.jobs import JobState
from app.rpa.rules.job_moves import COMPLETES, LIVES, MOVES, OPEN, WORKS, Move, allowed, ask

S = JobState
EXPECTED: dict[tuple[JobState, Move], JobState | type[Conflict]] = {
    (S.PREPARING, Move.PAUSE): S.PAUSED,
    (S.PREPARING, Move.RESUME): S.PREPARING,
    (S.PREPARING, Move.CANCEL): S.CANCELLING,
    (S.QUEUED, Move.PAUSE): S.PAUSED,
    (S.QUEUED, Move.RESUME): S.QUEUED,
    (S.QUEUED, Move.CANCEL): S.CANCELLING,
    (S.RUNNING, Move.PAUSE): S.PAUSED,
    (S.RUNNING, Move.RESUME): S.RUNNING,
    (S.RUNNING, Move.CANCEL): S.CANCELLING,
    (S.PAUSED, Move.PAUSE): S.PAUSED,
    (S.PAUSED, Move.RESUME): S.RUNNING,
    (S.PAUSED, Move.CANCEL): S.CANCELLING,
    (S.CANCELLING, Move.PAUSE): JobMoveRefused,
    (S.CANCELLING, Move.RESUME): JobMoveRefused,
    (S.CANCELLING, Move.CANCEL): S.CANCELLING,
    **{
        (state, move): JobFinished
        for state in (S.CANCELLED, S.COMPLETED, S.COMPLETED_WITH_ERRORS)
        for move in (Move.PAUSE, Move.RESUME, Move.CANCEL)
    },
}


@pytest.mark.parametrize("state", list(JobState))
@pytest.mark.parametrize("move", [Move.PAUSE, Move.RESUME, Move.CANCEL])
def test_a_wish_leads_to_one_state_or_is_refused(state: JobState, move: Move) -> None:
    expected = EXPECTED[state, move]
    if isinstance(expected, JobState):
        assert ask(state, move, has_tasks=True, has_started=True) is expected
        return
    with pytest.raises(expected, match=state.value):
        ask(state, move, has_tasks=True, has_started=True)


def test_a_resumed_job_goes_on_where_it_was() -> None:
    assert ask(S.PAUSED, Move.RESUME, has_tasks=False, has_started=False) is S.PREPARING
    assert ask(S.PAUSED, Move.RESUME, has_tasks=True, has_started=False) is S.QUEUED
    assert ask(S.PAUSED, Move.RESUME, has_tasks=True, has_started=True) is S.RUNNING


def test_a_refusal_names_the_state_and_what_is_allowed() -> None:
    with pytest.raises(JobMoveRefused, match="CANCELLING cannot pause") as refused:
        ask(S.CANCELLING, Move.PAUSE, has_tasks=True, has_started=True)
    assert refused.value.facts == {"state": "CANCELLING", "allowed": []}
    assert allowed(S.PAUSED) == (Move.RESUME, Move.CANCEL)
    assert allowed(S.RUNNING) == (Move.PAUSE, Move.CANCEL)


def test_the_table_has_every_state_and_no_end_is_left() -> None:
    assert set(MOVES) == set(JobState)
    assert set(OPEN) == {S.PREPARING, S.QUEUED, S.RUNNING, S.PAUSED, S.CANCELLING}
    assert set(WORKS) == {S.QUEUED, S.RUNNING}
    assert set(LIVES) == {S.PREPARING, S.QUEUED, S.RUNNING, S.PAUSED}
    assert set(COMPLETES) == {S.QUEUED, S.RUNNING, S.PAUSED}
