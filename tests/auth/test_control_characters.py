"""A NUL, which PostgreSQL takes nowhere, is an answer like any other wrong value: never a failure of ours."""

from __future__ import annotations

import pytest
from flask import Flask

from tests.auth.conftest import send_form
from tests.auth.staff import hire

PASSKEY = {"id": "a", "rawId": "a", "type": "public-key", "response": {"clientDataJSON": "a"}}


@pytest.mark.parametrize(
    "path", ["/users?role=%00", "/users?q=%00", "/audit-events?address=%00", "/audit-events?request_id=a%00"]
)
def test_no_filter_of_the_api_takes_it(app: Flask, path: str) -> None:
    assert hire(app, "boss", role="admin").call("GET", path).status_code == 422


def test_nobody_fails_a_log_in_by_it(app: Flask) -> None:
    client = app.test_client()
    answer = client.post("/api/v1/auth/passkeys/login", json={"challenge": "\0", "credential": PASSKEY})
    assert (answer.status_code, answer.get_json()["code"]) == (401, "PASSKEY_REFUSED")
    assert send_form(client, "/login", {"email": "a\0@example.org", "password": "x"}).status_code == 422
    for path in ("/login/with/a%00b", "/login/with/acme%20"):
        away = client.get(path)
        assert (away.status_code, away.headers["Location"]) == (302, "/login?next=/")
