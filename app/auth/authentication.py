"""Who sends a request: from an access token, an API key or a browser's session to a principal."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from flask import g, request
from flask_login import current_user
from jwt.exceptions import PyJWTError

from app.auth.errors import TokenRefused
from app.auth.jwt import verified_claims
from app.auth.queries.access import Access
from app.auth.services import access
from app.auth.services.second_factor import hash_of
from app.auth.services.sessions import Client
from app.auth.visitor import visitor_hash
from app.core.extensions import csrf
from app.core.orm import utc_now
from app.core.permissions import Principal
from app.core.running import settings

KEY_PREFIX: Final = "cw_"
"""API keys begin with this, so that they can be told from access tokens, and found in places where none should be."""

_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})


def authenticate() -> Principal | None:
    """The principal of the current request, or None where it says nothing about who sends it.

    A Bearer token counts before a browser's session; a session must come with the CSRF token unless the request only
    reads. Raises TokenRefused for a token or key that is malformed, has expired, or belongs to nobody who is active.
    """
    scheme, _, credential = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        return _by_session()
    credential = credential.strip()
    found = _by_key(credential) if credential.startswith(KEY_PREFIX) else _by_token(credential)
    if found is None:
        raise TokenRefused("The access token or API key belongs to nobody who may log in.")
    return principal_of(found)


def client() -> Client:
    """Where the current request comes from."""
    return Client(request.remote_addr, request.user_agent.string, g.get("request_id"), visitor_hash())


def session_access(sid: str) -> Access | None:
    """The access of a session by its name, of the browser's or an API client's kind."""
    accounts = settings().accounts
    return access.of_session(
        sid,
        now=utc_now(),
        address=request.remote_addr,
        idle=access.Idle(timedelta(hours=accounts.session_hours), timedelta(days=accounts.refresh_days)),
        staff_second_factor=accounts.staff_second_factor,
    )


def _by_token(token: str) -> Access | None:
    try:
        claims = verified_claims(token)
        sid, subject = claims["sid"], int(claims["sub"])
    except (PyJWTError, ValueError) as error:
        raise TokenRefused(f"The access token is not valid: {error}.") from error
    found = session_access(sid) if isinstance(sid, str) else None
    return found if found is not None and found.user_id == subject else None


def _by_key(key: str) -> Access | None:
    return access.of_key(hash_of(key), now=utc_now(), address=request.remote_addr)


def _by_session() -> Principal | None:
    if not current_user.is_authenticated:
        return None
    if request.method not in _SAFE:
        csrf.protect()
    return principal_of(current_user.access)


def credential_expires_at() -> datetime | None:
    """Until when the access token of the current request is valid; None where it came with none.

    A session or a key says that itself, and may end at any time.
    """
    scheme, _, credential = request.headers.get("Authorization", "").partition(" ")
    credential = credential.strip()
    if scheme.lower() != "bearer" or credential.startswith(KEY_PREFIX):
        return None
    return datetime.fromtimestamp(verified_claims(credential)["exp"], UTC)


def principal_of(found: Access) -> Principal:
    """For whom the current request is done, by what lets them in."""
    is_person = found.kind == "user"
    return Principal(
        kind=found.kind,
        id=found.user_id if is_person else found.id,
        name=found.name,
        permissions=frozenset() if found.lacks_second_factor else found.permissions,
        request_id=g.get("request_id"),
        address=request.remote_addr,
        user_id=found.user_id,
        session_id=found.id if is_person else None,
        authenticated_at=found.authenticated_at,
        lacks_second_factor=found.lacks_second_factor,
    )
