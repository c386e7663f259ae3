"""What every request gets: an id, a limit on its size, headers that keep browsers careful, and the health checks."""

from __future__ import annotations

import re
import secrets
from typing import Final

import structlog
from flask import Flask, Response, current_app, g, request
from werkzeug.middleware.proxy_fix import ProxyFix

from app.config import Settings
from app.core.errors import Unavailable
from app.core.extensions import db
from app.core.orm import ping
from app.core.queues import doorbell

MAX_BODY_BYTES: Final = 16 * 1024 * 1024
_REQUEST_ID: Final = re.compile(r"^[A-Za-z0-9._-]{8,64}$")
_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def register_requests(app: Flask, settings: Settings) -> None:
    """Wire request ids, size limits, security headers and ``/healthz`` ``/readyz`` into the application."""
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    if settings.trusted_proxies:
        hops = settings.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]
    app.before_request(_identify)
    app.after_request(_finish)
    app.add_url_rule("/healthz", view_func=healthz)
    app.add_url_rule("/readyz", view_func=readyz)


def healthz() -> Response:
    """Say that the process is alive, whatever else is not."""
    return Response('{"status":"ok"}', mimetype="application/json")


def readyz() -> Response:
    """Say that the database and the queue answer; 503 names the one that does not."""
    for name, check in (("database", lambda: ping(db.session())), ("queue", doorbell().redis.ping)):
        try:
            check()
        except Exception as error:
            current_app.logger.warning("%s does not answer: %s", name, error)
            raise Unavailable(f"The {name} does not answer.") from error
    return Response('{"status":"ready"}', mimetype="application/json")


healthz.access = "public"  # type: ignore[attr-defined]
readyz.access = "public"  # type: ignore[attr-defined]


def _identify() -> None:
    sent = request.headers.get("X-Request-Id", "")
    g.request_id = sent if _REQUEST_ID.match(sent) else secrets.token_hex(8)
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=g.request_id)


def _finish(response: Response) -> Response:
    response.headers["X-Request-Id"] = g.get("request_id", "")
    if response.status_code not in {429, 503}:
        response.headers.pop("Retry-After", None)  # the rate limiter states it on every answer
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    return response
