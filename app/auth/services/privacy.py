"""What is kept of a person: all of it for themselves, and its end.

The audit log keeps a person's number, never a name or an email address, so that erasing need not touch it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sqlalchemy import delete, select

from app.auth.errors import UserNotFound
from app.auth.models import (
    ApiKey,
    Challenge,
    OneTimeToken,
    Passkey,
    RecoveryCode,
    Registration,
    RememberedDevice,
    Role,
    Session,
    Totp,
    User,
    UserRole,
)
from app.auth.services import access, oauth, second_factor
from app.auth.services.users import keep_an_administrator
from app.core import audit, idempotency, personal_data
from app.core.audit import AuditEvent
from app.core.extensions import db
from app.core.orm import utc_now
from app.core.permissions import Principal
from app.core.transactions import in_transaction

MOST_EVENTS: Final = 10_000
"""Of the audit log, an export has at most the newest so many, and says so when there are more."""


@in_transaction
def export_own(*, actor: Principal) -> dict[str, Any]:
    """All that is kept of the person who is logged in, by domain, as plain JSON values; raises NotForKeys."""
    user_id = actor.require_person()
    actor.require_complete_login()
    audit.record(actor=actor, action="user.export", subject=("user", user_id))
    return personal_data.export(user_id)


@in_transaction
def erase_own(*, actor: Principal) -> None:
    """Erase the person who is logged in: only the number is left. Raises NotForKeys, LastAdministrator."""
    user_id = actor.require_person()
    actor.require_complete_login()
    user = db.session().get(User, user_id, with_for_update=True)
    if user is None or user.erased_at is not None:
        raise UserNotFound("This access belongs to no user.")
    keep_an_administrator(user)
    audit.record(actor=actor, action="user.erase", subject=("user", user_id))
    personal_data.erase(user_id)


def export_person(user_id: int) -> dict[str, Any]:
    """What accounts keep of a person."""
    user = db.session.get(User, user_id)
    if user is None or user.erased_at is not None:
        return {}
    return {
        "profile": _plain(user, but={"password_hash"}) | {"has_password": bool(user.password_hash)},
        "roles": list(db.session.scalars(select(Role.name).join(UserRole).where(UserRole.user_id == user_id))),
        "sessions": _rows(Session, user_id, but={"sid"}),
        "api_keys": _rows(ApiKey, user_id, but={"secret_hash"}),
        "authenticator_app": _rows(Totp, user_id, but={"secret", "last_step"}),
        "recovery_codes": _rows(RecoveryCode, user_id, but={"code_hash"}),
        "remembered_devices": _rows(RememberedDevice, user_id, but={"token_hash"}),
        "passkeys": _rows(Passkey, user_id, but={"credential_hash", "credential_id", "public_key"}),
        "links_in_mails": _rows(OneTimeToken, user_id, but={"token_hash"}),
        "accounts_at_providers": oauth.export(user_id),
        "audit_log": _events(user_id),
    }


def erase_person(user_id: int) -> None:
    """Make an account nobody's, in the open transaction; its number stays, because histories refer to it."""
    session = db.session()
    user = session.get(User, user_id, with_for_update=True)
    if user is None:
        return
    access.forget_users([user_id])
    keys = session.scalars(select(ApiKey.id).where(ApiKey.user_id == user_id))
    idempotency.forget([f"user:{user_id}", *(f"key:{key_id}" for key_id in keys)])
    second_factor.erase(user_id)
    oauth.erase(user_id)
    for model in (Challenge, OneTimeToken, ApiKey, Session, UserRole):
        session.execute(delete(model).where(model.user_id == user_id))
    for by_address in (Registration, OneTimeToken):
        session.execute(delete(by_address).where(by_address.email == user.email))
    now = utc_now()
    user.email, user.name, user.password_hash = f"erased-{user_id}@invalid", "Erased user", ""
    user.email_verified_at = user.time_zone = user.notifications = None
    user.language, user.theme = "en", "system"
    user.is_active, user.erased_at, user.updated_at = False, now, now
    user.version += 1


def _rows(model: Any, user_id: int, *, but: set[str]) -> list[dict[str, Any]]:
    rows = db.session.scalars(select(model).where(model.user_id == user_id).order_by(*model.__table__.primary_key))
    return [_plain(row, but=but | {"user_id"}) for row in rows]


def _events(user_id: int) -> dict[str, Any]:
    """What the audit log says of a person: what they did, and what was done to them."""
    by_them = (AuditEvent.actor_kind == "user", AuditEvent.actor_id == user_id)
    about_them = (AuditEvent.subject_kind == "user", AuditEvent.subject_id == user_id)
    newest = select(AuditEvent).order_by(AuditEvent.at.desc(), AuditEvent.id.desc()).limit(MOST_EVENTS + 1)
    found = {row.id: row for which in (by_them, about_them) for row in db.session.scalars(newest.where(*which))}
    rows = sorted(found.values(), key=lambda row: (row.at, row.id), reverse=True)
    events = [_plain(row, but=_of_others(row, user_id)) for row in rows[:MOST_EVENTS]]
    return {"events": events, "has_more": len(rows) > MOST_EVENTS}


def _of_others(row: AuditEvent, user_id: int) -> set[str]:
    """What an event says of somebody else who did it: where staff sit is nobody's data but theirs."""
    by_somebody_else = row.actor_id is not None and (row.actor_kind, row.actor_id) != ("user", user_id)
    return {"address", "request_id"} if by_somebody_else else set()


def _plain(row: Any, *, but: set[str]) -> dict[str, Any]:
    """A row as JSON values, without the columns that hold secrets."""
    values = {column.key: getattr(row, column.key) for column in row.__table__.columns if column.key not in but}
    return {key: value.isoformat() if isinstance(value, datetime) else value for key, value in values.items()}
