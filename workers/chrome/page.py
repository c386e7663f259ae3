"""One page in a fresh browser context, spoken to over the browser's websocket."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final

from app.rpa.profiles.profile import Profile
from app.rpa.rules.codes import Code
from workers.chrome.frames import Frames
from workers.chrome.navigation import STATUS_WITHOUT_BODY, Navigation
from workers.chrome.websocket import AnswerTimeoutError, CommandRefusedError, Connection
from workers.errors import TaskError

_FIRST_POLL_S: Final = 0.01
_LONGEST_POLL_S: Final = 0.2
_WORLD: Final = "cartwright"
_TWO_FRAMES: Final = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done())))"
"""What a page asks for in one frame shows in the next."""
_NO_CONTENT: Final = 204
_INERT: Final = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'",
}
"""Headers of a document that is only looked at."""


class Page:
    """A tab with cookies and storage of its own; made by ``Browser.context`` and gone with it.

    Every method may raise TaskError: TAB_CRASH when the page's process died, PAGE_TOO_LARGE when more bytes came than
    the profile allows, NAV_TIMEOUT when the page stopped answering. A lost browser is ConnectionLostError, which
    ``Browser.context`` turns into CHROME_CRASH.
    """

    def __init__(self, connection: Connection, profile: Profile, *, target: str, session: str, frames: Frames) -> None:
        self.target_id = target
        self._connection = connection
        self._frames = frames
        self._session = session
        self._limits = profile.timeouts
        self._navigation = Navigation(target, frozenset(profile.allowed_hosts), profile.page_bytes)
        self._world: tuple[str, int] | None = None
        self._kept: tuple[bytes, int] | None = None
        self._listen()

    @property
    def url(self) -> str:
        """The address of the document that is there."""
        return self._navigation.document.url

    @property
    def has_document(self) -> bool:
        """Whether there is a document of the shop, not only an empty tab or the browser's own error page."""
        document = self._navigation.document
        return bool(document.loader) and not document.is_error_page

    @property
    def status(self) -> int | None:
        """The HTTP status of the document that is there."""
        return self._navigation.status

    @property
    def retry_after_s(self) -> float | None:
        """Seconds the shop asked us to wait with this document."""
        return self._navigation.retry_after_s()

    def open(self, url: str) -> None:
        """Go to an address and wait until its document (or the one it leads to) is parsed, at most ``page_load_s``.

        Raises TaskError: NAV_TIMEOUT, NAV_DNS, NAV_CONN, TLS_ERROR, NO_DOCUMENT (download, 204, endless redirects),
        REDIRECTED_OFFSITE, ADDRESS_REFUSED. An error status is no error here, see ``status``.
        """
        limit = self._limits.page_load_s
        deadline = time.monotonic() + limit
        before = self._navigation.document
        self._navigation.received_bytes = 0
        self._navigation.pending.clear()
        reply = self._call("Page.navigate", {"url": url}, limit)
        error = reply.get("errorText", "")
        if error and error != STATUS_WITHOUT_BODY:
            raise self._navigation.refusal(error)
        if "loaderId" not in reply:  # only the fragment differs: the document stays
            return
        while self._navigation.document is before or not self._navigation.document.is_parsed:
            self._pump(deadline, f"The document was not complete after {limit:g} s.")
            self._navigation.check_error_page()
        self._run_first_frames()

    def show(self, url: str, document: bytes, *, status: int) -> None:
        """Open an address whose document is this HTML; nothing is asked of any server, and no script of it runs.

        Unlike with scripts switched off the page is parsed as it was live: what stands in ``noscript`` stays text.
        Raises TaskError like ``open``.
        """
        self._kept = (document, 200 if status == _NO_CONTENT or 300 <= status < 400 else status)
        self._call("Fetch.enable", {"patterns": [{"urlPattern": "*"}]}, self._limits.script_s)
        self.open(url)

    def run(self, function: str, argument: Any, *, timeout_s: float) -> Any:
        """Call a JavaScript function (may be async) with one JSON argument in an isolated world; gives its JSON value.

        The world belongs to the document that is there, whose own globals the function neither sees nor changes.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                return self._evaluate(function, argument, deadline)
            except CommandRefusedError as refusal:
                # The document went away under our hands: try the next one, as long as there is time.
                self._world = None
                self._pump(deadline, f"The page had no document to read: {refusal.message}", at_most_s=_LONGEST_POLL_S)

    def wait_until(
        self, function: str, argument: Any, accept: Callable[[Any], bool], *, timeout_s: float
    ) -> tuple[bool, Any]:
        """Call ``function`` again and again until ``accept`` says yes to its value; returns (accepted, last value)."""
        deadline = time.monotonic() + timeout_s
        pause = _FIRST_POLL_S
        while True:
            value = self.run(function, argument, timeout_s=self._limits.script_s)
            if accept(value):
                return True, value
            if time.monotonic() + pause > deadline:
                return False, value
            self.idle(pause)
            pause = min(pause * 2, _LONGEST_POLL_S)

    def wait_until_loaded(self, *, timeout_s: float) -> None:
        """Wait for the page's load event, and no longer than ``timeout_s``."""
        deadline = time.monotonic() + timeout_s
        while not self._navigation.document.is_loaded and (left := deadline - time.monotonic()) > 0:
            self.idle(min(left, _LONGEST_POLL_S))

    def wait_until_quiet(self, *, quiet_s: float, timeout_s: float) -> None:
        """Wait until the page has had no request under way for ``quiet_s``, and no longer than ``timeout_s``."""
        deadline = time.monotonic() + timeout_s
        quiet_since = time.monotonic()
        while (now := time.monotonic()) < deadline and now - quiet_since < quiet_s:
            self.idle(_FIRST_POLL_S)
            if self._navigation.pending:
                quiet_since = time.monotonic()

    def idle(self, seconds: float) -> None:
        """Let the page work for so long, taking what it says."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self._connection.pump(min(left, self._frames.keep_up()))
        self._navigation.check_error_page()

    def screenshot(self, *, timeout_s: float) -> bytes:
        """What the page looks like (the visible part), as a JPEG."""
        return self._frames.picture(timeout_s=timeout_s)

    def stop_counting(self) -> None:
        """Follow what the page loads no more, so that no limit of it is in the way of looking at what is there."""
        self._connection.forget_all()
        handlers = {"Inspector.targetCrashed": self._on_crash, "Page.javascriptDialogOpening": self._on_dialog}
        self._connection.listen(self._session, handlers)

    def send_nowait(self, method: str) -> None:
        """Send a DevTools command without parameters to the page and do not wait for its answer."""
        self._connection.post(method, session=self._session)

    def _listen(self) -> None:
        navigation = self._navigation
        self._connection.listen(
            self._session,
            {
                "Fetch.requestPaused": self._on_paused,
                "Inspector.targetCrashed": self._on_crash,
                "Network.dataReceived": navigation.received,
                "Network.loadingFailed": navigation.failed,
                "Network.loadingFinished": navigation.finished,
                "Network.requestWillBeSent": navigation.requested,
                "Network.responseReceived": navigation.responded,
                "Page.domContentEventFired": navigation.parsed,
                "Page.frameNavigated": navigation.navigated,
                "Page.javascriptDialogOpening": self._on_dialog,
                "Page.loadEventFired": navigation.loaded,
                "Page.navigatedWithinDocument": navigation.moved,
                "Target.attachedToTarget": self._on_child,
            },
        )
        for command in ("Network.enable", "Inspector.enable"):
            self._connection.post(command, session=self._session)
        self._attach_children(self._session)
        # Only when the page's process has answered does it report every navigation from now on.
        self._call("Page.enable", {}, self._limits.script_s)

    def _attach_children(self, session: str) -> None:
        """Frames and workers in processes of their own report their bytes in sessions of their own."""
        params = {"autoAttach": True, "waitForDebuggerOnStart": False, "flatten": True}
        self._connection.post("Target.setAutoAttach", params, session=session)

    def _on_child(self, event: dict[str, Any]) -> None:
        child = str(event["sessionId"])
        handlers = {"Network.dataReceived": self._navigation.received, "Target.attachedToTarget": self._on_child}
        self._connection.listen(child, handlers)
        self._connection.post("Network.enable", session=child)
        self._attach_children(child)

    def _on_paused(self, event: dict[str, Any]) -> None:
        """Answer the page's own request with the kept document, once, and break off all others."""
        answer = {"requestId": event["requestId"]}
        is_page = event.get("resourceType") == "Document" and event.get("frameId") == self.target_id
        if self._kept is None or not is_page:
            self._connection.post("Fetch.failRequest", answer | {"errorReason": "Aborted"}, session=self._session)
            return
        document, status = self._kept
        self._kept = None
        headers = [{"name": name, "value": value} for name, value in _INERT.items()]
        given = {"responseCode": status, "responseHeaders": headers, "body": base64.b64encode(document).decode()}
        self._connection.post("Fetch.fulfillRequest", answer | given, session=self._session)

    def _on_dialog(self, event: dict[str, Any]) -> None:
        """Say no to alert, confirm and prompt, and yes to leaving the page."""
        answer = {"accept": event.get("type") == "beforeunload"}
        self._connection.post("Page.handleJavaScriptDialog", answer, session=self._session)

    def _on_crash(self, _event: dict[str, Any]) -> None:
        raise TaskError(Code.TAB_CRASH, "The page's process died.")

    def _run_first_frames(self) -> None:
        """Let a page that is not drawn do what it has put off to its first frames."""
        if self._frames.are_drawn:
            return
        with suppress(CommandRefusedError):  # the page is on its way elsewhere
            call = self._function_call(_TWO_FRAMES, None, time.monotonic() + self._limits.script_s)
            number = self._connection.send("Runtime.callFunctionOn", call, session=self._session)
            self._frames.begin(number)
            self._connection.forget(number)

    def _evaluate(self, function: str, argument: Any, deadline: float) -> Any:
        call = self._function_call(function, argument, deadline)
        answer = self._call("Runtime.callFunctionOn", call, deadline - time.monotonic())
        if "exceptionDetails" in answer:
            raise RuntimeError(f"a script of ours failed in the page: {answer['exceptionDetails']}"[:1000])
        return answer["result"].get("value")

    def _function_call(self, function: str, argument: Any, deadline: float) -> dict[str, Any]:
        return {
            "functionDeclaration": function,
            "executionContextId": self._isolated_world(deadline),
            "arguments": [{"value": argument}],
            "returnByValue": True,
            "awaitPromise": True,
            "silent": True,
        }

    def _isolated_world(self, deadline: float) -> int:
        loader = self._navigation.document.loader
        if self._world is None or self._world[0] != loader:
            world = {"frameId": self.target_id, "worldName": _WORLD}
            answer = self._call("Page.createIsolatedWorld", world, deadline - time.monotonic())
            self._world = (loader, int(answer["executionContextId"]))
        return self._world[1]

    def _call(self, method: str, params: Mapping[str, Any], timeout_s: float) -> dict[str, Any]:
        try:
            return self._connection.call(method, params, session=self._session, timeout_s=timeout_s)
        except AnswerTimeoutError:
            raise TaskError(Code.NAV_TIMEOUT, f"The page did not answer {method} in time.") from None

    def _pump(self, deadline: float, complaint: str, *, at_most_s: float | None = None) -> None:
        """Take one message; raises TaskError(NAV_TIMEOUT) with ``complaint`` after the deadline."""
        left = deadline - time.monotonic()
        if left <= 0:
            raise TaskError(Code.NAV_TIMEOUT, complaint)
        self._connection.pump(left if at_most_s is None else min(left, at_most_s))
