"""Password and address of an account that exists: set anew by a link, changed by its user."""

from __future__ import annotations

from datetime import datetime
from functools import partial

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError

from app.auth import passwords
from app.auth.errors import EmailTaken
from app.auth.models import Registration, RememberedDevice, User
from app.auth.services import access, links, login, mails, sessions
from app.auth.services.accounts import checked_email, verify_account
from app.auth.services.links import Link, refuse_link
from app.auth.services.sessions import Client
from app.core import audit
from app.core.extensions import db
from app.core.permissions import Principal
from app.core.transactions import after_commit, in_transaction


def reset_password(*, client: Client, token: str, password: str, now: datetime) -> None:
    """Set a password by the link of a reset or an invitation; the link also proves the address.

    All sessions of the user end, devices are forgotten, and other such links are void. Raises LinkRefused for a link
    that is not valid (any more), Invalid for a password that breaks a rule; the link then stays good.
    """
    link = links.find_link(token, links.RESET, links.INVITE, now=now)
    password_hash = passwords.hash_password(password, email=link.email)  # before the transaction: it takes its time
    _reset_password(client=client, link=link, password_hash=password_hash, now=now)


def change_password(*, actor: Principal, current_password: str, new_password: str, now: datetime) -> None:
    """Change the password of the person who is logged in, end all other sessions and forget all devices.

    Raises LogInRefused for a wrong present password (also for users who have none: they set one by a reset),
    TooManyRequests, and Invalid for a new password that breaks a rule.
    """
    user_id = actor.require_person()
    login.check_own_password(actor=actor, password=current_password)
    email = db.session.scalars(select(User.email).where(User.id == user_id)).one()
    password_hash = passwords.hash_password(new_password, email=email, field="new_password")
    _change_password(actor=actor, user_id=user_id, password_hash=password_hash, now=now)


def ask_to_change_email(*, actor: Principal, email: str, password: str) -> None:
    """Ask for a link to the new address of the person who is logged in, and a notice to the present one.

    Whether the new address is taken is not looked at: its owner would be told by mail. Raises Invalid, LogInRefused,
    TooManyRequests.
    """
    user_id = actor.require_person()
    address = checked_email(email)
    login.check_own_password(actor=actor, password=password)
    _ask_to_change_email(actor=actor, user_id=user_id, email=address)


def change_email(*, client: Client, token: str, now: datetime) -> None:
    """Give a user the address that the link was sent to; sessions stay, links to the former address are void.

    Raises LinkRefused for a link that is not valid (any more), EmailTaken when another user has the address by now.
    """
    link = links.find_link(token, links.CHANGE_EMAIL, now=now)
    try:
        _change_email(client=client, link=link, now=now)
    except IntegrityError as error:
        raise EmailTaken("Another account has this address by now.") from error


@in_transaction
def _reset_password(*, client: Client, link: Link, password_hash: str, now: datetime) -> None:
    session = db.session()
    user = _linked_user(link)
    links.use_link(link, now=now)
    if user.email != link.email:
        refuse_link()
    actor = client.as_user(user.id, user.name)
    audit.record(actor=actor, action="user.reset_password", subject=("user", user.id), after={"by": link.purpose})
    if user.email_verified_at is None:
        verify_account.joined(actor=actor, user_id=user.id, now=now, password_hash=password_hash)
        session.execute(delete(Registration).where(Registration.email == user.email))
    else:
        access.forget_users([user.id])
        sessions.end_sessions.joined(actor=actor, user_id=user.id, now=now, reason="password reset")
        session.execute(delete(RememberedDevice).where(RememberedDevice.user_id == user.id))
        user.password_hash = password_hash
        mails.request_password_notice(user.id)
    links.void_links(user.id, links.RESET, links.INVITE, links.CHANGE_EMAIL)
    after_commit(partial(login.forget_attempts, user_id=user.id, email=user.email))


@in_transaction
def _change_password(*, actor: Principal, user_id: int, password_hash: str, now: datetime) -> None:
    user = db.session().get_one(User, user_id, with_for_update=True)
    user.password_hash = password_hash
    sessions.end_sessions.joined(actor=actor, user_id=user_id, now=now, reason="password changed", but=actor.session_id)
    db.session.execute(delete(RememberedDevice).where(RememberedDevice.user_id == user_id))
    links.void_links(user_id, links.RESET, links.CHANGE_EMAIL)
    audit.record(actor=actor, action="user.change_password", subject=("user", user_id))
    mails.request_password_notice(user_id)


@in_transaction
def _ask_to_change_email(*, actor: Principal, user_id: int, email: str) -> None:
    # without the addresses, here and below: the audit log outlives the person's data
    audit.record(actor=actor, action="user.ask_to_change_email", subject=("user", user_id))
    mails.request_email_change(user_id, email)


@in_transaction
def _change_email(*, client: Client, link: Link, now: datetime) -> None:
    session = db.session()
    user = _linked_user(link)
    links.use_link(link, now=now)
    former = user.email
    user.email, user.email_verified_at = link.email, now
    user.version += 1
    session.flush()
    session.execute(delete(Registration).where(Registration.email == link.email))
    links.void_links(user.id, links.RESET, links.INVITE, links.CHANGE_EMAIL)
    audit.record(
        actor=client.as_user(user.id, user.name),
        action="user.change_email",
        subject=("user", user.id),
        after={"also_changed": ["email"], "sessions": "kept"},
    )
    mails.request_email_notice(user.id, former)


def _linked_user(link: Link) -> User:
    """The user, locked before the link is: two links of one user then wait for each other in one order."""
    user = db.session().get(User, link.user_id, with_for_update=True)
    if user is None or not user.is_active:
        refuse_link()
    return user
