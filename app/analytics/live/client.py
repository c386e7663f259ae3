"""One open connection: a stream of bytes for its socket, made by the greenlet that the server has for it anyway.

It sleeps until its bell rings: there is a new frame, the other side said something or went away, or the hub ends it. It
sends the newest frame only, so whoever is slow gets fewer frames, in full, and nothing is heaped up for them; whoever
takes no bytes at all for SEND_S is dropped by the server.
"""

from __future__ import annotations

import socket as sockets
from collections.abc import Generator, Iterator
from datetime import datetime
from typing import Any, Final, Protocol

import gevent
from gevent.event import Event

from app.analytics.live.frames import Audience
from app.analytics.live.talk import Talk

SEND_S: Final = 10
"""For how long the other side may take no bytes."""
_UNSENT_MS: Final = 20_000
"""For how long what was sent may stay unacknowledged: a machine that is gone does not say so."""
_SEND_BUFFER: Final = 32 * 1024
_READ: Final = 4096
_LOOK_S: Final = 60.0

UNAUTHENTICATED: Final = "unauthenticated"
GOING_AWAY: Final = "going away"


class Leaving(Protocol):
    """Who must be told when a connection has ended."""

    def leave(self, client: Client) -> None:
        """Forget a client, however often it is said."""


class Client:
    """An iterator of what is to be sent; ``close`` ends it wherever it is, also before its first byte."""

    __slots__ = ("_hub", "_is_readable", "_pieces", "_socket", "audience", "bell", "credential", "expires_at",
                 "reason", "seq", "user_id", "wire")  # fmt: skip

    def __init__(
        self, *, hub: Leaving, socket: Any, wire: str, credential: tuple[str, int], user_id: int | None,
        expires_at: datetime | None,
    ) -> None:  # fmt: skip
        self._hub, self._socket, self.wire = hub, socket, wire
        self.credential, self.user_id, self.expires_at = credential, user_id, expires_at
        self.audience = Audience(frozenset())
        self.seq: int | None = None
        self.reason: str | None = None
        self.bell = Event()
        self._is_readable = False
        self._pieces = self._run()

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        return next(self._pieces)

    def close(self) -> None:
        """End the stream and have it forgotten."""
        self._pieces.close()
        self._hub.leave(self)

    def end(self, reason: str) -> None:
        """Have the connection closed with a reason, as soon as it has its turn."""
        self.reason = self.reason or reason
        self.bell.set()

    def _run(self) -> Generator[bytes]:
        self._prepare()
        talk = Talk(self.wire)
        watcher = gevent.get_hub().loop.io(self._socket.fileno(), 1)
        try:
            yield talk.greeting()
            watcher.start(self._wake, watcher)
            while True:
                self.bell.clear()
                if self.reason is not None:
                    yield talk.goodbye(self.reason)
                    return
                frame = self.audience.frame(self.wire, self.seq)
                if frame is not None:
                    self.seq = self.audience.seq
                    yield frame
                elif self._is_readable:
                    answer = talk.hear(self._read())
                    if answer:
                        yield answer
                    if talk.is_over:
                        return
                    if talk.wants_all():
                        self.seq = None
                    watcher.start(self._wake, watcher)
                else:
                    self.bell.wait(_LOOK_S)
        finally:
            watcher.stop()
            watcher.close()

    def _prepare(self) -> None:
        self._socket.settimeout(SEND_S)
        if self._socket.family in {sockets.AF_INET, sockets.AF_INET6}:
            self._socket.setsockopt(sockets.IPPROTO_TCP, sockets.TCP_USER_TIMEOUT, _UNSENT_MS)
            self._socket.setsockopt(sockets.IPPROTO_TCP, sockets.TCP_NODELAY, 1)
        self._socket.setsockopt(sockets.SOL_SOCKET, sockets.SO_SNDBUF, _SEND_BUFFER)

    def _wake(self, watcher: Any) -> None:
        watcher.stop()
        self._is_readable = True
        self.bell.set()

    def _read(self) -> bytes:
        self._is_readable = False
        try:
            data: bytes = self._socket.recv(_READ)
        except OSError:
            return b""
        return data
