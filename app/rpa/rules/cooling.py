"""The cool-down of a storefront that blocks us: decided with plain values.

After five blocks in a row nothing starts for a minute. Then one visit at a time probes: a good one ends the cool-down,
a blocked one doubles it, up to an hour.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from app.rpa.rules.codes import RULES, Code, Ending

BLOCKS: Final = 5
FIRST_S: Final = 60
LONGEST_S: Final = 3600
_READ: Final = frozenset(
    {Code.WRONG_PRODUCT, Code.PRICE_MISSING, Code.PRICE_UNPARSED, Code.PRICE_AMBIGUOUS, Code.CART_NOT_CONFIRMED}
)
"""Failures of which the page was a product's and no robot check."""


@dataclass(frozen=True, slots=True)
class Cooling:
    """How often in a row a storefront has blocked us, and for how long it is left alone."""

    blocks: int = 0
    seconds: int = 0
    until: datetime | None = None
    """When the next probe may start; None: it is not cooling down."""

    def after(self, code: Code | None, *, started_at: datetime, now: datetime) -> Cooling:
        """How it stands after a visit that started then and ended with ``code`` (None: success)."""
        if self.until is None:
            return self._counting(code, now)
        if started_at < self.until:
            return self  # it is no probe: it was under way when the cool-down began
        if code is Code.BLOCKED:
            return _begun(self.blocks + 1, min(2 * self.seconds, LONGEST_S), now)
        return Cooling() if is_good(code) else _begun(self.blocks, self.seconds, now)

    def cut_short(self, now: datetime) -> Cooling:
        """How it stands when nobody waits any longer: the next visit is a probe, as if the time had passed."""
        return self if self.until is None or self.until <= now else replace(self, until=now)

    def _counting(self, code: Code | None, now: datetime) -> Cooling:
        if code is not Code.BLOCKED:
            return Cooling() if is_good(code) else self
        blocks = self.blocks + 1
        return _begun(blocks, FIRST_S, now) if blocks >= BLOCKS else Cooling(blocks)


def is_good(code: Code | None) -> bool:
    """Whether a visit that ended so shows that the shop serves us; what says nothing is not good."""
    return code is None or code in _READ or RULES[code].ending is Ending.REFUSED


def _begun(blocks: int, seconds: int, now: datetime) -> Cooling:
    return Cooling(blocks, seconds, now + timedelta(seconds=seconds))
