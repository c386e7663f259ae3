"""How long a server asks us to wait (RFC 9110, 10.2.3)."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from typing import Final

_MAX_RETRY_AFTER_S: Final = 86_400.0


def parse_retry_after(value: str, now: float) -> float | None:
    """Seconds from ``now`` (POSIX time) that a Retry-After value names: 0 for the past, None for nonsense."""
    text = value.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:20]), _MAX_RETRY_AFTER_S)
    try:
        at = parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError):
        return None
    return min(max(at - now, 0.0), _MAX_RETRY_AFTER_S)
