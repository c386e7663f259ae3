"""How long a job takes and what limits it, decided with plain values.

Tasks start no faster than the storefront's pace, run no more at once than the storefront, the job and the workers
allow, and each takes as long as the last ones did. So a job takes as long as the slowest of these four says.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

LONGEST: Final = timedelta(days=60)
"""What a deadline may be away at most."""
SHORTEST_DEADLINE: Final = timedelta(hours=24)
"""What it is away where nobody says so, unless the job takes longer."""
_SPARE: Final = 1.5
"""How many times its own time a job gets then."""
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_DURATION: Final = re.compile(r"(?:[0-9]{1,9}[smhd])+")


class Limit(StrEnum):
    """What may hold a job up."""

    PACE = "pace"
    """The storefront's gap between two starts."""
    STOREFRONT = "storefront_concurrency"
    JOB = "job_concurrency"
    WORKERS = "workers"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the time of a job depends on."""

    gap_ms: int
    concurrency: int
    """Of the storefront."""
    workers: int
    """That are alive now."""
    seconds_per_task: float
    is_measured: bool = True
    """Whether the last tasks took so long; False: a default, for want of any."""
    job_concurrency: int | None = None


@dataclass(frozen=True, slots=True)
class Estimate:
    """How long a job takes when nothing else runs; no seconds where it cannot run at all."""

    seconds: float | None
    limited_by: Limit
    by_limit: dict[Limit, float | None]
    """How long it would take if there were only this limit."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How many workers get a job done in time; None: no number does, and ``detail`` says why."""

    workers: int | None
    detail: str
    ways: tuple[str, ...] = ()
    """What would make it possible."""


def estimate(tasks: int, facts: Facts) -> Estimate:
    """How long so many tasks take, from the start of the first one to the end of the last one."""
    by_limit: dict[Limit, float | None] = {
        Limit.PACE: _paced(tasks, facts),
        Limit.STOREFRONT: _at_once(tasks, facts.concurrency, facts),
        Limit.WORKERS: _at_once(tasks, facts.workers, facts),
    }
    if facts.job_concurrency is not None:
        by_limit[Limit.JOB] = _at_once(tasks, facts.job_concurrency, facts)
    limited_by = max(by_limit, key=lambda limit: math.inf if by_limit[limit] is None else by_limit[limit] or 0.0)
    return Estimate(by_limit[limited_by], limited_by, by_limit)


def default_deadline(tasks: int, facts: Facts) -> timedelta:
    """How long a job gets that says nothing: a day, or half as long again as it takes with workers enough."""
    needed = max(_paced(tasks, facts), _at_once(tasks, _most_at_once(facts), facts) or 0.0)
    return min(LONGEST, max(SHORTEST_DEADLINE, timedelta(seconds=math.ceil(needed * _SPARE))))


def plan(tasks: int, facts: Facts, deadline_s: float) -> Plan:
    """How many workers get so many tasks done within ``deadline_s`` seconds; how many are alive does not matter."""
    each, most = facts.seconds_per_task, _most_at_once(facts)
    in_time = _tasks_within(deadline_s, facts)
    if in_time >= tasks:
        workers = math.ceil(tasks / math.floor(deadline_s / each))
        return Plan(workers, f"{tasks:,} pages take {spoken(_taken(tasks, workers, facts))} with {workers} workers.")
    needed = max(_paced(tasks, facts), _at_once(tasks, most, facts) or 0.0)
    ways = [f"a deadline of at least {spoken(math.ceil(needed))}", f"at most {in_time:,} products"]
    if _paced(tasks, facts) > deadline_s:
        why = f"its pace of one start per {facts.gap_ms / 1000:g} s"
        gap_ms = math.floor((deadline_s - each) * 1000 / max(1, tasks - 1))
        ways += [f"pace.gap_ms of at most {gap_ms}"] if gap_ms > 0 else []
    else:
        why = f"{most} pages at once of {each:g} s each"
    rounds = math.floor(deadline_s / each)
    if rounds and math.ceil(tasks / rounds) > most:
        ways.append(f"a concurrency of at least {math.ceil(tasks / rounds)}")
    detail = (
        f"Impossible with any number of workers: {why} allows {in_time:,} pages in {spoken(deadline_s)}; "
        f"{tasks:,} take {spoken(math.ceil(needed))}."
    )
    return Plan(None, detail, tuple(ways))


def read_duration(text: str) -> int:
    """Seconds of a duration such as ``90s``, ``30m``, ``6h`` or ``1d12h``; raises ValueError."""
    if not _DURATION.fullmatch(text):
        raise ValueError("must be a duration such as 30m, 6h or 1d12h")
    return sum(int(number) * _UNITS[unit] for number, unit in re.findall(r"(\d+)([smhd])", text))


def spoken(seconds: float) -> str:
    """A duration for people, by its two largest units: ``5 d 18 h``, ``12 min``, ``40 s``."""
    left = round(seconds)
    if left < 60:
        return f"{left} s"
    parts = []
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s")):
        count, left = divmod(left, size)
        parts.append((count, unit))
    first = next(at for at, (count, _) in enumerate(parts) if count)
    return " ".join(f"{count} {unit}" for count, unit in parts[first : first + 2] if count)


def _paced(tasks: int, facts: Facts) -> float:
    return (tasks - 1) * facts.gap_ms / 1000 + facts.seconds_per_task if tasks else 0.0


def _at_once(tasks: int, count: int, facts: Facts) -> float | None:
    return math.ceil(tasks / count) * facts.seconds_per_task if count > 0 else None


def _most_at_once(facts: Facts) -> int:
    return facts.concurrency if facts.job_concurrency is None else min(facts.concurrency, facts.job_concurrency)


def _taken(tasks: int, workers: int, facts: Facts) -> float:
    return max(_paced(tasks, facts), _at_once(tasks, min(workers, _most_at_once(facts)), facts) or 0.0)


def _tasks_within(seconds: float, facts: Facts) -> int:
    rounds = math.floor(seconds / facts.seconds_per_task)
    if rounds < 1:
        return 0
    by_count = rounds * _most_at_once(facts)
    if not facts.gap_ms:
        return by_count
    return min(by_count, 1 + math.floor((seconds - facts.seconds_per_task) * 1000 / facts.gap_ms))
