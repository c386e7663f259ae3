"""Reads of sessions and API keys."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, or_, select

from app.auth.errors import KeyNotFound, UserNotFound
from app.auth.models import ApiKey, Session, User
from app.core.extensions import db
from app.core.pagination import Page, fetch_page


def list_sessions(user_id: int, *, now: datetime, limit: int, cursor: str | None = None) -> Page[Session]:
    """The sessions of a user that are open, the latest login first; raises UserNotFound."""
    _require_user(user_id)
    open_ones = select(Session).where(Session.user_id == user_id, Session.ended_at.is_(None), Session.expires_at > now)
    return fetch_page(open_ones, keys=[(Session.id, True)], limit=limit, cursor=cursor)


def list_keys(user_id: int, *, limit: int, cursor: str | None = None) -> Page[ApiKey]:
    """The API keys of a user that were not revoked, the newest first; raises UserNotFound."""
    _require_user(user_id)
    kept = select(ApiKey).where(ApiKey.user_id == user_id, ApiKey.revoked_at.is_(None))
    return fetch_page(kept, keys=[(ApiKey.id, True)], limit=limit, cursor=cursor)


def get_key(user_id: int, key_id: int) -> ApiKey:
    """One API key of a user; raises KeyNotFound for a revoked one, and for somebody else's."""
    key = db.session.get(ApiKey, key_id)
    if key is None or key.user_id != user_id or key.revoked_at is not None:
        raise KeyNotFound(f"There is no API key {key_id}.")
    return key


def count_keys(user_id: int, *, now: datetime) -> int:
    """How many keys of a user work."""
    valid = select(func.count()).where(ApiKey.user_id == user_id, ApiKey.revoked_at.is_(None))
    return db.session.scalar(valid.where(or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > now))) or 0


def _require_user(user_id: int) -> None:
    if db.session.scalar(select(User.id).where(User.id == user_id, User.erased_at.is_(None))) is None:
        raise UserNotFound(f"There is no user {user_id}.")
