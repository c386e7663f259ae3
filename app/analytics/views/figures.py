"""How pages write figures; app/static/js/live-figures.js writes them the same way."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from babel.numbers import format_decimal, format_percent

from app.analytics.rules.figures import CAP
from app.core.display import display
from app.core.money import Money, readable

NOTHING: Final = "–"


def shown(value: Any, form: str = "count") -> str:
    """A figure as text: ``count`` (with a plus where counting was stopped), ``number``, ``percent`` or ``money``."""
    locale = display().locale
    if value is None:
        return NOTHING
    if form == "money":
        minor = Money.of(abs(Decimal(value["amount"])), value["currency"]).minor
        signed = -minor if value["amount"].startswith("-") else minor
        return readable(signed, value["currency"], str(locale).replace("_", "-"))
    if form == "percent":
        text: str = format_percent(Decimal(value) / 100, "#,##0.#%", locale=locale)
        return text
    number: str = format_decimal(value, locale=locale)
    return f"{number}+" if form == "count" and value >= CAP else number
