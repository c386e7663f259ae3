"""How often something may be asked for: flask-limiter on Redis, in this process while Redis is away."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

from flask import Flask, Response, request
from flask_limiter.util import get_remote_address

from app.config import Settings
from app.core.api import current_principal
from app.core.errors import Refusal
from app.core.extensions import limiter
from app.core.running import settings

_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_RESET: Final = "RateLimit-Reset"


def register_rates(app: Flask, configured: Settings) -> None:
    """Wire the limiter in: a limit on all writes per principal, ``RateLimit-*`` and ``Retry-After`` headers."""
    app.config.update(
        RATELIMIT_STORAGE_URI=configured.redis_cache_url.replace("unix://", "redis+unix://", 1),
        RATELIMIT_STORAGE_OPTIONS={"socket_timeout": 0.5, "socket_connect_timeout": 0.5},
        RATELIMIT_IN_MEMORY_FALLBACK_ENABLED=True,
        RATELIMIT_HEADER_LIMIT="RateLimit-Limit",
        RATELIMIT_HEADER_REMAINING="RateLimit-Remaining",
        RATELIMIT_HEADER_RESET=_RESET,
        RATELIMIT_HEADER_RETRY_AFTER_VALUE="delta-seconds",
    )
    app.after_request(_say_seconds)
    limiter.init_app(app)


def limited(rate: str, *, by: Callable[[], str] = get_remote_address, but_reads: bool = False) -> Callable[[Any], Any]:
    """Limit a view to the rate of that name in ``Settings.rates``, counted by client address or by what ``by`` says.

    With ``but_reads`` only requests that change something count, for pages that show a form and take it.
    """
    decorate: Callable[[Any], Any] = limiter.limit(
        lambda: getattr(settings().rates, rate), key_func=by, exempt_when=is_read if but_reads else None
    )
    return decorate


def caller() -> str:
    """Who sends the request, as far as it can be known: the principal, else the network address."""
    try:
        return current_principal().key
    except Refusal:
        return get_remote_address()


def is_read() -> bool:
    """Whether the request changes nothing."""
    return request.method in _SAFE


def _say_seconds(response: Response) -> Response:
    """Give the reset as seconds from now (draft-ietf-httpapi-ratelimit-headers-06); the library says an instant."""
    at = response.headers.get(_RESET)
    if at is not None and at.isdigit():
        response.headers[_RESET] = str(max(0, int(at) - int(time.time())))
    return response
