"""The first state of an import of sales: its file is read, and its columns are guessed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from app.operations.files.guessing import Guess
from app.operations.services.imports import reading
from app.operations.services.leases import Work
from app.operations.services.running import Clock
from app.orders.sales_columns import NEEDED, guess_columns

_NEEDED: Final = frozenset(NEEDED)


def read_upload(work: Work, _clock: Clock) -> Work | None:
    """Read the uploaded file; where a column that is needed is not found, somebody has to say which one it is."""
    return reading.read_upload(work, guess=_guess, needs=_NEEDED)


def _guess(_work: Work, names: Sequence[str], values: Sequence[Sequence[Any]]) -> list[Guess]:
    return guess_columns(names, values)
