"""Mail, sent by background workers: over SMTP, or without a server into the folder ``mail`` of the instance."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import smtplib
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.charset import QP, Charset
from email.mime.text import MIMEText
from email.utils import make_msgid, parseaddr
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from email_validator import EmailNotValidError, validate_email
from flask import Flask, current_app, render_template
from flask_mail import Connection, Message

from app.config import Settings
from app.core.extensions import mail
from app.core.orm import utc_now
from app.core.running import settings

TIMEOUT_S: Final = 20.0

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")
_LONGEST_LINE: Final = 900
"""RFC 5322 takes 998 octets."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that goes with a mail; with a ``content_id`` the HTML shows it: ``<img src="cid:...">``."""

    filename: str
    content_type: str
    content: bytes
    content_id: str | None = None


class UnsafeHeader(ValueError):
    """A recipient or a subject would add headers or recipients of its own to the mail."""


class Mail(Message):
    """flask-mail's message, whose parts need nothing of the servers on their way: 7 bits, and no long lines."""

    def _mimetext(self, text: str | None, subtype: str = "plain") -> MIMEText:
        content = text or ""
        charset = Charset("utf-8")
        is_plain = content.isascii() and max(map(len, content.splitlines()), default=0) < _LONGEST_LINE
        charset.body_encoding = None if is_plain else QP  # type: ignore[assignment]  # None is 7 bits
        return MIMEText(content, subtype, charset)  # type: ignore[arg-type]  # takes a Charset, too


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
        try:
            host.ehlo()
            if not state.use_ssl and host.has_extn("starttls"):
                host.starttls(context=context)
            if state.username:
                host.login(state.username, state.password or "")
        except BaseException:
            host.close()
            raise
        return host

    def __exit__(self, *_raised: object) -> None:
        if self.host is not None:
            # a server that hangs up instead of saying goodbye has taken the mail all the same
            with contextlib.suppress(smtplib.SMTPException, OSError):
                self.host.quit()


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


def send_mail(to: str, subject: str, template: str, *, date: datetime, **values: Any) -> None:
    """Send one mail made of ``templates/mail/<template>.txt`` and ``.html``; only background workers call this.

    Raises UnsafeHeader for anything but one address and one line of subject, and what SMTP raises; the outbox then
    tries again.
    """
    send_mail_with((), to, subject, template, date=date, **values)


def send_mail_with(
    files: Sequence[Attachment], to: str, subject: str, template: str, *, date: datetime, **values: Any
) -> None:
    """Send one mail as ``send_mail`` does, with files.

    Raises UnsafeHeader for anything but one address and one line of subject, and what SMTP raises; the outbox then
    tries again.
    """
    _check_headers(to, subject)
    to = _deliverable(to)
    values |= {"public_url": settings().public_url, "subject": subject}
    message = Mail(
        subject=subject,
        recipients=[to],
        body=render_template(f"mail/{template}.txt", **values),
        html=render_template(f"mail/{template}.html", **values),
        date=date.timestamp(),
        extra_headers={"Auto-Submitted": "auto-generated"},
    )
    for file in files:
        shown = {} if file.content_id is None else {"Content-ID": f"<{file.content_id}>"}
        where = "attachment" if file.content_id is None else "inline"
        message.attach(file.filename, file.content_type, file.content, disposition=where, headers=shown)
    message.msgId = make_msgid(domain=_sender_domain())
    if not settings().mail.url:
        _write(message)
        return
    with BoundedConnection(current_app.extensions["mail"]) as connection:
        connection.send(message)


def mail_folder() -> Path:
    """Where mails lie when no server is configured."""
    return settings().instance_dir / "mail"


def _check_headers(to: str, subject: str) -> None:
    for name, text in (("recipient", to), ("subject", subject)):
        if not text or _CONTROL.search(text):
            raise UnsafeHeader(f"the {name} of a mail is empty or has control characters in it")
    if parseaddr(to) != ("", to) or "," in to:
        raise UnsafeHeader("the recipient of a mail is not one plain address")


def _deliverable(to: str) -> str:
    """The address with its domain as name servers know it.

    By IDNA 2008, in which straße.de is not strasse.de: what is left to flask-mail goes by IDNA 2003 to the latter,
    which is somebody else's.
    """
    if to.isascii():
        return to
    try:
        found = validate_email(
            to, check_deliverability=False, allow_smtputf8=False, globally_deliverable=False
        ).ascii_email
    except EmailNotValidError:
        found = None
    if found is None:
        raise UnsafeHeader("the recipient of a mail has a domain that is none")
    return found


def _sender_domain() -> str:
    address = parseaddr(settings().mail.sender)[1]
    return address.rpartition("@")[2] or "localhost"


def _write(message: Message) -> None:
    folder = mail_folder()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    name = f"{utc_now():%Y%m%dT%H%M%S%f}-{secrets.token_hex(3)}.eml"
    staged = folder / f".{name}"
    with open(os.open(staged, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as handle:
        handle.write(message.as_bytes())
    staged.rename(folder / name)
