"""Counting requests: by method, route and status; never by address, of which there are as many as anybody likes."""

from __future__ import annotations

import time
from typing import Final

from flask import Flask, Response, current_app, g, request

from app.core.metrics import counter, histogram

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
NO_ROUTE: Final = "(none)"
REQUESTS: Final = counter("cartwright_http_requests", "Requests that were answered", ("method", "route", "status"))
SECONDS: Final = histogram(
    "cartwright_http_request_seconds",
    "From a request's first byte in the application to the answer's head",
    ("route",),
    (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)


def register_http_metrics(app: Flask) -> None:
    """Count every request of the application; register it before whatever may refuse one."""
    app.before_request(_begin)
    app.after_request(_count)


def _begin() -> None:
    g.began_at = time.perf_counter()


def _count(response: Response) -> Response:
    route = request.url_rule.rule if request.url_rule is not None else NO_ROUTE
    method = request.method if request.method in METHODS else "other"
    REQUESTS.labels(method, route, str(response.status_code)).inc()
    began_at = g.pop("began_at", None)
    if began_at is not None:
        SECONDS.labels(route).observe(time.perf_counter() - began_at)
    reporter = current_app.extensions.get("web_reporter")
    if reporter is not None:
        reporter.start()
    return response
