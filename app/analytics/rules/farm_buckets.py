"""What the farm did in a stretch of time, as counts that can be added up and taken off again; knows no database.

A bucket is a ``Counter`` with flat keys: ``tasks:SUCCEEDED`` (tasks that ended so), ``code:BLOCKED`` (tasks that ended
with this code), ``attempts:RETRY`` (attempts that ended so), ``retry:BLOCKED`` (attempts with this code that are tried
again), ``change:price`` (changes found) and ``stage:navigate:54`` (times of a stage by class, see ``latencies``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

from app.core.days import beginning_of
from app.rpa.models.jobs import TaskState

Bucket = Counter[str]
OUTCOMES: Final = (
    TaskState.SUCCEEDED, TaskState.REFUSED, TaskState.FAILED, TaskState.SKIPPED, TaskState.CANCELLED,
)  # fmt: skip
ALL: Final = 0
"""Stands for all storefronts, and for whoever did it."""
ALL_KINDS: Final = ""
_MINUTE: Final = timedelta(minutes=1)
_HUNDREDTH: Final = Decimal("0.01")


class Grain(StrEnum):
    """How long a bucket is. Hours and days are those that the shop's clocks show."""

    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """What a bucket is of."""

    at: datetime
    """When it begins."""
    storefront_id: int = ALL
    action: str = ALL_KINDS
    worker_id: int = ALL


def beginning(grain: Grain, instant: datetime, zone: ZoneInfo) -> datetime:
    """When the bucket of an instant begins, in UTC."""
    if grain is Grain.MINUTE:
        return instant.replace(second=0, microsecond=0)
    local = instant.astimezone(zone)
    if grain is Grain.DAY:
        return beginning_of(local.date(), zone)
    into = timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
    return (instant - into).astimezone(UTC)


def beginnings(grain: Grain, since: datetime, until: datetime, zone: ZoneInfo) -> Iterator[datetime]:
    """When the buckets begin that lie in a stretch of time, the first one that of its first instant."""
    at = beginning(grain, since, zone)
    while at < until:
        yield at
        at = following(grain, at, zone)


def following(grain: Grain, at: datetime, zone: ZoneInfo) -> datetime:
    """When the next bucket begins."""
    if grain is Grain.DAY:
        return beginning_of(at.astimezone(zone).date() + timedelta(days=1), zone)
    after = at + (_MINUTE if grain is Grain.MINUTE else timedelta(hours=1))
    later = beginning(grain, after, zone)
    return later if later > at else after


def keys_of(at: datetime, storefront_id: int, action: str, worker_id: int | None) -> tuple[Key, ...]:
    """All buckets that something which a worker did, or that nobody need have done, is counted in."""
    keys = Key(at, storefront_id, action), Key(at, ALL, action), Key(at)
    return keys if worker_id is None else (*keys, Key(at, storefront_id, action, worker_id))


def difference(new: Mapping[str, int], old: Mapping[str, int]) -> Bucket:
    """What has to be added to the old counts to get the new ones; negative where they have become less."""
    found = Bucket(new)
    found.subtract(old)
    return Bucket({name: count for name, count in found.items() if count})


def parts(bucket: Mapping[str, int], kind: str) -> dict[str, int]:
    """The counts of one kind (``code``, ``retry``, ``change``) by what follows it."""
    return {name.partition(":")[2]: count for name, count in bucket.items() if name.startswith(f"{kind}:") and count}


def stages(bucket: Mapping[str, int]) -> dict[str, dict[int, int]]:
    """The times by stage and class."""
    found: dict[str, dict[int, int]] = {}
    for name, count in bucket.items():
        if name.startswith("stage:"):
            _, stage, number = name.split(":")
            found.setdefault(stage, {})[int(number)] = count
    return found


def success_rate(outcomes: Mapping[str, int]) -> Decimal | None:
    """Tasks that did not fail in percent of those that were tried; None where none was.

    Tried are those that succeeded, were refused by the shop, or failed; not those that were skipped or cancelled. That
    a shop says no, because it does not have a product, is no failure.
    """
    tried = sum(outcomes.get(name, 0) for name in OUTCOMES[:3])
    return share(tried - outcomes.get(TaskState.FAILED, 0), tried)


def share(part: int, whole: int) -> Decimal | None:
    """A part in percent of the whole, to the hundredth; None of nothing."""
    if whole <= 0:
        return None
    return (Decimal(part) * 100 / Decimal(whole)).quantize(_HUNDREDTH, ROUND_HALF_UP)
