"""Doing the same for one thing after another, whatever becomes of the others."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import TypeVar

T = TypeVar("T")


def do_in_turn(things: Iterable[T], deed: Callable[[T], int], *, budget_s: float, otherwise: str) -> int:
    """Do something for each until ``budget_s`` seconds are over; returns the sum of what it returns.

    At least the first one has its turn. Raises ExceptionGroup, called ``otherwise``, when some failed, after the
    others had their turn.
    """
    done, failures, ends = 0, [], time.monotonic() + budget_s
    for thing in things:
        try:
            done += deed(thing)
        except Exception as failure:  # noqa: BLE001  # raised below, after the others had their turn
            failures.append(failure)
        if time.monotonic() > ends:
            break
    if failures:
        raise ExceptionGroup(otherwise, failures)
    return done
