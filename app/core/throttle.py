"""Growing delays between attempts to guess a secret: slower and slower, but nobody is ever locked out.

The attempt is counted *before* the secret is checked, so that guesses sent at the same time do not share one count.
With these numbers one account takes at most 5 + 6 + 58 guesses in its first hour and 60 in every further one; OWASP's
ASVS 4.0 (2.2.1) allows 100.
"""

from __future__ import annotations

import math
import threading
import time
from typing import Any, Final, cast

from cachetools import TTLCache

from app.core.cache import cache
from app.core.errors import TooManyRequests

FREE_ATTEMPTS: Final = 5
LONGEST_DELAY_S: Final = 60
FORGET_AFTER_S: Final = 12 * 3600

# KEYS[1]; ARGV: free attempts, longest delay, seconds until all is forgotten. Answers how many ms to wait, 0 = go on.
_SCRIPT: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local seen = redis.call('HMGET', KEYS[1], 'count', 'next')
local count, next = tonumber(seen[1]) or 0, tonumber(seen[2]) or 0
if now < next then return next - now end
count = count + 1
local delay = 0
if count >= tonumber(ARGV[1]) then
  delay = math.min(tonumber(ARGV[2]), 2 ^ math.min(count - tonumber(ARGV[1]), 30)) * 1000
end
redis.call('HSET', KEYS[1], 'count', count, 'next', now + delay)
redis.call('EXPIRE', KEYS[1], ARGV[3])
return 0
"""

_here: TTLCache[str, tuple[int, float]] = TTLCache(maxsize=100_000, ttl=FORGET_AFTER_S)
_lock = threading.Lock()


def attempt(key: str) -> None:
    """Count an attempt before it is made; raises TooManyRequests where it comes too soon after earlier ones.

    ``key`` names what is guessed at (an account), never the guess. Without Redis, this process counts by itself.
    """
    wait_ms = cache().ask(
        lambda redis: cast("int", redis.eval(_SCRIPT, 1, _name(key), FREE_ATTEMPTS, LONGEST_DELAY_S, FORGET_AFTER_S)),
        otherwise=-1,
    )
    wait_s = wait_ms / 1000 if wait_ms >= 0 else _attempt_here(key)
    if wait_s > 0:
        seconds = math.ceil(wait_s)
        raise TooManyRequests(f"Too many attempts for this account; try again in {seconds} s.", retry_after_s=seconds)


def succeeded(key: str) -> None:
    """Forget the attempts: the secret was known."""
    with _lock:
        _here.pop(key, None)
    cache().ask(lambda redis: cast("Any", redis.delete(_name(key))), otherwise=None)


def _attempt_here(key: str) -> float:
    now = time.monotonic()
    with _lock:
        count, following = _here.get(key, (0, 0.0))
        if now < following:
            return following - now
        count += 1
        delay = min(LONGEST_DELAY_S, 2 ** min(count - FREE_ATTEMPTS, 30)) if count >= FREE_ATTEMPTS else 0
        _here[key] = (count, now + delay)
    return 0


def _name(key: str) -> str:
    return f"attempts:{key}"
