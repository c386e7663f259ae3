"""When what failed is tried again, and when a webhook that keeps failing is left alone."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Final

RETRIES: Final = tuple(
    timedelta(seconds=seconds) for seconds in (5, 30, 120, 600, 1800, 3600, 7200, 14400, 21600, 36000)
)
"""Pauses between the attempts of one delivery: eleven attempts within 24 hours, the last after 23 h 43 min.

The Standard Webhooks specification (Deliverability and reliability) advises growing pauses with jitter over a day and
more, beginning with 5 seconds.
"""
JITTER: Final = 0.1
"""How much longer or shorter a pause may be, so that what failed together is not tried again together."""

PAUSES: Final = tuple(timedelta(seconds=min(900, 5 * 2**step)) for step in range(15))
"""How long nothing is sent to a webhook after its 1st, 2nd, ... failure in a row: a receiver that restarts while many
events wait does not use up the failures that it is allowed."""
MAX_FAILURES: Final = 15
"""In a row, of any deliveries: then the webhook is switched off. With events waiting that takes two hours."""
LONGEST_WISH: Final = timedelta(hours=1)
"""What a receiver may ask for by Retry-After."""
GIVE_UP: Final = timedelta(days=3)
"""A delivery that waits so long past its time, because its webhook is switched off, is not sent any more."""
KEEP: Final = timedelta(days=30)
"""For how long events and what became of them can be read."""


def next_pause(attempts: int) -> timedelta | None:
    """The pause after so many attempts that failed; None when they were the last."""
    if attempts > len(RETRIES):
        return None
    return RETRIES[attempts - 1] * random.uniform(1 - JITTER, 1 + JITTER)


def endpoint_pause(failures: int, wish: timedelta | None = None) -> timedelta:
    """How long to send nothing to a webhook after so many failures in a row; ``wish`` is its Retry-After."""
    usual = PAUSES[min(failures, len(PAUSES)) - 1]
    return max(usual, min(wish, LONGEST_WISH)) if wish is not None else usual
