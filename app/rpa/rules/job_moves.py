"""Which state of a job follows which, and by what: the one table that services, reads and answers go by."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from app.rpa.errors import JobFinished, JobMoveRefused
from app.rpa.models.jobs import JobState

_S = JobState


class Move(StrEnum):
    """What takes a job from one state to another."""

    PREPARED = "prepared"
    """Its first tasks exist; further ones may still be made."""
    START = "start"
    """The first of its tasks was released."""
    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"
    FINISH = "finish"
    """Its last task has ended."""


MOVES: Final[dict[JobState, dict[Move, frozenset[JobState]]]] = {
    _S.PREPARING: {
        Move.PREPARED: frozenset({_S.QUEUED}),
        Move.PAUSE: frozenset({_S.PAUSED}),
        Move.CANCEL: frozenset({_S.CANCELLING}),
    },
    _S.QUEUED: {
        Move.START: frozenset({_S.RUNNING}),
        Move.PAUSE: frozenset({_S.PAUSED}),
        Move.CANCEL: frozenset({_S.CANCELLING}),
        Move.FINISH: frozenset({_S.COMPLETED, _S.COMPLETED_WITH_ERRORS}),
    },
    _S.RUNNING: {
        Move.PAUSE: frozenset({_S.PAUSED}),
        Move.CANCEL: frozenset({_S.CANCELLING}),
        Move.FINISH: frozenset({_S.COMPLETED, _S.COMPLETED_WITH_ERRORS}),
    },
    _S.PAUSED: {
        Move.RESUME: frozenset({_S.PREPARING, _S.QUEUED, _S.RUNNING}),
        Move.CANCEL: frozenset({_S.CANCELLING}),
        Move.FINISH: frozenset({_S.COMPLETED, _S.COMPLETED_WITH_ERRORS}),
    },
    _S.CANCELLING: {Move.FINISH: frozenset({_S.CANCELLED})},
    _S.CANCELLED: {},
    _S.COMPLETED: {},
    _S.COMPLETED_WITH_ERRORS: {},
}
"""While PAUSED a job is prepared on, what runs is recorded, its deadline passes, and it may come to its end."""

OPEN: Final = tuple(state for state, moves in MOVES.items() if moves)
WORKS: Final = (_S.QUEUED, _S.RUNNING)
"""Only of these is anything released or claimed."""
LIVES: Final = (_S.PREPARING, *WORKS, _S.PAUSED)
"""Of these tasks are made, and skipped at the deadline."""
COMPLETES: Final = tuple(state for state, moves in MOVES.items() if _S.COMPLETED in moves.get(Move.FINISH, ()))

_ASKED: Final = (Move.PAUSE, Move.RESUME, Move.CANCEL)
_ALREADY: Final = {Move.PAUSE: (_S.PAUSED,), Move.RESUME: (_S.PREPARING, *WORKS), Move.CANCEL: (_S.CANCELLING,)}


def allowed(state: JobState) -> tuple[Move, ...]:
    """What somebody may ask of a job in this state and have it change."""
    return tuple(move for move in _ASKED if move in MOVES[state])


def ask(state: JobState, move: Move, *, has_tasks: bool, has_started: bool) -> JobState:
    """The state after a move that somebody asks for; the same one where it is there already.

    A job that is resumed goes on where it was: started, with tasks, or without. Raises JobFinished after its end,
    JobMoveRefused for a move that the table does not have.
    """
    if state not in OPEN:
        raise JobFinished(f"The job has ended ({state}); it can be cloned, and what failed of it retried.")
    if state in _ALREADY[move]:
        return state
    following = MOVES[state].get(move)
    if following is None:
        raise JobMoveRefused(state, move, allowed(state))
    if move is not Move.RESUME:
        (after,) = following
        return after
    return _S.RUNNING if has_started else _S.QUEUED if has_tasks else _S.PREPARING
