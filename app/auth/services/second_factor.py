"""The second factor: what counts as one, and what is asked of somebody who has one."""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime
from typing import Final

import pyotp
from sqlalchemy import delete, func, or_, select, update

from app.auth.errors import SecondFactorRequired, UserNotFound
from app.auth.models import Challenge, Passkey, RecoveryCode, RememberedDevice, Session, Totp, User
from app.auth.services import sessions
from app.auth.services.notices import request_notice
from app.core import audit
from app.core.extensions import db
from app.core.orm import count_changed
from app.core.permissions import Principal
from app.core.text import normalised
from app.core.transactions import in_transaction

STEP_S: Final = 30
"""Seconds a code lasts; one step to either side is accepted (RFC 6238, 5.2)."""

_LOOKS_LIKE: Final = str.maketrans("oil", "011")
"""Letters that recovery codes do not have, and the digits that people mean by them (Crockford's base 32)."""


def is_needed(user_id: int) -> bool:
    """Whether this user has confirmed an authenticator app, so that a password alone is not enough."""
    confirmed = select(Totp.user_id).where(Totp.user_id == user_id, Totp.confirmed_at.is_not(None))
    return db.session.scalar(confirmed) is not None


def is_set_up(user_id: int) -> bool:
    """Whether this user has an authenticator app or a passkey."""
    has_passkey = select(Passkey.id).where(Passkey.user_id == user_id).limit(1)
    return is_needed(user_id) or db.session.scalar(has_passkey) is not None


def is_proven(session_id: int | None) -> bool:
    """Whether a second factor was part of this session's login or of a confirmation in it."""
    proven_at = select(Session.second_factor_at).where(Session.id == session_id)
    return session_id is not None and db.session.scalar(proven_at) is not None


def require_proven(actor: Principal) -> None:
    """Raise SecondFactorRequired for somebody who has a second factor that this session has not seen.

    Else whoever knows the password could exchange the second factor for one of their own.
    """
    if is_set_up(actor.require_person()) and not is_proven(actor.session_id):
        raise SecondFactorRequired("Confirm first who you are, with a code or a passkey.")


def lock_user(user_id: int) -> User:
    """The user, locked in the open transaction: changes of one user's second factor happen one after another."""
    user = db.session().get(User, user_id, with_for_update=True)
    if user is None:
        raise UserNotFound(f"There is no user {user_id}.")
    return user


@in_transaction
def use_code(*, user_id: int, code: str, actor: Principal, now: datetime) -> bool:
    """Whether a code of the authenticator app or a recovery code is right; it works once, also sent twice at once."""
    typed = typed_code(code)
    return _use_totp(user_id, typed, now) or _use_recovery_code(user_id, typed, actor, now)


@in_transaction
def use_device(*, user_id: int, token: str, now: datetime, address: str | None) -> bool:
    """Whether this device was told to be remembered by this user and still is."""
    known = update(RememberedDevice).where(
        RememberedDevice.user_id == user_id,
        RememberedDevice.token_hash == hash_of(token),
        RememberedDevice.expires_at > now,
    )
    return count_changed(db.session(), known.values(last_used_at=now, address=address)) == 1


@in_transaction
def reset(*, actor: Principal, user_id: int, now: datetime) -> None:
    """Take away all second factors of a user who lost them, and end the user's sessions; raises UserNotFound.

    The password stays. Roles that need a second factor allow nothing until there is a new one.
    """
    lock_user(user_id)
    before = {
        "totp": is_needed(user_id),
        "passkeys": db.session.scalar(select(func.count()).where(Passkey.user_id == user_id)),
    }
    erase(user_id)
    audit.record(actor=actor, action="second_factor.reset", subject=("user", user_id), before=before)
    request_notice(user_id, "reset")
    sessions.end_sessions.joined(actor=actor, user_id=user_id, now=now, reason="second factor reset")


def erase(user_id: int) -> None:
    """Delete, in the open transaction, all second factors of a user and what belongs to them."""
    for model in (Totp, RecoveryCode, RememberedDevice, Passkey, Challenge):
        db.session.execute(delete(model).where(model.user_id == user_id))


@in_transaction
def purge_expired(*, now: datetime) -> int:
    """Delete challenges and remembered devices whose time is over; returns how many."""
    session = db.session()
    return sum(
        count_changed(session, delete(model).where(model.expires_at < now)) for model in (Challenge, RememberedDevice)
    )


def typed_code(text: str) -> str:
    """A code as it was meant: without spaces and dashes of whatever kind, small letters, digits for their likes."""
    plain = normalised(text, "NFKC").lower()
    return "".join(letter for letter in plain if letter.isalnum()).translate(_LOOKS_LIKE)


def hash_of(secret: str) -> str:
    """SHA-256 in hexadecimal: enough for secrets of 112 random bits and more (NIST SP 800-63B, 5.1.2.2)."""
    return hashlib.sha256(secret.encode(errors="surrogatepass")).hexdigest()


def matching_step(secret: str, code: str, now: datetime) -> int | None:
    """The time step whose code this is: the present one or a neighbour; None for a wrong code."""
    if len(code) != 6 or not code.isascii() or not code.isdigit():
        return None
    totp = pyotp.TOTP(secret, interval=STEP_S)
    present = int(now.timestamp()) // STEP_S
    steps = (present, present - 1, present + 1)
    return next((step for step in steps if hmac.compare_digest(totp.generate_otp(step), code)), None)


def _use_totp(user_id: int, code: str, now: datetime) -> bool:
    session = db.session()
    confirmed = select(Totp.secret).where(Totp.user_id == user_id, Totp.confirmed_at.is_not(None))
    secret = session.scalar(confirmed)
    step = None if secret is None else matching_step(secret, code, now)
    if step is None:
        return False
    earlier = or_(Totp.last_step.is_(None), Totp.last_step < step)
    return count_changed(session, update(Totp).where(Totp.user_id == user_id, earlier).values(last_step=step)) == 1


def _use_recovery_code(user_id: int, code: str, actor: Principal, now: datetime) -> bool:
    session = db.session()
    unused = update(RecoveryCode).where(
        RecoveryCode.user_id == user_id, RecoveryCode.code_hash == hash_of(code), RecoveryCode.used_at.is_(None)
    )
    if count_changed(session, unused.values(used_at=now)) != 1:
        return False
    left = session.scalar(select(func.count()).where(RecoveryCode.user_id == user_id, RecoveryCode.used_at.is_(None)))
    audit.record(
        actor=actor, action="second_factor.recovery_code_used", subject=("user", user_id), after={"left": left}
    )
    request_notice(user_id, "code_used")
    return True
