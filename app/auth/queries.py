"""Reads of accounts."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import exists, select

from app.auth.errors import UserNotFound
from app.auth.models import Role, RolePermission, User, UserRole
from app.core.extensions import db
from app.core.permissions import CATALOGUE, Principal


@dataclass(frozen=True, slots=True)
class Account:
    """A user as shown to that user."""

    id: int
    email: str
    name: str
    roles: list[str]
    permissions: list[str]


def find_principal(user_id: int, *, request_id: str | None) -> Principal | None:
    """The principal of an active user, with the permissions of all its roles, by one query; None for anybody else."""
    rows = db.session.execute(
        select(User.name, Role.is_locked, RolePermission.permission)
        .outerjoin(UserRole, UserRole.user_id == User.id)
        .outerjoin(Role, Role.id == UserRole.role_id)
        .outerjoin(RolePermission, RolePermission.role_id == Role.id)
        .where(User.id == user_id, User.is_active.is_(True))
    ).all()
    if not rows:
        return None
    return Principal(
        kind="user",
        id=user_id,
        name=rows[0].name,
        permissions=_permissions({row.permission for row in rows}, is_locked=any(row.is_locked for row in rows)),
        request_id=request_id,
    )


def get_account(principal: Principal) -> Account:
    """The account of a user; raises UserNotFound for principals that are no users."""
    user = db.session.get(User, principal.id) if principal.kind == "user" else None
    if user is None:
        raise UserNotFound("This access belongs to no user.")
    names = select(Role.name).join(UserRole, UserRole.role_id == Role.id).where(UserRole.user_id == user.id)
    roles = sorted(db.session.scalars(names))
    return Account(user.id, user.email, user.name, roles, sorted(principal.permissions))


def has_administrator() -> bool:
    """Whether an active user has a locked role, that is, every permission."""
    holds = (
        select(UserRole.user_id)
        .join(Role, Role.id == UserRole.role_id)
        .join(User, User.id == UserRole.user_id)
        .where(Role.is_locked.is_(True), User.is_active.is_(True))
    )
    return bool(db.session.scalar(select(exists(holds))))


def _permissions(named: set[str | None], *, is_locked: bool) -> frozenset[str]:
    """What roles give: a locked one all there is, also what a later version adds; names of the past give nothing."""
    return frozenset(CATALOGUE) if is_locked else frozenset(CATALOGUE) & named
