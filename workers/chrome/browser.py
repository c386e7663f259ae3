"""A warm browser of one thread: fresh contexts one after the other, clicks by Selenium, and its end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from selenium.webdriver import Remote

from app.core.resolving import Lookup
from app.rpa.profiles.profile import Profile
from app.rpa.rules.codes import Code
from workers.chrome.chrome import Chrome
from workers.chrome.contexts import Contexts
from workers.chrome.page import Page
from workers.chrome.processes import ProcessGroup
from workers.chrome.settings import BrowserSettings, RecyclingLimits
from workers.chrome.websocket import AnswerTimeoutError, CommandRefusedError, ConnectionLostError
from workers.errors import TaskError

_CLOSE_S: Final = 2.0


class Browser(Contexts):
    """A Chrome that nobody else uses.

    It belongs to the thread that made it, which must live as long as the browser; only ``kill`` may be called from
    another one.
    """

    is_shared = False

    def __init__(
        self, settings: BrowserSettings, profile: Profile, *, draws: bool = True, lookup: Lookup | None = None
    ) -> None:
        """Start it like ``Chrome``, whose TaskErrors it raises."""
        chrome = Chrome(settings, profile, draws=draws, lookup=lookup)
        try:
            super().__init__(chrome, chrome.connect())
        except ConnectionLostError as error:
            chrome.end()
            raise TaskError(Code.CHROME_START, f"The browser started but does not answer: {error}") from error

    @property
    def driver(self) -> Remote:
        """The Selenium session; ``select`` points it at a page."""
        return self.chrome.driver

    @property
    def process_group(self) -> ProcessGroup:
        """The process group of the driver and Chrome."""
        return self.chrome.process_group

    @property
    def contexts(self) -> int:
        """How many it has had."""
        return self.chrome.contexts

    @property
    def is_alive(self) -> bool:
        """False after ``kill``, ``close`` or a crash that was noticed."""
        return not self._killed

    @contextmanager
    def context(self) -> Iterator[Page]:  # Contexts'
        self.chrome.contexts += 1
        with super().context() as page:
            yield page

    def select(self, page: Page) -> None:
        """Point the Selenium session at a page of this browser."""
        self.driver.switch_to.window(page.target_id)

    def memory_bytes(self) -> int:
        """Memory of the driver's and Chrome's processes."""
        return self.chrome.memory_bytes()

    def why_recycle(self, limits: RecyclingLimits) -> str | None:
        """Why the browser must be replaced, see ``Chrome``."""
        return self.chrome.why_recycle(limits)

    def kill(self) -> None:
        """Kill every process at once; whoever waits for the browser fails within milliseconds. For any thread.

        The owner still has to ``close`` it.
        """
        self._killed = True
        self.chrome.kill()
        self._connection.abort()

    def close(self) -> None:
        """End the browser: ask it, then kill what is left, and delete its folder. May be called twice."""
        if not self._killed:
            with suppress(ConnectionLostError, AnswerTimeoutError, CommandRefusedError):
                self._connection.call("Browser.close", timeout_s=_CLOSE_S)
        self._killed = True
        self._connection.close()
        self.chrome.end()

    def _lost(self) -> None:
        self.close()
