"""Registering: an account comes into being when the link of its mail is used with the password that was chosen.

What was registered without the owner of the address is of no use to anybody: the owner does not know the password, and
whoever does never sees the link. So nobody can prepare an account for somebody else to complete (pre-hijacking).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete, select

from app.auth import passwords
from app.auth.errors import LogInRefused, RegistrationClosed
from app.auth.models import Registration, User
from app.auth.services import links, mails
from app.auth.services.accounts import checked_email, claim_account
from app.auth.services.links import Link, refuse_link
from app.auth.services.sessions import Client
from app.core import audit, throttle
from app.core.extensions import db
from app.core.permissions import guest
from app.core.running import settings
from app.core.transactions import in_transaction

KEPT_FOR: Final = timedelta(days=2)
_BATCH: Final = 5000


def register(*, client: Client, email: str, name: str, password: str, now: datetime) -> None:
    """Note that somebody wants an account, and ask for the mail that completes it.

    The address is not looked up: answer and time are the same whether it has an account. Raises Invalid for a malformed
    address or a password that breaks a rule, RegistrationClosed.
    """
    require_open()
    address = checked_email(email)
    password_hash = passwords.hash_password(password, email=address)  # before the transaction: it takes its time
    _register(client=client, email=address, name=name, password_hash=password_hash, now=now)


def require_open() -> None:
    """Raise RegistrationClosed unless everybody may register."""
    if not settings().accounts.registration_open:
        raise RegistrationClosed("Nobody may register at present; an administrator can invite you.")


@in_transaction
def ask_for_verification(*, email: str) -> None:
    """Ask for the mail that completes a registration once more; raises Invalid for a malformed address."""
    mails.request_verification(checked_email(email))


@in_transaction
def ask_for_reset(*, client: Client, email: str) -> None:
    """Ask for the mail that lets somebody set a new password; raises Invalid for a malformed address."""
    mails.request_reset(checked_email(email), client)


def verify_email(*, client: Client, token: str, password: str, now: datetime) -> int:
    """Complete a registration by its link and its password; returns the id of the account that there is now.

    Raises LinkRefused for a link that is not valid (any more), LogInRefused for another password than that of the
    registration (the link then stays good), TooManyRequests.
    """
    link = links.find_link(token, links.REGISTER, now=now)
    throttle.attempt(f"link:{link.id}")
    stored = db.session.scalar(select(Registration.password_hash).where(Registration.id == link.registration_id))
    if stored is None:  # somebody else has completed it, or another one of this address, since the link was found
        refuse_link()
    if not passwords.is_correct(password, stored):
        raise LogInRefused("This is not the password that was chosen; if you forgot it, register again.")
    throttle.succeeded(f"link:{link.id}")
    return _verify(client=client, link=link, now=now)


@in_transaction
def _register(*, client: Client, email: str, name: str, password_hash: str, now: datetime) -> None:
    session = db.session()
    row = Registration(email=email, name=name, password_hash=password_hash, created_at=now, expires_at=now + KEPT_FOR)
    session.add(row)
    session.flush()
    actor = guest(client.request_id, client.address)
    audit.record(actor=actor, action="registration.create", subject=("registration", row.id))
    mails.request_registration(row.id)


@in_transaction
def _verify(*, client: Client, link: Link, now: datetime) -> int:
    session = db.session()
    of_address = select(Registration).where(Registration.email == link.email).order_by(Registration.id)
    rows = session.scalars(of_address.with_for_update())  # all of them, since all are deleted in the end
    row = next((row for row in rows if row.id == link.registration_id), None)
    links.use_link(link, now=now)
    known = session.execute(
        select(User.is_active, User.email_verified_at).where(User.email == link.email)
    ).one_or_none()
    if row is None or (known is not None and (not known.is_active or known.email_verified_at is not None)):
        refuse_link()
    return claim_account.joined(
        actor=guest(client.request_id, client.address),
        email=row.email,
        name=row.name,
        now=now,
        may_create=True,
        password_hash=row.password_hash,
    )


@in_transaction
def purge_registrations(*, now: datetime) -> int:
    """Delete registrations that nobody completed in time; returns how many."""
    session = db.session()
    ids = list(session.scalars(select(Registration.id).where(Registration.expires_at < now).limit(_BATCH)))
    session.execute(delete(Registration).where(Registration.id.in_(ids)))
    return len(ids)
