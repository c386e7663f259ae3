"""A real SMTP server for the tests, and the background worker that sends through it."""

from __future__ import annotations

import asyncio
import contextlib
import email
import email.policy
import re
import socket
from collections.abc import Awaitable, Iterator
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from flask import Flask
from sqlalchemy import select

from app.core import outbox
from app.core.extensions import db
from app.core.outbox import Outbox
from workers.jobs.outbox import HANDLERS

PUBLIC_URL = "https://shop.example.org"


@dataclass
class Received:
    """One mail as the server took it."""

    sender: str
    recipients: list[str]
    raw: bytes
    over_tls: bool
    user: str | None

    @property
    def message(self) -> EmailMessage:
        return email.message_from_bytes(self.raw, policy=email.policy.default)

    def part(self, kind: str) -> str:
        body = self.message.get_body((kind,))
        assert body is not None
        return str(body.get_content())

    def token(self, path: str) -> str:
        """The secret of the one link to this page, which both parts must have."""
        link = re.compile(re.escape(PUBLIC_URL + path) + r"\?token=([A-Za-z0-9_-]{43})(?![A-Za-z0-9_-])")
        (found,) = {*link.findall(self.part("plain")), *link.findall(self.part("html"))}
        return str(found)


@dataclass
class MailServer:
    """A server, what it took so far, and what it answers to the next mails."""

    port: int
    received: list[Received] = field(default_factory=list)
    answer: str = "250 taken"
    refused: set[str] = field(default_factory=set)
    """Addresses that it takes no mail for."""

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    async def handle_RCPT(  # noqa: N802  # aiosmtpd's
        self, server: SMTP, session: Session, envelope: Envelope, address: str, rcpt_options: list[str]
    ) -> str:
        if address in self.refused:
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 taken"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802  # aiosmtpd's
        if self.answer.startswith("250"):
            login: bytes | None = getattr(session.auth_data, "login", None)
            self.received.append(
                Received(
                    sender=str(envelope.mail_from),
                    recipients=[str(to) for to in envelope.rcpt_tos],
                    raw=bytes(envelope.original_content or b""),
                    over_tls=session.ssl is not None,
                    user=login.decode() if login else None,
                )
            )
        return self.answer


class _Controller(Controller):
    """Serves on a socket that is bound already: a port that is only known to be free may be taken before it is used."""

    listener: socket.socket

    def _create_server(self) -> Awaitable[asyncio.AbstractServer]:
        return self.loop.create_server(self._factory_invoker, sock=self.listener, ssl=self.ssl_context)


@contextlib.contextmanager
def mail_server(*, at: int | None = None, **options: Any) -> Iterator[MailServer]:
    """A server in a thread, on port ``at`` or a free one of 127.0.0.1; ``options`` are those of aiosmtpd."""
    listener = socket.create_server(("127.0.0.1", at or 0))
    server = MailServer(listener.getsockname()[1])
    controller = _Controller(server, hostname="127.0.0.1", port=server.port, ready_timeout=10, **options)
    controller.listener = listener
    controller.start()
    try:
        yield server
    finally:
        controller.stop()


def free_port() -> int:
    """A port where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


def deliver(worker: Flask) -> None:
    """Deliver everything in the outbox that is due, as a background worker does; raises what a delivery raises."""
    with worker.app_context():
        ids = list(db.session.scalars(select(Outbox.id).where(Outbox.done_at.is_(None)).order_by(Outbox.id)))
        db.session.rollback()
        for outbox_id in ids:
            outbox.deliver(outbox_id, HANDLERS)
