"""Browser sessions by flask-login: what the cookie holds, and whose it is."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

import flask
from flask import Flask, Response, after_this_request, request
from flask_login import UserMixin, current_user, login_user, logout_user

from app.auth.authentication import client, session_access
from app.auth.queries.access import Access
from app.auth.services import devices, sessions
from app.auth.services.sessions import Proof
from app.config import Settings
from app.core.extensions import csrf, login_manager
from app.core.permissions import Principal
from app.core.running import settings

PENDING: Final = "pending"
"""Key of the cookie's part about a login that waits for its second factor."""


def register_browser_sessions(app: Flask, configured: Settings) -> None:
    """Configure the session cookie (signed, HttpOnly, SameSite=Lax, __Host- over TLS), flask-login and CSRF tokens."""
    secure = configured.is_https
    app.config.update(
        SECRET_KEY_FALLBACKS=list(configured.old_secret_keys),
        SESSION_COOKIE_NAME="__Host-cartwright" if secure else "cartwright",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SECURE=secure,
        SESSION_COOKIE_SAMESITE="Lax",
        PERMANENT_SESSION_LIFETIME=timedelta(days=configured.accounts.refresh_days),
        WTF_CSRF_CHECK_DEFAULT=False,
        WTF_CSRF_TIME_LIMIT=None,
        WTF_CSRF_SSL_STRICT=secure,
    )
    login_manager.session_protection = None
    login_manager.init_app(app)
    csrf.init_app(app)


class BrowserUser(UserMixin):
    """The user of a browser's session, as flask-login wants it; its id is the session's token."""

    def __init__(self, token: str, access: Access) -> None:
        self._token = token
        self.access = access

    def get_id(self) -> str:
        """What the cookie keeps."""
        return self._token


@login_manager.user_loader
def _load(token: str) -> BrowserUser | None:
    found = session_access(sessions.sid_of(token))
    return None if found is None else BrowserUser(token, found)


def log_in_browser(proof: Proof, *, now: datetime, is_remembered: bool) -> None:
    """Start a session for this browser: a new cookie with a new token and a new CSRF token, whatever it had before."""
    accounts = settings().accounts
    lifetime = timedelta(days=accounts.refresh_days) if is_remembered else timedelta(hours=accounts.session_hours)
    _end_replaced_session(now)
    started = sessions.start_session(
        proof=proof, kind="browser", client=client(), now=now, lifetime=lifetime, is_remembered=is_remembered
    )
    flask.session.clear()
    found = session_access(started.sid)
    if found is None:  # ended between two statements
        return
    login_user(BrowserUser(started.token, found))
    flask.session.permanent = is_remembered


def log_out_browser(actor: Principal, *, now: datetime) -> None:
    """End this browser's session and empty its cookie."""
    if actor.session_id is not None and actor.user_id is not None:
        sessions.end_session(
            actor=actor, user_id=actor.user_id, session_id=actor.session_id, now=now, reason="logged out"
        )
    forget_browser()


def forget_browser() -> None:
    """Empty this browser's cookie, whose session has ended."""
    logout_user()
    flask.session.clear()


def remember_pending(proof: dict[str, Any], *, now: datetime) -> None:
    """Note in the cookie, which is signed, that a first proof was given and a second is awaited."""
    _end_replaced_session(now)
    flask.session.clear()
    flask.session[PENDING] = proof


def _end_replaced_session(now: datetime) -> None:
    """End the session that this browser still has: once its cookie is another, nobody could log it out here."""
    if not current_user.is_authenticated:
        return
    old, here = current_user.access, client()
    actor = here.as_user(old.user_id, old.name)
    sessions.end_session(actor=actor, user_id=old.user_id, session_id=old.id, now=now, reason="replaced")


def remember_browser(user_id: int, *, now: datetime) -> None:
    """Let this browser need no second factor of this user for a while: the answer brings a cookie, only for that."""
    token = devices.remember_device(user_id=user_id, client=client(), now=now)

    def with_cookie(response: Response) -> Response:
        response.set_cookie(
            _device_cookie(),
            token,
            max_age=devices.REMEMBERED_FOR,
            secure=settings().is_https,
            httponly=True,
            samesite="Lax",
        )
        return response

    after_this_request(with_cookie)


def device_token() -> str | None:
    """The token of this browser, where it was told to be remembered."""
    return request.cookies.get(_device_cookie())


def _device_cookie() -> str:
    return "__Host-cartwright-device" if settings().is_https else "cartwright-device"
