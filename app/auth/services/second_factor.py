"""The second factor: authenticator app (RFC 6238), recovery codes, remembered devices."""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime
from typing import Final

import pyotp
from sqlalchemy import select, update

from app.auth.models import RecoveryCode, RememberedDevice, Totp
from app.core.extensions import db
from app.core.orm import count_changed
from app.core.transactions import in_transaction

STEP_S: Final = 30
"""Seconds a code lasts; one step to either side is accepted (RFC 6238, 5.2)."""


def is_needed(user_id: int) -> bool:
    """Whether this user has confirmed an authenticator app."""
    confirmed = select(Totp.user_id).where(Totp.user_id == user_id, Totp.confirmed_at.is_not(None))
    return db.session.scalar(confirmed) is not None


@in_transaction
def use_code(*, user_id: int, code: str, now: datetime) -> bool:
    """Whether a code of the authenticator app or a recovery code is right; it works once, also sent twice at once."""
    typed = "".join(code.split()).replace("-", "").lower()
    return _use_totp(user_id, typed, now) or _use_recovery_code(user_id, typed, now)


@in_transaction
def use_device(*, user_id: int, token: str, now: datetime, address: str | None) -> bool:
    """Whether this device was told to be remembered by this user and still is."""
    known = update(RememberedDevice).where(
        RememberedDevice.user_id == user_id,
        RememberedDevice.token_hash == hash_of(token),
        RememberedDevice.expires_at > now,
    )
    return count_changed(db.session(), known.values(last_used_at=now, address=address)) == 1


def hash_of(secret: str) -> str:
    """SHA-256 in hexadecimal: enough for secrets of 80 random bits and more, which nobody can guess through."""
    return hashlib.sha256(secret.encode()).hexdigest()


def matching_step(secret: str, code: str, now: datetime) -> int | None:
    """The time step whose code this is: the present one or a neighbour; None for a wrong code."""
    totp = pyotp.TOTP(secret, interval=STEP_S)
    present = int(now.timestamp()) // STEP_S
    steps = (present, present - 1, present + 1)
    return next((step for step in steps if hmac.compare_digest(totp.generate_otp(step), code)), None)


def _use_totp(user_id: int, code: str, now: datetime) -> bool:
    if len(code) != 6 or not code.isascii() or not code.isdigit():
        return False
    session = db.session()
    row = session.get(Totp, user_id, with_for_update=True)
    if row is None or row.confirmed_at is None:
        return False
    step = matching_step(row.secret, code, now)
    if step is None or (row.last_step is not None and step <= row.last_step):
        return False
    row.last_step = step
    return True


def _use_recovery_code(user_id: int, code: str, now: datetime) -> bool:
    unused = update(RecoveryCode).where(
        RecoveryCode.user_id == user_id, RecoveryCode.code_hash == hash_of(code), RecoveryCode.used_at.is_(None)
    )
    return count_changed(db.session(), unused.values(used_at=now)) == 1
