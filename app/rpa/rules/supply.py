"""How many tasks of a storefront are sent to the workers: decided with plain values.

Each message in vain costs a claim under the storefront's lock, and each that is missing a worker up to a turn of the
dispatcher. So what is sent is what can start before the next turn. Where every worker is on one storefront, whoever
ends a visit makes a place on it: then further tasks may wait, and nobody waits for the dispatcher.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from app.rpa.models.storefronts import AnyShop
from app.rpa.rules.holds import find_hold, gap_of, most_at_once

_AHEAD: Final = 1.5
"""Turns of the dispatcher of which the starts are sent at once: a turn comes late when there is much to do."""
_NO_BOUND: Final = 1_000_000
_WAITED_FOR: Final = 2.0
"""Turns of the dispatcher for which a worker waits for a start: what was sent too early is not sent back."""


@dataclass(frozen=True, slots=True)
class Crew:
    """Workers that take tasks, and how many tasks may wait for each."""

    alive: int
    window: int

    @property
    def most(self) -> int:
        """How many tasks may wait for all of them."""
        return max(1, self.alive) * self.window


def patience_s(turn_s: float) -> float:
    """How long a worker waits for its turn in a storefront's pace, where the dispatcher has one every ``turn_s``."""
    return _WAITED_FOR * turn_s


def may_be_out(shop: AnyShop, now: datetime, *, leased: int, crew: Crew, turn_s: float) -> int:
    """How many tasks of a storefront may be released and not claimed, with so many visits under way."""
    ahead = crew.most if leased >= max(1, crew.alive) else 0
    return min(most_at_once(shop) - leased + ahead, _starts_within(shop, now, _AHEAD * turn_s))


def _starts_within(shop: AnyShop, now: datetime, seconds: float) -> int:
    """How many tasks the storefront's pace lets start within the next seconds."""
    if find_hold(shop, now) is not None:
        return 0
    gap_s = gap_of(shop).total_seconds()
    if not gap_s:
        return _NO_BOUND
    left_s = seconds - max(0.0, (shop.next_start_at - now).total_seconds())
    return 0 if left_s < 0 else 1 + int(left_s // gap_s)
