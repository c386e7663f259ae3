"""Waiting for a task's end inside a request, without starving the process: few may wait, none holds a connection."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from app.core.seats import Seats

_FIRST_PAUSE_S: Final = 0.05
_LONGEST_PAUSE_S: Final = 0.5


class WaitingRoom:
    """At most a quarter of a process's threads may wait; whoever comes after them is turned away at once."""

    def __init__(self, threads: int) -> None:
        self._seats = Seats(threads)

    def wait(self, is_over: Callable[[], bool], rest: Callable[[], None], *, seconds: float) -> bool:
        """Wait until ``is_over`` says so; False when time ran out or no seat was free.

        ``rest`` is called before every pause, to give the database connection back.
        """
        if seconds <= 0:
            return False
        with self._seats.taken() as is_seated:
            if not is_seated:
                return False
            deadline, pause = time.monotonic() + seconds, _FIRST_PAUSE_S
            while not is_over():
                rest()
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                time.sleep(min(pause, left))
                pause = min(pause * 1.5, _LONGEST_PAUSE_S)
            return True
