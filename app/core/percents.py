"""Percentages: whole millionths, never a float."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

_PLAIN: Final = re.compile(r"[0-9]{1,3}(\.[0-9]{1,4})?")


def parse_percent(text: str) -> int:
    """A percentage within 0 and 100 with up to four decimals (``8.875``) in millionths of the whole.

    Raises ValueError for anything else.
    """
    if not _PLAIN.fullmatch(text) or Decimal(text) > 100:
        raise ValueError(text)
    return int(Decimal(text).scaleb(4))


def percent_text(ppm: int) -> str:
    """Millionths as a percentage without needless zeros: 88750 is ``8.875``."""
    return f"{Decimal(ppm).scaleb(-4).normalize():f}"
