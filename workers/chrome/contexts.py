"""Fresh contexts in a Chrome, over a connection of one's own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, Final

from app.rpa.rules.codes import Code
from workers.chrome.chrome import BROWSER_CALL_S, Chrome
from workers.chrome.driver_errors import DRIVER_ERRORS, driver_error
from workers.chrome.frames import DrawnFrames, Frames, FramesOnDemand
from workers.chrome.page import Page
from workers.chrome.websocket import (
    AnswerTimeoutError,
    CommandRefusedError,
    Connection,
    ConnectionLostError,
    MessageTooLargeError,
)
from workers.errors import TaskError

_FATAL: Final = frozenset({Code.CHROME_CRASH, Code.DRIVER_TIMEOUT})


class Contexts(ABC):
    """What one thread may do with a Chrome: open contexts one after the other. Only ``kill`` is for other threads."""

    is_shared: ClassVar[bool]
    """Whether others may have pages in the same Chrome, so that its end says nothing of who caused it."""

    def __init__(self, chrome: Chrome, connection: Connection) -> None:
        self.chrome = chrome
        self.profile = chrome.profile
        self.version = chrome.version
        self.draws = chrome.draws
        self._killed = False
        self._connection = connection
        connection.post("Target.setDiscoverTargets", {"discover": True, "filter": [{"type": "page"}]})

    @abstractmethod
    def kill(self) -> None:
        """Have whoever waits for a page fail within milliseconds; for any thread. The owner still has to ``close``."""

    @abstractmethod
    def close(self) -> None:
        """End what is one's own. May be called twice."""

    @abstractmethod
    def _lost(self) -> None:
        """The browser is of no further use: end what is one's own and have nobody else use it."""

    @contextmanager
    def context(self) -> Iterator[Page]:
        """A page in a fresh context: no cookie, storage or cache of any other; disposed on leaving.

        What websocket and driver raise comes out as TaskError (CHROME_CRASH, TAB_CRASH, DRIVER_TIMEOUT, NAV_TIMEOUT,
        PAGE_TOO_LARGE). After CHROME_CRASH and DRIVER_TIMEOUT the browser is not used again; a CHROME_CRASH of a
        shared one does not count, as any of its pages may have caused it.
        """
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
            self._lost()
            raise self._crash(error) from error
        except CommandRefusedError as error:
            raise TaskError(Code.TAB_CRASH, f"The page is gone: {error}") from error
        except DRIVER_ERRORS as error:
            failure = driver_error(error)
            if failure.code in _FATAL:
                self._lost()
            raise failure from error

    def _crash(self, error: Exception) -> TaskError:
        detail = f"The browser is gone or does not answer: {error}"
        if self.is_shared:
            return TaskError(Code.CHROME_CRASH, f"{detail} (shared; the next visit is alone)", counts=False)
        return TaskError(Code.CHROME_CRASH, detail)

    def _open_page(self, context: str) -> Page:
        self._connection.post("Browser.setDownloadBehavior", {"behavior": "deny", "browserContextId": context})
        # Granting nothing refuses everything: nobody is there to ask, and a page that asks would wait for ever.
        self._connection.post("Browser.grantPermissions", {"permissions": [], "browserContextId": context})
        self._connection.listen("", {"Target.targetCreated": self._on_target})
        tab = {"url": "about:blank", "browserContextId": context, "enableBeginFrameControl": not self.draws}
        target = self._call("Target.createTarget", tab)["targetId"]
        session = self._call("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
        return Page(self._connection, self.profile, target=target, session=session, frames=self._frames(session))

    def _frames(self, session: str) -> Frames:
        if self.draws:
            return DrawnFrames(self._connection, session)
        return FramesOnDemand(self._connection, session, self.chrome.frame_turn)

    def _on_target(self, event: dict[str, Any]) -> None:
        """Close a window that a page opened: full Chrome lets it after a click, whatever it is told at its start."""
        if "openerId" in event["targetInfo"]:
            self._connection.post("Target.closeTarget", {"targetId": event["targetInfo"]["targetId"]})

    def _dispose(self, context: str) -> None:
        """End a context and everything in it; a browser that cannot do that is not used again."""
        self._connection.forget_all()
        if self._killed:
            return
        try:
            self._call("Target.disposeBrowserContext", {"browserContextId": context})
        except (ConnectionLostError, AnswerTimeoutError, CommandRefusedError):
            self._lost()

    def _call(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        return self._connection.call(method, params, timeout_s=BROWSER_CALL_S)
