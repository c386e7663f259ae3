"""Mails that tell a user that somebody changed how one gets into the account."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Final

from app.auth.models import User
from app.core import mail, outbox
from app.core.extensions import db
from app.core.running import settings

WHAT: Final = {
    "totp_on": "An authenticator app was set up for your account.",
    "totp_off": "The authenticator app of your account was switched off.",
    "new_codes": "New recovery codes were made for your account; the old ones work no more.",
    "code_used": "A recovery code was used to get into your account.",
    "passkey_added": "A passkey was added to your account.",
    "passkey_removed": "A passkey was removed from your account.",
    "reset": "The authenticator app, recovery codes and passkeys of your account were taken away by an operator.",
}
"""What such a mail can tell."""


def request_notice(user_id: int, what: str) -> None:
    """Ask, in the open transaction, for the mail that tells a user about it; ``what`` is a key of WHAT."""
    if what not in WHAT:
        raise ValueError(what)
    outbox.add("mail_second_factor", key=f"mail_second_factor:{secrets.token_hex(16)}", user_id=user_id, what=what)


def send_notice(*, user_id: int, what: str, now: datetime) -> None:
    """Send the mail; nothing to somebody who is not active."""
    user = db.session.get(User, user_id)
    if user is None or not user.is_active:
        return
    to, values = user.email, {"name": user.name, "what": WHAT[what], "link": settings().public_url + "/forgot-password"}
    db.session.rollback()  # a mail server may take its time: nothing is held meanwhile
    mail.send_mail(to, "Your account's second factor", "second_factor", date=now, **values)
