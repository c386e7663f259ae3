"""Waiting for a task's end inside a request, without starving the process: few may wait, none holds a connection."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

_FIRST_PAUSE_S: Final = 0.05
_LONGEST_PAUSE_S: Final = 0.5


class WaitingRoom:
    """At most a quarter of a process's threads may wait; whoever comes after them is turned away at once."""

    def __init__(self, threads: int) -> None:
        self._seats = threading.BoundedSemaphore(max(1, threads // 4))

    def wait(self, is_over: Callable[[], bool], rest: Callable[[], None], *, seconds: float) -> bool:
        """Wait until ``is_over`` says so; False when time ran out or no seat was free.

        ``rest`` is called before every pause, to give the database connection back.
        """
        if seconds <= 0 or not self._seats.acquire(blocking=False):
            return False
        try:
            deadline, pause = time.monotonic() + seconds, _FIRST_PAUSE_S
            while not is_over():
                rest()
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                time.sleep(min(pause, left))
                pause = min(pause * 1.5, _LONGEST_PAUSE_S)
            return True
        finally:
            self._seats.release()
