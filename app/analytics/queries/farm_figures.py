"""The figures of the farm: from what is added up, and what has happened since then (docs/metrics.md)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from app.analytics.queries.farm_reading import FarmReading
from app.analytics.rules.farm_figures import FarmGroup, FarmSummary, OutcomePoint, TimesPoint, Which, Window
from app.core.reading import reading

T = TypeVar("T")
_AGAIN = 2


@dataclass(frozen=True, slots=True)
class FarmFigures:
    """What was asked for; what was not is None."""

    complete_until: datetime
    """What happened later may be missing."""
    summary: FarmSummary
    throughput: list[OutcomePoint]
    """Stretches in which a task ended, the first one first."""
    groups: Mapping[str, list[FarmGroup]]
    """By storefront and worker, as far as they were asked for, those with the most tasks first."""


def find_figures(window: Window, which: Which, *, per: Sequence[str] = ()) -> FarmFigures:
    """Everything that a page shows of a window, for one reading of what is not added up yet.

    ``per`` has ``storefront`` and ``worker`` where each of them is to be told. Raises NotAddedUpYet.
    """

    def ask(read: FarmReading) -> FarmFigures:
        groups = {each: read.groups(each) for each in per}
        return FarmFigures(read.tail.complete_until, read.summary(), read.throughput(), groups)

    return _read(window, which, ask)


def find_throughput(window: Window, which: Which) -> list[OutcomePoint]:
    """How many tasks ended, and how, in each stretch in which any did, the first one first."""
    return _read(window, which, FarmReading.throughput)


def find_summary(window: Window, which: Which) -> FarmSummary:
    """What the whole window comes to."""
    return _read(window, which, FarmReading.summary)


def find_times(window: Window, which: Which) -> list[TimesPoint]:
    """How long the stages of visits took in each stretch in which any ended, the first one first."""
    return _read(window, which, FarmReading.times)


def find_groups(window: Window, which: Which, per: str) -> list[FarmGroup]:
    """The same of each storefront or each worker (``per``), those with the most tasks first, GROUPS at most."""
    return _read(window, which, lambda read: read.groups(per))


def _read(window: Window, which: Which, ask: Callable[[FarmReading], T]) -> T:
    """What is asked; anew where meanwhile something was added up, which would be counted twice."""
    with reading() as asked:
        read = FarmReading(asked, window, which)
        found = ask(read)
        for _ in range(_AGAIN):
            if read.is_still_true():
                break
            read = FarmReading(asked, window, which)
            found = ask(read)
        return found
