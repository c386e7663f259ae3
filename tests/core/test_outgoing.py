"""The gate for requests that our server sends to addresses which people typed in."""

from __future__ import annotations

import datetime as dt
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from app.core import outgoing
from app.core.errors import AddressRefused, NotReachable
from app.core.outgoing import Answer, check_url, fetch
from tests.receiver import Receiver, answer, trickle, trickle_headers

NONE: Final[frozenset[tuple[str, int]]] = frozenset()
HERE: Final = ["127.0.0.1"]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


def ask(receiver: Receiver, path: str = "/", **changes: Any) -> Answer:
    arguments: dict[str, Any] = {"private": frozenset({receiver.target}), "deadline_s": 5, "largest": 1000} | changes
    return fetch(arguments.pop("method", "GET"), receiver.url + path, **arguments)


# --- What may be asked -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hooks.example.org",
        "ftp://hooks.example.org/",
        "file:///etc/passwd",
        "gopher://hooks.example.org/",
        "javascript:alert(1)",
        "//hooks.example.org/",
        "http://",
        "http:///x",
        "http://user@hooks.example.org/",
        "http://user:secret@hooks.example.org/",
        "http://@hooks.example.org/",
        "http://hooks.example.org\\@127.0.0.1/",
        "http://hooks.example.org /",
        "http://hooks.example.org/\r\nX-Injected: 1",
        "http://hooks.exa\tmple.org/",
        "http://hooks.example.org:0/",
        "http://hooks.example.org:65536/",
        "http://hooks.example.org:x/",
        "http://[::1",
        "https://hooks.example.org/" + "x" * 2000,
    ],
)
def test_what_is_no_plain_web_address_is_refused(url: str) -> None:
    with pytest.raises(AddressRefused):
        check_url(url, private=NONE)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "017700000001",
        "0177.0.0.1",
        "１２７.0.0.1",
        "127。0。0。1",
        "127.0.0.1.",
        "localhost",
        "LOCALHOST",
        "a.localhost",
        "localhost.",
        "0.0.0.0",
        "0",
        "10.0.0.1",
        "100.64.0.1",
        "169.254.169.254",
        "2852039166",
        "172.16.0.1",
        "192.168.1.1",
        "255.255.255.255",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "[fe80::1]",
        "[fe80::1%25eth0]",
        "[fd00:ec2::254]",
    ],
)
def test_an_address_off_the_internet_is_refused_however_it_is_spelled(host: str) -> None:
    with pytest.raises(AddressRefused):
        check_url(f"http://{host}/", private=NONE)
    with pytest.raises((AddressRefused, NotReachable)):
        fetch("GET", f"http://{host}/", private=NONE, deadline_s=2, largest=10)


@pytest.mark.parametrize("host", ["8.8.8.8", "hooks.example.org", "Hooks.Example.org", "bücher.example"])
def test_a_plain_address_on_the_internet_may_be_asked(host: str) -> None:
    found = check_url(f"https://{host}/a b"[:-2] + "/ü?q=ä#part", private=NONE)
    assert found.host in {"8.8.8.8", "hooks.example.org", "xn--bcher-kva.example"}
    assert (found.scheme, found.port, found.path) == ("https", 443, "/a/%C3%BC?q=%C3%A4")


@pytest.mark.parametrize(
    "addresses",
    [
        ["10.0.0.1"],
        ["8.8.8.8", "127.0.0.1"],
        ["169.254.169.254"],
        ["100.64.0.1"],
        ["::1"],
        ["::ffff:127.0.0.1"],
        ["2002:7f00:1::"],
        ["64:ff9b::a9fe:a9fe"],
        ["fe80::1"],
        ["fd00::1"],
    ],
)
def test_a_name_with_any_address_off_the_internet_is_refused_and_nobody_asked(
    receiver: Receiver, addresses: list[str]
) -> None:
    with pytest.raises(AddressRefused, match="not on the internet"):
        fetch(
            "GET", f"http://hooks.example.org:{receiver.port}/", private=NONE, deadline_s=2, largest=10,
            lookup=lambda *_: addresses,
        )  # fmt: skip
    assert receiver.requests == []


def test_a_private_target_is_reached_on_exactly_its_host_and_port(receiver: Receiver) -> None:
    assert ask(receiver).status == 200
    for private in ({("127.0.0.1", receiver.port + 1)}, {("localhost", receiver.port)}):
        with pytest.raises(AddressRefused):
            ask(receiver, private=frozenset(private))
    assert len(receiver.requests) == 1


# --- How it is asked -------------------------------------------------------------------------------------------------


def test_the_method_the_body_and_the_headers_arrive_and_the_answer_comes_back(receiver: Receiver) -> None:
    receiver.reply = lambda handler: answer(handler, 202, b"thanks", Content_Type="text/plain")
    found = ask(receiver, "/a?b=c", method="POST", body=b"{}", headers={"webhook-id": "evt_1"})
    assert (found.status, found.body, found.headers["content-type"]) == (202, b"thanks", "text/plain")
    (request,) = receiver.requests
    assert (request.method, request.path, request.body) == ("POST", "/a?b=c", b"{}")
    assert request.headers["webhook-id"] == "evt_1"
    assert request.headers["Host"] == f"127.0.0.1:{receiver.port}"
    assert request.headers["Accept-Encoding"] == "identity"


def test_a_name_is_looked_up_once_and_its_checked_address_is_asked(receiver: Receiver) -> None:
    asked = []

    def lookup(host: str, port: int) -> list[str]:
        asked.append((host, port))
        return HERE if len(asked) == 1 else ["127.0.0.2"]

    target = ("hooks.example.org", receiver.port)
    url = f"http://hooks.example.org:{receiver.port}/"
    assert fetch("GET", url, private=frozenset({target}), deadline_s=2, largest=10, lookup=lookup).status == 200
    assert asked == [target]
    assert receiver.requests[0].headers["Host"] == f"hooks.example.org:{receiver.port}"


def test_a_name_that_turns_to_this_machine_after_the_check_leads_nowhere_else(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system's resolver says 127.0.0.1 from the second question on: the connection must not ask it again."""
    real, questions, opened = socket.getaddrinfo, [], []

    def turning(host: Any, *arguments: Any, **options: Any) -> Any:
        if host != "hooks.example.org":
            return real(host, *arguments, **options)
        questions.append(host)
        return real("192.0.2.1" if len(questions) == 1 else "127.0.0.1", *arguments, **options)

    def refused(address: Any, *_arguments: Any, **_options: Any) -> Any:
        opened.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "getaddrinfo", turning)
    monkeypatch.setattr("app.core.resolving.is_public", lambda _: True)  # no address of documentation is
    monkeypatch.setattr(socket, "create_connection", refused)
    with pytest.raises(NotReachable):
        fetch("GET", f"http://hooks.example.org:{receiver.port}/", private=NONE, deadline_s=2, largest=10)
    assert questions == ["hooks.example.org"]
    assert opened == [("192.0.2.1", receiver.port)]
    assert receiver.requests == []


def test_the_next_address_is_tried_where_the_first_takes_no_connection(receiver: Receiver) -> None:
    target = ("hooks.example.org", receiver.port)
    found = fetch(
        "GET", f"http://hooks.example.org:{receiver.port}/", private=frozenset({target}), deadline_s=5, largest=10,
        lookup=lambda *_: ["127.0.0.9", *HERE],
    )  # fmt: skip
    assert found.status == 200


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_an_answer_and_is_not_followed(receiver: Receiver, status: int) -> None:
    receiver.reply = lambda handler: answer(handler, status, Location=f"{receiver.url}/elsewhere")
    assert ask(receiver).status == status
    assert [request.path for request in receiver.requests] == ["/"]


def test_proxies_and_credentials_of_the_environment_are_not_used(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert ask(receiver).status == 200
    assert "Authorization" not in receiver.requests[0].headers


# --- For how long and how much ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("reply", [trickle, trickle_headers, lambda _: time.sleep(3)])
def test_who_is_silent_or_trickles_is_cut_off_at_the_deadline(receiver: Receiver, reply: Any) -> None:
    receiver.reply = reply
    began = time.monotonic()
    with pytest.raises(NotReachable, match=r"within 0\.5 s"):
        ask(receiver, deadline_s=0.5, largest=10**6)
    assert 0.4 < time.monotonic() - began < 1.5


def test_a_resolver_that_hangs_is_not_waited_for() -> None:
    def hang(_host: str, _port: int) -> list[str]:
        time.sleep(2)
        return ["8.8.8.8"]

    began = time.monotonic()
    with pytest.raises(NotReachable, match="not resolved in time"):
        fetch("GET", "http://hooks.example.org/", private=NONE, deadline_s=0.3, largest=10, lookup=hang)
    assert time.monotonic() - began < 1


def test_a_host_that_takes_no_bytes_is_cut_off_at_the_deadline() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        port = mute.getsockname()[1]
        began = time.monotonic()
        with pytest.raises(NotReachable):
            fetch(
                "POST", f"https://127.0.0.1:{port}/", private=frozenset({("127.0.0.1", port)}), deadline_s=0.5,
                largest=10, body=b"x" * 10**7,
            )  # fmt: skip
        assert time.monotonic() - began < 1.5


def test_an_answer_that_is_too_large_is_refused_or_cut_short_where_an_excerpt_will_do(receiver: Receiver) -> None:
    receiver.reply = lambda handler: answer(handler, 200, b"x" * 10**7)
    with pytest.raises(NotReachable, match="more than 1000 bytes"):
        ask(receiver)
    found = ask(receiver, excerpt=True)
    assert (found.body, found.is_whole) == (b"x" * 1000, False)
    receiver.reply = lambda handler: answer(handler, 200, b"x" * 1000)
    assert ask(receiver).is_whole


@pytest.mark.parametrize("sent", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 999999 X\r\n\r\n"])
def test_who_does_not_speak_http_is_not_reachable(receiver: Receiver, sent: bytes) -> None:
    def reply(handler: Any) -> None:
        handler.wfile.write(sent)
        handler.close_connection = True

    receiver.reply = reply
    with pytest.raises(NotReachable):
        ask(receiver)


def test_an_answer_that_breaks_off_is_no_answer(receiver: Receiver) -> None:
    receiver.reply = lambda handler: answer(handler, 200, b"half", Content_Length="8")
    with pytest.raises(NotReachable):
        ask(receiver)


def test_nothing_stays_behind(receiver: Receiver) -> None:
    before = set(threading.enumerate())
    receiver.reply = lambda handler: answer(handler, 200, b"x" * 10**6)
    for _ in range(5):
        ask(receiver, excerpt=True)
    ends_at = time.monotonic() + 4
    while receiver.at_once or {thread for thread in threading.enumerate() if type(thread) is threading.Timer} - before:
        assert time.monotonic() < ends_at
        time.sleep(0.01)


# --- TLS -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A certificate of hooks.example.org in a file with its key, which SSL_CERT_FILE says to trust."""
    key, now = ec.generate_private_key(ec.SECP256R1()), dt.datetime.now(dt.UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hooks.example.org")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("hooks.example.org")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    written = tmp_path / "certificate.pem"
    written.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    monkeypatch.setenv("SSL_CERT_FILE", str(written))
    outgoing._tls.cache_clear()
    yield written
    outgoing._tls.cache_clear()


@pytest.fixture
def secure(authority: Path) -> Iterator[Receiver]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority)
    context.sni_callback = lambda _socket, name, _context: names.append(name)
    names: list[str | None] = []
    made = Receiver(context=context)
    made.names = names  # type: ignore[attr-defined]
    yield made
    made.close()


def ask_securely(receiver: Receiver, host: str, lookup: Any = lambda *_: HERE) -> Answer:
    return fetch(
        "GET", f"https://{host}:{receiver.port}/", private=frozenset({(host, receiver.port)}), deadline_s=5,
        largest=10, lookup=lookup,
    )  # fmt: skip


def test_the_certificate_must_be_that_of_the_name_that_was_typed(secure: Receiver) -> None:
    assert ask_securely(secure, "hooks.example.org").status == 200
    assert secure.names == ["hooks.example.org"]  # type: ignore[attr-defined]
    with pytest.raises(NotReachable, match=r"(?i)hostname|certificate"):
        ask_securely(secure, "other.example.org")
    assert len(secure.requests) == 1


def test_a_certificate_of_an_unknown_authority_is_not_trusted(
    secure: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    outgoing._tls.cache_clear()
    with pytest.raises(NotReachable, match=r"(?i)certificate"):
        ask_securely(secure, "hooks.example.org")
    assert secure.requests == []


def test_an_answer_over_tls_that_trickles_is_cut_off(secure: Receiver) -> None:
    secure.reply = trickle
    began = time.monotonic()
    with pytest.raises(NotReachable):
        fetch(
            "GET", f"https://hooks.example.org:{secure.port}/", deadline_s=0.5, largest=10**6,
            private=frozenset({("hooks.example.org", secure.port)}), lookup=lambda *_: HERE,
        )  # fmt: skip
    assert time.monotonic() - began < 1.5


# --- Parts without an end --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "what"), [(b"-1\r\n", "without a size"), (b"0\r\nX: ", "line of more"), (b"f" * 99, "line of more")]
)
def test_an_answer_in_chunks_is_never_read_beyond_its_limit(receiver: Receiver, line: bytes, what: str) -> None:
    sent = 0

    def reply(handler: Any) -> None:
        nonlocal sent
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + line)
        for _ in range(512):
            sent += handler.wfile.write(b"x" * 2**16)

    receiver.reply = reply
    with pytest.raises(NotReachable, match=what):
        ask(receiver, excerpt=True)
    assert sent < 16 * 2**20  # what the buffers of two sockets hold
