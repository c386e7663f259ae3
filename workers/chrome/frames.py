"""Frames of a page: drawn by the browser as it likes, or run only when somebody asks, and drawn only for a picture.

A page needs frames for more than its looks: without them ``requestAnimationFrame``, ``IntersectionObserver``,
``ResizeObserver``, scroll events and animations stand still. Running a frame without drawing it does all of these at a
fifth of the cost of drawing (10 ms for a page's first and 2 ms for each further one, against 45 ms, measured on
Chromium 156 with a page of 60 KB).
"""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final, Protocol

from app.rpa.rules.codes import Code
from workers.chrome.websocket import AnswerTimeoutError, CommandRefusedError, Connection
from workers.errors import TaskError

ON_DEMAND: Final = ("--enable-begin-frame-control", "--run-all-compositor-stages-before-draw")
"""What makes a headless shell run frames only when it is asked; it holds for every page of the browser."""
_FRAME: Final = "HeadlessExperimental.beginFrame"
_UNDRAWN: Final = {"noDisplayUpdates": True}
_PICTURE: Final = {"format": "jpeg", "quality": 60}
_EVERY_S: Final = 0.05
"""How often a page that is waited for gets a frame."""
_AGAIN_S: Final = 0.003
"""When to run another frame after one that came before the page had asked for it."""
_FIRST_S: Final = 1.0
"""How long a page is given for its first frames: one whose style sheets do not come runs none."""
_FRAME_S: Final = 2.0
_DRAWN_WITHIN: Final = 5
"""Frames until one is drawn: the first after undrawn ones has no picture."""


class Frames(Protocol):
    """How a page gets its frames."""

    are_drawn: bool

    def begin(self, number: int) -> None:
        """Run frames until the page has answered a command (or has had its time): that a frame has come."""

    def keep_up(self) -> float:
        """Run a frame when one is due; gives the seconds after which to ask again."""

    def picture(self, *, timeout_s: float) -> bytes:
        """The visible part of the page as a JPEG; raises TaskError(NAV_TIMEOUT)."""


class DrawnFrames:
    """The browser draws frames by itself, as a person's does."""

    are_drawn = True

    def __init__(self, connection: Connection, session: str) -> None:
        self._connection = connection
        self._session = session

    def begin(self, number: int) -> None:
        """There is nothing to do."""

    def keep_up(self) -> float:
        """There is nothing to do, ever."""
        return float("inf")

    def picture(self, *, timeout_s: float) -> bytes:
        """The visible part of the page as a JPEG; raises TaskError(NAV_TIMEOUT)."""
        shot = _call(self._connection, self._session, "Page.captureScreenshot", _PICTURE, timeout_s)
        return base64.b64decode(shot["data"])


class FramesOnDemand:
    """Frames are run when the page is opened or waited for, and drawn for a picture only.

    A frame that the page does not finish, or that the browser refuses while the page is on its way elsewhere, is left
    out: whoever reads the page has a limit of his own and says what is missing. A browser dies of two frames at once,
    even of two pages (Chromium 156): ``turn`` is held for each.
    """

    are_drawn = False

    def __init__(self, connection: Connection, session: str, turn: threading.Lock) -> None:
        self._connection = connection
        self._session = session
        self._turn = turn
        self._next_at = 0.0
        self._waited_s = 0.0

    def begin(self, number: int) -> None:
        """Run frames until the page has answered a command (or has had its time): that a frame has come."""
        deadline, self._waited_s = time.monotonic() + _FIRST_S, 0.0
        while not self._connection.is_answered(number) and time.monotonic() < deadline + self._waited_s:
            self._run()
            self._connection.pump(_AGAIN_S)

    def keep_up(self) -> float:
        """Run a frame when one is due; gives the seconds after which to ask again."""
        if (left := self._next_at - time.monotonic()) > 0:
            return left
        self._run()
        return _EVERY_S

    def picture(self, *, timeout_s: float) -> bytes:
        """The visible part of the page as a JPEG; raises TaskError(NAV_TIMEOUT)."""
        deadline = time.monotonic() + timeout_s
        for _ in range(_DRAWN_WITHIN):
            left = deadline - time.monotonic()
            with self._in_turn(left) as is_ours:
                if not is_ours:
                    break
                left = deadline - time.monotonic()
                answer = _call(self._connection, self._session, _FRAME, {"screenshot": _PICTURE}, left)
            if data := answer.get("screenshotData"):
                return base64.b64decode(data)
        raise TaskError(Code.NAV_TIMEOUT, f"The page drew nothing in {_DRAWN_WITHIN} frames.")

    def _run(self) -> None:
        with suppress(AnswerTimeoutError, CommandRefusedError), self._in_turn(_FRAME_S) as is_ours:
            if is_ours:
                self._connection.call(_FRAME, _UNDRAWN, session=self._session, timeout_s=_FRAME_S)
        self._next_at = time.monotonic() + _EVERY_S

    @contextmanager
    def _in_turn(self, timeout_s: float) -> Iterator[bool]:
        """Wait for the other pages' frames; whether it is this page's turn."""
        began_at = time.monotonic()
        is_ours = self._turn.acquire(timeout=max(0.0, timeout_s))
        self._waited_s += time.monotonic() - began_at
        try:
            yield is_ours
        finally:
            if is_ours:
                self._turn.release()


def _call(
    connection: Connection, session: str, method: str, params: dict[str, Any], timeout_s: float
) -> dict[str, Any]:
    try:
        return connection.call(method, params, session=session, timeout_s=timeout_s)
    except AnswerTimeoutError:
        raise TaskError(Code.NAV_TIMEOUT, f"The page did not answer {method} in time.") from None
