"""Percentiles from counts on a logarithmic scale: they can be added up, which percentiles themselves cannot.

A time of v milliseconds is counted in the class n = ceil(log(v) / log(1.1)), and a class stands for the geometric
middle of its ends. So a percentile is at most 5 % away from the time that is really there (sqrt(1.1) = 1.0488), and
half a millisecond, because it is told in whole ones.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

GROWTH: Final = 1.1
LONGEST_MS: Final = 86_400_000
"""Longer ones count as this."""
_LOG: Final = math.log(GROWTH)
_SMALL: Final = tuple(0 if ms <= 1 else math.ceil(math.log(ms) / _LOG - 1e-9) for ms in range(4_096))


@dataclass(frozen=True, slots=True)
class Percentiles:
    """How long something took, in milliseconds: half of ``count`` no longer than ``p50_ms``, and so on."""

    count: int
    p50_ms: int
    p90_ms: int
    p95_ms: int
    p99_ms: int


def class_of(ms: int) -> int:
    """The number of the class that a time in milliseconds counts in; 0 up to one millisecond."""
    if ms < len(_SMALL):
        return _SMALL[max(0, ms)]
    return math.ceil(math.log(min(ms, LONGEST_MS)) / _LOG - 1e-9)


def time_of(number: int) -> int:
    """The time in milliseconds that a class stands for."""
    return 1 if number == 0 else round(GROWTH ** (number - 0.5))


def percentiles_of(classes: Mapping[int, int]) -> Percentiles | None:
    """The percentiles of times counted by class, by nearest rank; None of no times."""
    count = sum(classes.values())
    if count <= 0:
        return None
    wanted = [math.ceil(count * share / 100) for share in (50, 90, 95, 99)]
    found: list[int] = []
    passed = 0
    for number in sorted(classes):
        passed += classes[number]
        while len(found) < len(wanted) and passed >= wanted[len(found)]:
            found.append(time_of(number))
    return Percentiles(count, *found)
