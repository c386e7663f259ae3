"""Whose tasks are released next: smooth weighted turns between jobs, decided with plain values.

At every grant each job that could have it earns its weight in credit; the one with most gets it and pays what all have
earned (the rule of nginx's weighted round robin). So shares are as the weights, nobody waits for ever, equals
alternate, and who could not have anything saves nothing up meanwhile.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from app.rpa.models.jobs import Priority

WEIGHTS: Final = {Priority.LOW: 1, Priority.NORMAL: 3, Priority.HIGH: 9}
_REMEMBERED: Final = 10_000
_GRANTS: Final = 100
"""About how many grants a round is cut into, however much there is to grant."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A job that has a task that could be released now, and at most how many."""

    job_id: int
    storefront_id: int
    weight: int
    most: int


class Turns:
    """Remembers the credit of jobs from round to round; forgetting it costs nobody more than a turn."""

    def __init__(self) -> None:
        self._credit: Counter[int] = Counter()

    def share(self, candidates: Sequence[Candidate], slots: Mapping[int, int], room: int) -> dict[int, int]:
        """How many tasks each job may release, of ``room`` in all and ``slots`` per storefront.

        Of jobs with as much credit the first of ``candidates`` goes first.
        """
        self._forget(candidates)
        granted: Counter[int] = Counter()
        left = dict(slots)
        step = max(1, room // _GRANTS)
        while room > 0:
            waiting = [one for one in candidates if granted[one.job_id] < one.most and left[one.storefront_id] > 0]
            if not waiting:
                break
            first = self._next(waiting)
            count = min(step, room, first.most - granted[first.job_id], left[first.storefront_id])
            granted[first.job_id] += count
            left[first.storefront_id] -= count
            room -= count
        return dict(granted)

    def _next(self, waiting: Sequence[Candidate]) -> Candidate:
        for one in waiting:
            self._credit[one.job_id] += one.weight
        first = max(waiting, key=lambda one: self._credit[one.job_id])
        self._credit[first.job_id] -= sum(one.weight for one in waiting)
        return first

    def _forget(self, candidates: Sequence[Candidate]) -> None:
        if len(self._credit) > _REMEMBERED:
            self._credit = Counter({one.job_id: self._credit[one.job_id] for one in candidates})
