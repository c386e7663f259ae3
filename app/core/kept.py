"""Answers kept in Redis for some seconds: right at once after a write, and not for long wrong where that fails.

What an answer depends on has a name (``products``, ``product:42``), and every name a stamp in Redis: a random text that
lives STALE_S and is deleted by who changes the thing, after the commit. A reader gets the stamps before it reads the
database and keeps the answer together with them; it is given again only while all of them are still the same.

So an answer that was read before a write and kept after it is never found, nor is anything after a flush. Where a
stamp could not be deleted, it dies by itself: STALE_S is the longest that anything old is given. Without Redis
everything is read anew.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from typing import Any, Final

from cachetools import TTLCache

from app.core.cache import cache
from app.core.transactions import after_commit

STALE_S: Final = 5
ASKED_S: Final = 60
"""What nobody asked this process for during that long is not looked up: most pages and records are asked for once."""
MAX_KEY: Final = 1000

_asked: TTLCache[str, bool] = TTLCache(maxsize=20_000, ttl=ASKED_S)
_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer and what names its contents."""

    etag: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Place:
    """Where an answer is kept; ``found`` is the one that is there. Without stamps nothing is kept."""

    key: str
    stamps: bytes | None = None
    found: Kept | None = None

    def keep(self, etag: str, body: bytes) -> None:
        """Keep an answer that was read after this place was looked at."""
        if self.stamps is not None:
            cache().keep(self.key, b"\n".join((self.stamps, etag.encode(), body)), seconds=STALE_S)


def look_at(key: str, names: Sequence[str]) -> Place:
    """The place of an answer that depends on what has these names; look before the database is read."""
    key = f"kept:{key}"
    if len(key) > MAX_KEY or not _was_asked(key):
        return Place(key)
    keys = [_stamp_of(name) for name in names]
    answered: list[bytes | None] = cache().ask(lambda redis: redis.mget(*keys, key), otherwise=[])
    if not answered:
        return Place(key)  # Redis is away
    *stamps, kept = answered
    if None in stamps:
        stamps, kept = _stamp(keys), None
    if not stamps or None in stamps:
        return Place(key)
    now = b" ".join(stamps)  # type: ignore[arg-type]  # none of them is None
    was, etag, body = (kept or b"\n\n").split(b"\n", 2)
    return Place(key, now, Kept(etag.decode(), body) if was == now else None)


def etag_of(body: bytes) -> str:
    """What names the contents of an answer."""
    return blake2b(body, digest_size=12).hexdigest()


def forget(names: Sequence[str]) -> None:
    """Forget all answers that depend on one of these, once the open transaction has committed."""
    after_commit(partial(forget_now, list(names)))


def forget_now(names: Sequence[str]) -> None:
    """The same at once, for who has committed."""
    cache().forget([_stamp_of(name) for name in names])


def _was_asked(key: str) -> bool:
    with _lock:
        if key in _asked:
            return True
        _asked[key] = True
        return False


def _stamp_of(name: str) -> str:
    return f"stamp:{name}"


def _stamp(keys: Sequence[str]) -> list[bytes | None]:
    """Stamp what has no stamp; the stamps of all, none where Redis went away."""

    def ask(redis: Any) -> list[bytes | None]:
        pipeline = redis.pipeline(transaction=False)
        for key in keys:
            pipeline.set(key, secrets.token_hex(8), nx=True, px=STALE_S * 1000)
        pipeline.mget(*keys)
        found: list[bytes | None] = pipeline.execute()[-1]
        return found

    return cache().ask(ask, otherwise=[])
