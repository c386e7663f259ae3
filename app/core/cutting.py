"""A deadline for everything that goes over some connections together: they are cut then, whatever they wait for.

The timeouts of sockets begin anew with every byte; a peer that trickles would hold its connection for good.
"""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from typing import Self


class Cutter:
    """As a context manager: after ``deadline_s`` every connection that it watches is cut; at its end all are closed."""

    def __init__(self, deadline_s: float) -> None:
        self.is_over = False
        """Whether the deadline has passed."""
        self._sockets: list[socket.socket] = []
        self._ends_at = time.monotonic() + deadline_s
        self._timer = threading.Timer(deadline_s, self._cut)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._timer.cancel()
        for opened in self._sockets:
            opened.close()

    @property
    def ends_at(self) -> float:
        """When the deadline is, on the monotonic clock."""
        return self._ends_at

    @property
    def left_s(self) -> float:
        """Seconds until then; never quite nothing, because to sockets that would mean not to wait at all."""
        return max(0.1, self._ends_at - time.monotonic())

    def watch(self, opened: socket.socket) -> None:
        """Cut this connection, too: by a handle of its own, because TLS takes the first one away."""
        self._sockets.append(opened.dup())
        if self.is_over:
            self._cut()

    def _cut(self) -> None:
        self.is_over = True
        for opened in self._sockets:
            with suppress(OSError):  # it is closed already
                opened.shutdown(socket.SHUT_RDWR)
