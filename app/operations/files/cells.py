"""Cells of spreadsheets: what one would run as a formula is disarmed on the way out and restored on the way in.

A cell that begins with one of ``= + - @``, also of full width, a tab or the end of a line gets an apostrophe before it
(OWASP, CSV injection), and so does one that begins with apostrophes before such a letter: so taking one off is always
right, and what is exported and imported again is what it was.
"""

from __future__ import annotations

import re
from typing import Final

_FIRST: Final = r"[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]"
_RUNS: Final = re.compile(f"'*{_FIRST}")
_PROTECTED: Final = re.compile(f"'+{_FIRST}")


def protect(text: str) -> str:
    """The text as a spreadsheet may see it."""
    return "'" + text if _RUNS.match(text) else text


def unprotect(text: str) -> str:
    """The text as it was before ``protect``."""
    return text[1:] if text[:1] == "'" and _PROTECTED.match(text) else text
