"""Clients that send and read slowly, against the web server of the Procfile: the others are served meanwhile."""

from __future__ import annotations

import contextlib
import http.client
import select
import socket
import time
from collections.abc import Iterator
from typing import Final

import pytest
import sqlalchemy as sa
from flask import Flask

from app.core.extensions import db
from app.core.orm import utc_now
from app.operations.models import Operation
from app.products.models.products import Product
from tests.core.test_chunked_bodies import PATIENCE_S, WebServer, read_answer, web
from tests.products.operating import IMPORTS
from tests.servers import on_sqlite

__all__ = ["web"]  # a fixture

pytestmark = [pytest.mark.usefixtures("database"), on_sqlite]
CLIENTS: Final = 18
SEATS: Final = 4  # a quarter of 16 threads
FILE: Final = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\nasin,name,price\n'


@pytest.fixture
def opened(web: WebServer) -> Iterator[list[socket.socket]]:
    """Connections of slow clients."""
    with contextlib.ExitStack() as stack:
        made: list[socket.socket] = []
        for _ in range(CLIENTS):
            connection = stack.enter_context(socket.socket())
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.settimeout(30)
            connection.connect(("127.0.0.1", web.port))
            made.append(connection)
        yield made


def seconds_until_healthy(web: WebServer) -> float:
    began = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", web.port, timeout=20)
    connection.request("GET", "/healthz")
    assert connection.getresponse().status == 200
    connection.close()
    return time.monotonic() - began


def request(method: str, path: str, headers: dict[str, str], body: bytes = b"") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


def test_uploads_that_do_not_go_on_keep_nobody_else_waiting(
    app: Flask, web: WebServer, opened: list[socket.socket], auth_headers: dict[str, str]
) -> None:
    seconds_until_healthy(web)
    headers = auth_headers | {"Content-Type": "multipart/form-data; boundary=x", "Content-Length": "100000"}
    for connection in opened:
        connection.sendall(request("POST", IMPORTS, headers, FILE))
    time.sleep(3)
    assert seconds_until_healthy(web) < 5
    answered, _, _ = select.select(opened, [], [], 0)
    assert len(answered) == CLIENTS - SEATS
    for connection in answered:
        status, document = read_answer(connection)
        assert (status, document["code"]) == (503, "UPLOADS_BUSY")
    with app.app_context():
        assert db.session.scalars(sa.select(Operation.id)).all() == []


def test_downloads_that_nobody_reads_keep_nobody_waiting_and_little_memory(
    app: Flask, web: WebServer, opened: list[socket.socket], auth_headers: dict[str, str]
) -> None:
    with app.app_context():
        rows = [
            {"asin": f"B0CW{number:06}", "name": "Kettle", "description": "x" * 9000, "price_minor": 100,
             "currency": "USD", "created_at": utc_now(), "updated_at": utc_now()}
            for number in range(6000)
        ]  # fmt: skip
        db.session.execute(sa.insert(Product), rows)
        db.session.commit()
    asked = request("GET", "/api/v1/products/export", auth_headers)
    seconds_until_healthy(web)
    before = web.memory_bytes()
    for connection in opened:
        connection.sendall(asked)
    heads = [connection.recv(4096).split(b"\r\n")[0] for connection in opened]
    assert sorted(heads) == [b"HTTP/1.1 200 OK"] * SEATS + [b"HTTP/1.1 503 Service Unavailable"] * (CLIENTS - SEATS)
    assert seconds_until_healthy(web) < 5
    time.sleep(2)
    assert web.memory_bytes() - before < 200 * 2**20
    for connection in opened:
        connection.close()
    ends_at = time.monotonic() + PATIENCE_S
    while True:  # their seats are free again
        with socket.create_connection(("127.0.0.1", web.port), PATIENCE_S) as connection:
            connection.sendall(asked)
            if connection.recv(4096).startswith(b"HTTP/1.1 200"):
                return
        assert time.monotonic() < ends_at
        time.sleep(0.2)
