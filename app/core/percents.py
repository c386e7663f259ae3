"""Percentages: whole millionths, never a float."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

_PLAIN: Final = re.compile(r"[0-9]{1,3}(\.[0-9]{1,4})?")
_NUMBER: Final = re.compile(r"[0-9]+(\.[0-9]+)?")


def parse_percent(text: str) -> int:
    """A percentage within 0 and 100 with up to four decimals (``8.875``) in millionths of the whole.

    Raises ValueError for anything else, which says the rule that it breaks.
    """
    if _NUMBER.fullmatch(text) and Decimal(text) > 100:
        raise ValueError("must be at most 100.")
    if not _PLAIN.fullmatch(text):
        raise ValueError("must be a percentage such as 12.5, with at most four decimals.")
    return int(Decimal(text).scaleb(4))


def percent_text(ppm: int) -> str:
    """Millionths as a percentage without needless zeros: 88750 is ``8.875``."""
    return f"{Decimal(ppm).scaleb(-4).normalize():f}"
