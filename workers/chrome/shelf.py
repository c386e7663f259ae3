"""The few warm browsers of one worker, so that jobs of two storefronts taking turns do not restart Chrome each time."""

from __future__ import annotations

from typing import NamedTuple

from app.rpa import metrics
from app.rpa.profile import Profile
from workers.chrome.browser import Browser
from workers.chrome.settings import BrowserSettings, RecyclingLimits


class _Key(NamedTuple):
    storefront_id: int
    profile_version: int
    draws: bool


class BrowserShelf:
    """Keeps at most ``capacity`` warm browsers, one per storefront and way of drawing; the one idle longest goes."""

    def __init__(self, settings: BrowserSettings, *, limits: RecyclingLimits | None = None, capacity: int = 2) -> None:
        self._settings = settings
        self._limits = limits or RecyclingLimits()
        self._capacity = capacity
        self._browsers: dict[_Key, Browser] = {}
        """Least recently used first."""

    def browser_for(self, storefront_id: int, profile_version: int, profile: Profile, *, draws: bool) -> Browser:
        """A living browser for this version of a storefront's profile, started where there is none or an outworn one.

        Call it from the thread that made the shelf's other browsers. Raises TaskError like ``Browser``.
        """
        key = _Key(storefront_id, profile_version, draws)
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

    def shown(self) -> list[tuple[int, Browser]]:
        """The browsers that there are, each with its storefront's id; for any thread."""
        return [(key.storefront_id, browser) for key, browser in list(self._browsers.items())]

    def close(self) -> None:
        """End every browser."""
        for key in list(self._browsers):
            self._end(key, "stop")

    def _end(self, key: _Key, reason: str) -> None:
        browser = self._browsers.pop(key)
        metrics.BROWSER_ENDS.labels("crashed" if not browser.is_alive else reason).inc()
        browser.close()
