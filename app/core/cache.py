"""The cache in Redis: may forget everything at any time, and may be away."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from flask import current_app
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from app.config import Settings

T = TypeVar("T")

TIMEOUT_S: Final = 0.3
REST_S: Final = 5.0
"""For how long Redis is not asked after it did not answer, so that its absence costs one request its time, not all."""

log = logging.getLogger(__name__)


class Cache:
    """Short-lived values by key; when Redis is away, nothing is found and nothing is kept."""

    def __init__(self, settings: Settings) -> None:
        self.redis = Redis.from_url(
            settings.redis_cache_url,
            socket_timeout=TIMEOUT_S,
            socket_connect_timeout=TIMEOUT_S,
            retry=Retry(NoBackoff(), 0),
        )
        self._resting_until = 0.0

    def find(self, key: str) -> bytes | None:
        """The value of a key; None where there is none."""
        found: bytes | None = self.ask(lambda redis: redis.get(key), otherwise=None)
        return found

    def keep(self, key: str, value: bytes, *, seconds: float) -> None:
        """Keep a value for some seconds."""
        self.ask(lambda redis: redis.set(key, value, px=int(seconds * 1000)), otherwise=None)

    def forget(self, keys: Sequence[str]) -> None:
        """Forget some keys at once, also when Redis did not answer a moment ago."""
        self._resting_until = 0.0
        if keys:
            self.ask(lambda redis: redis.delete(*keys), otherwise=None)

    def ask(self, question: Callable[[Any], T], *, otherwise: T) -> T:
        """What Redis answers; ``otherwise`` when it is away."""
        if time.monotonic() < self._resting_until:
            return otherwise
        try:
            return question(self.redis)
        except (RedisError, OSError) as error:
            log.warning("the cache does not answer: %s", error)
            self._resting_until = time.monotonic() + REST_S
            return otherwise


def cache() -> Cache:
    """The cache of the current application."""
    found: Cache = current_app.extensions["cache"]
    return found
