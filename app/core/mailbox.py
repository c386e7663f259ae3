"""The mailbox of the developer: pages that show the mails which lie in a folder because no mail server is configured.

Whoever reads them can use their links, so they exist outside of production only, and only for browsers on this machine.
"""

from __future__ import annotations

import email
import email.policy
import ipaddress
import re
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from flask import Flask, Response, render_template, request
from werkzeug.exceptions import NotFound

from app.config import Settings
from app.core.mail import mail_folder
from app.core.pages import PageBlueprint

SHOWN: Final = 50
MAX_BYTES: Final = 1_000_000
_NAME: Final = re.compile(r"[0-9]{8}T[0-9]{12}-[0-9a-f]{6}")
_AS_SENT: Final = "sandbox; default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'"
"""A mail's styles stand in its elements; nothing in it runs, loads or is sent."""

pages = PageBlueprint("mailbox", __name__, url_prefix="/dev/mail")


@dataclass(frozen=True, slots=True)
class StoredMail:
    """One mail of the folder."""

    name: str
    headers: dict[str, str]
    text: str
    html: str


def register_mailbox(app: Flask, settings: Settings) -> None:
    """Add the pages, unless this is production or mails are really sent."""
    if not settings.production and not settings.mail.url:
        app.register_blueprint(pages)


def newest_mails(folder: Path) -> list[StoredMail]:
    """The newest 50 mails of a folder, newest first."""
    names = sorted((path.stem for path in folder.glob("*.eml") if _NAME.fullmatch(path.stem)), reverse=True)
    return [found for name in names[:SHOWN] if (found := find_mail(folder, name)) is not None]


def find_mail(folder: Path, name: str) -> StoredMail | None:
    """One mail by its name; None where there is none, for any text."""
    if not _NAME.fullmatch(name):
        return None
    try:
        with (folder / f"{name}.eml").open("rb") as handle:
            message = email.message_from_bytes(handle.read(MAX_BYTES), policy=email.policy.default)
    except FileNotFoundError:
        return None
    headers = {header: str(message[header] or "") for header in ("Date", "From", "To", "Subject", "Message-ID")}
    return StoredMail(name, headers, _part(message, "plain"), _part(message, "html"))


def _part(message: EmailMessage, kind: str) -> str:
    body = message.get_body((kind,))
    return "" if body is None else str(body.get_content())


@pages.before_request
def _only_here() -> None:
    """Refuse everybody but a browser on this machine that asked for it by a name of this machine (DNS rebinding)."""
    host = urlsplit(f"//{request.host}").hostname or ""
    if not _is_loopback(request.remote_addr or "") or not (host == "localhost" or _is_loopback(host)):
        raise NotFound


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


@pages.get("")
@pages.public
def index() -> Any:
    """Show the newest mails."""
    return render_template("dev/mails.html", mails=newest_mails(mail_folder()), folder=mail_folder(), most=SHOWN)


@pages.get("/<name>")
@pages.public
def show(name: str) -> Any:
    """Show one mail: its headers, its text and the source of its HTML."""
    return render_template("dev/mail.html", mail=_get(name))


@pages.get("/<name>/html")
@pages.public
def as_sent(name: str) -> Any:
    """Show the HTML of a mail as a mail program would, in a sandbox."""
    return Response(_get(name).html, mimetype="text/html", headers={"Content-Security-Policy": _AS_SENT})


def _get(name: str) -> StoredMail:
    found = find_mail(mail_folder(), name)
    if found is None:
        raise NotFound
    return found
