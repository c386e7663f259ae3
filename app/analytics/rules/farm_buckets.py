"""What the farm did in a stretch of time, as counts that can be added up and taken off again; knows no database.

A bucket is a ``Counter`` with flat keys: ``tasks:SUCCEEDED`` (tasks that ended so), ``code:BLOCKED`` (tasks that ended
with this code), ``attempts:RETRY`` (attempts that ended so), ``retry:BLOCKED`` (attempts with this code that are tried
again), ``change:price`` (changes found) and ``stage:navigate:54`` (times of a stage by class, see ``latencies``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from functools import lru_cache
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
EVERYBODYS: Final = 3
_MINUTE: Final = timedelta(minutes=1)
_OVER_A_MONTH: Final = timedelta(days=32)
_HUNDREDTH: Final = Decimal("0.01")


class Grain(StrEnum):
    """How long a bucket is. Hours, days and months are those that the shop's clocks show."""

    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"
    MONTH = "month"


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
    if grain is Grain.MONTH:
        return beginning_of(local.date().replace(day=1), zone)
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
    if grain is Grain.MONTH:
        return beginning_of((at.astimezone(zone).date().replace(day=1) + _OVER_A_MONTH).replace(day=1), zone)
    after = at + (_MINUTE if grain is Grain.MINUTE else timedelta(hours=1))
    later = beginning(grain, after, zone)
    return later if later > at else after


def keys_of(at: datetime, storefront_id: int, action: str, worker_id: int | None) -> tuple[Key, ...]:
    """All buckets that something which a worker did, or that nobody need have done, is counted in.

    Those of everybody come first, EVERYBODYS of them.
    """
    keys = Key(at, storefront_id, action), Key(at, ALL, action), Key(at)
    if worker_id is None:
        return keys
    return (*keys, Key(at, storefront_id, action, worker_id), Key(at, worker_id=worker_id))


def summed(buckets: Mapping[Key, Mapping[str, int]], grain: Grain, zone: ZoneInfo) -> dict[Key, Bucket]:
    """The longer buckets that shorter ones make up."""
    found: dict[Key, Bucket] = {}
    for key, bucket in buckets.items():
        above = Key(beginning(grain, key.at, zone), key.storefront_id, key.action, key.worker_id)
        found.setdefault(above, Counter()).update(bucket)
    return found


def add_to(total: dict[str, int], more: Mapping[str, int]) -> None:
    """What ``Counter.update`` does, to a plain dict, which takes two thirds of the time."""
    before = total.get
    for name, count in more.items():
        total[name] = before(name, 0) + count


def difference(new: Mapping[str, int], old: Mapping[str, int]) -> Bucket:
    """What has to be added to the old counts to get the new ones; negative where they have become less."""
    found = Bucket(new)
    found.subtract(old)
    return Bucket({name: count for name, count in found.items() if count})


@dataclass(frozen=True, slots=True)
class Parts:
    """What a bucket says, taken apart: counts by how tasks and attempts ended, by code, by attribute, by stage."""

    tasks: dict[str, int] = field(default_factory=dict)
    attempts: dict[str, int] = field(default_factory=dict)
    code: dict[str, int] = field(default_factory=dict)
    retry: dict[str, int] = field(default_factory=dict)
    change: dict[str, int] = field(default_factory=dict)
    stage: dict[str, dict[int, int]] = field(default_factory=dict)
    """By stage and class."""


def parts_of(bucket: Mapping[str, int]) -> Parts:
    """What a bucket says, without what is nothing."""
    found = Parts()
    for name, count in bucket.items():
        if not count:
            continue
        kind, rest, number = _meaning(name)
        if number is None:
            getattr(found, kind)[rest] = count
        else:
            found.stage.setdefault(rest, {})[number] = count
    return found


@lru_cache(maxsize=8_192)
def _meaning(name: str) -> tuple[str, str, int | None]:
    """Kind, what follows it, and the class of a time; there are a few thousand names at most."""
    kind, _, rest = name.partition(":")
    if kind != "stage":
        return kind, rest, None
    stage, _, number = rest.partition(":")
    return kind, stage, int(number)


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
