"""When a rule fires over a change that a storefront showed, decided with plain values."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

from app.core.money import Money, MoneyError
from app.rpa.readings import Availability

_GONE: Final = frozenset({Availability.OUT_OF_STOCK, Availability.DISCONTINUED})
_HUNDRED: Final = Decimal(100)


class AlertKind(StrEnum):
    """What a rule watches."""

    PRICE = "price"
    AVAILABILITY = "availability"
    BLOCKED = "blocked"
    SCHEDULE = "schedule"
    JOB = "job"


OF_CHANGES: Final = {AlertKind.PRICE: "price", AlertKind.AVAILABILITY: "availability"}
"""Kinds that watch an attribute in the history of what storefronts showed."""


class Step(StrEnum):
    """What a change means to a rule."""

    NOTHING = "nothing"
    TELL = "tell"
    """Something happened; it has no end."""
    FIRE = "fire"
    """A condition began to hold, unless it held already."""
    END = "end"
    """The condition does not hold any more: its next beginning is told again."""


@dataclass(frozen=True, slots=True)
class Change:
    """One row of the history: what a storefront showed of a product before, and what it shows now."""

    previous: str | None
    current: str | None


def decide(kind: AlertKind, when: dict[str, Any], change: Change) -> Step:
    """What a rule of that kind, with these limits, makes of a change of its attribute."""
    if kind is AlertKind.AVAILABILITY:
        return _decide_availability(when["becomes"], change)
    now, before = _money(change.current), _money(change.previous)
    if now is None:
        return Step.NOTHING
    for name in ("below", "above"):
        if name in when:
            return _decide_threshold(name, Money.parse(when[name], when["currency"]), now)
    return Step.TELL if before is not None and _is_far(when, before, now) else Step.NOTHING


def _decide_availability(becomes: str, change: Change) -> Step:
    was_gone, is_gone = change.previous in _GONE, change.current in _GONE
    if becomes == "gone":
        return Step.FIRE if is_gone else Step.END
    return Step.TELL if was_gone and not is_gone else Step.NOTHING


def _decide_threshold(name: str, limit: Money, now: Money) -> Step:
    if now.currency != limit.currency:
        return Step.NOTHING
    holds = now.minor < limit.minor if name == "below" else now.minor > limit.minor
    return Step.FIRE if holds else Step.END


def _is_far(when: dict[str, Any], before: Money, now: Money) -> bool:
    """Whether the price went so far in the direction; never across currencies."""
    direction = when.get("direction", "any")
    if before.currency != now.currency or before.minor == now.minor:
        return False
    if direction != "any" and (now.minor > before.minor) != (direction == "up"):
        return False
    moved = abs(now.minor - before.minor)
    if "amount" in when:
        return now.currency == when["currency"] and moved >= Money.parse(when["amount"], when["currency"]).minor
    return before.minor > 0 and Decimal(moved) * _HUNDRED >= Decimal(str(when["percent"])) * before.minor


def _money(text: str | None) -> Money | None:
    """The price as the history spells it: ``1299.00 USD``."""
    amount, _, currency = (text or "").partition(" ")
    try:
        return Money.parse(amount, currency)
    except MoneyError:
        return None
