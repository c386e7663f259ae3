"""How long a job takes and what limits it, decided with plain values.

Tasks start no faster than the storefront's pace and its robots.txt want, run no more at once than the storefront, the
job and the workers allow, and each takes as long as the last ones did. They start within the storefront's hours, and no
more of them on a day than its cap allows. So a job takes as long as the slowest of these limits says.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

from app.rpa.rules.hours import Hours

LONGEST: Final = timedelta(days=60)
"""What a deadline may be away at most."""
SHORTEST_DEADLINE: Final = timedelta(hours=24)
"""What it is away where nobody says so, unless the job takes longer."""
_SPARE: Final = 1.5
"""How many times its own time a job gets then."""
_DAY_S: Final = 86_400
_LONGEST_DAYS: Final = 1_000_000
_AT_ANY_TIME: Final = datetime(2000, 1, 1, tzinfo=UTC)
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_DURATION: Final = re.compile(r"(?:[0-9]{1,9}[smhd])+")


class Limit(StrEnum):
    """What may hold a job up."""

    PACE = "pace"
    """The storefront's gap between two starts."""
    STOREFRONT = "storefront_concurrency"
    JOB = "job_concurrency"
    WORKERS = "workers"
    CRAWL_DELAY = "crawl_delay"
    """What the shop's robots.txt wants between two starts."""
    HOURS = "hours"
    """How long the slowest of those before takes within the storefront's hours."""
    DAILY_CAP = "daily_cap"


@dataclass(frozen=True, slots=True)
class Cap:
    """How many tasks of a job may start on a day."""

    a_day: int
    left: int
    """Of this day."""
    day_ends_s: float
    """Seconds until the next day begins."""


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
    crawl_delay_ms: int = 0
    at: datetime = _AT_ANY_TIME
    """From when on; it matters where there are hours."""
    hours: Hours | None = None
    cap: Cap | None = None


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
    """How long so many tasks take, from now on or from the start of the first one to the end of the last one."""
    by_limit: dict[Limit, float | None] = {
        Limit.PACE: _paced(tasks, facts.gap_ms, facts),
        Limit.STOREFRONT: _at_once(tasks, facts.concurrency, facts),
        Limit.WORKERS: _at_once(tasks, facts.workers, facts),
    }
    if facts.job_concurrency is not None:
        by_limit[Limit.JOB] = _at_once(tasks, facts.job_concurrency, facts)
    if facts.crawl_delay_ms:
        by_limit[Limit.CRAWL_DELAY] = _paced(tasks, facts.crawl_delay_ms, facts)
    if facts.hours is not None:
        by_limit[Limit.HOURS] = _within_hours(max(seconds or 0.0 for seconds in by_limit.values()), facts)
    if facts.cap is not None:
        by_limit[Limit.DAILY_CAP] = _capped(tasks, facts)
    limited_by = max(by_limit, key=lambda limit: math.inf if by_limit[limit] is None else by_limit[limit] or 0.0)
    return Estimate(by_limit[limited_by], limited_by, by_limit)


def default_deadline(tasks: int, facts: Facts) -> timedelta:
    """How long a job gets that says nothing: a day, or half as long again as it takes with workers enough."""
    needed = _taken(tasks, _most_at_once(facts), facts)
    seconds = min(LONGEST.total_seconds(), math.ceil(needed * _SPARE))
    return max(SHORTEST_DEADLINE, timedelta(seconds=seconds))


def plan(tasks: int, facts: Facts, deadline_s: float) -> Plan:
    """How many workers get so many tasks done within ``deadline_s`` seconds; how many are alive does not matter."""
    open_s = deadline_s if facts.hours is None else facts.hours.open_seconds(facts.at, deadline_s)
    in_time = min(_tasks_within(open_s, facts), _tasks_allowed(deadline_s, facts))
    if in_time >= tasks:
        workers = math.ceil(tasks / math.floor(open_s / facts.seconds_per_task))
        return Plan(workers, f"{tasks:,} pages take {spoken(_taken(tasks, workers, facts))} with {workers} workers.")
    needed = _taken(tasks, _most_at_once(facts), facts)
    ways = [f"a deadline of at least {spoken(math.ceil(needed))}", f"at most {in_time:,} products"]
    why, how = _obstacle(tasks, facts, open_s, deadline_s)
    detail = (
        f"Impossible with any number of workers: {why} allows {in_time:,} pages in {spoken(deadline_s)}; "
        f"{tasks:,} take {spoken(math.ceil(needed))}."
    )
    return Plan(None, detail, (*ways, *how))


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


def _obstacle(tasks: int, facts: Facts, open_s: float, deadline_s: float) -> tuple[str, list[str]]:
    """What keeps so many tasks from being done in time, and what would have to change."""
    each = facts.seconds_per_task
    if _tasks_allowed(deadline_s, facts) < tasks and facts.cap is not None:
        days = _days_within(deadline_s, facts.cap)
        needed = math.ceil((tasks + facts.cap.a_day - facts.cap.left) / days)
        return f"its cap of {facts.cap.a_day:,} a day", [f"a cap of at least {needed:,} such tasks a day"]
    ways = []
    if facts.hours is not None and _tasks_within(deadline_s, facts) >= tasks:
        return f"its {spoken(open_s)} of hours until then", ["more hours"]
    gap_ms = math.floor((open_s - each) * 1000 / max(1, tasks - 1))
    if _paced(tasks, facts.crawl_delay_ms, facts) > open_s:
        why = f"the Crawl-delay of {facts.crawl_delay_ms / 1000:g} s in the shop's robots.txt"
        ways.append("less of a Crawl-delay, which is the shop's to say")
    elif _paced(tasks, facts.gap_ms, facts) > open_s:
        why = f"its pace of one start per {facts.gap_ms / 1000:g} s"
        ways += [f"pace.gap_ms of at most {gap_ms}"] if gap_ms > 0 else []
    else:
        why = f"{_most_at_once(facts)} pages at once of {each:g} s each"
    rounds = math.floor(open_s / each)
    if rounds and math.ceil(tasks / rounds) > _most_at_once(facts):
        ways.append(f"a concurrency of at least {math.ceil(tasks / rounds)}")
    return why, ways


def _paced(tasks: int, gap_ms: int, facts: Facts) -> float:
    return (tasks - 1) * gap_ms / 1000 + facts.seconds_per_task if tasks else 0.0


def _at_once(tasks: int, count: int, facts: Facts) -> float | None:
    return math.ceil(tasks / count) * facts.seconds_per_task if count > 0 else None


def _within_hours(work_s: float, facts: Facts) -> float:
    return work_s if facts.hours is None else facts.hours.seconds_for(facts.at, work_s)


def _capped(tasks: int, facts: Facts) -> float:
    """How long it takes until the day of the last task, and that task; at once where this day's pages are enough."""
    cap, each = facts.cap, facts.seconds_per_task if tasks else 0.0
    if cap is None or tasks <= cap.left:
        return each
    days = min(math.ceil((tasks - cap.left) / cap.a_day) - 1, _LONGEST_DAYS)
    until = facts.at + timedelta(seconds=cap.day_ends_s, days=days)
    opens = until if facts.hours is None else facts.hours.opens_at(until)
    return (opens - facts.at).total_seconds() + each


def _most_at_once(facts: Facts) -> int:
    return facts.concurrency if facts.job_concurrency is None else min(facts.concurrency, facts.job_concurrency)


def _gap_ms(facts: Facts) -> int:
    return max(facts.gap_ms, facts.crawl_delay_ms)


def _taken(tasks: int, workers: int, facts: Facts) -> float:
    at_once = _at_once(tasks, min(workers, _most_at_once(facts)), facts) or 0.0
    return max(_within_hours(max(_paced(tasks, _gap_ms(facts), facts), at_once), facts), _capped(tasks, facts))


def _days_within(seconds: float, cap: Cap) -> int:
    """How many days, this one included, have begun by then."""
    return 1 if seconds < cap.day_ends_s else 2 + math.floor((seconds - cap.day_ends_s) / _DAY_S)


def _tasks_allowed(seconds: float, facts: Facts) -> float:
    """How many tasks the cap lets start within so many seconds from now."""
    if facts.cap is None:
        return math.inf
    return facts.cap.left + facts.cap.a_day * (_days_within(seconds, facts.cap) - 1)


def _tasks_within(seconds: float, facts: Facts) -> int:
    """How many tasks are done within so many seconds in which they may start."""
    rounds = math.floor(seconds / facts.seconds_per_task)
    if rounds < 1:
        return 0
    by_count = rounds * _most_at_once(facts)
    if not _gap_ms(facts):
        return by_count
    return min(by_count, 1 + math.floor((seconds - facts.seconds_per_task) * 1000 / _gap_ms(facts)))
