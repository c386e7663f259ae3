"""Global Trade Item Numbers, the numbers under bar codes: GTIN-8, -12 (UPC), -13 (EAN) and -14."""

from __future__ import annotations

import re
from typing import Final

LENGTHS: Final = (8, 12, 13, 14)
_DIGITS: Final = re.compile(r"[0-9]+")


def check_digit(digits: str) -> int:
    """The last digit that a GTIN must have, from those before it (GS1 General Specifications, 7.9.1)."""
    backwards = digits[::-1]
    return -(3 * sum(map(int, backwards[::2])) + sum(map(int, backwards[1::2]))) % 10


def problem_of(gtin: str) -> str | None:
    """Which rule a text breaks as a GTIN, or None."""
    if not _DIGITS.fullmatch(gtin) or len(gtin) not in LENGTHS:
        return "must be a GTIN: 8, 12, 13 or 14 digits without spaces or hyphens."
    wanted = check_digit(gtin[:-1])
    if int(gtin[-1]) != wanted:
        return f"has the check digit {gtin[-1]}; of these digits it is {wanted}."
    return None
