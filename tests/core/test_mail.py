"""Mail as it leaves: over SMTP to a real server, or into a folder; nothing that is typed becomes a header."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import email
import email.policy
import ipaddress
import smtplib
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from flask import Flask

from app import create_base
from app.auth.services import registration
from app.auth.services.sessions import Client
from app.config import Mail, Settings
from app.core import mail, outbox
from app.core.extensions import db
from app.core.mail import UnsafeHeader, send_mail
from app.core.orm import utc_now
from app.core.outbox import Outbox
from app.core.transactions import in_transaction
from tests.mailing import PUBLIC_URL, deliver, free_port, mail_server
from tests.servers import on_sqlite
from workers.jobs.outbox import HANDLERS

pytestmark = on_sqlite

NOW = dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC)
LINK = f"{PUBLIC_URL}/reset-password?token={'x' * 43}"


@contextlib.contextmanager
def sender(settings: Settings, url: str, **other: Any) -> Iterator[Flask]:
    """A worker's application that sends to this server."""
    configured = Mail(url=url, sender="Cartwright Shop <shop@mail.example.org>")
    base = create_base(dataclasses.replace(settings, mail=configured, public_url=PUBLIC_URL, **other))
    with base.app_context():
        yield base
        db.engine.dispose()


def send(to: str = "ada@example.org", subject: str = "Set a new password", **values: Any) -> None:
    known: dict[str, Any] = {"name": "Ada", "link": LINK, "address": "192.0.2.7"}
    send_mail(to, subject, "reset_password", date=NOW, **(known | values))


def test_a_mail_has_a_text_and_an_html_part_and_every_header_that_it_needs(settings: Settings) -> None:
    with mail_server() as server, sender(settings, server.url):
        send()
    (received,) = server.received
    message = received.message
    assert (received.sender, received.recipients) == ("shop@mail.example.org", ["ada@example.org"])
    assert message["From"] == "Cartwright Shop <shop@mail.example.org>"
    assert (message["To"], message["Subject"]) == ("ada@example.org", "Set a new password")
    assert message["Date"].datetime == NOW
    assert message["Message-ID"].startswith("<")
    assert message["Message-ID"].endswith("@mail.example.org>")
    assert message["Auto-Submitted"] == "auto-generated"
    kinds = [part.get_content_type() for part in message.walk() if not part.is_multipart()]
    assert kinds == ["text/plain", "text/html"]
    for kind in ("plain", "html"):
        assert LINK in received.part(kind)
        assert "Hello Ada," in received.part(kind)
        assert "192.0.2.7" in received.part(kind)


def test_what_somebody_typed_is_escaped_in_html_and_as_it_is_in_text(settings: Settings) -> None:
    with mail_server() as server, sender(settings, server.url):
        send(name="<b>Ada</b> & 'Co'")
    (received,) = server.received
    assert "Hello <b>Ada</b> & 'Co'," in received.part("plain")
    assert "<b>Ada" not in received.part("html")
    assert "&lt;b&gt;Ada&lt;/b&gt; &amp;" in received.part("html")


def test_other_letters_and_long_lines_pass_servers_that_take_seven_bits(settings: Settings) -> None:
    with mail_server() as server, sender(settings, server.url):
        send(name="Åsa 李 " + "x" * 2000)
    (received,) = server.received
    assert received.raw.isascii()
    assert max(map(len, received.raw.splitlines())) < 1000
    assert "Åsa 李" in received.part("plain")
    assert "Åsa 李" in received.part("html")


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n", "\r\n\t", "\x00", "\u2028"])
def test_nothing_adds_a_header_to_a_mail(settings: Settings, end: str) -> None:
    with mail_server() as server, sender(settings, server.url):
        with pytest.raises(UnsafeHeader, match="recipient"):
            send(to=f"ada@example.org{end}Bcc: eve@example.org")
        with pytest.raises(UnsafeHeader, match="subject"):
            send(subject=f"Hello{end}Bcc: eve@example.org")
    assert server.received == []


@pytest.mark.parametrize(
    "to", ["", "ada@example.org, eve@example.org", "Ada <ada@example.org>", "ada@example.org (Ada)", "ada@x, eve@y"]
)
def test_a_mail_goes_to_one_plain_address(settings: Settings, to: str) -> None:
    with mail_server() as server, sender(settings, server.url), pytest.raises(UnsafeHeader, match="recipient"):
        send(to=to)
    assert server.received == []


@pytest.mark.parametrize(
    ("to", "recipient"),
    [("ada@straße.example", "ada@xn--strae-oqa.example"), ("ada@bücher.example", "ada@xn--bcher-kva.example")],
)
def test_a_mail_goes_to_the_domain_that_is_written_and_to_none_that_looks_alike(
    settings: Settings, to: str, recipient: str
) -> None:
    with mail_server() as server, sender(settings, server.url):
        send(to)
        (mail,) = server.received
    assert (mail.recipients, mail.message["To"]) == ([recipient], recipient)


def test_the_same_holds_for_the_folder(settings: Settings, tmp_path: Path) -> None:
    with sender(settings, "", instance_dir=tmp_path), pytest.raises(UnsafeHeader):
        send(to="ada@example.org\nBcc: eve@example.org")
    assert list(tmp_path.iterdir()) == []


def test_without_a_server_mails_lie_in_a_folder_that_only_its_owner_reads(settings: Settings, tmp_path: Path) -> None:
    with sender(settings, "", instance_dir=tmp_path):
        send()
        send()
    folder = tmp_path / "mail"
    files = sorted(folder.iterdir())
    assert [file.suffix for file in files] == [".eml", ".eml"]
    assert (folder.stat().st_mode & 0o777, files[0].stat().st_mode & 0o777) == (0o700, 0o600)
    message = email.message_from_bytes(files[0].read_bytes(), policy=email.policy.default)
    body = message.get_body(("plain",))
    assert body is not None
    assert LINK in body.get_content()


# --- Servers ---------------------------------------------------------------------------------------------------------


def certificate(folder: Path) -> ssl.SSLContext:
    """A certificate for 127.0.0.1 that signs itself, also as ``folder/ca.pem``; the context of a server that has it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "mail.test")])
    now = utc_now()
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "ca.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "key.pem").write_bytes(key.private_bytes(serialization.Encoding.PEM, *form))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "ca.pem", folder / "key.pem")
    return context


def only_shop(_server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
    """Let in one account: ``shop@x`` with the password ``p:w/d``."""
    known = isinstance(data, LoginPassword) and (data.login, data.password) == (b"shop@x", b"p:w/d")
    return AuthResult(success=known, handled=False, auth_data=data)


def test_a_mail_goes_over_starttls_with_a_login(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    options: dict[str, Any] = {"authenticator": only_shop, "auth_required": True, "auth_require_tls": True}
    with mail_server(tls_context=context, require_starttls=True, **options) as server:
        with sender(settings, f"smtp://shop%40x:p%3Aw%2Fd@127.0.0.1:{server.port}"):
            send()
        with (
            sender(settings, f"smtp://shop%40x:wrong@127.0.0.1:{server.port}"),
            pytest.raises(smtplib.SMTPAuthenticationError),
        ):
            send()
    assert [(received.over_tls, received.user) for received in server.received] == [(True, "shop@x")]


def test_a_server_whose_certificate_nobody_vouches_for_gets_no_mail(settings: Settings, tmp_path: Path) -> None:
    with (
        mail_server(tls_context=certificate(tmp_path), require_starttls=True) as server,
        sender(settings, server.url),
        pytest.raises(ssl.SSLCertVerificationError),
    ):
        send()
    assert server.received == []


def test_a_mail_goes_over_tls_from_the_start(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    with mail_server(ssl_context=context) as server, sender(settings, f"smtps://127.0.0.1:{server.port}"):
        send()
    assert len(server.received) == 1


def test_a_server_that_says_nothing_is_waited_for_a_while_only(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mail, "TIMEOUT_S", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"smtp://127.0.0.1:{silent.getsockname()[1]}"
        with sender(settings, url), pytest.raises(smtplib.SMTPServerDisconnected, match="timed out"):
            send()


def test_a_server_that_hangs_up_instead_of_saying_goodbye_has_taken_the_mail(settings: Settings) -> None:
    with rude_server() as (port, taken), sender(settings, f"smtp://127.0.0.1:{port}"):
        send()
    assert taken == [True]


@contextlib.contextmanager
def rude_server() -> Iterator[tuple[int, list[bool]]]:
    """A server that takes one mail and closes the connection at once."""
    taken: list[bool] = []

    def serve(listener: socket.socket) -> None:
        connection, _address = listener.accept()
        with connection, connection.makefile("rwb") as stream:

            def say(line: str) -> None:
                stream.write(line.encode() + b"\r\n")
                stream.flush()

            say("220 hello")
            for line in stream:
                verb = line[:4].upper()
                if verb == b"DATA":
                    say("354 go on")
                    while stream.readline() != b".\r\n":
                        pass
                    taken.append(True)
                    say("250 taken")
                    return
                say("250 yes")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)
        thread = threading.Thread(target=serve, args=(listener,), daemon=True)
        thread.start()
        yield listener.getsockname()[1], taken
        thread.join(10)


# --- With the outbox -------------------------------------------------------------------------------------------------


@in_transaction
def due_now() -> None:
    for row in db.session.scalars(db.select(Outbox).where(Outbox.done_at.is_(None))):
        row.not_before = NOW - dt.timedelta(days=1)


def register(app: Flask) -> None:
    with app.app_context():
        registration.register(
            client=Client("192.0.2.7", "a test"),
            email="ada@example.org",
            name="Ada",
            password="note G on Bernoulli",
            now=utc_now(),
        )


def test_a_mail_that_no_server_takes_is_tried_again_and_nobody_waits_for_it(app: Flask, settings: Settings) -> None:
    port = free_port()
    register(app)  # asked for while the server is away
    url = f"smtp://127.0.0.1:{port}"
    with sender(settings, url) as worker:
        with pytest.raises(ConnectionRefusedError):
            deliver(worker)
        row = db.session.scalars(db.select(Outbox)).one()
        assert (row.attempts, row.done_at, "ConnectionRefusedError" in (row.last_error or "")) == (1, None, True)
        assert outbox.deliver(row.id, HANDLERS) is False  # not yet due
        due_now()
    with mail_server(at=port) as server, sender(settings, url) as worker:
        deliver(worker)
        assert db.session.scalars(db.select(Outbox.done_at)).one() is not None
    assert [received.recipients for received in server.received] == [["ada@example.org"]]
    assert server.received[0].token("/verify-email")


def test_a_mail_that_the_server_puts_off_is_tried_again(app: Flask, settings: Settings) -> None:
    register(app)
    with mail_server() as server, sender(settings, server.url) as worker:
        server.answer = "451 later"
        with pytest.raises(smtplib.SMTPDataError):
            deliver(worker)
        server.answer = "250 taken"
        due_now()
        deliver(worker)
    assert len(server.received) == 1


def test_a_mail_goes_to_a_mail_server_that_is_a_process_of_its_own(settings: Settings, tmp_path: Path) -> None:
    port = free_port()
    into = tmp_path / "received"
    command = [sys.executable, "-m", "aiosmtpd", "-n", "-l", f"127.0.0.1:{port}", "-c", "aiosmtpd.handlers.Mailbox"]
    with subprocess.Popen([*command, str(into)]) as server:
        try:
            _wait_for_port(port)
            with sender(settings, f"smtp://127.0.0.1:{port}"):
                send()
            (received,) = (into / "new").iterdir()
        finally:
            server.terminate()
    message = email.message_from_bytes(received.read_bytes(), policy=email.policy.default)
    assert message["To"] == "ada@example.org"
    kinds = [part.get_content_type() for part in message.walk() if not part.is_multipart()]
    assert kinds == ["text/plain", "text/html"]
    assert LINK in message.get_body(("plain",)).get_content()  # type: ignore[union-attr]


def _wait_for_port(port: int) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        else:
            return
