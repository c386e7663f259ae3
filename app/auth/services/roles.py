"""Writes of roles. Nobody gives, takes over or takes away by them what they do not hold."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from sqlalchemy import delete, func, or_, select
from sqlalchemy.exc import IntegrityError

from app.auth.errors import RoleBuiltIn, RoleChanged, RoleInUse, RoleLocked, RoleNameTaken, RoleNotFound
from app.auth.models import Role, RolePermission, UserRole
from app.auth.queries.roles import RoleRecord, get_role, permissions_of
from app.auth.roles import ADMIN, BUILT_IN
from app.auth.services import access
from app.core import audit
from app.core.errors import FieldError, Invalid
from app.core.extensions import db
from app.core.permissions import CATALOGUE, Principal
from app.core.transactions import in_transaction

_AS_IT_IS: Final = object()


@in_transaction
def create_role(
    *,
    actor: Principal,
    now: datetime,
    name: str,
    permissions: Iterable[str],
    description: str = "",
    requires_second_factor: bool | None = None,
) -> RoleRecord:
    """Make a role; ``requires_second_factor`` None is as the operator set it for staff.

    Raises Invalid for unknown permissions, PermissionMissing for those that the actor does not hold, RoleNameTaken.
    """
    granted = _checked(permissions)
    actor.require_all(granted, to="put these permissions into a role")
    _lock_names()
    _require_free(name)
    role = Role(
        name=name,
        description=description,
        requires_second_factor=requires_second_factor,
        created_at=now,
        updated_at=now,
    )
    db.session.add(role)
    _flush(name)
    _grant(role, granted)
    audit.record(actor=actor, action="role.create", subject=("role", role.id), after=_audited(role))
    return get_role(role.id)


@in_transaction
def update_role(
    *,
    actor: Principal,
    now: datetime,
    role_id: int,
    expected_version: int,
    name: str | None = None,
    description: str | None = None,
    permissions: Iterable[str] | None = None,
    requires_second_factor: Any = _AS_IT_IS,
) -> RoleRecord:
    """Change what is given of a role; holders feel it within a minute.

    Raises RoleNotFound, RoleChanged, RoleLocked, RoleBuiltIn when it comes with the product and would be renamed,
    PermissionMissing unless the actor holds all that the role allows and shall allow, RoleNameTaken.
    """
    if name is not None:
        _lock_names(role_id)
    role = _lock(role_id, expected_version)
    _require_power(actor, role, to="change this role")
    if role.is_built_in and name not in {None, role.name}:
        raise RoleBuiltIn.at("/name", f"The role {role.name} comes with the product and keeps its name.")
    if name not in {None, role.name}:
        _require_free(name or "", but=role.id)
    before = _audited(role)
    if permissions is not None:
        granted = _checked(permissions)
        actor.require_all(granted, to="put these permissions into a role")
        _grant(role, granted)
    role.name = role.name if name is None else name
    role.description = role.description if description is None else description
    if requires_second_factor is not _AS_IT_IS:
        role.requires_second_factor = requires_second_factor
    after = _audited(role)
    if after != before:
        role.version += 1
        role.updated_at = now
        _flush(role.name)
        audit.record(actor=actor, action="role.update", subject=("role", role.id), before=before, after=after)
        access.forget_holders(role.id)
    return get_role(role.id)


@in_transaction
def delete_role(*, actor: Principal, role_id: int, expected_version: int) -> None:
    """Delete a role that nobody has.

    Raises RoleNotFound, RoleChanged, RoleLocked, RoleBuiltIn, RoleInUse, which says by how many it is had, and
    PermissionMissing unless the actor holds all that the role allows.
    """
    role = _lock(role_id, expected_version)
    _require_power(actor, role, to="delete this role")
    if role.is_built_in:
        raise RoleBuiltIn(f"The role {role.name} comes with the product and cannot be deleted.")
    session = db.session()
    holders = session.scalar(select(func.count()).where(UserRole.role_id == role.id))
    if holders:
        raise RoleInUse(f"{holders} {'user has' if holders == 1 else 'users have'} this role; take it from them first.")
    audit.record(actor=actor, action="role.delete", subject=("role", role.id), before=_audited(role))
    session.execute(delete(RolePermission).where(RolePermission.role_id == role.id))
    session.delete(role)


@in_transaction
def restore_built_in(*, now: datetime, actor: Principal | None = None) -> list[str]:
    """Create the roles that come with the product and are not there; returns their names. Others stay as they are.

    With an ``actor`` it is noted in the audit log.
    """
    session = db.session()
    known = set(session.scalars(select(Role.name).where(Role.name.in_(BUILT_IN))))
    missing = [name for name in BUILT_IN if name not in known]
    for name in missing:
        role = Role(name=name, description=BUILT_IN[name].description, is_locked=name == ADMIN, is_built_in=True)
        role.created_at = role.updated_at = now
        session.add(role)
        session.flush()
        session.add_all(RolePermission(role_id=role.id, permission=granted) for granted in BUILT_IN[name].permissions)
        if actor is not None:
            audit.record(actor=actor, action="role.create", subject=("role", role.id), after=_audited(role))
    session.flush()
    return missing


def _lock(role_id: int, expected_version: int) -> Role:
    role = db.session().get(Role, role_id, with_for_update=True)
    if role is None:
        raise RoleNotFound(f"There is no role {role_id}.")
    if role.version != expected_version:
        raise RoleChanged(f"The role has version {role.version}; this was based on {expected_version}.")
    return role


def _lock_names(role_id: int | None = None) -> None:
    """Let nobody else name a role before this transaction ends: whoever does locks the administrators' role.

    With it, and in the order of their ids, the role that is to be renamed.
    """
    both = select(Role.id).where(or_(Role.is_locked.is_(True), Role.id == role_id)).order_by(Role.id)
    db.session.execute(both.with_for_update())


def _require_free(name: str, *, but: int | None = None) -> None:
    """Raise RoleNameTaken where another role has this name, be it in another case."""
    for role_id, other in db.session.execute(select(Role.id, Role.name)):
        if role_id != but and other.casefold() == name.casefold():
            raise RoleNameTaken.at("/name", f"There is a role {other} already.")


def _require_power(actor: Principal, role: Role, *, to: str) -> None:
    if role.is_locked:
        raise RoleLocked(f"The role {role.name} has every permission and is changed by nobody.")
    actor.require_all(permissions_of(role), to=to)


def _checked(permissions: Iterable[str]) -> frozenset[str]:
    named = list(permissions)
    unknown = [at for at, name in enumerate(named) if name not in CATALOGUE]
    if unknown:
        errors = tuple(FieldError(f"/permissions/{at}", "is no permission of the catalogue.") for at in unknown)
        raise Invalid("The request breaks a rule.", errors=errors)
    return frozenset(named)


def _grant(role: Role, permissions: frozenset[str]) -> None:
    """Let a role allow just this."""
    session = db.session()
    session.execute(delete(RolePermission).where(RolePermission.role_id == role.id))
    session.add_all(RolePermission(role_id=role.id, permission=name) for name in sorted(permissions))
    session.flush()


def _audited(role: Role) -> dict[str, Any]:
    return {
        "name": role.name,
        "description": role.description,
        "permissions": sorted(permissions_of(role)),
        "requires_second_factor": role.requires_second_factor,
    }


def _flush(name: str) -> None:
    """Write now, so that a name which somebody else took a moment ago is refused by name."""
    try:
        db.session.flush()
    except IntegrityError as error:
        raise RoleNameTaken.at("/name", f"There is a role {name} already.") from error
