"""Which changes are looked at twice before they are believed, and what the second look makes of them: plain values.

What a storefront shows for the first time is never suspicious: there is nothing that it said before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Final

from app.rpa.rules.changes import Change, money_of

JUMP: Final = 2
"""A price more than so many times the last one, or less than that part of it, is suspicious."""
MANY_FROM: Final = 10
MANY_SHARE: Final = 0.2
"""More changed products of a job than this share of those it has read are suspicious, from so many on."""
RETURNS: Final = 3
"""A value flaps when it came back so often to one that it had before, within FLAPPING_DAYS."""
FLAPPING_DAYS: Final = 7


class Reason(StrEnum):
    """Why a change is not believed at once."""

    CURRENCY = "CURRENCY"
    """The price is in another currency than before."""
    PRICE_JUMP = "PRICE_JUMP"
    """The price is less than half or more than twice the one before."""
    MANY_AT_ONCE = "MANY_AT_ONCE"
    """So many products of the job changed that the shop, or its pages, may have changed instead."""


class Verdict(StrEnum):
    """What the second visit made of a suspicious change."""

    CONFIRMED = "CONFIRMED"
    """It read the same value: the change is recorded."""
    UNSTEADY = "UNSTEADY"
    """It read a third value: nothing is recorded."""
    UNCONFIRMED = "UNCONFIRMED"
    """It did not read the attribute, or the first visit had not: nothing is recorded."""
    FLICKER = "FLICKER"
    """It read the old value: nothing has changed."""


@dataclass(frozen=True, slots=True)
class FirstLook:
    """What a visit read that was not believed: all its values, and why which of them are suspicious."""

    values: Mapping[str, str]
    reasons: Mapping[str, Reason]

    def as_json(self) -> dict[str, Any]:
        """It as the task's row keeps it."""
        return asdict(self)

    @classmethod
    def from_json(cls, kept: Mapping[str, Any] | None) -> FirstLook | None:
        """It from the task's row; None where there was none."""
        if kept is None:
            return None
        return cls(kept["values"], {name: Reason(reason) for name, reason in kept["reasons"].items()})


@dataclass(frozen=True, slots=True)
class Judged:
    """A change with what is thought of it; one that was never suspicious has no reason."""

    change: Change
    reason: Reason | None = None
    verdict: Verdict | None = None
    first: str | None = None
    """What the first visit read."""

    @property
    def is_recorded(self) -> bool:
        """Whether it is written as what the storefront shows now."""
        return self.verdict in (None, Verdict.CONFIRMED)


def are_many(changed: int, read: int) -> bool:
    """Whether ``changed`` of the ``read`` products of a job are too many at once; a job of few never has many."""
    return changed >= MANY_FROM and changed > MANY_SHARE * read


def trusted(
    known: Mapping[str, str], master: Mapping[str, str | None], observed: Mapping[str, str]
) -> Mapping[str, str]:
    """What is known of a storefront that updates the products: at a first sight, in its currency, the product's price.

    So a price that is read wrong at the first visit is not written into a product unlooked at.
    """
    price, seen = money_of(master.get("price") or ""), money_of(observed.get("price", ""))
    if "price" in known or price is None or seen is None or price.currency != seen.currency:
        return known
    return {**known, "price": str(price)}


def suspicions(changes: Sequence[Change], known: Mapping[str, str], *, many: bool) -> dict[str, Reason]:
    """The suspicious ones of some changes by attribute; ``known`` is what the storefront showed before."""
    found: dict[str, Reason] = {}
    for change in changes:
        if change.attribute in known:
            reason = _of_price(known["price"], change.current) if change.attribute == "price" else None
            reason = reason or (Reason.MANY_AT_ONCE if many else None)
            if reason is not None:
                found[change.attribute] = reason
    return found


def judge(
    changes: Sequence[Change],
    found: Mapping[str, Reason],
    first: FirstLook | None,
    *,
    observed: Mapping[str, str],
    known: Mapping[str, str],
) -> list[Judged]:
    """What becomes of the changes that the last visit saw, and of those that only the first one did.

    ``found`` are the suspicions of the last visit's changes; ``observed`` is all that it read, ``known`` what the
    storefront showed before both.
    """
    first = first or FirstLook({}, {})
    judged = [_judge_seen(change, found.get(change.attribute), first) for change in changes]
    seen = {change.attribute for change in changes}
    for attribute, reason in first.reasons.items():
        value, again = first.values[attribute], observed.get(attribute)
        if attribute not in seen and again != value:  # where it is the same, another task has recorded it meanwhile
            verdict = Verdict.UNCONFIRMED if again is None else Verdict.FLICKER
            judged.append(Judged(Change(attribute, known.get(attribute), value), reason, verdict, value))
    return judged


def is_flapping(values: Sequence[str | None]) -> bool:
    """Whether the last of some values is one more return of a value that goes back and forth.

    They are all that it had within FLAPPING_DAYS, in order. One that it never had before is no return.
    """
    returns = [value is not None and value in values[:at] for at, value in enumerate(values)]
    return returns[-1:] == [True] and sum(returns) >= RETURNS


def _judge_seen(change: Change, reason: Reason | None, first: FirstLook) -> Judged:
    before, reason = first.values.get(change.attribute), first.reasons.get(change.attribute) or reason
    if reason is None:
        return Judged(change)
    if before == change.current:
        return Judged(change, reason, Verdict.CONFIRMED, before)
    return Judged(change, reason, Verdict.UNCONFIRMED if before is None else Verdict.UNSTEADY, before)


def _of_price(before: str, after: str) -> Reason | None:
    old, new = money_of(before), money_of(after)
    if old is None or new is None:
        return None
    if old.currency != new.currency:
        return Reason.CURRENCY
    return Reason.PRICE_JUMP if new.minor > old.minor * JUMP or new.minor * JUMP < old.minor else None
