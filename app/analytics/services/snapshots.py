"""One snapshot of the dashboard's figures for everybody who looks, whichever process they ask.

Whoever asks while the last one is older than a tick claims the next tick in Redis, reads the figures and keeps them
there; all others get what is kept. What is new, and at least one every HEARTBEAT, gets the next number and is
published. A claim of a process that died ends by itself. Without Redis each process reads for itself, more rarely.
"""

from __future__ import annotations

import hashlib
import threading
import time
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import orjson

from app.analytics.queries.dashboard import read_figures
from app.core.cache import cache
from app.core.orm import utc_now
from app.core.running import settings

HEARTBEAT: Final = timedelta(seconds=25)
"""How old a snapshot may be before it is published again although nothing has changed."""
ALONE_S: Final = 5.0
"""How often a process reads for itself while Redis is away."""
_CLAIM_MS: Final = 15_000
_WAIT_S: Final = 2.0
"""How long one waits for the very first snapshot that somebody else is making."""
_SHARE: Final = 10
"""A tick lasts at least so many times as long as the reading took, so that a slow database has its rest."""
_KEPT: Final = "dashboard:snapshot"
_CLAIM: Final = "dashboard:claim"
_NUMBER: Final = "dashboard:number"
_ALIVE: Final = "dashboard:live"
_ALIVE_S: Final = 10


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All figures at an instant; the number grows by one with each that is published."""

    seq: int
    at: str
    """UTC, ISO 8601."""
    figures: dict[str, Any]

    def to_json(self) -> bytes:
        """As it is kept and published."""
        return orjson.dumps(asdict(self))


def newest_snapshot() -> Snapshot:
    """The newest snapshot, made here and now where nobody else has made one within the tick."""
    answered = cache().ask(_claim, otherwise=None)
    if answered is None:
        return _alone.read()
    is_ours, kept = answered
    if not is_ours:
        return kept or _await_first() or _alone.read()
    began = time.monotonic()
    rest = 0.0
    try:
        snapshot = _make(kept)
        took = time.monotonic() - began
        rest = max(settings().live.tick_s, took * _SHARE) - took
    finally:
        cache().ask(lambda redis: redis.pexpire(_CLAIM, max(1, int(rest * 1000))), otherwise=None)
    return snapshot


def read_snapshot(stored: bytes | None) -> Snapshot | None:
    """What ``to_json`` has written; None for anything else, as another version may have kept."""
    try:
        return None if stored is None else Snapshot(**orjson.loads(stored))
    except (ValueError, TypeError):
        return None


def channel() -> str:
    """Where snapshots are published: of this installation, whatever else uses the same Redis."""
    return f"dashboard:{hashlib.sha256(settings().secret_key.encode()).hexdigest()[:16]}"


def say_alive() -> None:
    """Note that a process which keeps connections open is there; to be said again within _ALIVE_S."""
    cache().keep(_ALIVE, b"1", seconds=_ALIVE_S)


def is_live() -> bool:
    """Whether a process that keeps connections open has said lately that it is there."""
    return cache().find(_ALIVE) is not None


def _claim(redis: Any) -> tuple[bool, Snapshot | None]:
    pipeline = redis.pipeline(transaction=False)
    pipeline.set(_CLAIM, b"1", nx=True, px=_CLAIM_MS)
    pipeline.get(_KEPT)
    is_ours, kept = pipeline.execute()
    return bool(is_ours), read_snapshot(kept)


def _make(last: Snapshot | None) -> Snapshot:
    now = utc_now()
    figures = read_figures(now=now)
    if last is not None and last.figures == figures and now - datetime.fromisoformat(last.at) < HEARTBEAT:
        return last
    number: int | None = cache().ask(lambda redis: redis.incr(_NUMBER), otherwise=None)
    snapshot = Snapshot(number or 0, now.isoformat(), figures)
    if number is not None:
        stored = snapshot.to_json()
        cache().keep(_KEPT, stored, seconds=4 * HEARTBEAT.total_seconds())
        cache().ask(lambda redis: redis.publish(channel(), stored), otherwise=None)
    return snapshot


def _await_first() -> Snapshot | None:
    until = time.monotonic() + _WAIT_S
    while time.monotonic() < until:
        time.sleep(0.05)
        found = read_snapshot(cache().find(_KEPT))
        if found is not None:
            return found
    return None


class _Alone:
    """What this process has read for itself."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last: Snapshot | None = None
        self._read_at = 0.0

    def read(self) -> Snapshot:
        """What was read at most ALONE_S ago, else what there is now."""
        with self._lock:
            if self._last is None or time.monotonic() - self._read_at > ALONE_S:
                now = utc_now()
                self._last = Snapshot(0, now.isoformat(), read_figures(now=now))
                self._read_at = time.monotonic()
            return self._last


_alone: Final = _Alone()
