"""Mail, sent by background workers: over SMTP, or without a server into the folder ``mail`` of the instance."""

from __future__ import annotations

import os
import secrets
import smtplib
import ssl
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from flask import Flask, current_app, render_template
from flask_mail import Connection, Message

from app.config import Settings
from app.core.extensions import mail
from app.core.orm import utc_now
from app.core.running import settings

TIMEOUT_S: Final = 20.0


class BoundedConnection(Connection):
    """flask-mail's connection with a time limit, and with certificates that are checked."""

    def configure_host(self) -> smtplib.SMTP | smtplib.SMTP_SSL:
        """Connect, secure the connection where the server can, and log in."""
        state, context = self.mail, ssl.create_default_context()
        host: smtplib.SMTP | smtplib.SMTP_SSL
        if state.use_ssl:
            host = smtplib.SMTP_SSL(state.server, state.port, timeout=TIMEOUT_S, context=context)
        else:
            host = smtplib.SMTP(state.server, state.port, timeout=TIMEOUT_S)
            host.ehlo()
            if host.has_extn("starttls"):
                host.starttls(context=context)
        if state.username:
            host.login(state.username, state.password)
        return host


def register_mail(app: Flask, configured: Settings) -> None:
    """Configure flask-mail from ``MAIL_URL``."""
    parts = urlsplit(configured.mail.url)
    is_tls = parts.scheme == "smtps"
    app.config.update(
        MAIL_SERVER=parts.hostname or "",
        MAIL_PORT=parts.port or (465 if is_tls else 587),
        MAIL_USE_SSL=is_tls,
        MAIL_USERNAME=unquote(parts.username or "") or None,
        MAIL_PASSWORD=unquote(parts.password or "") or None,
        MAIL_DEFAULT_SENDER=configured.mail.sender,
    )
    mail.init_app(app)


def send_mail(to: str, subject: str, template: str, **values: Any) -> None:
    """Send one mail made of ``templates/mail/<template>.txt`` and ``.html``; only background workers call this.

    Raises what SMTP raises; the outbox then tries again.
    """
    values |= {"public_url": settings().public_url, "subject": subject}
    message = Message(
        subject=subject,
        recipients=[to],
        body=render_template(f"mail/{template}.txt", **values),
        html=render_template(f"mail/{template}.html", **values),
        extra_headers={"Auto-Submitted": "auto-generated"},
    )
    if not settings().mail.url:
        _write(message)
        return
    with BoundedConnection(current_app.extensions["mail"]) as connection:
        connection.send(message)


def mail_folder() -> Path:
    """Where mails lie when no server is configured."""
    return settings().instance_dir / "mail"


def _write(message: Message) -> None:
    folder = mail_folder()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    name = f"{utc_now():%Y%m%dT%H%M%S%f}-{secrets.token_hex(3)}.eml"
    staged = folder / f".{name}"
    with open(os.open(staged, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as handle:
        handle.write(message.as_bytes())
    staged.rename(folder / name)
