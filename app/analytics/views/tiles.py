"""Tiles: a number in large letters, how it differs from the period before, and what it means."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from app.core.display import amount, number, percent

_ARROWS: Final = {1: "▲", 0: "●", -1: "▼"}
_HUNDREDTH: Final = Decimal("0.01")
_WORDS: Final = {1: "more", -1: "less"}


@dataclass(frozen=True, slots=True)
class Change:
    """How a number differs from what it was, in signs and in words; ``kind`` is the colour beside them.

    What it was is empty where the words say it already.
    """

    arrow: str
    text: str
    before: str
    kind: str


_SAME: Final = Change(_ARROWS[0], "As before", "", "")


@dataclass(frozen=True, slots=True)
class Tile:
    """One number as a page shows it; ``means`` is the name of its definition."""

    label: str
    value: str
    means: str
    change: Change | None = None


def count_tile(label: str, means: str, now: int, before: int, *, good: int = 1) -> Tile:
    """A number of things; ``good`` is -1 where less is better, 0 where neither is."""
    return Tile(label, number(now), means, _change(now, before, number(before), good=good))


def percent_tile(label: str, means: str, now: Decimal | None, before: Decimal | None) -> Tile:
    """A share in hundredths, None of nothing; more is better. It differs by points, not by percent."""
    value, was = ("–" if share is None else percent(share) for share in (now, before))
    if now is None or before is None:
        return Tile(label, value, means, None if now is None else Change("", "Nothing before", "", ""))
    sign = (now > before) - (now < before)
    if not sign:
        return Tile(label, value, means, _SAME)
    text = f"{number(abs(now - before))} points {_WORDS[sign]}"
    return Tile(label, value, means, Change(_ARROWS[sign], text, was, {1: "good", -1: "bad"}[sign]))


def time_tile(label: str, means: str, now: int | None, before: int | None) -> Tile:
    """A duration in milliseconds, None of nothing; less is better."""
    value, was = (
        "–" if ms is None else f"{number((Decimal(ms) / 1000).quantize(_HUNDREDTH))} s" for ms in (now, before)
    )
    return Tile(label, value, means, _change(now, before, was, good=-1))


def money_tile(label: str, means: str, now: int | None, before: int | None, currency: str, *, good: int = 1) -> Tile:
    """An amount in minor units, None where there is none; ``good`` is -1 where less is better, 0 where neither is."""
    value = "–" if now is None else amount(now, currency)
    was = "–" if before is None else amount(before, currency)
    return Tile(label, value, means, _change(now, before, was, good=good))


def money_change(now: int, before: int, currency: str) -> Change | None:
    """How an amount in minor units differs from what it was; more is better."""
    return _change(now, before, amount(before, currency), good=1)


def _change(now: int | None, before: int | None, was: str, *, good: int) -> Change | None:
    if now is None:
        return None
    if not before:
        return Change("", "Nothing before", "", "") if now else _SAME
    sign = (now > before) - (now < before)
    if not sign:
        return _SAME
    text = f"{_grown(now, before)}{_WORDS[sign]}"
    return Change(_ARROWS[sign], text, was, {1: "good", 0: "", -1: "bad"}[sign * good])


def _grown(now: int, before: int) -> str:
    """By how much a number has grown, as words begin; of what was below nothing there is no percentage."""
    return "" if before < 0 else f"{percent(abs(Decimal(now - before)) * 100 / before)} "
