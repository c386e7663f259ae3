"""What tests of accounts may ask for besides: mails, sent by a real worker to a real server."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

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


Page = Callable[..., TestResponse]


@pytest.fixture
def page(client: FlaskClient) -> Page:
    """Fill in the form of a page, as a browser does: get it, then send it back with its CSRF token."""
    return lambda path, fields: send_form(client, path, fields)


def send_form(client: FlaskClient, path: str, fields: dict[str, Any]) -> TestResponse:
    """The same for any browser."""
    shown = client.get(path)
    assert shown.status_code == 200, shown.text
    hidden = dict(re.findall(r'<input[^>]*name="(csrf_token|token)"[^>]*value="([^"]*)"', shown.text))
    return client.post(path, data=hidden | fields)
