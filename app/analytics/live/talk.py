"""What a connection says beside its frames, and what it makes of what it hears."""

from __future__ import annotations

import time
from typing import Final

import orjson
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, TextMessage
from wsproto.frame_protocol import CloseReason
from wsproto.utilities import RemoteProtocolError

from app.analytics.live.frames import EVENTS

_LONGEST: Final = 1024
"""Bytes of a message; there is one that means something, and it is short."""
_OFTEN: Final = 60
"""Messages within a minute; whoever sends more is shown out."""
_ASK_ALL: Final = {"send": "full"}
_CODES: Final = {"unauthenticated": CloseReason.POLICY_VIOLATION, "going away": CloseReason.GOING_AWAY}
_RETRY_MS: Final = 3000


class Talk:
    """The side talk of one connection; of a WebSocket control frames and the request for everything."""

    __slots__ = ("_count", "_heard", "_is_socket", "_protocol", "_since", "_wants_all", "is_over")

    def __init__(self, wire: str) -> None:
        self._is_socket = wire != EVENTS
        self._protocol: Connection | None = None
        self._wants_all = False
        self.is_over = False
        self._heard = 0
        self._count = 0
        self._since = time.monotonic()

    def greeting(self) -> bytes:
        """The first bytes after the head of the answer, which goes out with them."""
        return self._spoken().send(Ping()) if self._is_socket else f"retry: {_RETRY_MS}\n\n".encode()

    def goodbye(self, reason: str) -> bytes:
        """The last bytes, by which the client knows why."""
        self.is_over = True
        if self._is_socket:
            return self._spoken().send(CloseConnection(code=_CODES[reason], reason=reason))
        return b"event: closed\ndata: " + orjson.dumps({"reason": reason}) + b"\n\n"

    def wants_all(self) -> bool:
        """Whether the client has asked for a full frame since this was asked last."""
        wanted, self._wants_all = self._wants_all, False
        return wanted

    def hear(self, data: bytes) -> bytes:
        """What to answer to what came; none means that the other side is gone. Sets ``is_over``."""
        if not data or not self._is_socket:
            self.is_over = not data
            return b""
        protocol = self._spoken()
        answer = b""
        try:
            protocol.receive_data(data)
            for event in protocol.events():
                answer += self._answer(protocol, event)
                if self.is_over:
                    break
        except RemoteProtocolError:
            self.is_over = True
        return answer

    def _answer(self, protocol: Connection, event: object) -> bytes:
        if isinstance(event, CloseConnection):
            self.is_over = True
            return protocol.send(event.response())
        if self._is_too_much(event):
            self.is_over = True
            return protocol.send(CloseConnection(code=CloseReason.POLICY_VIOLATION, reason="too much"))
        if isinstance(event, Ping):
            return protocol.send(event.response())
        if isinstance(event, TextMessage):
            self._wants_all = self._wants_all or _asks_for_all(event.data)
        return b""

    def _is_too_much(self, event: object) -> bool:
        now = time.monotonic()
        if now - self._since > 60:
            self._since, self._count = now, 0
        self._count += 1
        if isinstance(event, TextMessage | BytesMessage):
            heard = self._heard + len(event.data)
            self._heard = 0 if event.message_finished else heard
            return heard > _LONGEST or self._count > _OFTEN
        return self._count > _OFTEN

    def _spoken(self) -> Connection:
        if self._protocol is None:
            self._protocol = Connection(ConnectionType.SERVER)
        return self._protocol


def _asks_for_all(text: str) -> bool:
    try:
        return bool(orjson.loads(text) == _ASK_ALL)
    except orjson.JSONDecodeError:
        return False
