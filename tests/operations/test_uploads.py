"""Files that are sent: from a browser's session, and to the web server that the Procfile names, over a socket."""

from __future__ import annotations

import io
import socket
from typing import Final

import pytest
from flask import Flask
from sqlalchemy import select

from app.core.extensions import db
from app.core.requests import MAX_BODY_BYTES
from app.operations.models import Operation
from tests.browsing import Visitor, hidden_fields
from tests.conftest import Admin
from tests.core.test_chunked_bodies import PATIENCE_S, WebServer, read_answer, web
from tests.products.operating import IMPORTS
from tests.servers import on_sqlite

__all__ = ["web"]  # a fixture

pytestmark = [pytest.mark.usefixtures("database"), on_sqlite]
HEAD: Final = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\nasin,name,price\n'
MORE: Final = b"B0CW1A0001,Kettle,1.00\n" * 3000


def count(app: Flask) -> int:
    with app.app_context():
        return len(db.session.scalars(select(Operation.id)).all())


def test_a_browser_sends_a_file_with_its_session_and_its_token_in_a_header_only(app: Flask, admin: Admin) -> None:
    browser = Visitor(app, admin.email)
    token = hidden_fields(browser.get("/account").text)["csrf_token"]

    def send(headers: dict[str, str], **fields: str) -> int:
        form = {"file": (io.BytesIO(b"asin,name,price\nB0CW1A0001,Kettle,1.00\n"), "a.csv"), **fields}
        return browser.client.post(IMPORTS, data=form, headers=headers).status_code

    assert send({}) == 400
    assert send({}, csrf_token=token) == 400
    assert count(app) == 0
    assert send({"X-CSRFToken": token}) == 202
    assert count(app) == 1


@pytest.mark.parametrize("framing", ["Content-Length", "Transfer-Encoding"])
def test_a_file_larger_than_other_bodies_may_be_goes_to_disk_and_not_into_memory(
    app: Flask, web: WebServer, auth_headers: dict[str, str], framing: str
) -> None:
    pieces = 8 * MAX_BODY_BYTES // len(MORE)
    assert web.post_in_chunks(10, auth_headers | {"Authorization": "none"})[0] == 401  # everything is loaded
    before = web.memory_bytes()
    body = [HEAD, *[MORE] * pieces, b"\r\n--x--\r\n"]
    size = str(sum(map(len, body)))
    headers = {"Host": "localhost", "Content-Type": "multipart/form-data; boundary=x", **auth_headers}
    headers[framing] = size if framing == "Content-Length" else "chunked"
    lines = [f"POST {IMPORTS} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    with socket.create_connection(("127.0.0.1", web.port), PATIENCE_S) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        for piece in body:
            connection.sendall(piece if framing == "Content-Length" else b"%x\r\n%b\r\n" % (len(piece), piece))
        if framing != "Content-Length":
            connection.sendall(b"0\r\n\r\n")
        status, document = read_answer(connection)
    assert (status, document["size"]) == (202, len(HEAD) - HEAD.index(b"asin") + pieces * len(MORE))
    assert web.memory_bytes() - before < MAX_BODY_BYTES
    assert count(app) == 1
