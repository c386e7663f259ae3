"""How often something may be asked for: flask-limiter on Redis, in this process while Redis is away."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from typing import Any, Final

from flask import Flask, Response, request
from flask_limiter import ApplicationLimit
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import HTTPException

from app.config import Settings
from app.core import rate_storage
from app.core.api import current_principal
from app.core.errors import Refusal
from app.core.extensions import SAFE, limiter
from app.core.networks import network_of
from app.core.running import settings

TIMEOUT_S: Final = 0.3
_TOO_OFTEN: Final = "That was asked for too often; try again later."

log = logging.getLogger(__name__)


def register_rates(app: Flask, configured: Settings) -> None:
    """Wire the limiter in: a limit on all writes per principal, ``RateLimit-*`` and ``Retry-After`` headers."""
    app.config.update(
        RATELIMIT_STORAGE_URI=rate_storage.uri(configured.redis_cache_url),
        RATELIMIT_STORAGE_OPTIONS={
            "socket_timeout": TIMEOUT_S,
            "socket_connect_timeout": TIMEOUT_S,
            "retry": Retry(NoBackoff(), 0),
        },
        RATELIMIT_IN_MEMORY_FALLBACK_ENABLED=True,
    )
    writes = ApplicationLimit(
        limit_provider=lambda: settings().rates.write,
        key_function=caller,
        exempt_when=is_read,
        error_message=_TOO_OFTEN,
    )
    limiter.limit_manager.set_application_limits([writes.bind(limiter)])
    limiter.init_app(app)
    app.after_request(_state)


def address() -> str:
    """The network that the request comes from: an IPv4 address, or the /64 that a client has to itself in IPv6."""
    return network_of(request.remote_addr)


def limited(
    rate: str,
    *,
    by: Callable[[], str] = address,
    but_reads: bool = False,
    but_refusals: bool = False,
    unless: Callable[[], bool] | None = None,
    counting: Callable[[Response], bool] | None = None,
) -> Callable[[Any], Any]:
    """Limit a view to the rate of that name in ``Settings.rates``, counted by client address or by what ``by`` says.

    All views with the same rate share one count: who may not go on by the API may not by the page, either. With
    ``but_reads`` only requests that change something count, for pages that show a form and take it; with
    ``but_refusals`` only what is not refused, for counts that somebody else than the sender suffers from. ``unless``
    names requests that are not limited at all, ``counting`` answers that count. The limit on all writes counts as well.
    """
    decorate: Callable[[Any], Any] = limiter.shared_limit(
        lambda: getattr(settings().rates, rate),
        scope=rate,
        key_func=lambda: _known(by),
        exempt_when=is_read if but_reads else unless,
        deduct_when=_is_accepted if but_refusals else counting,
        error_message=_TOO_OFTEN,
    )
    return decorate


def caller() -> str:
    """Who sends the request, as far as it can be known: the principal, else the network address."""
    return _known(lambda: current_principal().key)


def is_read() -> bool:
    """Whether the request changes nothing."""
    return request.method in SAFE


def _is_accepted(response: Response) -> bool:
    return response.status_code < 400


def _known(by: Callable[[], str]) -> str:
    """What ``by`` says, or the network address where it fails: the view will meet the same failure and answer it.

    Whatever a key raised would count as a failure of Redis.
    """
    try:
        return by() or address()
    except (Refusal, HTTPException, SQLAlchemyError):
        return address()


def _state(response: Response) -> Response:
    """State the limit that counted (draft-ietf-httpapi-ratelimit-headers-06); the reset is in seconds from now."""
    limit = limiter.current_limit
    if limit is None:
        return response
    try:
        reset_at, remaining = limit.window
    except (RedisError, OSError) as error:
        log.warning("the rate limits cannot be read: %s", error)
        return response
    reset_s = max(0, math.ceil(reset_at - time.time()))
    response.headers["RateLimit-Limit"] = str(limit.limit.amount)
    response.headers["RateLimit-Remaining"] = str(max(0, remaining))
    response.headers["RateLimit-Reset"] = str(reset_s)
    if limit.breached:
        response.headers["Retry-After"] = str(max(1, reset_s))
    return response
