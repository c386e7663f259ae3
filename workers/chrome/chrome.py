"""A running Chrome for one storefront: what it may reach, its age and size, and its end."""

from __future__ import annotations

import threading
import time
from typing import Final

from selenium.webdriver import Remote

from app.core.resolving import Lookup
from app.rpa.profiles.profile import Profile
from app.rpa.rules.codes import Code
from workers.chrome.addresses import resolve, resolver_rules
from workers.chrome.process import ChromeProcess, arguments
from workers.chrome.processes import ProcessGroup
from workers.chrome.settings import BrowserSettings, RecyclingLimits
from workers.chrome.websocket import AnswerTimeoutError, Connection, ConnectionLostError
from workers.errors import TaskError

BROWSER_CALL_S: Final = 10.0
"""Limit for commands to the browser itself, which answer within milliseconds as long as it lives."""
_KILL_S: Final = 2.0
_RESOLVE_S: Final = 10.0
_WEIGHED_EVERY: Final = 25
"""Contexts between two looks at the memory: reading it costs milliseconds."""


class Chrome:
    """One chromedriver with its Chrome, restricted to the hosts of one storefront.

    The thread that makes it must live as long as it shall; only ``kill`` and what reads may be called from others.
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
        """Opened since its start; whoever opens one counts it."""
        self.is_killed = False
        self.frame_turn = threading.Lock()
        """Held by whoever runs a frame, see ``FramesOnDemand``."""
        self._memory_bytes = 0
        self._weighing = 0
        self._started = time.monotonic()
        switches = arguments(profile, settings, resolver_rules(addresses), draws=self.draws)
        self._process = ChromeProcess.start(settings, profile, switches)
        try:
            connection = self.connect()
            self.version = str(connection.call("Browser.getVersion", timeout_s=BROWSER_CALL_S)["product"])
            connection.close()
        except (ConnectionLostError, AnswerTimeoutError) as error:
            self._process.kill_tree()
            raise TaskError(Code.CHROME_START, f"The browser started but does not answer: {error}") from error

    @property
    def driver(self) -> Remote:
        """The Selenium session on the browser's first tab."""
        return self._process.driver

    @property
    def process_group(self) -> ProcessGroup:
        """The process group of the driver and Chrome."""
        return self._process.group

    @property
    def age_s(self) -> float:
        """Seconds since its start."""
        return time.monotonic() - self._started

    def connect(self) -> Connection:
        """A connection to the browser, for one thread; raises ConnectionLostError."""
        return Connection(self._process.websocket_url, timeout_s=BROWSER_CALL_S)

    def memory_bytes(self) -> int:
        """Memory of the driver's and Chrome's processes."""
        return self._process.memory_bytes()

    def why_recycle(self, limits: RecyclingLimits) -> str | None:
        """Why the browser must be replaced: killed, contexts, age or memory, which is weighed now and then only."""
        if self.is_killed:
            return "crashed"
        if self.contexts >= limits.contexts:
            return "contexts"
        if self.age_s >= limits.age_s:
            return "age"
        if (weighing := self.contexts // _WEIGHED_EVERY) != self._weighing:
            self._weighing = weighing
            self._memory_bytes = self.memory_bytes()
        return "memory" if self._memory_bytes > limits.memory_bytes else None

    def kill(self) -> None:
        """Kill every process at once, from any thread; ``end`` still has to be called."""
        self.is_killed = True
        self._process.group.kill(_KILL_S)

    def end(self) -> None:
        """Kill what is left and delete the folder. May be called twice."""
        self.is_killed = True
        self._process.kill_tree()
