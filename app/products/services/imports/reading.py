"""The first state of an import of products: its file is read, and its columns are guessed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from app.operations.files.guessing import Guess
from app.operations.services.imports import reading
from app.operations.services.leases import Work
from app.operations.services.running import Clock
from app.products.columns import THRESHOLD, guess_columns


def read_upload(work: Work, _clock: Clock) -> Work | None:
    """Read the uploaded file; where no column is the ASIN, somebody has to say which one is."""
    return reading.read_upload(work, guess=_guess, needs=frozenset({"asin"}))


def _guess(work: Work, names: Sequence[str], values: Sequence[Sequence[Any]]) -> list[Guess]:
    guesses = guess_columns(names, values)
    if work.arguments.get("may_set_thresholds"):
        return guesses
    return [Guess(None, None) if guess.target == THRESHOLD else guess for guess in guesses]
