"""Text that was sent, as it is kept: trimmed, in NFC, without what cannot be seen; safe to normalise.

Putting combining marks into their order takes time by the square of how many stand in a row. So texts are checked
before they are normalised, against their length and against Unicode's limit for such rows.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final, Literal

MAX_MARKS: Final = 30
"""Combining marks in a row (Stream-Safe Text Format, UAX #15, 13)."""
_GROWTH: Final = 4
"""How much longer than in NFC a text may be sent; taken apart, no letter has more characters than this (UAX #15)."""
_LATE_MARKS: Final = frozenset("\u0f73\u0f75\u0f81\uff9e\uff9f")
"""What is no combining mark by itself, but becomes some when it is taken apart."""
_UNPRINTABLE: Final = r"\x7f-\x9f\u2028\u2029\ud800-\udfff\u202a-\u202e\u2066-\u2069"
"""Controls, line breaks, lone surrogates, and marks that turn the direction of what follows (Unicode TR 36, 3.2)."""
UNPRINTABLE: Final = re.compile(rf"[\x00-\x1f{_UNPRINTABLE}]")
"""What a text of one line must not hold."""
UNPRINTABLE_IN_LINES: Final = re.compile(rf"[\x00-\x08\x0b-\x1f{_UNPRINTABLE}]")
"""What a text of several lines must not hold."""
_INVISIBLE: Final = re.compile(
    r"[\s\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164"
    r"\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]+"
)
"""Blanks and what is drawn as nothing (Default_Ignorable_Code_Point of UAX #44, and the Braille pattern of no dots)."""


class TextRefused(ValueError):
    """A text breaks a rule, which the message says."""


def cleaned(text: str, *, shortest: int, longest: int, unprintable: re.Pattern[str] = UNPRINTABLE) -> str:
    """A text of ``shortest`` to ``longest`` characters as it is kept; raises TextRefused."""
    if text.isascii() and text.isprintable():  # as nearly all are
        clean = text.strip()
    else:
        clean = composed(text, shortest=shortest, longest=longest).strip().replace("\r\n", "\n")
        if unprintable.search(clean):
            raise TextRefused("must not contain control characters.")
        if is_invisible(clean):
            raise TextRefused("must hold something that can be seen.")
    if not shortest <= len(clean) <= longest:
        raise TextRefused(_length_rule(shortest, longest))
    return clean


def composed(text: str, *, longest: int, shortest: int = 0) -> str:
    """A text in NFC; raises TextRefused for one that is far longer than ``longest``, or not safe to normalise."""
    if text.isascii():
        return text
    if len(text.strip()) > _GROWTH * longest:
        raise TextRefused(_length_rule(shortest, longest))
    if has_long_runs(text):
        raise TextRefused(f"must not have more than {MAX_MARKS} combining marks in a row.")
    return unicodedata.normalize("NFC", text)


def normalised(text: str, form: Literal["NFC", "NFKC"]) -> str:
    """A normal form of text that nobody can be told to mend: of marks in a row no more than MAX_MARKS stay."""
    return unicodedata.normalize(form, _thinned(text) if has_long_runs(text) else text)


def is_invisible(text: str) -> bool:
    """Whether a text has characters, of which none can be seen."""
    return _INVISIBLE.fullmatch(text) is not None


def has_long_runs(text: str) -> bool:
    """Whether more than MAX_MARKS combining marks stand in a row."""
    if len(text) <= MAX_MARKS or text.isascii():
        return False
    marks = 0
    for character in text:
        marks = marks + 1 if _is_mark(character) else 0
        if marks > MAX_MARKS:
            return True
    return False


def _thinned(text: str) -> str:
    kept: list[str] = []
    marks = 0
    for character in text:
        marks = marks + 1 if _is_mark(character) else 0
        if marks <= MAX_MARKS:
            kept.append(character)
    return "".join(kept)


def _is_mark(character: str) -> bool:
    return unicodedata.combining(character) != 0 or character in _LATE_MARKS


def _length_rule(shortest: int, longest: int) -> str:
    return f"Length must be between {shortest} and {longest}."
