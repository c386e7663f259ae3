"""Reads of accounts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import exists, select

from app.auth.errors import UserNotFound
from app.auth.models import Role, User, UserRole
from app.auth.preferences import all_wanted
from app.core.extensions import db
from app.core.permissions import Principal


@dataclass(frozen=True, slots=True)
class Account:
    """A user as shown to that user."""

    id: int
    email: str
    name: str
    roles: list[str]
    permissions: list[str]
    language: str
    time_zone: str | None
    theme: str
    notifications: dict[str, bool]
    version: int
    created_at: datetime


def get_account(principal: Principal) -> Account:
    """The account of a user; raises UserNotFound for principals that are no users."""
    user = None if principal.user_id is None else db.session.get(User, principal.user_id)
    if user is None:
        raise UserNotFound("This access belongs to no user.")
    names = select(Role.name).join(UserRole, UserRole.role_id == Role.id).where(UserRole.user_id == user.id)
    roles = sorted(db.session.scalars(names))
    return Account(
        id=user.id,
        email=user.email,
        name=user.name,
        roles=roles,
        permissions=sorted(principal.permissions),
        language=user.language,
        time_zone=user.time_zone,
        theme=user.theme,
        notifications=all_wanted(user.notifications),
        version=user.version,
        created_at=user.created_at,
    )


def has_administrator() -> bool:
    """Whether an active user has a locked role, that is, every permission."""
    holds = (
        select(UserRole.user_id)
        .join(Role, Role.id == UserRole.role_id)
        .join(User, User.id == UserRole.user_id)
        .where(Role.is_locked.is_(True), User.is_active.is_(True))
    )
    return bool(db.session.scalar(select(exists(holds))))
