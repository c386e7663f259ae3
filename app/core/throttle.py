"""Growing delays between attempts to guess a secret: slower and slower, but nobody is ever locked out.

The attempt is counted *before* the secret is checked, so that guesses sent at the same time do not share one count.
With these numbers one account takes at most 5 + 6 + 58 guesses in its first hour and 60 in every further one; OWASP's
ASVS 4.0 (2.2.1) allows 100.

Who guesses without end could keep an account at its longest delay and its owner out. So attempts from a network from
which the secret was known before are counted by themselves: strangers' guesses delay strangers.
"""

from __future__ import annotations

import math
import threading
import time
from typing import Any, Final, cast

from cachetools import TTLCache

from app.core.cache import cache
from app.core.errors import TooManyRequests
from app.core.networks import network_of

FREE_ATTEMPTS: Final = 5
LONGEST_DELAY_S: Final = 60
FORGET_AFTER_S: Final = 12 * 3600
KNOWN_FOR_S: Final = 30 * 86400
MOST_KNOWN: Final = 20
"""Networks of one account that are remembered; more than that are no household."""

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
_known_here: TTLCache[tuple[str, str], bool] = TTLCache(maxsize=100_000, ttl=KNOWN_FOR_S)
_lock = threading.Lock()


def attempt(key: str, *, address: str | None = None) -> None:
    """Count an attempt before it is made; raises TooManyRequests where it comes too soon after earlier ones.

    ``key`` names what is guessed at (an account), never the guess; ``address`` is where the attempt comes from. Without
    Redis, this process counts by itself.
    """
    counted = _counted(key, address)
    wait_ms = cache().ask(
        lambda redis: cast(
            "int", redis.eval(_SCRIPT, 1, _name(counted), FREE_ATTEMPTS, LONGEST_DELAY_S, FORGET_AFTER_S)
        ),
        otherwise=-1,
    )
    wait_s = wait_ms / 1000 if wait_ms >= 0 else _attempt_here(counted)
    if wait_s > 0:
        seconds = math.ceil(wait_s)
        raise TooManyRequests(f"Too many attempts for this account; try again in {seconds} s.", retry_after_s=seconds)


def succeeded(key: str, *, address: str | None = None) -> None:
    """Forget the attempts, because the secret was known, and remember for 30 days from where."""
    counted = _counted(key, address)
    with _lock:
        _here.pop(counted, None)
        if address is not None:
            _known_here[key, network_of(address)] = True
    cache().ask(lambda redis: _note_success(redis, key, counted, address), otherwise=None)


def forget(key: str) -> None:
    """Forget the attempts and from where the secret was known: it is another secret now."""
    with _lock:
        _here.pop(key, None)
        for known in [known for known in _known_here if known[0] == key]:
            del _known_here[known]
    cache().ask(lambda redis: cast("Any", redis.delete(_name(key), _known(key))), otherwise=None)


def _counted(key: str, address: str | None) -> str:
    """What the attempt is counted by: the account, or the account from a network that has known the secret."""
    if address is None:
        return key
    network = network_of(address)
    with _lock:
        here = _known_here.get((key, network), False)
    is_known = cache().ask(lambda redis: bool(redis.sismember(_known(key), network)), otherwise=here)
    return f"{key}:{network}" if is_known else key


def _note_success(redis: Any, key: str, counted: str, address: str | None) -> None:
    with redis.pipeline(transaction=False) as pipe:
        pipe.delete(_name(counted))
        if address is not None:
            pipe.sadd(_known(key), network_of(address))
            pipe.expire(_known(key), KNOWN_FOR_S)
        pipe.execute()
    if address is not None and redis.scard(_known(key)) > MOST_KNOWN:
        redis.spop(_known(key))


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


def _known(key: str) -> str:
    return f"known:{key}"
