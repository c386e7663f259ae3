"""Roles: those that come with the product."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select

from app.auth.models import Role, RolePermission
from app.auth.roles import ADMIN, BUILT_IN
from app.core.extensions import db
from app.core.transactions import in_transaction


@in_transaction
def restore_built_in(*, now: datetime) -> list[str]:
    """Create the roles that come with the product and are not there; returns their names. Others stay as they are."""
    session = db.session()
    known = set(session.scalars(select(Role.name).where(Role.name.in_(BUILT_IN))))
    missing = [name for name in BUILT_IN if name not in known]
    for name in missing:
        role = Role(name=name, description=BUILT_IN[name].description, is_locked=name == ADMIN, is_built_in=True)
        role.created_at = role.updated_at = now
        session.add(role)
        session.flush()
        session.add_all(RolePermission(role_id=role.id, permission=granted) for granted in BUILT_IN[name].permissions)
    session.flush()
    return missing
