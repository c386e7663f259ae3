"""The mail that tells who looks after webhooks that one was switched off."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from app.auth import preferences
from app.auth.models import User
from app.auth.queries.users import holders_of
from app.core import mail, outbox
from app.core.extensions import db
from app.notifications.models import Webhook

KIND: Final = "mail_webhook_disabled"
_MOST: Final = 50
"""Mails about one webhook."""


def request_disabled(hook: Webhook) -> None:
    """Ask, in the open transaction, for a mail to everybody who may change webhooks and wants to know."""
    for user_id in holders_of("webhooks:write", limit=_MOST):
        outbox.add(KIND, key=f"{KIND}:{hook.id}:{hook.version}:{user_id}", webhook_id=hook.id, user_id=user_id)


def send_disabled(*, webhook_id: int, user_id: int, now: datetime) -> None:
    """Send that mail; nothing to who does not want it, or when the webhook is on again or gone."""
    hook, user = db.session.get(Webhook, webhook_id), db.session.get(User, user_id)
    if hook is None or hook.is_active or hook.disabled_reason is None:
        return
    if user is None or not user.is_active or not preferences.wants(user.notifications, "webhooks"):
        return
    to, values = user.email, {"name": user.name, "webhook": hook.name, "reason": hook.disabled_reason}
    db.session.rollback()  # a mail server may take its time: nothing is held meanwhile
    mail.send_mail(
        to, f"Webhook {webhook_id} was switched off", "webhook_disabled", date=now, number=webhook_id, **values
    )
