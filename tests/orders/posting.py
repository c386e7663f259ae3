"""The mails of orders, as a real server takes them from a background worker."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from flask import Flask

from app import create_base
from app.config import Mail, Settings
from app.core.extensions import db
from tests.mailing import PUBLIC_URL, MailServer, Received, deliver, mail_server

_LINK = re.compile(re.escape(PUBLIC_URL) + r"/track/([A-Za-z0-9_-]{22})(?![A-Za-z0-9_-])")


@dataclass
class PostOffice:
    """A background worker and the server that it sends to."""

    worker: Flask
    server: MailServer

    def mails(self) -> list[Received]:
        """Deliver what is due; the mails that were sent by that."""
        before = len(self.server.received)
        deliver(self.worker)
        return self.server.received[before:]

    def mail(self) -> Received:
        """The same where it is exactly one."""
        (mail,) = self.mails()
        return mail


@contextmanager
def post_office(settings: Settings) -> Iterator[PostOffice]:
    """An office that is open meanwhile."""
    with mail_server() as server:
        mail = Mail(url=server.url, sender="Shop <shop@mail.example.org>")
        base = create_base(dataclasses.replace(settings, mail=mail, public_url=PUBLIC_URL))
        yield PostOffice(base, server)
        with base.app_context():
            db.engine.dispose()


def token_of(mail: Received) -> str:
    """The secret of the one link to the order, which both parts of the mail have."""
    (plain,), (html, *_) = set(_LINK.findall(mail.part("plain"))), set(_LINK.findall(mail.part("html")))
    assert plain == html
    return str(plain)
