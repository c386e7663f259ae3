"""Reads of roles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from app.auth.errors import RoleNotFound
from app.auth.models import Role, RolePermission, UserRole
from app.core.extensions import db
from app.core.pagination import Page, fetch_page
from app.core.permissions import CATALOGUE


@dataclass(frozen=True, slots=True)
class RoleRecord:
    """A role with what it allows and how many users have it."""

    id: int
    name: str
    description: str
    permissions: list[str]
    is_locked: bool
    is_built_in: bool
    requires_second_factor: bool | None
    user_count: int
    version: int
    created_at: datetime
    updated_at: datetime


def list_roles(*, limit: int, cursor: str | None = None) -> Page[RoleRecord]:
    """Roles in the order they were made."""
    page = fetch_page(select(Role), keys=[(Role.id, False)], limit=limit, cursor=cursor)
    return Page(_records(page.items), page.next_cursor)


def get_role(role_id: int) -> RoleRecord:
    """One role; raises RoleNotFound."""
    role = db.session.get(Role, role_id)
    if role is None:
        raise RoleNotFound(f"There is no role {role_id}.")
    return _records([role])[0]


def permissions_of(role: Role) -> frozenset[str]:
    """What a role allows: a locked one all there is; names that are no longer in the catalogue allow nothing."""
    return frozenset(_permissions([role])[role.id])


def _permissions(roles: Sequence[Role]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {role.id: sorted(CATALOGUE) if role.is_locked else [] for role in roles}
    plain = [role.id for role in roles if not role.is_locked]
    rows = db.session.execute(
        select(RolePermission.role_id, RolePermission.permission)
        .where(RolePermission.role_id.in_(plain))
        .order_by(RolePermission.permission)
    )
    for row in rows:
        if row.permission in CATALOGUE:
            found[row.role_id].append(row.permission)
    return found


def _records(roles: Sequence[Role]) -> list[RoleRecord]:
    ids = [role.id for role in roles]
    counted = select(UserRole.role_id, func.count()).where(UserRole.role_id.in_(ids)).group_by(UserRole.role_id)
    holders: dict[int, int] = {row[0]: row[1] for row in db.session.execute(counted)}
    permissions = _permissions(roles)
    return [
        RoleRecord(
            id=role.id,
            name=role.name,
            description=role.description,
            permissions=permissions[role.id],
            is_locked=role.is_locked,
            is_built_in=role.is_built_in,
            requires_second_factor=role.requires_second_factor,
            user_count=holders.get(role.id, 0),
            version=role.version,
            created_at=role.created_at,
            updated_at=role.updated_at,
        )
        for role in roles
    ]
