"""Refresh tokens: families with rotation, and what happens when one is used twice (RFC 9700, 4.14.2)."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from sqlalchemy import select

from app.auth.errors import RefreshReused, TokenRefused
from app.auth.models import RefreshToken, Session, User
from app.auth.services import access
from app.auth.services.sessions import Client, Proof, start_session
from app.core import audit
from app.core.extensions import db
from app.core.permissions import guest
from app.core.transactions import after_commit, in_transaction

GRACE: Final = timedelta(seconds=10)
"""For this long a used token still gets its successor: two tabs that refresh at the same time are no theft."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What the tokens of one API session say."""

    user_id: int
    sid: str
    jti: str
    issued_at: datetime
    expires_at: datetime
    """Of the refresh token."""


@in_transaction
def start_api_session(*, proof: Proof, client: Client, now: datetime, lifetime: timedelta) -> Grant:
    """Start an API session with its first refresh token, which lives for ``lifetime``."""
    started = start_session.joined(proof=proof, kind="api", client=client, now=now, lifetime=lifetime)
    return _issue(started.id, started.sid, started.user_id, now, started.expires_at)


def rotate_refresh_token(*, jti: str, sid: str, client: Client, now: datetime, lifetime: timedelta) -> Grant:
    """Exchange a refresh token for its successor.

    The same token within 10 seconds gets the same successor. Raises TokenRefused for a token of a session that has
    ended, and RefreshReused for one that was used before: then the whole family has been revoked.
    """
    grant = _rotate(jti=jti, sid=sid, client=client, now=now, lifetime=lifetime)
    if grant is None:
        raise RefreshReused("This refresh token was used before; everything that came from this login is revoked.")
    return grant


@in_transaction
def _rotate(*, jti: str, sid: str, client: Client, now: datetime, lifetime: timedelta) -> Grant | None:
    session = db.session()
    family = session.scalar(select(Session).where(Session.sid == sid, Session.kind == "api").with_for_update())
    active = family is not None and session.scalar(select(User.is_active).where(User.id == family.user_id))
    if family is None or not active or family.ended_at is not None or family.expires_at <= now:
        raise TokenRefused("The session of this refresh token has ended; log in again.")
    token = session.scalar(
        select(RefreshToken).where(RefreshToken.jti == jti, RefreshToken.session_id == family.id).with_for_update()
    )
    if token is None or token.expires_at <= now:
        raise TokenRefused("This refresh token is not known or has expired; log in again.")
    if token.used_at is None:
        token.used_at = now
        expires_at = min(now + lifetime, family.created_at + access.LONGEST_SESSION)
        grant = _issue(family.id, family.sid, family.user_id, now, expires_at)
        token.successor_jti = grant.jti
        family.expires_at, family.last_seen_at, family.address = expires_at, now, client.address
        return grant
    if now - token.used_at <= GRACE:
        successor = session.scalars(select(RefreshToken).where(RefreshToken.jti == token.successor_jti)).one()
        return _grant(successor, family.sid, family.user_id)
    family.ended_at, family.end_reason = now, "refresh token reused"
    audit.record(
        actor=guest(client.request_id, client.address),
        action="session.refresh_reused",
        subject=("user", family.user_id),
        after={"session": family.id},
    )
    after_commit(partial(access.forget, [f"s:{family.sid}"]))
    return None


def _issue(session_id: int, sid: str, user_id: int, now: datetime, expires_at: datetime) -> Grant:
    row = RefreshToken(jti=secrets.token_hex(16), session_id=session_id, issued_at=now, expires_at=expires_at)
    db.session.add(row)
    db.session.flush()
    return _grant(row, sid, user_id)


def _grant(row: RefreshToken, sid: str, user_id: int) -> Grant:
    return Grant(user_id, sid, row.jti, row.issued_at, row.expires_at)
