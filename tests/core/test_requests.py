"""What every request gets: an id, careful headers, and honest health checks."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import create_app
from app.config import Settings
from app.core.extensions import db
from tests.servers import on_sqlite


@on_sqlite
def test_a_request_id_that_is_sent_comes_back(notes: FlaskClient) -> None:
    assert notes.get("/healthz", headers={"X-Request-Id": "abc-123_4.5"}).headers["X-Request-Id"] == "abc-123_4.5"


@on_sqlite
@pytest.mark.parametrize("sent", ["", "short", "x" * 65, "with space", "semi;colon;", "<script>", "идентификатор"])
def test_any_other_request_gets_a_fresh_id(notes: FlaskClient, sent: str) -> None:
    answers = [notes.get("/healthz", headers={"X-Request-Id": sent.encode().decode("latin-1")}) for _ in range(2)]
    ids = [answer.headers["X-Request-Id"] for answer in answers]
    assert all(re.fullmatch("[0-9a-f]{16}", identifier) for identifier in ids)
    assert ids[0] != ids[1]


@on_sqlite
@pytest.mark.parametrize("path", ["/healthz", "/nowhere", "/broken"])
def test_every_answer_keeps_browsers_careful(notes: FlaskClient, path: str) -> None:
    headers = notes.get(path).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert headers["Referrer-Policy"] == "same-origin"


def test_a_system_that_can_work_is_alive_and_ready(client: FlaskClient) -> None:
    assert client.get("/healthz").get_json() == {"status": "ok"}
    assert client.get("/readyz").get_json() == {"status": "ready"}


@on_sqlite
@pytest.mark.parametrize(
    ("setting", "value", "missing"),
    [
        ("redis_queue_url", "unix:///nowhere/redis.sock", "queue"),
        ("database_url", "sqlite:////nowhere/cartwright.db", "database"),
        ("database_url", "mysql+pymysql://nobody@localhost/none?unix_socket=/nowhere/mysql.sock", "database"),
        ("database_url", "postgresql+psycopg://nobody@/none?host=/nowhere", "database"),
    ],
)
def test_without_its_database_or_queue_the_system_is_alive_but_not_ready(
    app: Flask, settings: Settings, setting: str, value: str, missing: str
) -> None:
    changed: dict[str, Any] = {setting: value}
    lame = create_app(dataclasses.replace(settings, **changed))
    answer = lame.test_client().get("/readyz")
    assert (answer.status_code, answer.get_json()["code"]) == (503, "UNAVAILABLE")
    assert answer.get_json()["detail"] == f"The {missing} does not answer."
    assert "nowhere" not in answer.get_data(as_text=True)
    assert lame.test_client().get("/healthz").status_code == 200
    with lame.app_context():
        db.engine.dispose()


@on_sqlite
def test_the_callers_address_comes_from_a_proxy_only_where_one_is_trusted(
    app: Flask, settings: Settings, tmp_path: Path
) -> None:
    seen: list[str | None] = []
    for proxies in (0, 1):
        behind = create_app(dataclasses.replace(settings, trusted_proxies=proxies))

        def show() -> str:
            from flask import request

            seen.append(request.remote_addr)
            return ""

        behind.add_url_rule("/show", view_func=show)
        behind.test_client().get("/show", headers={"X-Forwarded-For": "203.0.113.9, 198.51.100.7"})
        with behind.app_context():
            db.engine.dispose()
    assert seen == ["127.0.0.1", "198.51.100.7"]


@on_sqlite
@pytest.mark.parametrize("path", ["/api/v1//products", "//api/v1/products", "/api//v1/products", "/api/v1/products//1"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_address_with_an_empty_part_is_none_and_nobody_is_sent_elsewhere(
    client: FlaskClient, auth_headers: dict[str, str], method: str, path: str
) -> None:
    answer = client.open(f"http://localhost{path}", method=method, headers=auth_headers)
    assert (answer.status_code, answer.mimetype) == (404, "application/problem+json"), answer.text
    assert answer.get_json()["code"] == "NOT_FOUND"
    assert "Location" not in answer.headers
