"""A small synchronous connection to the browser's DevTools websocket.

One thread owns a connection; only ``abort`` may be called from another. Sessions are flattened: every message names
the page it is about, and an event is parsed only when somebody listens for it.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final

import orjson
from websocket import (
    ABNF,
    WebSocket,
    WebSocketException,
    WebSocketTimeoutException,
    frame_buffer,
)

from workers.chrome.settings import MEBIBYTE

MAX_MESSAGE_BYTES: Final = 32 * MEBIBYTE
_EVENT: Final = b'{"method":"'

Handler = Callable[[dict[str, Any]], None]


class CommandRefusedError(Exception):
    """The browser answered a command with an error; ``message`` is the browser's sentence."""

    def __init__(self, method: str, message: str) -> None:
        super().__init__(f"{method}: {message}")
        self.method = method
        self.message = message


class AnswerTimeoutError(Exception):
    """The browser did not answer in time; the connection stays usable."""


class ConnectionLostError(Exception):
    """The browser closed the connection or died."""


class MessageTooLargeError(ConnectionLostError):
    """The browser began a message longer than MAX_MESSAGE_BYTES; nothing more can be read."""


class Connection:
    """Commands and events of one browser."""

    def __init__(self, url: str, *, timeout_s: float) -> None:
        """Connect within ``timeout_s`` seconds; raises ConnectionLostError."""
        self._socket = WebSocket(skip_utf8_validation=True)
        try:
            self._socket.connect(url, suppress_origin=True, timeout=timeout_s, http_no_proxy=["*"])
        except (WebSocketException, OSError) as error:
            raise ConnectionLostError(str(error)) from error
        self._socket.frame_buffer = _Frames(self._socket.frame_buffer.recv, skip_utf8_validation=True)
        self._last_id = 0
        self._answers: dict[int, dict[str, Any] | None] = {}
        self._listeners: dict[str, Mapping[str, Handler]] = {}
        self._wanted: set[bytes] = set()

    def call(
        self, method: str, params: Mapping[str, Any] | None = None, *, session: str = "", timeout_s: float
    ) -> dict[str, Any]:
        """Send a command and wait for its result.

        Events that arrive meanwhile go to their listeners, whose exceptions come out here. Raises CommandRefusedError,
        AnswerTimeoutError, ConnectionLostError.
        """
        return self.result(self.send(method, params, session=session), method, timeout_s=timeout_s)

    def send(self, method: str, params: Mapping[str, Any] | None = None, *, session: str = "") -> int:
        """Send a command and return its number for ``result``; several may be under way at once."""
        number = self.post(method, params, session=session)
        self._answers[number] = None
        return number

    def post(self, method: str, params: Mapping[str, Any] | None = None, *, session: str = "") -> int:
        """Send a command whose answer nobody wants to know."""
        self._last_id += 1
        message: dict[str, Any] = {"id": self._last_id, "method": method, "params": params or {}}
        if session:
            message["sessionId"] = session
        try:
            self._socket.send(orjson.dumps(message), ABNF.OPCODE_TEXT)
        except (WebSocketException, OSError) as error:
            raise ConnectionLostError(str(error)) from error
        return self._last_id

    def result(self, number: int, method: str, *, timeout_s: float) -> dict[str, Any]:
        """Wait for the answer to a command sent earlier; raises like ``call``."""
        deadline = time.monotonic() + timeout_s
        try:
            while (answer := self._answers[number]) is None:
                self._receive(deadline)
        finally:
            self._answers.pop(number, None)
        if (error := answer.get("error")) is not None:
            raise CommandRefusedError(method, str(error.get("message", "")))
        result: dict[str, Any] = answer.get("result", {})
        return result

    def forget(self, number: int) -> None:
        """Want to know no more what becomes of a command sent earlier."""
        self._answers.pop(number, None)

    def is_answered(self, number: int) -> bool:
        """Whether the answer to a command sent earlier has come; ``result`` gives it without waiting then."""
        return self._answers[number] is not None

    def pump(self, timeout_s: float) -> bool:
        """Take the next message, waiting at most ``timeout_s`` seconds; False when none came."""
        try:
            self._receive(time.monotonic() + timeout_s)
        except AnswerTimeoutError:
            return False
        return True

    def listen(self, session: str, handlers: Mapping[str, Handler]) -> None:
        """Send the named events of a session ("" is the browser itself) to these handlers from now on."""
        self._listeners[session] = handlers
        self._wanted.update(method.encode() for method in handlers)

    def forget_all(self) -> None:
        """Stop listening to every session."""
        self._listeners.clear()

    def abort(self) -> None:
        """Break the connection at once, from any thread: whoever waits on it gets ConnectionLostError."""
        raw = self._socket.sock
        if raw is not None:
            with suppress(OSError):
                raw.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the socket without the farewell that a dying browser would not answer."""
        with suppress(WebSocketException, OSError):
            self._socket.shutdown()

    def _receive(self, deadline: float) -> None:
        left = deadline - time.monotonic()
        if left <= 0:
            raise AnswerTimeoutError
        try:
            self._socket.settimeout(left)
            opcode, data = self._socket.recv_data()
        except WebSocketTimeoutException as error:
            raise AnswerTimeoutError from error
        except MessageTooLargeError:
            raise
        except (WebSocketException, OSError, AttributeError) as error:
            raise ConnectionLostError(str(error)) from error
        if opcode == ABNF.OPCODE_CLOSE:
            raise ConnectionLostError("the browser closed the connection")
        self._dispatch(data)

    def _dispatch(self, data: bytes) -> None:
        if data.startswith(_EVENT) and data[len(_EVENT) : data.index(b'"', len(_EVENT))] not in self._wanted:
            return
        message = orjson.loads(data)
        if (number := message.get("id")) is not None:
            if number in self._answers:
                self._answers[number] = message
            return
        handler = self._listeners.get(message.get("sessionId", ""), {}).get(message.get("method", ""))
        if handler is not None:
            handler(message.get("params", {}))


class _Frames(frame_buffer):
    """Frames read through one large buffer, and none longer than MAX_MESSAGE_BYTES."""

    def __init__(self, recv_fn: Callable[[int], bytes], *, skip_utf8_validation: bool) -> None:
        super().__init__(recv_fn, skip_utf8_validation)
        self._bytes = bytearray()

    def recv_length(self) -> None:
        super().recv_length()
        if (self.length or 0) > MAX_MESSAGE_BYTES:
            raise MessageTooLargeError(f"a message of {self.length} bytes")

    def recv_strict(self, bufsize: int) -> bytes:
        while len(self._bytes) < bufsize:
            self._bytes += self.recv(65536)
        part = bytes(self._bytes[:bufsize])
        del self._bytes[:bufsize]
        return part
