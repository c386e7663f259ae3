"""Setting up an authenticator app (RFC 6238) and switching it off; the recovery codes that come with it."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import pyotp
from sqlalchemy import delete, select

from app.auth.errors import AuthenticatorAppMissing, AuthenticatorAppSetUp, SecondFactorNeeded
from app.auth.models import Passkey, RecoveryCode, RememberedDevice, Totp, User
from app.auth.queries.second_factor import roles_that_require_it
from app.auth.services import second_factor, sessions
from app.auth.services.notices import request_notice
from app.core import audit, throttle
from app.core.errors import Invalid
from app.core.extensions import db
from app.core.permissions import Principal
from app.core.transactions import in_transaction

ISSUER: Final = "Cartwright"
SET_UP_FOR: Final = timedelta(minutes=30)
"""How long a set-up waits for its first code."""
CODES: Final = 10
CODE_GROUPS: Final = 6
_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"
"""Crockford's base 32: no letter that looks like a digit. 24 of them are 120 random bits; with 112 and more a plain
hash is enough (NIST SP 800-63B, 5.1.2.2)."""


@dataclass(frozen=True, slots=True)
class SetUp:
    """What an authenticator app needs to know."""

    secret: str
    """In base 32, to be typed."""
    uri: str
    """``otpauth://...``, to be shown as a QR code."""


@in_transaction
def start_totp(*, actor: Principal, now: datetime) -> SetUp:
    """Start to set up an authenticator app: a new secret, which counts once a code of it has been sent.

    Raises AuthenticatorAppSetUp where there is one, SecondFactorRequired for a session that has not seen the passkey
    that there is.
    """
    user = second_factor.lock_user(actor.require_person())
    second_factor.require_proven(actor)
    session = db.session()
    row = session.get(Totp, user.id)
    if row is not None and row.confirmed_at is not None:
        raise AuthenticatorAppSetUp("You have an authenticator app; switch it off before you set up another one.")
    if row is None:
        row = Totp(user_id=user.id)
        session.add(row)
    row.secret, row.created_at = pyotp.random_base32(), now
    audit.record(actor=actor, action="totp.start", subject=("user", user.id))
    return _set_up(user, row)


def find_set_up(user_id: int, now: datetime) -> SetUp | None:
    """The set-up that waits for its first code; None where none does, or for too long."""
    user, row = db.session.get(User, user_id), db.session.get(Totp, user_id)
    return _set_up(user, row) if user is not None and row is not None and _is_pending(row, now) else None


def confirm_totp(*, actor: Principal, code: str, now: datetime) -> list[str]:
    """Finish the set-up by the first code; returns the recovery codes, which are kept as hashes only.

    This session counts as proven by a second factor from now on. Raises Invalid for a wrong code, TooManyRequests after
    too many, AuthenticatorAppMissing where no set-up waits.
    """
    key = f"code:{actor.require_person()}"
    throttle.attempt(key)
    codes = _confirm_totp(actor=actor, code=code, now=now)
    throttle.succeeded(key)
    return codes


@in_transaction
def _confirm_totp(*, actor: Principal, code: str, now: datetime) -> list[str]:
    user_id = second_factor.lock_user(actor.require_person()).id
    second_factor.require_proven(actor)
    row = db.session().get(Totp, user_id)
    if row is None or not _is_pending(row, now):
        raise AuthenticatorAppMissing("No set-up waits for its first code; start it again.")
    step = second_factor.matching_step(row.secret, second_factor.typed_code(code), now)
    if step is None:
        raise Invalid.field("/code", "is not the one that the app shows now; check the clock of the phone.")
    row.confirmed_at, row.last_step = now, step
    audit.record(actor=actor, action="totp.confirm", subject=("user", user_id))
    request_notice(user_id, "totp_on")
    sessions.confirm_session.joined(actor=actor, now=now, second_factor=True)
    return _renew_codes(user_id, now)


@in_transaction
def disable_totp(*, actor: Principal) -> None:
    """Switch the authenticator app off; recovery codes and remembered devices go with it.

    Raises SecondFactorNeeded where a role needs it and there is no passkey, AuthenticatorAppMissing where there is no
    app.
    """
    user_id = second_factor.lock_user(actor.require_person()).id
    second_factor.require_proven(actor)
    if not second_factor.is_needed(user_id):
        raise AuthenticatorAppMissing("There is no authenticator app to switch off.")
    session = db.session()
    requiring = roles_that_require_it(user_id)
    if requiring and session.scalar(select(Passkey.id).where(Passkey.user_id == user_id).limit(1)) is None:
        raise SecondFactorNeeded(f"Your role {requiring[0]} needs a second factor; add a passkey first.")
    for model in (Totp, RecoveryCode, RememberedDevice):
        session.execute(delete(model).where(model.user_id == user_id))
    audit.record(actor=actor, action="totp.disable", subject=("user", user_id))
    request_notice(user_id, "totp_off")


@in_transaction
def renew_recovery_codes(*, actor: Principal, now: datetime) -> list[str]:
    """Make new recovery codes; the old ones work no more. Raises AuthenticatorAppMissing without an app."""
    user_id = second_factor.lock_user(actor.require_person()).id
    second_factor.require_proven(actor)
    if not second_factor.is_needed(user_id):
        raise AuthenticatorAppMissing("Recovery codes replace an authenticator app; set one up first.")
    audit.record(actor=actor, action="second_factor.renew_codes", subject=("user", user_id))
    request_notice(user_id, "new_codes")
    return _renew_codes(user_id, now)


def _renew_codes(user_id: int, now: datetime) -> list[str]:
    session = db.session()
    session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user_id))
    codes = [_code() for _ in range(CODES)]
    session.add_all(
        RecoveryCode(user_id=user_id, code_hash=second_factor.hash_of(second_factor.typed_code(code)), created_at=now)
        for code in codes
    )
    return codes


def _code() -> str:
    groups = ("".join(secrets.choice(_ALPHABET) for _ in range(4)) for _ in range(CODE_GROUPS))
    return "-".join(groups)


def _is_pending(row: Totp, now: datetime) -> bool:
    return row.confirmed_at is None and row.created_at + SET_UP_FOR > now


def _set_up(user: User, row: Totp) -> SetUp:
    uri = pyotp.TOTP(row.secret).provisioning_uri(name=user.email, issuer_name=ISSUER)
    return SetUp(row.secret, uri)
