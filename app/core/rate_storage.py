"""The counts of flask-limiter in Redis, with one question for each request instead of three."""

from __future__ import annotations

import time
from typing import Any, Final

from flask import request
from limits.storage import RedisStorage

_PREFIX: Final = "counted+"
_REMEMBERED: Final = "cartwright.counted"
_COUNT: Final = b"""
local count = redis.call("incrby", KEYS[1], ARGV[2])
if count == tonumber(ARGV[2]) then redis.call("expire", KEYS[1], ARGV[1]) end
return {count, redis.call("ttl", KEYS[1])}
"""


class CountingStorage(RedisStorage):
    """Fixed windows. What counting a request says about its window is remembered for the headers of its answer."""

    STORAGE_SCHEME = [f"{_PREFIX}{scheme}" for scheme in ("redis", "rediss", "unix")]

    def __init__(self, uri: str, **options: Any) -> None:
        super().__init__(uri.removeprefix(_PREFIX), **options)
        self._count = self.get_connection().register_script(_COUNT)

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Count a request; how many there were in its window."""
        count, left_s = self._count([self.prefixed_key(key)], [expiry, amount])
        request.environ.setdefault(_REMEMBERED, {})[key] = (int(count), time.time() + max(0, left_s))
        return int(count)

    def get(self, key: str) -> int:
        """How many requests there were in a window."""
        known = request.environ.get(_REMEMBERED, {}).get(key)
        return super().get(key) if known is None else known[0]

    def get_expiry(self, key: str) -> float:
        """When a window ends, in seconds since 1970."""
        known = request.environ.get(_REMEMBERED, {}).get(key)
        return super().get_expiry(key) if known is None else known[1]


def uri(redis_url: str) -> str:
    """How flask-limiter finds this storage, on the Redis of that address."""
    return _PREFIX + redis_url
