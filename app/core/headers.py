"""Headers that keep browsers careful, and which other origins' scripts may call the API."""

from __future__ import annotations

import re
import secrets
from typing import Final

from flask import Flask, Response, g, request
from flask_cors import CORS

from app.config import Settings

_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
_HSTS: Final = "max-age=31536000; includeSubDomains"
_NOTHING: Final = "default-src 'none'; frame-ancestors 'none'"
_PAGE: Final = (
    "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'self' 'nonce-{nonce}'; img-src 'self' data:; "
    "font-src 'self'; connect-src {connects}; frame-src {frames}; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_SENDABLE: Final = [
    "Authorization", "Cart-Token", "Content-Type", "Idempotency-Key", "If-Match", "If-None-Match", "Order-Token",
    "X-Request-Id",
]  # fmt: skip
_METHODS: Final = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
_READABLE: Final = [
    "ETag", "Location", "Retry-After", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset", "X-Request-Id",
    "Idempotent-Replayed", "WWW-Authenticate",
]  # fmt: skip


def register_headers(app: Flask, settings: Settings) -> None:
    """Wire security headers, CORS for the configured origins, and the pages' CSP nonce into the application."""
    always = _HEADERS | ({"Strict-Transport-Security": _HSTS} if settings.is_https else {})

    def seal(response: Response) -> Response:
        present = {name.lower() for name, _ in response.headers}
        wanted = dict(always)
        wanted["Content-Security-Policy"] = (
            _PAGE.format(nonce=nonce(), frames=g.get("frames", "'none'"), connects=g.get("connects", "'self'"))
            if response.mimetype == "text/html"
            else _NOTHING
        )
        if request.path.startswith("/api/"):
            # what has an ETag may be kept by the browser that got it, and is asked for again each time
            wanted["Cache-Control"] = "private, no-cache" if "etag" in present else "no-store"
            if settings.allowed_origins:
                response.vary.add("Origin")
        for name, value in wanted.items():
            if name.lower() not in present:
                response.headers.add(name, value)
        return response

    app.after_request(seal)
    app.context_processor(lambda: {"csp_nonce": nonce})
    if settings.allowed_origins:
        CORS(
            app,
            resources={r"/api/.*": {}, r"/openapi\.json$": {}},
            # compiled, else the library guesses which of them are patterns
            origins=[re.compile(re.escape(origin) + r"\Z", re.IGNORECASE) for origin in settings.allowed_origins],
            methods=_METHODS,
            allow_headers=_SENDABLE,
            expose_headers=_READABLE,
            supports_credentials=False,
            always_send=False,
            max_age=600,
        )


def allow_frames() -> None:
    """Let the page that is being answered show documents of this site in frames; each must allow that itself."""
    g.frames = "'self'"


def allow_connections(*origins: str) -> None:
    """Let scripts of the page that is being answered connect to these origins too; each must allow that itself."""
    g.connects = " ".join(("'self'", *origins))


def nonce() -> str:
    """The nonce that this answer's own scripts and styles carry."""
    if "nonce" not in g:
        g.nonce = secrets.token_urlsafe(16)
    found: str = g.nonce
    return found
