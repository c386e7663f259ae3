"""What a session or an API key allows right now, as one read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, or_, select

from app.auth.models import ApiKey, Role, RolePermission, Session, User, UserRole
from app.core.extensions import db
from app.core.permissions import CATALOGUE


@dataclass(frozen=True, slots=True)
class Access:
    """Somebody who may come in: a user's session, or a key with some of its owner's permissions."""

    kind: str
    """``user`` or ``key``."""
    id: int
    """Of the session or of the key."""
    user_id: int
    name: str
    permissions: frozenset[str]
    expires_at: datetime | None
    authenticated_at: datetime | None
    lacks_second_factor: bool
    seen_at: datetime | None
    """When it was last noted to be in use."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Somebody active with a proven address who holds a permission."""

    user_id: int
    email: str
    name: str
    notifications: dict[str, bool] | None
    """Which mails they have chosen to get or not to get."""


def list_holders(
    permission: str, *, user_id: int | None = None, among: Collection[int] | None = None, limit: int = 1000
) -> list[Holder]:
    """Who holds a permission by one of their roles, at most ``limit``.

    With ``user_id`` that one or nobody, with ``among`` those of them who do.
    """
    wanted = select(User.id, User.email, User.name, User.notifications).where(User.id.in_(holders(permission)))
    if user_id is not None:
        wanted = wanted.where(User.id == user_id)
    if among is not None:
        wanted = wanted.where(User.id.in_(among))
    return [Holder(*row) for row in db.session.execute(wanted.order_by(User.id).limit(limit))]


def holders(permission: str) -> Select[int]:
    """To select by: the ids of all who hold a permission by one of their roles, and may log in."""
    gives = or_(Role.is_locked.is_(True), RolePermission.permission == permission)
    by_role = (
        select(UserRole.user_id)
        .join(Role, Role.id == UserRole.role_id)
        .outerjoin(RolePermission, RolePermission.role_id == Role.id)
        .where(gives)
    )
    is_there = User.is_active.is_(True), User.erased_at.is_(None), User.email_verified_at.is_not(None)
    return select(User.id).where(User.id.in_(by_role), *is_there)


def find_session_access(sid: str, *, now: datetime, staff_second_factor: bool) -> Access | None:
    """The access of a session that is open, of a user who is active; None for all others."""
    rows = _rows(_open_sessions(now).where(Session.sid == sid))
    return _of_session(rows, staff_second_factor=staff_second_factor) if rows else None


def find_key_access(secret_hash: str, *, now: datetime) -> Access | None:
    """The access of a key that is neither revoked nor expired, of an owner who is active; None for all others."""
    rows = _rows(_valid_keys(now).where(ApiKey.secret_hash == secret_hash))
    return _of_key(rows) if rows else None


def list_access(
    credentials: Iterable[tuple[str, int]], *, now: datetime, staff_second_factor: bool
) -> dict[tuple[str, int], Access]:
    """What some sessions (``("user", id)``) and keys (``("key", id)``) allow now; those that allow nothing are missing.

    Two statements for some hundred of them.
    """
    ids = defaultdict[str, list[int]](list)
    for kind, id_ in credentials:
        ids[kind].append(id_)
    found: dict[tuple[str, int], Access] = {}
    if ids["user"]:
        for id_, rows in _by_id(_rows(_open_sessions(now).where(Session.id.in_(ids["user"])))).items():
            found["user", id_] = _of_session(rows, staff_second_factor=staff_second_factor)
    if ids["key"]:
        for id_, rows in _by_id(_rows(_valid_keys(now).where(ApiKey.id.in_(ids["key"])))).items():
            found["key", id_] = _of_key(rows)
    return found


def _open_sessions(now: datetime) -> Any:
    columns = (Session.id, Session.user_id, Session.expires_at, Session.authenticated_at)
    wanted = select(*columns, Session.second_factor_at, Session.last_seen_at)
    open_ = wanted.join(User, User.id == Session.user_id).where(Session.ended_at.is_(None))
    return open_.where(Session.expires_at > now)


def _valid_keys(now: datetime) -> Any:
    wanted = select(ApiKey.id, ApiKey.user_id, ApiKey.scopes, ApiKey.expires_at, ApiKey.last_used_at)
    valid = wanted.join(User, User.id == ApiKey.user_id).where(ApiKey.revoked_at.is_(None))
    return valid.where(or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > now))


def _by_id(rows: Any) -> dict[int, list[Any]]:
    found = defaultdict[int, list[Any]](list)
    for row in rows:
        found[row.id].append(row)
    return found


def _of_session(rows: Sequence[Any], *, staff_second_factor: bool) -> Access:
    first = rows[0]
    needed = any(_needs_second_factor(row, staff=staff_second_factor) for row in rows)
    return Access(
        kind="user",
        id=first.id,
        user_id=first.user_id,
        name=first.name,
        permissions=granted(rows),
        expires_at=first.expires_at,
        authenticated_at=first.authenticated_at,
        lacks_second_factor=needed and first.second_factor_at is None,
        seen_at=first.last_seen_at,
    )


def _of_key(rows: Sequence[Any]) -> Access:
    first = rows[0]
    return Access(
        kind="key",
        id=first.id,
        user_id=first.user_id,
        name=first.name,
        permissions=granted(rows) & frozenset(first.scopes),
        expires_at=first.expires_at,
        authenticated_at=None,
        lacks_second_factor=False,
        seen_at=first.last_used_at,
    )


def granted(rows: Any) -> frozenset[str]:
    """What rows of roles give: a locked one all there is, also what a later version adds; unknown names nothing."""
    if any(row.is_locked for row in rows):
        return frozenset(CATALOGUE)
    return frozenset(CATALOGUE) & {row.permission for row in rows}


def _rows(who: Any) -> Any:
    """Every (role, permission) of an active user beside what ``who`` selects, by one query."""
    return db.session.execute(
        who.add_columns(User.name, Role.is_locked, Role.requires_second_factor, RolePermission.permission)
        .outerjoin(UserRole, UserRole.user_id == User.id)
        .outerjoin(Role, Role.id == UserRole.role_id)
        .outerjoin(RolePermission, RolePermission.role_id == Role.id)
        .where(User.is_active.is_(True))
    ).all()


def _needs_second_factor(row: Any, *, staff: bool) -> bool:
    if row.requires_second_factor is not None:
        return bool(row.requires_second_factor)
    return staff and bool(row.is_locked or row.permission)
