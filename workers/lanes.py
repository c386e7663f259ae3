"""Several workers in one process, each in a thread of its own; what they share is Chrome.

A lane is a worker like any other: it has its row, its heart, its orders and its messages. All end together: when one is
told to stop, ends by itself or does not come back, the others finish what they do, and the pool starts afresh.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from app.rpa.profiles.profile import Profile
from workers.chrome.browser import Browser
from workers.chrome.chrome import Chrome
from workers.chrome.settings import BrowserSettings, RecyclingLimits
from workers.chrome.sharing import Guest, SharedChromes
from workers.chrome.shelf import BrowserShelf, Key
from workers.pulse import STUCK_EXIT

log = logging.getLogger(__name__)

_LOOK_S: Final = 0.1


class LaneBrowsers:
    """One lane's browsers: a place in shared ones, or for what may not be shared one of its own, never both."""

    def __init__(
        self, shared: SharedChromes, settings: BrowserSettings, limits: RecyclingLimits, *, lanes: int
    ) -> None:
        self._shared = shared
        self._shelf = BrowserShelf(settings, limits=limits, capacity=1)
        self._lanes = lanes

    @contextmanager
    def lend(self, key: Key, profile: Profile) -> Iterator[Guest]:
        """A place in a shared browser for one visit."""
        self._shelf.close()
        with self._shared.lend(key, profile) as guest:
            yield guest

    @contextmanager
    def own(self, key: Key, profile: Profile) -> Iterator[Browser]:
        """A browser of this lane, which stays until it is lent a place again."""
        with self._shelf.own(key, profile) as browser:
            yield browser

    def shown(self) -> list[tuple[int, Chrome]]:
        """The shared browsers and the lane's own; for any thread."""
        return [*self._shared.shown(), *self._shelf.shown()]

    def memory_bytes(self) -> int:
        """The lane's part of the shared browsers, and its own; for any thread."""
        return self._shared.memory_bytes() // self._lanes + self._shelf.memory_bytes()

    def close(self) -> None:
        """End the lane's own browser."""
        self._shelf.close()


@dataclass(slots=True)
class _Order:
    """What all lanes of a process shall do; no Event, whose lock a signal's handler could meet held."""

    is_stop: bool = False


class Lane:
    """One worker's thread; ``serve`` gets it, and runs until ``is_stopping``."""

    def __init__(self, number: int, order: _Order, serve: Callable[[Lane], None]) -> None:
        self.number = number
        self._order = order
        self._serve = serve
        self._is_stuck = False
        self._thread = threading.Thread(target=self._run, name=f"lane-{number}", daemon=True)

    @property
    def is_stopping(self) -> bool:
        """Whether it shall end after the job at hand."""
        return self._order.is_stop

    @property
    def is_stuck(self) -> bool:
        """Whether it does not come back."""
        return self._is_stuck

    @property
    def is_at_work(self) -> bool:
        """Whether it is worth waiting for."""
        return self._thread.is_alive() and not self._is_stuck

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()

    def give_up(self) -> None:
        """Wait for it no longer, and have the others end; for any thread."""
        self._is_stuck = True
        self._order.is_stop = True

    def _run(self) -> None:
        try:
            self._serve(self)
        except Exception:
            log.exception("a lane failed")
        finally:
            self._order.is_stop = True


def run_lanes(count: int, serve: Callable[[Lane], None]) -> None:
    """Run so many lanes in this process's threads until SIGTERM or until one of them ends; call it in the main thread.

    With one that does not come back the process ends as soon as the others are done.
    """
    order = _Order()

    def stop(_number: Any, _frame: Any) -> None:
        order.is_stop = True

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the pool decides
    signal.signal(signal.SIGTERM, stop)
    lanes = [Lane(number, order, serve) for number in range(count)]
    for lane in lanes:
        lane.start()
    while any(lane.is_at_work for lane in lanes):
        time.sleep(_LOOK_S)
    if any(lane.is_stuck for lane in lanes):
        logging.shutdown()
        os._exit(STUCK_EXIT)
