"""What cells say: values out of texts as files have them, or the rule that they break."""

from __future__ import annotations

import re
from typing import Any, Final

from app.core.fields import ASIN
from app.core.text import UNPRINTABLE, TextRefused, cleaned

MAX_REASON: Final = 500
"""Characters of what is said about one cell."""


class Refused(ValueError):
    """A value breaks a rule, which the message says."""


def read_text(value: Any, *, longest: int, shortest: int = 1, unprintable: re.Pattern[str] = UNPRINTABLE) -> str:
    """A text as it is kept; raises Refused."""
    if value is None:
        value = ""
    if not isinstance(value, str):
        raise Refused("Not a valid string.")
    try:
        return cleaned(value, shortest=shortest, longest=longest, unprintable=unprintable)
    except TextRefused as refused:
        raise Refused(str(refused)) from None


def read_asin(value: Any) -> str:
    """An ASIN; lower case becomes upper case. Raises Refused."""
    if isinstance(value, str):
        if ASIN.fullmatch(value):
            return value
        text = value.strip().upper()
        if value.isascii() and ASIN.fullmatch(text):
            return text
    raise Refused("must be ten letters and digits, such as B0CW1A0001.")


def require_currency(value: Any, currency: str) -> None:
    """Raise Refused for a cell that names another currency than the shop's; an empty one says nothing."""
    if value not in {None, "", currency} and str(value).strip() != currency:
        raise Refused(f"must be {currency}, the currency of this shop.")
