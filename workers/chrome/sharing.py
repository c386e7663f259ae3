"""Chromes that the lanes of one process share: each lane has a connection of its own, and its pages end with it.

Nobody ends a Chrome in which others have pages. One that must go (see ``RecyclingLimits``), or of which a guest says
that something is wrong with it, takes no new guest and ends when the last one has left; all that guests wait for has a
limit.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from app.rpa import metrics
from app.rpa.profiles.profile import Profile
from app.rpa.rules.codes import Code
from workers.chrome.chrome import Chrome
from workers.chrome.contexts import Contexts
from workers.chrome.settings import BrowserSettings, RecyclingLimits
from workers.chrome.shelf import Key
from workers.chrome.websocket import Connection, ConnectionLostError
from workers.errors import TaskError

log = logging.getLogger(__name__)

_END_S: Final = 15.0
_START_MARGIN_S: Final = 45.0
"""What a start may take beyond its own limit: looking names up, and ending what did not start."""
_WEIGH_S: Final = 10.0


class Guest(Contexts):
    """One lane's way into a shared Chrome, for one visit."""

    is_shared = True

    def __init__(self, host: Host, connection: Connection, shared: SharedChromes) -> None:
        super().__init__(host.chrome, connection)
        self._host = host
        self._shared = shared

    def kill(self) -> None:
        """Break the connection, with which the browser ends our page and no other; for any thread."""
        self._killed = True
        self._connection.abort()
        self._shared.retire(self._host, "crashed")

    def close(self) -> None:
        """Leave the browser; what is still open of ours ends. May be called twice."""
        self._killed = True
        self._connection.close()

    def _lost(self) -> None:
        self._shared.retire(self._host, "crashed")
        self.close()


@dataclass(eq=False)
class Host:
    """A Chrome with guests; it has a thread of its own, because Chrome dies with the thread that started it."""

    profile: Profile
    guests: int = 0
    reason: str | None = None
    """Why it takes no new guest."""
    is_over: threading.Event = field(default_factory=threading.Event)
    _is_ready: threading.Event = field(default_factory=threading.Event)
    _chrome: Chrome | None = None
    _failure: Exception | None = None

    @property
    def chrome(self) -> Chrome:
        """The browser, once it has started; raises TaskError like ``Chrome``."""
        if not self._is_ready.wait(self.profile.timeouts.start_s + _START_MARGIN_S):
            raise TaskError(Code.CHROME_START, "The browser did not start in time.")
        if isinstance(self._failure, TaskError):
            raise TaskError(self._failure.code, self._failure.detail) from self._failure
        if self._chrome is None:
            raise TaskError(Code.INTERNAL, f"The browser was not started: {type(self._failure).__name__}")
        return self._chrome

    @property
    def is_ready(self) -> bool:
        """Whether ``chrome`` is there."""
        return self._chrome is not None

    def run(self, settings: BrowserSettings, *, draws: bool) -> None:
        """Start the browser and end it when it is over."""
        try:
            with metrics.BROWSER_START_SECONDS.time():
                self._chrome = Chrome(settings, self.profile, draws=draws)
        except Exception as error:
            if not isinstance(error, TaskError):
                log.exception("a browser could not be started")
            self._failure = error
            return
        finally:
            self._is_ready.set()
        self.is_over.wait()
        metrics.BROWSER_ENDS.labels(self.reason or "stop").inc()
        self._chrome.end()


class SharedChromes:
    """At most ``capacity`` Chromes that take guests, one per storefront and way of drawing; for any thread."""

    def __init__(self, settings: BrowserSettings, *, limits: RecyclingLimits, capacity: int) -> None:
        """``capacity`` must be at least the number of threads that are guests at the same time."""
        self._settings = settings
        self._limits = limits
        self._capacity = capacity
        self._lock = threading.Lock()
        self._hosts: dict[Key, Host] = {}
        """Least recently used first."""
        self._threads: list[threading.Thread] = []
        self._memory_bytes = 0
        self._weighed_at = float("-inf")

    @contextmanager
    def lend(self, key: Key, profile: Profile) -> Iterator[Guest]:
        """A way into the browser of ``key``, which is started where there is none or one that must go.

        Raises TaskError like ``Chrome``, and CHROME_CRASH, which does not count, where it does not answer.
        """
        host = self._enter(key, profile)
        try:
            guest = self._guest(host)
            try:
                yield guest
            finally:
                guest.close()
        finally:
            self._leave(host)

    def retire(self, host: Host, reason: str) -> None:
        """Let a browser take no new guest."""
        with self._lock:
            self._retire(host, reason)

    def shown(self) -> list[tuple[int, Chrome]]:
        """The browsers that take guests, each with its storefront's id."""
        with self._lock:
            return [(key.storefront_id, host.chrome) for key, host in self._hosts.items() if host.is_ready]

    def memory_bytes(self) -> int:
        """Memory of all that take guests, weighed now and then."""
        if time.monotonic() - self._weighed_at > _WEIGH_S:
            self._weighed_at = time.monotonic()
            self._memory_bytes = sum(chrome.memory_bytes() for _, chrome in self.shown())
        return self._memory_bytes

    def close(self) -> None:
        """End every browser, whoever is still in it."""
        with self._lock:
            for host in list(self._hosts.values()):
                self._retire(host, "stop")
                host.is_over.set()
        for thread in self._threads:
            thread.join(_END_S)

    def _enter(self, key: Key, profile: Profile) -> Host:
        with self._lock:
            self._retire_outworn(key)
            host = self._hosts.pop(key, None) or self._started(key, profile)
            self._hosts[key] = host
            host.guests += 1
            return host

    def _guest(self, host: Host) -> Guest:
        try:
            guest = Guest(host, host.chrome.connect(), self)
            with self._lock:
                host.chrome.contexts += 1
        except ConnectionLostError as error:
            self.retire(host, "crashed")
            raise TaskError(Code.CHROME_CRASH, f"The browser does not answer: {error}", counts=False) from error
        except TaskError:
            self.retire(host, "crashed")  # it did not start
            raise
        else:
            return guest

    def _leave(self, host: Host) -> None:
        with self._lock:
            host.guests -= 1
            if host.reason is not None and host.guests == 0:
                host.is_over.set()

    def _retire(self, host: Host, reason: str) -> None:
        for key in [key for key, known in self._hosts.items() if known is host]:
            del self._hosts[key]
        host.reason = host.reason or reason
        if host.guests == 0:
            host.is_over.set()

    def _retire_outworn(self, wanted: Key) -> None:
        for key, host in list(self._hosts.items()):
            if key.storefront_id != wanted.storefront_id:
                continue
            is_outdated = key.profile_version < wanted.profile_version
            reason = host.chrome.why_recycle(self._limits) if host.is_ready else None
            if is_outdated or reason:
                self._retire(host, "profile" if is_outdated else reason or "")

    def _started(self, key: Key, profile: Profile) -> Host:
        while len(self._hosts) >= self._capacity:
            idle = next((host for host in self._hosts.values() if host.guests == 0), next(iter(self._hosts.values())))
            self._retire(idle, "room")
        host = Host(profile)
        run = partial(host.run, self._settings, draws=key.draws)
        thread = threading.Thread(target=run, name="chrome", daemon=True)
        self._threads = [*(known for known in self._threads if known.is_alive()), thread]
        thread.start()
        return host
