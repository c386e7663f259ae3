"""Figures in words, as tooltips, captions and tables of charts say them: dates and numbers as the reader writes them.

with written_for(display().locale):
    item = chart_item(sales_by_day(rows, currency="EUR"))
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Final

from babel import Locale
from babel.dates import format_date, format_skeleton
from babel.numbers import format_decimal

from app.core.money import Money, exponent

_HUNDRED: Final = Decimal(100)
_ENGLISH: Final = Locale("en")
_LOCALE: Final = ContextVar("the locale of charts", default=_ENGLISH)


@contextmanager
def written_for(locale: Locale) -> Iterator[None]:
    """Within it, charts write dates and numbers as this locale does; English ones otherwise."""
    before = _LOCALE.set(locale)
    try:
        yield
    finally:
        _LOCALE.reset(before)


def language() -> str:
    """Whose dates and numbers are written: a BCP 47 tag."""
    return str(_LOCALE.get()).replace("_", "-")


def number_words(value: int | Decimal, decimals: int = 0) -> str:
    """A number with so many decimals: 1,200."""
    locale = _LOCALE.get()
    if locale == _ENGLISH:
        return f"{value:,.{decimals}f}" if decimals else f"{value:,.0f}" if isinstance(value, Decimal) else f"{value:,}"
    return str(format_decimal(value, _grouped(locale, decimals), locale=locale))


def _grouped(locale: Locale, decimals: int) -> str:
    """The pattern of a locale's numbers (some group by twos) with so many decimals."""
    whole = str(locale.decimal_formats[None].pattern).partition(";")[0].partition(".")[0]
    return whole + ("." + "0" * decimals if decimals else "")


def day_words(on: date) -> str:
    """A day: Tuesday 3 November 2026."""
    locale = _LOCALE.get()
    if locale == _ENGLISH:
        return f"{on:%A} {on.day} {on:%B} {on.year}"
    return format_date(on, "full", locale=locale)


def month_words(on: date) -> str:
    """A month: November 2026."""
    locale = _LOCALE.get()
    return f"{on:%B} {on.year}" if locale == _ENGLISH else format_skeleton("yMMMM", on, locale=locale)


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
    return f"{number_words(Money(minor, currency).amount, exponent(currency))} {currency}"


def amount_float(minor: float, currency: str) -> float:
    """An amount as a place on an axis, never as a figure that is shown."""
    return float(minor / pow(10, exponent(currency)))


def count_words(count: int, one: str, many: str | None = None) -> str:
    """A count: 1 task, 1,200 tasks."""
    return f"{number_words(count)} {one if count == 1 else many or one + 's'}"


def change_words(now: int, before: int | None, than: str) -> str:
    """How a figure differs from an earlier one: 12 % more than the day before; nothing to say is an empty text."""
    if before is None:
        return ""
    if now == before:
        return f"as much as {than}"
    if before <= 0 or now < 0:
        return f"{'more' if now > before else 'less'} than {than}"
    if now >= before * 10:
        return f"{number_words(Decimal(now) / before)} times as much as {than}"
    percent = abs(Decimal(now - before)) * _HUNDRED / before
    decimals = 0 if percent >= 1 else 2
    rounded = percent.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)
    text = number_words(rounded, decimals) if rounded else f"less than {number_words(Decimal('0.01'), 2)}"
    return f"{text} % {'more' if now > before else 'less'} than {than}"


def duration_words(milliseconds: int) -> str:
    """A duration: 350 ms, 2.4 s, 3 min 5 s."""
    if milliseconds < 1000:
        return f"{milliseconds} ms"
    if milliseconds < 60_000:
        return f"{number_words(Decimal(milliseconds) / 1000, 1)} s"
    minutes, seconds = divmod(milliseconds // 1000, 60)
    return f"{number_words(minutes)} min {seconds} s"


def parts_words(parts: Mapping[str, int]) -> str:
    """The parts of a whole that are there: 1,100 succeeded, 20 failed."""
    return ", ".join(f"{number_words(count)} {name}" for name, count in parts.items() if count)


def shortened(text: str, most: int) -> str:
    """The text in at most so many letters, with an ellipsis where it was cut."""
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"
