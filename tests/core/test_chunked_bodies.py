"""Bodies of unknown length against the web server that the Procfile names, over a socket."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import orjson
import psutil
import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.config import Settings
from app.core.requests import MAX_BODY_BYTES
from scripts.supervisor import read_procfile
from tests.servers import on_sqlite

ROOT: Final = Path(__file__).resolve().parents[2]
PATIENCE_S: Final = 60.0
PIECE: Final = b" " * 2**16
PRODUCT: Final = b'{"asin": "B0CW1A0001", "name": "Kettle", "price": "1.00"}'

pytestmark = [pytest.mark.usefixtures("database"), on_sqlite]


class WebServer:
    """The web process of the Procfile."""

    def __init__(self, port: int, process: subprocess.Popen[bytes]) -> None:
        self.port, self.process = port, process

    def memory_bytes(self) -> int:
        """What the process and its workers have in memory."""
        root = psutil.Process(self.process.pid)
        return sum(process.memory_info().rss for process in [root, *root.children(recursive=True)])

    def post_in_chunks(self, size: int, headers: dict[str, str]) -> tuple[int, dict[str, object], int]:
        """Send the product and blanks, ``size`` bytes in all; returns status, document and how many bytes went out."""
        common = {"Host": "localhost", "Content-Type": "application/json", "Transfer-Encoding": "chunked"}
        lines = ["POST /api/v1/products HTTP/1.1", *(f"{name}: {value}" for name, value in (common | headers).items())]
        with socket.create_connection(("127.0.0.1", self.port), PATIENCE_S) as connection:
            connection.sendall("\r\n".join([*lines, "", ""]).encode())
            sent = 0
            with contextlib.suppress(ConnectionError):  # it need not listen to the end of what it refuses
                while sent < size:
                    piece = PRODUCT if sent == 0 else PIECE[: size - sent]
                    connection.sendall(b"%x\r\n%b\r\n" % (len(piece), piece))
                    sent += len(piece)
                connection.sendall(b"0\r\n\r\n")
            return *read_answer(connection), sent


def read_answer(connection: socket.socket) -> tuple[int, dict[str, object]]:
    """Status and document; by hand, because http.client gives up where the server has stopped listening."""
    head, body = b"", b""
    while b"\r\n\r\n" not in head:
        received = connection.recv(2**16)
        assert received, head
        head += received
    head, body = head.split(b"\r\n\r\n", 1)
    status, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value.strip() for name, value in (line.split(":", 1) for line in lines)}
    while len(body) < int(headers["content-length"]):
        received = connection.recv(2**16)
        assert received, body
        body += received
    kind = "application/json" if status.split()[1].startswith("2") else "application/problem+json"
    assert headers["content-type"] == kind
    return int(status.split()[1]), orjson.loads(body)


@pytest.fixture
def web(app: Flask, settings: Settings, tmp_path: Path) -> Iterator[WebServer]:
    """The web server on the database of ``app``."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    environ = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "INSTANCE_DIR": str(tmp_path),
        "DATABASE_URL": settings.database_url,
        "REDIS_QUEUE_URL": settings.redis_queue_url,
        "REDIS_CACHE_URL": settings.redis_cache_url,
        "SECRET_KEY": settings.secret_key,
        "JWT_SECRET_KEY": settings.jwt_secret_key,
        "HOST": "127.0.0.1",
        "PORT": str(port),
    }
    command = ["sh", "-c", f"exec {read_procfile(ROOT / 'Procfile')['web']}"]
    log = tmp_path / "web.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=environ, stdout=output, stderr=output, start_new_session=True)
    try:
        wait_until_open(port, process, log)
        yield WebServer(port, process)
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE_S)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def wait_until_open(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            assert process.poll() is None, f"{shlex.join(map(str, process.args))}:\n{log.read_text()}"  # type: ignore[arg-type]
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        else:
            return


def asins(client: FlaskClient, headers: dict[str, str]) -> list[str]:
    return [product["asin"] for product in client.get("/api/v1/products", headers=headers).get_json()["items"]]


def test_a_body_in_chunks_of_exactly_the_limit_is_taken_and_one_byte_more_is_413(
    web: WebServer, client: FlaskClient, auth_headers: dict[str, str]
) -> None:
    status, document, _sent = web.post_in_chunks(MAX_BODY_BYTES + 1, auth_headers)
    assert (status, document["code"], document["title"]) == (413, "TOO_LARGE", "Content Too Large")
    assert asins(client, auth_headers) == []
    status, document, _sent = web.post_in_chunks(MAX_BODY_BYTES, auth_headers)
    assert (status, document.get("asin")) == (201, "B0CW1A0001")
    assert asins(client, auth_headers) == ["B0CW1A0001"]


def test_an_endless_body_in_chunks_is_refused_before_it_fills_the_memory(
    web: WebServer, client: FlaskClient, auth_headers: dict[str, str]
) -> None:
    assert web.post_in_chunks(len(PRODUCT), auth_headers | {"Authorization": "none"})[0] == 401  # everything is loaded
    before = web.memory_bytes()
    status, document, sent = web.post_in_chunks(20 * MAX_BODY_BYTES, auth_headers)
    assert (status, document["code"]) == (413, "TOO_LARGE")
    assert sent < 4 * MAX_BODY_BYTES
    assert web.memory_bytes() - before < 5 * MAX_BODY_BYTES
    assert asins(client, auth_headers) == []


def test_a_content_length_does_not_hide_a_body_in_chunks_beyond_the_limit(
    web: WebServer, client: FlaskClient, auth_headers: dict[str, str]
) -> None:
    status, document, _sent = web.post_in_chunks(MAX_BODY_BYTES + 1, auth_headers | {"Content-Length": "57"})
    assert (status, document["code"]) == (413, "TOO_LARGE")
    assert asins(client, auth_headers) == []


def test_a_body_in_chunks_that_is_not_json_is_415(
    web: WebServer, client: FlaskClient, auth_headers: dict[str, str]
) -> None:
    status, document, _sent = web.post_in_chunks(len(PRODUCT), auth_headers | {"Content-Type": "text/plain"})
    assert (status, document["code"]) == (415, "UNSUPPORTED_MEDIA_TYPE")
    assert asins(client, auth_headers) == []
