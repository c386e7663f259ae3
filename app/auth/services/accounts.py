"""Writes of accounts: how they come into being, whose they are, and what is kept of a person."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, validate_email
from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError

from app.auth import passwords
from app.auth.errors import EmailTaken, RegistrationClosed
from app.auth.models import (
    MAX_EMAIL,
    ApiKey,
    Challenge,
    OauthIdentity,
    OneTimeToken,
    Passkey,
    RecoveryCode,
    Registration,
    RememberedDevice,
    Role,
    Totp,
    User,
    UserRole,
)
from app.auth.roles import ADMIN, CUSTOMER
from app.auth.services import access, sessions
from app.auth.services.roles import restore_built_in
from app.core import audit
from app.core.errors import Invalid
from app.core.extensions import db
from app.core.permissions import Principal
from app.core.text import TextRefused, composed
from app.core.transactions import in_transaction

# Addresses within one machine or one network are good enough here: the first administrator is admin@localhost.
SPECIAL_USE_DOMAIN_NAMES[:] = [name for name in SPECIAL_USE_DOMAIN_NAMES if name not in {"localhost", "local"}]

_RULES: Final[dict[str, Any]] = {
    "check_deliverability": False,
    "allow_smtputf8": False,
    "globally_deliverable": False,
}
_GMAIL: Final = ("gmail.com", "googlemail.com")


def normalised_email(text: str) -> str:
    """An email address as it is kept and compared: NFC, trimmed, lower case, its domain in one of its spellings.

    A domain of other letters may be written as such, as ``xn--...``, or with letters of full width (UTS 46); as texts
    they differ, but the mail goes to the same mailbox. What is no address by its length alone
    stays as it is, or is empty where it is not safe to normalise.
    """
    try:
        address = composed(text, longest=MAX_EMAIL).strip().lower()
    except TextRefused:
        return ""
    domain = address.rpartition("@")[2]
    if len(address) > MAX_EMAIL or (domain.isascii() and "xn--" not in domain):
        return address
    try:
        return validate_email(address, **_RULES).normalized.lower()
    except EmailNotValidError:
        return address


def mailbox_of(email: str) -> str:
    """Where mail to an address most likely ends up, for counting: one person can make up any number of addresses.

    What stands behind a ``+`` is the owner's own note nearly everywhere, and Gmail takes dots for nothing
    (https://support.google.com/mail/answer/7436150). Mail is never sent to this.
    """
    name, at, domain = normalised_email(email).rpartition("@")
    name = name.partition("+")[0] or name
    if domain in _GMAIL:
        name, domain = name.replace(".", "") or name, _GMAIL[0]
    return f"{name}{at}{domain}"


def checked_email(text: str, *, field: str = "email") -> str:
    """An email address that mail can be sent to, as it is kept; raises Invalid, which points at ``field``.

    The one rule for whoever is written to: accounts, orders, and what log-in providers say. Letters before the @ are
    ASCII: few servers take others (SMTPUTF8). The domain is a whole one, of several names with dots between (RFC 5321,
    2.3.5), because ``ada@gmail`` is mostly a slip; only ``localhost`` stands alone. Whether it exists is not asked.
    """
    address = normalised_email(text)
    try:
        validate_email(address[: MAX_EMAIL + 1], **_RULES)
    except EmailNotValidError:
        address = ""
    if not address or len(address) > MAX_EMAIL:
        raise Invalid.field(f"/{field}", "must be an email address such as ada@example.org.")
    domain = address.rpartition("@")[2]
    if "." not in domain and domain != "localhost":
        raise Invalid.field(f"/{field}", "must have a whole domain behind the @, such as ada@example.org.")
    return address


def create_administrator(*, actor: Principal, email: str, name: str, password: str, now: datetime) -> int:
    """Create a user with the role ``admin``, which has every permission; returns the user's id.

    Raises Invalid for a malformed address or a password that breaks a rule, EmailTaken for an address in use.
    """
    address = checked_email(email)
    password_hash = passwords.hash_password(password, email=address)  # before the transaction: it takes its time
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


@in_transaction
def claim_account(
    *, actor: Principal, email: str, name: str, now: datetime, may_create: bool, password_hash: str = ""
) -> int:
    """The account of somebody who has just proven that an address (as ``checked_email`` gives it) is theirs.

    To be called when a mail's link was used, or when an OAuth provider vouches for the address. Then

    * there is no account: one is made, with the role customer, this name and ``password_hash`` (empty: no password);
    * its address was never proven: whoever set it up may be somebody else, so its password is replaced, everything
      else that lets somebody in is taken away, its sessions end, and it counts as proven;
    * its address was proven before: nothing changes.

    Pending registrations and links of the address are void afterwards. Returns the user's id, also that of a user who
    is not active: whoever goes on to log somebody in must look. Raises RegistrationClosed where an account would have
    to be made and ``may_create`` is false. ``claim_account.joined(...)`` makes it a part of an open transaction.
    """
    session = db.session()
    user = _lock_user(email)
    if user is None:
        if not may_create:
            raise RegistrationClosed("There is no account with this address, and nobody may register at present.")
        user = _create_customer(actor, email, name, password_hash, now)
    elif user.email_verified_at is None:
        verify_account.joined(actor=actor, user_id=user.id, now=now, password_hash=password_hash)
    session.execute(delete(Registration).where(Registration.email == email))
    return user.id


@in_transaction
def verify_account(*, actor: Principal, user_id: int, now: datetime, password_hash: str) -> None:
    """Note that the address of an account is its user's, and take away what was set up before that was known.

    That is what pre-hijacking relies on: a password, sessions, remembered devices, the second factor, passkeys, API
    keys and identities at providers that somebody else gave the account before its owner came.
    """
    session = db.session()
    user = session.get_one(User, user_id, with_for_update=True)
    access.forget_users([user_id])
    sessions.end_sessions.joined(actor=actor, user_id=user_id, now=now, reason="address verified")
    for model in (RememberedDevice, RecoveryCode, Totp, Passkey, Challenge, OauthIdentity, OneTimeToken):
        session.execute(delete(model).where(model.user_id == user_id))
    session.execute(update(ApiKey).where(ApiKey.user_id == user_id, ApiKey.revoked_at.is_(None)).values(revoked_at=now))
    user.email_verified_at, user.password_hash = now, password_hash
    user.version += 1
    audit.record(actor=actor, action="user.verify", subject=("user", user_id))


def _lock_user(email: str) -> User | None:
    return db.session.scalar(select(User).where(User.email == email).with_for_update())


def _create_customer(actor: Principal, email: str, name: str, password_hash: str, now: datetime) -> User:
    """Make the account, or find the one that somebody else made at the same moment with the same proof."""
    session = db.session()
    user = User(email=email, name=name, password_hash=password_hash, email_verified_at=now)
    user.created_at = user.updated_at = now
    try:
        with session.begin_nested():
            session.add(user)
    except IntegrityError:
        return session.scalars(select(User).where(User.email == email).with_for_update()).one()
    restore_built_in.joined(now=now)
    role_id = session.scalars(select(Role.id).where(Role.name == CUSTOMER)).one()
    session.add(UserRole(user_id=user.id, role_id=role_id))
    audit.record(actor=actor, action="user.create", subject=("user", user.id), after={"roles": [CUSTOMER]})
    return user
