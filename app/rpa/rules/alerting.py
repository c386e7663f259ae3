"""When a rule fires over a change that a storefront showed, decided with plain values."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

from app.core.money import Money, MoneyError
from app.rpa.rules.readings import Availability

_GONE: Final = frozenset({Availability.OUT_OF_STOCK, Availability.DISCONTINUED})
_HUNDRED: Final = Decimal(100)


class AlertKind(StrEnum):
    """What a rule watches."""

    PRICE = "price"
    AVAILABILITY = "availability"
    BLOCKED = "blocked"
    SCHEDULE = "schedule"
    JOB = "job"
    CART = "cart"
    SELECTOR = "selector"


OF_CHANGES: Final = {AlertKind.PRICE: "price", AlertKind.AVAILABILITY: "availability"}
"""Kinds that watch an attribute in the history of what storefronts showed."""
OF_PRODUCTS: Final = frozenset({*OF_CHANGES, AlertKind.CART})
"""Kinds that may be about some products only."""


_WORDS: Final = {
    AlertKind.PRICE: "Price",
    AlertKind.AVAILABILITY: "Availability",
    AlertKind.BLOCKED: "Storefront blocks us",
    AlertKind.SCHEDULE: "Schedule missed",
    AlertKind.JOB: "Job with failed tasks",
    AlertKind.CART: "Cart cannot be filled",
    AlertKind.SELECTOR: "Selector finds nothing",
}


class Step(StrEnum):
    """What a change means to a rule."""

    NOTHING = "nothing"
    TELL = "tell"
    """Something happened; it has no end."""
    FIRE = "fire"
    """A condition began to hold, unless it held already."""
    END = "end"
    """The condition does not hold any more: its next beginning is told again."""


class Effect(StrEnum):
    """What a step does to a condition that holds already, or does not."""

    NOTHING = "nothing"
    TELL = "tell"
    BEGIN = "begin"
    """Told, and it holds from now on."""
    END = "end"


def effect(step: Step, *, holds: bool, is_flapping: bool) -> Effect:
    """A condition is told when it begins to hold and not again before it has ended; what flaps is not told."""
    if step is Step.END:
        return Effect.END if holds else Effect.NOTHING
    if is_flapping or step is Step.NOTHING or (holds and step is Step.FIRE):
        return Effect.NOTHING
    return Effect.BEGIN if step is Step.FIRE else Effect.TELL


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


def describe_rule(kind: str, when: dict[str, Any]) -> str:
    """What a rule watches, in a few words."""
    money = " ".join(str(when[name]) for name in ("amount", "below", "above", "currency") if name in when)
    limits = {
        "percent": f"moved by {when.get('percent')} %", "amount": f"moved by {money}", "below": f"below {money}",
        "above": f"above {money}", "becomes": str(when.get("becomes")),
    }  # fmt: skip
    said = [words for name, words in limits.items() if name in when]
    if when.get("direction", "any") != "any":
        said.append(str(when["direction"]))
    return ", ".join([_WORDS[AlertKind(kind)], *said])


def describe_change(kind: AlertKind, asin: str, storefront: str, change: Change) -> str:
    """The sentence that an alert tells."""
    return f"{asin} on {storefront}: {kind} from {change.previous} to {change.current}."


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
