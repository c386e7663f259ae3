"""How pages write values for the one who looks: theme, language of dates and numbers, time zone."""

from __future__ import annotations

import logging
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_time, format_timedelta
from babel.numbers import format_decimal
from flask import Flask, current_app, g
from flask_wtf.csrf import CSRFError
from markupsafe import Markup
from sqlalchemy.exc import SQLAlchemyError

from app.core.api import current_principal
from app.core.errors import Refusal
from app.core.money import readable
from app.core.orm import utc_now
from app.core.running import settings

RELATIVE_FOR: Final = timedelta(days=7)
"""Instants nearer than this are shown in words; the exact one is in the tooltip."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Display:
    """How one person wants to see the pages."""

    theme: str = "system"
    language: str = "en"
    """BCP 47 tag."""
    time_zone: str | None = None
    """IANA name; None is the shop's."""

    @property
    def locale(self) -> Locale:
        """The locale of the language; English where it is not known."""
        return _locale_of(self.language)

    @property
    def zone(self) -> ZoneInfo:
        """The time zone that instants are shown in."""
        try:
            return ZoneInfo(self.time_zone) if self.time_zone else settings().timezone
        except (ZoneInfoNotFoundError, ValueError):  # of a machine that knows more zones than this one
            return settings().timezone


@lru_cache(maxsize=64)
def _locale_of(language: str) -> Locale:
    """Kept, because a page of figures writes some thousand numbers."""
    try:
        return Locale.parse(language, sep="-")
    except (UnknownLocaleError, ValueError):
        return Locale("en")


def register_display(app: Flask, find: Callable[[int], Display | None]) -> None:
    """Give templates ``display()`` and all that writes values here; ``find`` reads preferences."""
    app.extensions["display"] = find
    app.jinja_env.globals |= {"display": display, "instant": instant, "day": day, "initials": initials}
    app.jinja_env.globals |= {"amount": amount, "number": number, "percent": percent, "percentage": percentage}
    app.jinja_env.globals |= {"day_on": day_on}


def display() -> Display:
    """How the one who asks wants to see pages; as usual where nobody is logged in or the database is away."""
    if "display" not in g:
        g.display = _find()
    found: Display = g.display
    return found


def instant(value: datetime | None, absent: str = "Never") -> Markup:
    """An instant: in words when it is near, else date and time in the reader's zone; exactly, in UTC, as its title."""
    if value is None:
        return Markup("{}").format(absent)
    exact = f"{value:%Y-%m-%d %H:%M:%S} UTC"
    return Markup('<time datetime="{}" title="{}">{}</time>').format(value.isoformat(), exact, _words(value))


def day(value: datetime | None, absent: str = "Never") -> Markup:
    """The day of an instant in the reader's zone; exactly, in UTC, as its title."""
    if value is None:
        return Markup("{}").format(absent)
    shown = display()
    text = format_date(value.astimezone(shown.zone).date(), "medium", locale=shown.locale)
    return Markup('<time datetime="{}" title="{:%Y-%m-%d %H:%M:%S} UTC">{}</time>').format(
        value.isoformat(), value, text
    )


def amount(minor: int, currency: str) -> str:
    """An amount in minor units as the reader writes amounts."""
    return readable(minor, currency, str(display().locale).replace("_", "-"))


def number(value: int | Decimal) -> str:
    """A number as the reader writes numbers, with at most three decimals."""
    return str(format_decimal(value, locale=display().locale))


def percent(value: Decimal | str) -> str:
    """Hundredths (12.5, also as text) as the reader writes percentages (12.5%), with at most one decimal."""
    locale = display().locale
    pattern = copy(locale.percent_formats[None])
    pattern.frac_prec = (0, 1)
    return str(pattern.apply(Decimal(value) / 100, locale))


def day_on(value: date) -> str:
    """A day of the shop as the reader writes days."""
    return format_date(value, "medium", locale=display().locale)


def span_on(first: date, last: date) -> str:
    """Days of the shop from one to another, which may be the same, as the reader writes days."""
    return day_on(first) if first == last else f"{day_on(first)} – {day_on(last)}"


def percentage(part: int, whole: int) -> Decimal:
    """A part in hundredths of the whole, which is not nothing."""
    return Decimal(part) * 100 / whole


def initials(name: str) -> str:
    """At most two letters that stand for a person."""
    words = [word for word in name.split() if word[:1].isalnum()]
    return "".join(word[0] for word in (words[:1] + words[1:][-1:]))[:2] or "?"


def _words(value: datetime) -> str:
    shown = display()
    distance = value - utc_now()
    if abs(distance) < timedelta(seconds=45):
        return "just now" if shown.locale.language == "en" else format_timedelta(distance, locale=shown.locale)
    if abs(distance) < RELATIVE_FOR:
        return format_timedelta(distance, add_direction=True, locale=shown.locale)
    local = value.astimezone(shown.zone)
    date, time = format_date(local, "medium", locale=shown.locale), format_time(local, "short", locale=shown.locale)
    return f"{date}, {time}"


def _find() -> Display:
    try:
        user_id = current_principal().user_id
        found: Any = None if user_id is None else current_app.extensions["display"](user_id)
    except (Refusal, CSRFError):
        return Display()
    except SQLAlchemyError as error:  # the page that says so must still be shown
        log.warning("preferences could not be read: %s", error)
        return Display()
    return found or Display()
