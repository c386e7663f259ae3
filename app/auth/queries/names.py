"""What users and roles are called, for lists that know their numbers only."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import select

from app.auth.models import Role, User
from app.core.extensions import db

MOST_ROLES = 1000
"""More roles than these cannot be chosen from on one page."""


def user_names(user_ids: Iterable[int]) -> dict[int, str]:
    """The names of users by id, of at most as many as a page has."""
    rows = db.session.execute(select(User.id, User.name).where(User.id.in_(set(user_ids))))
    return {row.id: row.name for row in rows}


def role_names() -> list[str]:
    """The names of all roles that can be given, sorted."""
    return list(db.session.scalars(select(Role.name).order_by(Role.name).limit(MOST_ROLES)))
