"""Frames as JSON and as they travel: made once for all clients that see the same figures."""

from __future__ import annotations

from typing import Any, Final

import orjson
from wsproto.frame_protocol import FrameProtocol

from app.analytics.rules.figures import changed, visible
from app.analytics.services.snapshots import Snapshot

EVENTS: Final = "events"
"""Server-sent events (WHATWG HTML, 9.2)."""
SOCKET: Final = "socket"
"""WebSocket (RFC 6455)."""


class Audience:
    """Clients that see the same parts; knows the newest frame in full and as a change, each encoded once."""

    __slots__ = ("_encoded", "_figures", "_frames", "parts", "seq")

    def __init__(self, parts: frozenset[str]) -> None:
        self.parts = parts
        self.seq = -1
        self._figures: dict[str, Any] = {}
        self._frames: dict[str, dict[str, Any]] = {}
        self._encoded: dict[tuple[str, str], bytes] = {}

    def update(self, snapshot: Snapshot) -> None:
        """Make the frames of a snapshot; the change is from the one before, if that was the last we had."""
        figures = visible(snapshot.figures, self.parts)
        about = {"seq": snapshot.seq, "at": snapshot.at}
        frames = {"full": about | {"kind": "full", "figures": figures}}
        if snapshot.seq == self.seq + 1:
            frames["change"] = about | {"kind": "change", "figures": changed(self._figures, figures)}
        self.seq, self._figures, self._frames = snapshot.seq, figures, frames
        self._encoded = {}

    def frame(self, wire: str, known: int | None) -> bytes | None:
        """What a client lacks that has frame number ``known``: nothing, the change, or all."""
        if known == self.seq or not self._frames:
            return None
        kind = "change" if known == self.seq - 1 and "change" in self._frames else "full"
        if (kind, wire) not in self._encoded:
            self._encoded[kind, wire] = _encode(wire, self._frames[kind])
        return self._encoded[kind, wire]


def _encode(wire: str, frame: dict[str, Any]) -> bytes:
    text = orjson.dumps(frame).decode()
    if wire == EVENTS:
        return f"id: {frame['seq']}\ndata: {text}\n\n".encode()
    return bytes(FrameProtocol(client=False, extensions=[]).send_data(text, fin=True))
