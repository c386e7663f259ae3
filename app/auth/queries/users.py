"""Reads of users, as those who look after them see them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, or_, select

from app.auth.errors import UserNotFound
from app.auth.models import Role, RolePermission, Session, Totp, User, UserRole
from app.auth.queries.access import granted
from app.core.extensions import db
from app.core.pagination import Page, fetch_page


@dataclass(frozen=True, slots=True)
class UserRecord:
    """A user with what an administrator has to know of them."""

    id: int
    email: str
    name: str
    roles: list[str]
    is_active: bool
    email_verified_at: datetime | None
    """None until an invited user has used the link of the invitation."""
    has_second_factor: bool
    last_seen_at: datetime | None
    version: int
    created_at: datetime
    updated_at: datetime


def list_users(
    *,
    limit: int,
    cursor: str | None = None,
    q: str | None = None,
    role: str | None = None,
    is_active: bool | None = None,
) -> Page[UserRecord]:
    """Users in the order they came, without those who were erased.

    ``q`` is what the address or the name begins with, ``role`` the name of a role that they have.
    """
    wanted = select(User).where(User.erased_at.is_(None))
    if q is not None:
        by_email = User.email.startswith(q.strip().lower(), autoescape=True)
        wanted = wanted.where(or_(by_email, User.name.startswith(q.strip(), autoescape=True)))
    if role is not None:
        holders = select(UserRole.user_id).join(Role, Role.id == UserRole.role_id).where(Role.name == role)
        wanted = wanted.where(User.id.in_(holders))
    if is_active is not None:
        wanted = wanted.where(User.is_active.is_(is_active))
    page = fetch_page(wanted, keys=[(User.id, False)], limit=limit, cursor=cursor)
    return Page(_records(page.items), page.next_cursor)


def get_user(user_id: int) -> UserRecord:
    """One user; raises UserNotFound, also for one who was erased."""
    user = db.session.scalar(select(User).where(User.id == user_id, User.erased_at.is_(None)))
    if user is None:
        raise UserNotFound(f"There is no user {user_id}.")
    return _records([user])[0]


def find_user_id(email: str) -> int | None:
    """The id of the user with this address, which is in lower case."""
    return db.session.scalar(select(User.id).where(User.email == email))


def find_permissions(user_id: int) -> frozenset[str]:
    """All that a user's roles allow, whether the user is active or not."""
    rows = db.session.execute(
        select(Role.is_locked, RolePermission.permission)
        .join(UserRole, UserRole.role_id == Role.id)
        .outerjoin(RolePermission, RolePermission.role_id == Role.id)
        .where(UserRole.user_id == user_id)
    ).all()
    return granted(rows)


def holders_of(permission: str, *, limit: int) -> list[int]:
    """Ids of people who can log in and whose roles allow this, oldest first."""
    allows = or_(Role.is_locked.is_(True), RolePermission.permission == permission)
    holders = (
        select(User.id)
        .join(UserRole, UserRole.user_id == User.id)
        .join(Role, Role.id == UserRole.role_id)
        .outerjoin(RolePermission, RolePermission.role_id == Role.id)
        .where(allows, User.is_active.is_(True), User.email_verified_at.is_not(None))
    )
    return list(db.session.scalars(holders.distinct().order_by(User.id).limit(limit)))


def count_administrators(*, but: int) -> int:
    """How many people who can log in have a locked role, without the user ``but``."""
    holders = (
        select(func.count(UserRole.user_id.distinct()))
        .join(Role, Role.id == UserRole.role_id)
        .join(User, User.id == UserRole.user_id)
        .where(Role.is_locked.is_(True), User.is_active.is_(True), User.email_verified_at.is_not(None), User.id != but)
    )
    return db.session.scalar(holders) or 0


def _records(users: Sequence[User]) -> list[UserRecord]:
    """The users with what other tables say of them, by one query a table."""
    ids = [user.id for user in users]
    roles: dict[int, list[str]] = {}
    held = select(UserRole.user_id, Role.name).join(Role, Role.id == UserRole.role_id).where(UserRole.user_id.in_(ids))
    for row in db.session.execute(held):
        roles.setdefault(row.user_id, []).append(row.name)
    protected = set(
        db.session.scalars(select(Totp.user_id).where(Totp.user_id.in_(ids), Totp.confirmed_at.is_not(None)))
    )
    latest = select(Session.user_id, func.max(Session.last_seen_at)).where(Session.user_id.in_(ids))
    seen: dict[int, datetime] = {row[0]: row[1] for row in db.session.execute(latest.group_by(Session.user_id))}
    return [
        UserRecord(
            id=user.id,
            email=user.email,
            name=user.name,
            roles=sorted(roles.get(user.id, [])),
            is_active=user.is_active,
            email_verified_at=user.email_verified_at,
            has_second_factor=user.id in protected,
            last_seen_at=seen.get(user.id),
            version=user.version,
            created_at=user.created_at,
            updated_at=user.updated_at,
        )
        for user in users
    ]
