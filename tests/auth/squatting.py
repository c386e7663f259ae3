"""Somebody who set up an account with an address that is not theirs, with every way in that there is."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from flask import Flask
from sqlalchemy import func, select

from app.auth import passwords
from app.auth.models import (
    ApiKey,
    OauthIdentity,
    OauthProvider,
    Passkey,
    RecoveryCode,
    RememberedDevice,
    Role,
    Session,
    Totp,
    User,
    UserRole,
)
from app.core.extensions import db
from app.core.orm import utc_now
from app.core.transactions import in_transaction

SQUATTERS_PASSWORD: Final = "the squatter's own password"
_WAYS_IN: Final = (RememberedDevice, RecoveryCode, Totp, Passkey, OauthIdentity)


def squat(app: Flask, email: str) -> int:
    """Make an unverified account with a role, a password and every other way in; returns its id."""
    with app.app_context():
        return _squat(email=email, password_hash=passwords.hash_password(SQUATTERS_PASSWORD, email=email))


@in_transaction
def _squat(*, email: str, password_hash: str) -> int:
    session, now = db.session(), utc_now()
    user = User(email=email, name="Squatter", password_hash=password_hash)
    provider = OauthProvider(code="idp", name="IdP", preset="oidc", client_id="x", client_secret="y")
    session.add_all([user, provider])
    session.flush()
    mine = {"user_id": user.id}
    a_day = {"created_at": now, "expires_at": now + timedelta(days=1)}
    used = {"last_seen_at": now, "authenticated_at": now}
    session.add_all(
        [
            UserRole(**mine, role_id=session.scalars(select(Role.id).where(Role.name == "analyst")).one()),
            Session(**mine, **a_day, **used, sid="s" * 64, kind="browser", via="password"),
            ApiKey(**mine, name="k", prefix="cw_x", secret_hash="k" * 64, scopes=["products:read"], created_at=now),
            Totp(**mine, secret="JBSWY3DPEHPK3PXP", created_at=now, confirmed_at=now),
            RecoveryCode(**mine, code_hash="r" * 64, created_at=now),
            RememberedDevice(**mine, **a_day, token_hash="d" * 64, last_used_at=now),
            Passkey(**mine, credential_hash="p" * 64, credential_id=b"p", public_key=b"p", name="p", created_at=now),
            OauthIdentity(**mine, provider_id=provider.id, subject="s", email=email, created_at=now, last_used_at=now),
        ]
    )
    return user.id


def ways_in(app: Flask, user_id: int) -> list[str]:
    """What lets somebody into an account besides the password, as names."""
    with app.app_context():
        found = [
            model.__name__
            for model in _WAYS_IN
            if db.session.scalar(select(func.count()).select_from(model).where(model.user_id == user_id))
        ]
        open_sessions = select(Session.id).where(Session.user_id == user_id, Session.ended_at.is_(None))
        keys = select(ApiKey.id).where(ApiKey.user_id == user_id, ApiKey.revoked_at.is_(None))
        found += ["Session"] if db.session.scalars(open_sessions).all() else []
        return sorted(found + (["ApiKey"] if db.session.scalars(keys).all() else []))
