"""Writes of accounts: creating administrators, and what is kept of a person."""

from __future__ import annotations

import re
import unicodedata
from datetime import datetime
from typing import Any, Final

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from app.auth import passwords
from app.auth.errors import EmailTaken
from app.auth.models import MAX_EMAIL, Role, User, UserRole
from app.auth.roles import ADMIN
from app.auth.services.roles import restore_built_in
from app.core import audit
from app.core.errors import Invalid
from app.core.extensions import db
from app.core.permissions import Principal
from app.core.transactions import in_transaction

_EMAIL: Final = re.compile(r"[^\s@\x00-\x1f\x7f\ud800-\udfff]+@[^\s@\x00-\x1f\x7f\ud800-\udfff]+")


def normalised_email(text: str) -> str:
    """An email address as it is kept and compared: NFC, trimmed, lower case."""
    return unicodedata.normalize("NFC", text).strip().lower()


def create_administrator(*, actor: Principal, email: str, name: str, password: str, now: datetime) -> int:
    """Create a user with the role ``admin``, which has every permission; returns the user's id.

    Raises Invalid for a malformed address or a password that breaks a rule, EmailTaken for an address in use.
    """
    address = normalised_email(email)
    if len(address) > MAX_EMAIL or not _EMAIL.fullmatch(address):
        raise Invalid.field("/email", "must be an email address.")
    password_hash = passwords.hash_password(password)  # before the transaction: it takes its time
    try:
        return _create_administrator(actor=actor, email=address, name=name, password_hash=password_hash, now=now)
    except IntegrityError as error:
        raise EmailTaken(f"{address} belongs to another user.") from error


@in_transaction
def _create_administrator(*, actor: Principal, email: str, name: str, password_hash: str, now: datetime) -> int:
    session = db.session()
    restore_built_in.joined(now=now)
    role = session.scalars(select(Role).where(Role.name == ADMIN)).one()
    user = User(email=email, name=name, password_hash=password_hash, created_at=now, updated_at=now)
    user.email_verified_at = now  # whoever runs the command vouches for it
    session.add(user)
    session.flush()
    session.add(UserRole(user_id=user.id, role_id=role.id))
    audit.record(actor=actor, action="user.create", subject=("user", user.id), after={"roles": [ADMIN]})
    return user.id


def export_person(user_id: int) -> dict[str, Any]:
    """What accounts keep of a person, as plain JSON values."""
    user = db.session.get(User, user_id)
    if user is None:
        return {}
    return {"email": user.email, "name": user.name, "created_at": user.created_at.isoformat()}


def erase_person(user_id: int) -> None:
    """Make an account nobody's, in the open transaction; its number stays, because histories refer to it."""
    db.session.execute(
        update(User)
        .where(User.id == user_id)
        .values(
            email=f"erased-{user_id}@invalid",
            name="Erased user",
            password_hash="",
            is_active=False,
            version=User.version + 1,
        )
    )
