"""What was so at the end of earlier days, from what is so now and what has changed since: on plain values."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from app.core.money import Money

_OLD = timedelta(days=36_500)


@dataclass(frozen=True, slots=True)
class Offer:
    """What we asked for a product, and whether we sold it."""

    price: Money
    is_active: bool
    is_deleted: bool

    @property
    def is_sold(self) -> bool:
        """Whether it could be compared."""
        return self.is_active and not self.is_deleted


@dataclass(frozen=True, slots=True)
class Undone:
    """A change of an offer: what it had been before; None stays as it is."""

    at: datetime
    price: Money | None = None
    is_active: bool | None = None
    is_deleted: bool | None = None


def rewind(now: Offer, changes: Sequence[Undone], ends: Sequence[datetime]) -> Iterator[Offer]:
    """The offer at each of these instants, which descend; ``changes`` are all since, the newest first."""
    offer, left = now, iter(changes)
    change = next(left, None)
    for end in ends:
        while change is not None and change.at >= end:
            offer = replace(
                offer,
                price=offer.price if change.price is None else change.price,
                is_active=offer.is_active if change.is_active is None else change.is_active,
                is_deleted=offer.is_deleted if change.is_deleted is None else change.is_deleted,
            )
            change = next(left, None)
        yield offer


@dataclass(frozen=True, slots=True)
class Seen:
    """The prices that a storefront showed of a product, in their order."""

    times: Sequence[datetime]
    prices: Sequence[Money]
    was_seen_before: bool
    """Whether it had shown one before these."""

    def before(self, end: datetime) -> tuple[Money, timedelta] | None:
        """The last price before an instant and how old it was then; a very old one where only that is known."""
        at = bisect_left(self.times, end) - 1
        if at >= 0:
            return self.prices[at], end - self.times[at]
        return (Money(0, ""), _OLD) if self.was_seen_before else None
