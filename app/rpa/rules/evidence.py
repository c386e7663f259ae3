"""What is kept of which visit, decided with plain values.

A screenshot and the HTML of what did not succeed; a screenshot of changes, of every confirmed cart, and of one plain
success in a hundred; and of every storefront the HTML of some pages that were read well, for replays of its profile.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from app.rpa.rules import changes
from app.rpa.rules.codes import Code
from app.rpa.rules.readings import CartReading, ChoicesReading, Kind, Piece, ProductReading, TaskOutcome

FOLDER: Final = "evidence"
PER_CODE: Final = 20
"""Attempts of one job with the same code that something is kept of: the twenty-first shows nothing new."""
MAX_HTML_BYTES: Final = 2 * 1024 * 1024
"""Of a document before it is compressed; the rest is cut off, and a comment at its end says so."""
_SAMPLED: Final = 100
_DAY: Final = timedelta(days=1)
_UNSEEN: Final = frozenset({Code.CANCELLED, Code.TAB_CRASH, Code.CHROME_CRASH, Code.CHROME_START})
"""Codes of visits that have no page to show."""
_NAMES: Final = {Kind.SCREENSHOT: "screenshot.jpg", Kind.HTML: "page.html.gz"}
CONTENT_TYPES: Final = {Kind.SCREENSHOT: "image/jpeg", Kind.HTML: "text/html; charset=utf-8"}

Ended = Code | ProductReading | CartReading
"""How a visit ended: the code that says why not, or what it read."""


class Why(StrEnum):
    """Why something is kept, which says for how long."""

    FAILURE = "failure"
    CHANGE = "change"
    CART = "cart"
    SAMPLE = "sample"
    PAGE = "page"
    """A page that was read well: what another version of the profile must read, too."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A piece that lies in the store, as its row will describe it."""

    kind: Kind
    why: Why
    path: str
    size: int
    sha256: str


def reason(ended: Ended, *, baseline: Mapping[str, str | None], token: str) -> Why | None:
    """Why a visit that ended so is worth keeping; None for a plain success, but one in a hundred by its lease's token.

    ``baseline`` are the last known values of the product; they may have changed since, so this is a guess that only
    costs or saves a screenshot.
    """
    if isinstance(ended, Code):
        return None if ended in _UNSEEN else Why.FAILURE
    if isinstance(ended, CartReading):
        return Why.CART
    if changes.decide_changes(changes.observed_values(ended), {}, baseline):
        return Why.CHANGE
    return Why.SAMPLE if int(token, 16) % _SAMPLED == 0 else None


def wants_page(kept: Sequence[datetime], now: datetime, *, most: int) -> bool:
    """Whether one more page that was read well is worth keeping; ``kept``: when its storefront's were, newest first.

    The first ``most`` are kept as they come, so that a new storefront has some; then one every 24 hours / ``most``, so
    that the newest ``most`` are spread over a day.
    """
    return most > 0 and (len(kept) < most or kept[0] + _DAY / most <= now)


def pieces_of(ended: Ended, why: Why | None) -> frozenset[Kind]:
    """What is captured of a visit that ended so and is kept for this reason."""
    if why is None:
        return frozenset()
    return frozenset(Kind) if isinstance(ended, Code) else frozenset({Kind.SCREENSHOT})


def ended_of(outcome: TaskOutcome) -> Ended | None:
    """How a visit ended, as ``reason`` takes it."""
    if outcome.code is not None:
        return outcome.code
    return None if isinstance(outcome.reading, ChoicesReading) else outcome.reading


def describe(piece: Piece, why: Why, *, job_id: int, task_id: int, number: int) -> Kept:
    """Where a piece of an attempt lies and what names its content; no two attempts have the same path."""
    path = f"{FOLDER}/{job_id}/{task_id}/{number}/{_NAMES[piece.kind]}"
    return Kept(piece.kind, why, path, len(piece.content), hashlib.sha256(piece.content).hexdigest())
