"""Flask without what no request of ours needs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Flask, Request
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface
from werkzeug.routing import MapAdapter


class _CookieSessions(SecureCookieSessionInterface):
    """Flask's sessions; a request without the cookie, as those of API clients are, needs no keys to be told so."""

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        if self.get_cookie_name(app) not in request.cookies:
            return self.session_class()
        return super().open_session(app, request)


class Application(Flask):
    """Flask for functions only: it does not ask of each, many times a request, whether it is a coroutine."""

    session_interface = _CookieSessions()

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """Flask's own, for which the handshake of a WebSocket is a request like others: its view takes it or not."""
        adapter = super().create_url_adapter(request)
        if adapter is not None:
            adapter.websocket = False
        return adapter

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        return func
