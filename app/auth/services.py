"""Writes of accounts: creating administrators, logging in, and what is kept of a person."""

from __future__ import annotations

import re
import unicodedata
from datetime import datetime
from typing import Any, Final

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from app.auth import passwords
from app.auth.errors import EmailTaken, LogInRefused
from app.auth.models import MAX_EMAIL, Role, User, UserRole
from app.auth.queries import find_principal
from app.core import audit
from app.core.errors import Invalid
from app.core.extensions import db
from app.core.permissions import Principal, guest
from app.core.transactions import in_transaction

ADMIN: Final = "admin"
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
    role = session.scalar(select(Role).where(Role.name == ADMIN))
    if role is None:
        role = Role(name=ADMIN, is_locked=True, created_at=now, updated_at=now)
    user = User(email=email, name=name, password_hash=password_hash, created_at=now, updated_at=now)
    session.add_all([role, user])
    session.flush()
    session.add(UserRole(user_id=user.id, role_id=role.id))
    audit.record(actor=actor, action="user.create", subject=("user", user.id), after={"roles": [ADMIN]})
    return user.id


def log_in(*, email: str, password: str, request_id: str | None = None) -> Principal:
    """Check an email address and its password and note the attempt in the audit trail; returns whom they belong to.

    Raises LogInRefused, which takes as long and says the same whether the address, the password or the state of the
    account was the reason.
    """
    known = select(User.id, User.password_hash).where(User.email == normalised_email(email))
    row = db.session.execute(known).one_or_none()
    correct = passwords.is_correct(password, row.password_hash if row else None)
    principal = find_principal(row.id, request_id=request_id) if row and correct else None
    if row is None or principal is None:
        _record_refusal.aside(actor=guest(request_id), user_id=row.id if row else None)
        raise LogInRefused("Email or password is wrong.")
    renewed = passwords.hash_password(password) if passwords.is_outdated(row.password_hash) else None
    _record_log_in(actor=principal, renewed_hash=renewed)
    return principal


@in_transaction
def _record_log_in(*, actor: Principal, renewed_hash: str | None) -> None:
    if renewed_hash is not None:
        db.session.execute(update(User).where(User.id == actor.id).values(password_hash=renewed_hash))
    audit.record(actor=actor, action="user.log_in", subject=("user", actor.id))


@in_transaction
def _record_refusal(*, actor: Principal, user_id: int | None) -> None:
    # the address is left out: people type their password there
    audit.record(actor=actor, action="user.log_in_refused", subject=("user", user_id))


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
