"""A warm browser for one storefront: fresh contexts one after the other, its age and size, and its end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

from selenium.webdriver import Remote

from app.core.resolving import Lookup
from app.rpa.codes import Code
from app.rpa.profile import Profile
from workers.chrome.addresses import resolve, resolver_rules
from workers.chrome.driver_errors import DRIVER_ERRORS, driver_error
from workers.chrome.frames import DrawnFrames, FramesOnDemand
from workers.chrome.page import Page
from workers.chrome.process import ChromeProcess, arguments
from workers.chrome.processes import ProcessGroup
from workers.chrome.settings import BrowserSettings, RecyclingLimits
from workers.chrome.websocket import (
    AnswerTimeoutError,
    CommandRefusedError,
    Connection,
    ConnectionLostError,
    MessageTooLargeError,
)
from workers.errors import TaskError

_BROWSER_CALL_S: Final = 10.0
"""Limit for commands to the browser itself, which answer within milliseconds as long as it lives."""
_CLOSE_S: Final = 2.0
_RESOLVE_S: Final = 10.0
_WEIGHED_EVERY: Final = 25
"""Contexts between two looks at the memory: reading it costs milliseconds."""
_FATAL: Final = frozenset({Code.CHROME_CRASH, Code.DRIVER_TIMEOUT})


class Browser:
    """One chromedriver with its Chrome, restricted to the hosts of one storefront.

    It belongs to the thread that made it, which must live as long as the browser; only ``kill`` may be called from
    another one.
    """

    def __init__(
        self, settings: BrowserSettings, profile: Profile, *, draws: bool = True, lookup: Lookup | None = None
    ) -> None:
        """Resolve and check the storefront's hosts, then start the browser.

        A browser that does not draw runs frames only when it is asked (see ``frames``) and takes no clicks; full
        Chrome always draws. ``lookup`` replaces the system's resolver. Raises TaskError: NAV_DNS, ADDRESS_REFUSED,
        CHROME_START.
        """
        private, targets = settings.private_targets, profile.allowed_hosts
        addresses = resolve(targets, private=private, timeout_s=_RESOLVE_S, lookup=lookup)
        self.profile = profile
        self.draws = draws or profile.engine == "chrome"
        self.contexts = 0
        self._memory_bytes = 0
        self._killed = False
        self._started = time.monotonic()
        switches = arguments(profile, settings, resolver_rules(addresses), draws=self.draws)
        self._process = ChromeProcess.start(settings, profile, switches)
        try:
            self._connection = Connection(self._process.websocket_url, timeout_s=_BROWSER_CALL_S)
            self.version = str(self._connection.call("Browser.getVersion", timeout_s=_BROWSER_CALL_S)["product"])
            self._base_window = self.driver.current_window_handle
            self._connection.post("Target.setDiscoverTargets", {"discover": True, "filter": [{"type": "page"}]})
        except (ConnectionLostError, AnswerTimeoutError, *DRIVER_ERRORS) as error:
            self._process.kill_tree()
            raise TaskError(Code.CHROME_START, f"The browser started but does not answer: {error}") from error

    @property
    def driver(self) -> Remote:
        """The Selenium session; ``select`` points it at a page."""
        return self._process.driver

    @property
    def process_group(self) -> ProcessGroup:
        """The process group of the driver and Chrome."""
        return self._process.group

    @property
    def is_alive(self) -> bool:
        """False after ``kill``, ``close`` or a crash that was noticed."""
        return not self._killed

    @property
    def age_s(self) -> float:
        """Seconds since its start."""
        return time.monotonic() - self._started

    @contextmanager
    def context(self) -> Iterator[Page]:
        """A page in a fresh context: no cookie, storage or cache of any other; disposed on leaving.

        What websocket and driver raise comes out as TaskError (CHROME_CRASH, TAB_CRASH, DRIVER_TIMEOUT, NAV_TIMEOUT,
        PAGE_TOO_LARGE). After CHROME_CRASH and DRIVER_TIMEOUT the browser is closed.
        """
        self.contexts += 1
        try:
            context = self._call("Target.createBrowserContext", {"disposeOnDetach": True})["browserContextId"]
            try:
                yield self._open_page(context)
            finally:
                self._dispose(context)
        except MessageTooLargeError as error:
            self.close()
            raise TaskError(Code.PAGE_TOO_LARGE, f"The page made the browser send {error}.") from error
        except (ConnectionLostError, AnswerTimeoutError) as error:
            self.close()
            raise TaskError(Code.CHROME_CRASH, f"The browser is gone or does not answer: {error}") from error
        except CommandRefusedError as error:
            raise TaskError(Code.TAB_CRASH, f"The page is gone: {error}") from error
        except DRIVER_ERRORS as error:
            failure = driver_error(error)
            if failure.code in _FATAL:
                self.close()
            raise failure from error

    def select(self, page: Page) -> None:
        """Point the Selenium session at a page of this browser."""
        self.driver.switch_to.window(page.target_id)

    def memory_bytes(self) -> int:
        """Memory of the driver's and Chrome's processes."""
        return self._process.memory_bytes()

    def why_recycle(self, limits: RecyclingLimits) -> str | None:
        """Why the browser must be replaced: crashed, contexts, age or memory, which is weighed now and then only."""
        if not self.is_alive:
            return "crashed"
        if self.contexts >= limits.contexts:
            return "contexts"
        if self.age_s >= limits.age_s:
            return "age"
        if self.contexts % _WEIGHED_EVERY == 0:
            self._memory_bytes = self.memory_bytes()
        return "memory" if self._memory_bytes > limits.memory_bytes else None

    def kill(self) -> None:
        """Kill every process at once; whoever waits for the browser fails within milliseconds. For any thread.

        The owner still has to ``close`` it.
        """
        self._killed = True
        self._process.group.kill(_CLOSE_S)
        self._connection.abort()

    def close(self) -> None:
        """End the browser: ask it, then kill what is left, and delete its folder. May be called twice."""
        if not self._killed:
            with suppress(ConnectionLostError, AnswerTimeoutError, CommandRefusedError):
                self._connection.call("Browser.close", timeout_s=_CLOSE_S)
        self._killed = True
        self._connection.close()
        self._process.kill_tree()

    def _open_page(self, context: str) -> Page:
        self._connection.post("Browser.setDownloadBehavior", {"behavior": "deny", "browserContextId": context})
        # Granting nothing refuses everything: nobody is there to ask, and a page that asks would wait for ever.
        self._connection.post("Browser.grantPermissions", {"permissions": [], "browserContextId": context})
        self._connection.listen("", {"Target.targetCreated": self._on_target})
        tab = {"url": "about:blank", "browserContextId": context, "enableBeginFrameControl": not self.draws}
        target = self._call("Target.createTarget", tab)["targetId"]
        session = self._call("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
        frames = DrawnFrames if self.draws else FramesOnDemand
        return Page(
            self._connection, self.profile, target=target, session=session, frames=frames(self._connection, session)
        )

    def _on_target(self, event: dict[str, Any]) -> None:
        """Close a window that a page opened: full Chrome lets it after a click, whatever it is told at its start."""
        if "openerId" in event["targetInfo"]:
            self._connection.post("Target.closeTarget", {"targetId": event["targetInfo"]["targetId"]})

    def _dispose(self, context: str) -> None:
        """End a context and everything in it; a browser that cannot do that is closed."""
        self._connection.forget_all()
        if self._killed:
            return
        try:
            self._call("Target.disposeBrowserContext", {"browserContextId": context})
        except (ConnectionLostError, AnswerTimeoutError, CommandRefusedError):
            self.close()

    def _call(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        return self._connection.call(method, params, timeout_s=_BROWSER_CALL_S)
