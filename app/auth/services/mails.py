"""Mails of accounts: asked for inside a transaction, written and sent by background workers.

Whether an address is known is looked at only here, in a worker, so that neither the answer of a request nor its time
tells. A sender may run again after it has sent: somebody then gets a mail twice, with a link that works as well.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from sqlalchemy import select

from app.auth.models import Registration, User
from app.auth.services import links, notices
from app.auth.services.sessions import Client
from app.core import mail, outbox
from app.core.extensions import db
from app.core.permissions import guest, system
from app.core.running import settings

# --- Asking: inside an open transaction ------------------------------------------------------------------------------


def request_registration(registration_id: int) -> None:
    """Ask for the answer to a registration."""
    outbox.add("mail_registration", key=f"mail_registration:{registration_id}", registration_id=registration_id)


def request_verification(email: str) -> None:
    """Ask for the link of an account that is not verified, once more."""
    _request("mail_verification", email=email)


def request_reset(email: str, client: Client) -> None:
    """Ask for a link to set a new password, for whoever has this address."""
    _request("mail_reset", email=email, address=client.address or "", request_id=client.request_id or "")


def request_invitation(user_id: int) -> None:
    """Ask for a link, good for seven days, by which a user sets the first password and proves the address."""
    _request("mail_invitation", user_id=user_id)


def request_password_notice(user_id: int) -> None:
    """Ask for the notice that a password was changed."""
    _request("mail_password_changed", user_id=user_id)


def request_email_change(user_id: int, new_email: str) -> None:
    """Ask for a link to the new address of a user, and for a notice to the present one."""
    _request("mail_email_change", user_id=user_id, email=new_email)
    _request("mail_email_change_notice", user_id=user_id, email=new_email)


def request_email_notice(user_id: int, old_email: str) -> None:
    """Ask for the notice to the former address that it is no longer that of the account."""
    _request("mail_email_changed", user_id=user_id, email=old_email)


def _request(kind: str, **ids: int | str) -> None:
    outbox.add(kind, key=f"{kind}:{secrets.token_hex(16)}", **ids)


# --- Sending: in a background worker ---------------------------------------------------------------------------------


def send_registration(*, registration_id: int, now: datetime) -> None:
    """Answer a registration: a link for a new address, a notice for one that has an account."""
    row = db.session.get(Registration, registration_id)
    if row is not None and row.expires_at > now:
        _answer(row.email, row, now)


def send_verification(*, email: str, now: datetime) -> None:
    """Send the link again: of the newest registration, or to set the password of an account that was made for one."""
    pending = select(Registration).where(Registration.email == email, Registration.expires_at > now)
    row = db.session.scalar(pending.order_by(Registration.id.desc()).limit(1))
    user = _find_user(email)
    if row is not None:
        _answer(email, row, now)
    elif user is not None and user.is_active and user.email_verified_at is None:
        send_invitation(user_id=user.id, now=now)
    elif user is not None:
        _send_about_account(user, now)


def send_reset(*, email: str, address: str, request_id: str, now: datetime) -> None:
    """Send a link to set a new password; to an address without an account, nothing."""
    user = _find_user(email)
    if user is None:
        return
    if not user.is_active:
        _send_about_account(user, now)
        return
    actor = guest(request_id or None, address or None)
    token = links.issue_link(actor=actor, purpose=links.RESET, email=email, now=now, user_id=user.id)
    values = {"name": user.name, "link": _link("/reset-password", token), "address": address}
    _send(now, email, "Set a new password", "reset_password", **values)


def send_invitation(*, user_id: int, now: datetime) -> None:
    """Send a link to set the first password; nothing to somebody who was deactivated or has proven the address."""
    user = db.session.get(User, user_id)
    if user is None or not user.is_active or user.email_verified_at is not None:
        return
    token = links.issue_link(actor=system(), purpose=links.INVITE, email=user.email, now=now, user_id=user.id)
    values = {"name": user.name, "link": _link("/reset-password", token)}
    _send(now, user.email, "Your account is ready", "invitation", **values)


def send_password_notice(*, user_id: int, now: datetime) -> None:
    """Tell a user that the password was changed, and what to do if it was somebody else."""
    user = db.session.get(User, user_id)
    if user is not None and user.is_active:
        values = {"name": user.name, "link": _link("/forgot-password")}
        _send(now, user.email, "Your password was changed", "password_changed", **values)


def send_email_change(*, user_id: int, email: str, now: datetime) -> None:
    """Send the link to the new address; where that has an account, tell its owner instead."""
    user = db.session.get(User, user_id)
    if user is None or not user.is_active:
        return
    if _find_user(email) is not None:
        _send(now, email, "Your address belongs to your account", "email_taken", link=_link("/login"))
        return
    token = links.issue_link(actor=system(), purpose=links.CHANGE_EMAIL, email=email, now=now, user_id=user.id)
    _send(now, email, "Confirm your new address", "email_change", link=_link("/change-email", token))


def send_email_change_notice(*, user_id: int, email: str, now: datetime) -> None:
    """Tell the present address that another is about to replace it."""
    user = db.session.get(User, user_id)
    if user is not None and user.is_active and user.email != email:
        values = {"name": user.name, "new_email": email, "link": _link("/forgot-password")}
        _send(now, user.email, "Your address is about to change", "email_change_notice", **values)


def send_email_changed(*, user_id: int, email: str, now: datetime) -> None:
    """Tell the former address that another has replaced it."""
    user = db.session.get(User, user_id)
    if user is not None and user.is_active:
        _send(now, email, "Your address was changed", "email_changed", name=user.name, new_email=user.email)


SENDERS: Final[dict[str, Callable[..., None]]] = {
    "mail_registration": send_registration,
    "mail_verification": send_verification,
    "mail_reset": send_reset,
    "mail_invitation": send_invitation,
    "mail_password_changed": send_password_notice,
    "mail_email_change": send_email_change,
    "mail_email_change_notice": send_email_change_notice,
    "mail_email_changed": send_email_changed,
    "mail_second_factor": notices.send_notice,
}
"""What each kind of outbox row sends; a sender takes the row's arguments and ``now``."""


def _answer(email: str, row: Registration, now: datetime) -> None:
    user = _find_user(email)
    if user is not None and (not user.is_active or user.email_verified_at is not None):
        _send_about_account(user, now)
        return
    token = links.issue_link(actor=system(), purpose=links.REGISTER, email=email, now=now, registration_id=row.id)
    # without the name: whoever registered may be somebody else, and would write to strangers through us
    _send(now, email, "Complete your registration", "register", link=_link("/verify-email", token))


def _send_about_account(user: User, now: datetime) -> None:
    if user.is_active:
        values = {"name": user.name, "link": _link("/login"), "reset": _link("/forgot-password")}
        _send(now, user.email, "You already have an account", "registered_already", **values)
    else:
        _send(now, user.email, "Your account is closed", "account_closed", name=user.name)


def _find_user(email: str) -> User | None:
    return db.session.scalar(select(User).where(User.email == email))


def _link(path: str, token: str | None = None) -> str:
    return settings().public_url + path + (f"?token={token}" if token else "")


def _send(now: datetime, to: str, subject: str, template: str, **values: Any) -> None:
    db.session.rollback()  # a mail server may take its time: nothing is held meanwhile
    mail.send_mail(to, subject, template, date=now, **values)
