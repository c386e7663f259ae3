"""The few warm browsers of one worker, so that jobs of two storefronts taking turns do not restart Chrome each time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import NamedTuple, Protocol

from app.rpa import metrics
from app.rpa.profiles.profile import Profile
from workers.chrome.browser import Browser
from workers.chrome.chrome import Chrome
from workers.chrome.contexts import Contexts
from workers.chrome.settings import BrowserSettings, RecyclingLimits


class Key(NamedTuple):
    """What a browser is for."""

    storefront_id: int
    profile_version: int
    draws: bool


class Browsers(Protocol):
    """Where a worker's visits find their browsers; for its one thread, as far as nothing else is said."""

    def lend(self, key: Key, profile: Profile) -> AbstractContextManager[Contexts]:
        """What may open contexts for one visit; raises TaskError like ``Chrome``."""

    def own(self, key: Key, profile: Profile) -> AbstractContextManager[Browser]:
        """A browser for one visit in which nobody else has pages; raises TaskError like ``Chrome``."""

    def shown(self) -> list[tuple[int, Chrome]]:
        """The browsers that there are, each with its storefront's id; for any thread."""

    def memory_bytes(self) -> int:
        """This worker's part of their memory; for any thread."""

    def close(self) -> None:
        """End what is this worker's."""


class BrowserShelf:
    """Keeps at most ``capacity`` warm browsers, one per storefront and way of drawing; the one idle longest goes."""

    def __init__(self, settings: BrowserSettings, *, limits: RecyclingLimits | None = None, capacity: int = 2) -> None:
        self._settings = settings
        self._limits = limits or RecyclingLimits()
        self._capacity = capacity
        self._browsers: dict[Key, Browser] = {}
        """Least recently used first."""

    def browser_for(self, storefront_id: int, profile_version: int, profile: Profile, *, draws: bool) -> Browser:
        """A living browser for this version of a storefront's profile, started where there is none or an outworn one.

        Call it from the thread that made the shelf's other browsers. Raises TaskError like ``Browser``.
        """
        key = Key(storefront_id, profile_version, draws)
        for known in [known for known in self._browsers if known.storefront_id == storefront_id]:
            outdated = known.profile_version != profile_version
            reason = "profile" if outdated else self._browsers[known].why_recycle(self._limits)
            if reason is not None:
                self._end(known, reason)
        browser = self._browsers.pop(key, None)
        if browser is None:
            while len(self._browsers) >= self._capacity:
                self._end(next(iter(self._browsers)), "room")
            with metrics.BROWSER_START_SECONDS.time():
                browser = Browser(self._settings, profile, draws=draws)
        self._browsers[key] = browser
        return browser

    @contextmanager
    def lend(self, key: Key, profile: Profile) -> Iterator[Browser]:
        """A browser for one visit, see ``browser_for``."""
        yield self.browser_for(key.storefront_id, key.profile_version, profile, draws=key.draws)

    own = lend

    def shown(self) -> list[tuple[int, Chrome]]:
        """The browsers that there are, each with its storefront's id; for any thread."""
        return [(key.storefront_id, browser.chrome) for key, browser in list(self._browsers.items())]

    def memory_bytes(self) -> int:
        """Memory of all the browsers; for any thread."""
        return sum(chrome.memory_bytes() for _, chrome in self.shown())

    def close(self) -> None:
        """End every browser."""
        for key in list(self._browsers):
            self._end(key, "stop")

    def _end(self, key: Key, reason: str) -> None:
        browser = self._browsers.pop(key)
        metrics.BROWSER_ENDS.labels("crashed" if not browser.is_alive else reason).inc()
        browser.close()
