"""Figures in words, as tooltips, captions and tables of charts say them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Final

from app.core.money import Money, exponent

_HUNDRED: Final = Decimal(100)


def day_words(on: date) -> str:
    """A day: Tuesday 3 November 2026."""
    return f"{on:%A} {on.day} {on:%B} {on.year}"


def month_words(on: date) -> str:
    """A month: November 2026."""
    return f"{on:%B} {on.year}"


def moment_words(wall_s: float) -> str:
    """A moment of the shop's clock (seconds as ``WallClock`` has them): Tuesday 3 November 2026, 14:05."""
    at = datetime.fromtimestamp(wall_s, UTC)
    return f"{day_words(at.date())}, {at:%H:%M}"


def span_words(from_s: float, to_s: float) -> str:
    """A span of the shop's clock: Tuesday 3 November 2026, 14:00 to 14:05, or from day to day."""
    first, last = datetime.fromtimestamp(from_s, UTC), datetime.fromtimestamp(to_s, UTC)
    if to_s - from_s >= 86_400:
        final = datetime.fromtimestamp(to_s - 1, UTC).date()
        return day_words(first.date()) if final == first.date() else f"{day_words(first.date())} to {day_words(final)}"
    return f"{day_words(first.date())}, {first:%H:%M} to {last:%H:%M}"


def amount_words(minor: int, currency: str) -> str:
    """An amount: 1,234.50 USD."""
    return f"{Money(minor, currency).amount:,.{exponent(currency)}f} {currency}"


def amount_float(minor: float, currency: str) -> float:
    """An amount as a place on an axis, never as a figure that is shown."""
    return float(minor / pow(10, exponent(currency)))


def count_words(count: int, one: str, many: str | None = None) -> str:
    """A count: 1 task, 1,200 tasks."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def change_words(now: int, before: int | None, than: str) -> str:
    """How a figure differs from an earlier one: 12 % more than the day before; nothing to say is an empty text."""
    if before is None:
        return ""
    if now == before:
        return f"as much as {than}"
    if before <= 0 or now < 0:
        return f"{'more' if now > before else 'less'} than {than}"
    if now >= before * 10:
        return f"{Decimal(now) / before:,.0f} times as much as {than}"
    percent = abs(Decimal(now - before)) * _HUNDRED / before
    digits = Decimal(1) if percent >= 1 else Decimal("0.01")
    text = percent.quantize(digits, ROUND_HALF_UP)
    return f"{text or 'less than 0.01'} % {'more' if now > before else 'less'} than {than}"


def duration_words(milliseconds: int) -> str:
    """A duration: 350 ms, 2.4 s, 3 min 5 s."""
    if milliseconds < 1000:
        return f"{milliseconds} ms"
    if milliseconds < 60_000:
        return f"{milliseconds / 1000:.1f} s"
    minutes, seconds = divmod(milliseconds // 1000, 60)
    return f"{minutes:,} min {seconds} s"


def parts_words(parts: Mapping[str, int]) -> str:
    """The parts of a whole that are there: 1,100 succeeded, 20 failed."""
    return ", ".join(f"{count:,} {name}" for name, count in parts.items() if count)


def shortened(text: str, most: int) -> str:
    """The text in at most so many letters, with an ellipsis where it was cut."""
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"
