"""Every state of a small world, breadth first: the shortest way to what is wrong, and whether all comes to an end."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from app.rpa.models.jobs import JobState
from app.rpa.rules.job_moves import OPEN
from tests.model.effects import Label, World
from tests.model.rules import wrong_state, wrong_step
from tests.model.state import State, is_through, tidy
from tests.model.steps import DISPATCHER, FATE, PEOPLE, following

_BAD: Final = {step.__name__ for step in (*PEOPLE, *FATE)} - {"resume", "open_shop"}
"""What nobody may count on to bring a job to its end; of the rest, everything happens at some time."""
_ALONE: Final = {*(step.__name__ for step in DISPATCHER), "expire"}
"""What goes on when no worker is left."""


@dataclass(slots=True)
class Explored:
    """What was found: how many states, and what is wrong with the way to it; None where nothing is."""

    states: int
    wrong: str | None = None
    way: list[Label] = field(default_factory=list)

    def __str__(self) -> str:
        """Describe it for who has to understand it."""
        lines = [f"{at}. {' '.join(map(str, label))}" for at, label in enumerate(self.way, start=1)]
        return "\n".join([f"{self.wrong or 'nothing is wrong'} ({self.states} states)", *lines])


class _Graph:
    """States by number, how each was first reached, and the steps back that may be counted on."""

    def __init__(self, first: State) -> None:
        self.number = {first: 0}
        self.states = [first]
        self.reached: list[tuple[int, Label]] = [(-1, ())]
        self.back: list[list[int]] = [[]]
        self.back_alone: list[list[int]] = [[]]

    def add(self, state: State, of: int, label: Label) -> bool:
        """Note a step; whether the state is new."""
        at = self.number.setdefault(state, len(self.states))
        is_new = at == len(self.states)
        if is_new:
            self.states.append(state)
            self.reached.append((of, label))
            self.back.append([])
            self.back_alone.append([])
        if label[0] not in _BAD:
            self.back[at].append(of)
        if label[0] in _ALONE:
            self.back_alone[at].append(of)
        return is_new

    def way(self, at: int) -> list[Label]:
        """The shortest way to a state."""
        labels: list[Label] = []
        while at > 0:
            at, label = self.reached[at]
            labels.append(label)
        return labels[::-1]


def explore(world: World, *, in_vain: frozenset[str] = frozenset()) -> Explored:
    """Look at every state that the world can come to; stops at the first that breaks a rule.

    At the end it asks of each whether all jobs can still end: by what can be counted on, and, where all are cancelled
    or past their deadline, with no worker left. With ``in_vain=EVERYTHING`` states are told apart by who does something
    in vain, too: that takes twenty times as long and must find the same.
    """
    missing = world.missing | in_vain
    graph = _Graph(tidy(world.bounds.beginning(), missing))
    waiting = deque([0])
    while waiting:
        of = waiting.popleft()
        state = graph.states[of]
        for label, after in following(world, state):
            wrong = wrong_step(world.bounds, state, label, after)
            is_new = graph.add(tidy(after, missing), of, label)
            if is_new:
                waiting.append(len(graph.states) - 1)
                wrong = wrong or wrong_state(world.bounds, after)
            if wrong:
                return Explored(len(graph.states), wrong, [*graph.way(of), label])
    return _stuck(graph) or Explored(len(graph.states))


def _stuck(graph: _Graph) -> Explored | None:
    ends = _leading(graph.back, graph.states)
    ends_alone = _leading(graph.back_alone, graph.states)
    for at, state in enumerate(graph.states):
        wrong = None
        if at not in ends:
            wrong = "the jobs never end from here"
        elif at not in ends_alone and _is_over(state):
            wrong = "jobs that are over do not end without a worker"
        if wrong:
            return Explored(len(graph.states), wrong, graph.way(at))
    return None


def _leading(back: list[list[int]], states: list[State]) -> set[int]:
    """The states from which steps lead to one where every job has ended."""
    found = {at for at, state in enumerate(states) if is_through(state)}
    waiting = list(found)
    while waiting:
        for before in back[waiting.pop()]:
            if before not in found:
                found.add(before)
                waiting.append(before)
    return found


def _is_over(state: State) -> bool:
    return all(job.state not in OPEN or job.is_overdue or job.state is JobState.CANCELLING for job in state.jobs)
