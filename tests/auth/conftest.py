"""What tests of accounts may ask for besides: mails, sent by a real worker to a real server."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

import pytest
from flask import Flask

from app import create_base
from app.config import Mail, Settings
from app.core.extensions import db
from tests.mailing import PUBLIC_URL, MailServer, Received, deliver, mail_server

Mails = Callable[[], list[Received]]


@pytest.fixture
def smtp() -> Iterator[MailServer]:
    """A mail server that takes everything."""
    with mail_server() as server:
        yield server


@pytest.fixture
def worker(app: Flask, settings: Settings, smtp: MailServer) -> Iterator[Flask]:
    """A background worker's application that sends by ``smtp``."""
    mail = Mail(url=smtp.url, sender="Cartwright <shop@mail.example.org>")
    base = create_base(dataclasses.replace(settings, mail=mail, public_url=PUBLIC_URL))
    yield base
    with base.app_context():
        db.engine.dispose()


@pytest.fixture
def mails(worker: Flask, smtp: MailServer) -> Mails:
    """Deliver what is due; the mails that were sent by that."""

    def newest() -> list[Received]:
        before = len(smtp.received)
        deliver(worker)
        return smtp.received[before:]

    return newest
