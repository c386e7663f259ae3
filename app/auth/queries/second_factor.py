"""Reads about the second factor: what a user has, and which roles require it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, exists, func, or_, select

from app.auth.models import Passkey, RecoveryCode, RememberedDevice, Role, RolePermission, Totp, UserRole
from app.core.extensions import db
from app.core.pagination import Page, fetch_page
from app.core.running import settings


@dataclass(frozen=True, slots=True)
class SecondFactor:
    """What a user has of a second factor."""

    totp_confirmed_at: datetime | None
    recovery_codes_left: int
    device_count: int
    passkey_count: int
    required_by: list[str]
    """Names of the user's roles that require one."""

    @property
    def is_set_up(self) -> bool:
        """Whether there is an authenticator app or a passkey."""
        return self.totp_confirmed_at is not None or self.passkey_count > 0


def get_second_factor(user_id: int, now: datetime) -> SecondFactor:
    """What a user has of a second factor, and which roles require it."""
    unused = select(func.count()).where(RecoveryCode.user_id == user_id, RecoveryCode.used_at.is_(None))
    devices = select(func.count()).where(RememberedDevice.user_id == user_id, RememberedDevice.expires_at > now)
    passkeys = select(func.count()).where(Passkey.user_id == user_id)
    return SecondFactor(
        totp_confirmed_at=db.session.scalar(select(Totp.confirmed_at).where(Totp.user_id == user_id)),
        recovery_codes_left=db.session.scalar(unused) or 0,
        device_count=db.session.scalar(devices) or 0,
        passkey_count=db.session.scalar(passkeys) or 0,
        required_by=roles_that_require_it(user_id),
    )


def roles_that_require_it(user_id: int) -> list[str]:
    """Names of the user's roles that require a second factor, by themselves or by the setting for staff."""
    by_itself = Role.requires_second_factor.is_(True)
    gives_something = or_(Role.is_locked.is_(True), exists().where(RolePermission.role_id == Role.id))
    as_staff = and_(Role.requires_second_factor.is_(None), gives_something)
    requires = or_(by_itself, as_staff) if settings().accounts.staff_second_factor else by_itself
    names = select(Role.name).join(UserRole, UserRole.role_id == Role.id).where(UserRole.user_id == user_id, requires)
    return sorted(db.session.scalars(names))


def list_devices(user_id: int, now: datetime, *, limit: int = 50, cursor: str | None = None) -> Page[RememberedDevice]:
    """The devices that a user told to be remembered, newest first."""
    mine = select(RememberedDevice).where(RememberedDevice.user_id == user_id, RememberedDevice.expires_at > now)
    return fetch_page(mine, keys=[(RememberedDevice.id, True)], limit=limit, cursor=cursor)


def list_passkeys(user_id: int, *, limit: int = 50, cursor: str | None = None) -> Page[Passkey]:
    """A user's passkeys, oldest first."""
    mine = select(Passkey).where(Passkey.user_id == user_id)
    return fetch_page(mine, keys=[(Passkey.id, False)], limit=limit, cursor=cursor)
