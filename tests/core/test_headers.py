"""Headers that keep browsers careful, and which other origins' scripts may call the API."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator

import pytest
from flask import Flask, Response
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app import create_app
from app.config import Rates, Settings
from app.core.extensions import db
from tests.servers import on_sqlite

pytestmark = on_sqlite

HTML = {"Accept": "text/html"}
NOTHING = "default-src 'none'; frame-ancestors 'none'"
FRIEND, OTHER_FRIEND = "https://app.example.org", "http://[::1]:5173"
STRANGERS = [
    "https://evil.example",
    "http://app.example.org",
    "https://app.example.org:444",
    "https://app.example.org.evil.example",
    "https://evil.app.example.org",
    "https://appxexample.org",
    "https://app.example.org\nX: y".replace("\n", "%0a"),
    "null",
]

AppWith = Callable[..., FlaskClient]


@pytest.fixture
def client_with(app: Flask, settings: Settings) -> Iterator[AppWith]:
    """Starts the application again with other settings; answers with a client of it."""
    made: list[Flask] = []

    def start(**changes: object) -> FlaskClient:
        made.append(create_app(dataclasses.replace(settings, **changes)))  # type: ignore[arg-type]  # by the callers
        return made[-1].test_client()

    yield start
    for other in made:
        with other.app_context():
            db.engine.dispose()


def directives(answer: TestResponse) -> dict[str, list[str]]:
    policy = answer.headers["Content-Security-Policy"]
    return {part.split()[0]: part.split()[1:] for part in policy.split(";")}


def break_down() -> Response:
    raise RuntimeError("on purpose")


def too_many(client: FlaskClient) -> TestResponse:
    """A page that is refused because its form was sent too often."""
    found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', client.get("/login").text)
    assert found
    form = {"csrf_token": found[1], "email": "nobody@example.org", "password": "wrong password"}
    assert client.post("/login", data=form, headers=HTML).status_code == 422
    return client.post("/login", data=form, headers=HTML)


@pytest.mark.parametrize(
    ("path", "status"), [("/login", 200), ("/nowhere", 404), ("/broken", 500), ("/docs", 200), ("/redoc", 200)]
)
def test_a_page_runs_only_what_carries_its_nonce(client_with: AppWith, path: str, status: int) -> None:
    client = client_with()
    client.application.add_url_rule("/broken", view_func=break_down)
    one, other = client.get(path, headers=HTML), client.get(path, headers=HTML)
    assert (one.status_code, one.mimetype) == (status, "text/html")
    policy = directives(one)
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == ["'none'"]
    assert policy["form-action"] in (["'self'"], ["'none'"])
    assert "unsafe" not in one.headers["Content-Security-Policy"]
    assert "*" not in one.headers["Content-Security-Policy"]
    (nonce,) = set(re.findall(r"'nonce-([^']+)'", one.headers["Content-Security-Policy"]))
    assert f"'nonce-{nonce}'" in policy["script-src"]
    assert len(nonce) >= 22
    assert set(re.findall(r"nonce=\"([^\"]+)\"", one.text)) == {nonce}
    assert nonce not in other.headers["Content-Security-Policy"]
    assert not re.search(r"<script(?![^>]*(?:nonce|src)=)|<style(?![^>]*nonce=)|\son\w+=|style=\"", one.text)


def test_what_is_no_page_may_do_nothing_in_a_browser(client_with: AppWith) -> None:
    client = client_with()
    for path in ("/api/v1/products", "/api/nowhere", "/openapi.json", "/healthz", "/nowhere", "/static/nowhere.js"):
        assert client.get(path).headers["Content-Security-Policy"] == NOTHING


@pytest.mark.parametrize("path", ["/login", "/nowhere", "/docs", "/api/v1/products", "/healthz"])
def test_every_answer_keeps_browsers_careful(client: FlaskClient, path: str) -> None:
    headers = client.get(path, headers=HTML).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cross-Origin-Opener-Policy"] == headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "camera=()" in headers["Permissions-Policy"]
    assert "Strict-Transport-Security" not in headers


def test_over_tls_browsers_are_told_to_stay_there_and_cookies_too(client_with: AppWith) -> None:
    client = client_with(public_url="https://shop.example.org")
    for path in ("/login", "/api/v1/products", "/nowhere", "/docs"):
        assert client.get(path).headers["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains"
    cookie = client.get("/login", base_url="https://shop.example.org").headers["Set-Cookie"]
    assert cookie.startswith("__Host-cartwright=")
    for attribute in ("Secure", "HttpOnly", "Path=/", "SameSite=Lax"):
        assert attribute in cookie.split("; ")
    assert "Domain" not in cookie


def test_a_page_that_is_asked_for_too_often_is_refused_on_a_page(client_with: AppWith) -> None:
    client = client_with(rates=Rates(login="1 per minute"))
    answer = too_many(client)
    assert (answer.status_code, answer.mimetype) == (429, "text/html")
    assert "script-src 'nonce-" in answer.headers["Content-Security-Policy"]
    assert 0 < int(answer.headers["Retry-After"]) <= 60
    assert (answer.headers["RateLimit-Limit"], answer.headers["RateLimit-Remaining"]) == ("1", "0")


def test_answers_of_the_api_are_kept_by_nobody_but_the_browser_that_asks_again(
    client: FlaskClient, auth_headers: dict[str, str]
) -> None:
    body = {"asin": "B0CW1A0001", "name": "Kettle", "price": "1.00"}
    made = client.post("/api/v1/products", json=body, headers=auth_headers)
    assert made.headers["Cache-Control"] == "private, no-cache"
    for path in ("/api/v1/product-updates", "/api/v1/nowhere", "/api/v1/me/nowhere"):
        assert client.get(path, headers=auth_headers).headers["Cache-Control"] == "no-store"
    assert client.post("/api/v1/auth/login", json={}).headers["Cache-Control"] == "no-store"


def cors(answer: TestResponse) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name.startswith("Access-Control-")}


@pytest.fixture
def shared(client_with: AppWith) -> FlaskClient:
    """An API that scripts of two other origins may call."""
    return client_with(allowed_origins=(FRIEND, OTHER_FRIEND))


def preflight(client: FlaskClient, origin: str, path: str = "/api/v1/products", method: str = "PATCH") -> TestResponse:
    asked = {
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "authorization, if-match, x-evil",
    }
    return client.options(path, headers={"Origin": origin} | asked)


@pytest.mark.parametrize("origin", [FRIEND, OTHER_FRIEND])
def test_an_allowed_origin_may_call_and_read(shared: FlaskClient, origin: str) -> None:
    asked = preflight(shared, origin)
    assert asked.status_code == 200
    allowed = cors(asked)
    assert allowed["Access-Control-Allow-Origin"] == origin
    assert allowed["Access-Control-Allow-Headers"] == "authorization, if-match"
    assert "PATCH" in allowed["Access-Control-Allow-Methods"]
    assert allowed["Access-Control-Max-Age"] == "600"
    for path, status in (("/api/v1/products", 401), ("/openapi.json", 200)):
        answer = shared.get(path, headers={"Origin": origin})
        assert answer.status_code == status
        assert cors(answer)["Access-Control-Allow-Origin"] == origin
        assert "RateLimit-Remaining" in cors(answer)["Access-Control-Expose-Headers"]
        assert "Access-Control-Allow-Credentials" not in cors(answer)
        assert "Origin" in answer.headers["Vary"]


@pytest.mark.parametrize("origin", STRANGERS)
def test_no_other_origin_gets_leave(shared: FlaskClient, origin: str) -> None:
    for answer in (preflight(shared, origin), shared.get("/api/v1/products", headers={"Origin": origin})):
        assert cors(answer) == {}
        assert "Origin" in answer.headers["Vary"]


def test_pages_are_shared_with_nobody(shared: FlaskClient) -> None:
    for path in ("/login", "/docs", "/healthz", "/apix", "/openapi.jsonx"):
        assert cors(shared.get(path, headers={"Origin": FRIEND})) == {}
        assert cors(preflight(shared, FRIEND, path, "POST")) == {}


def test_without_an_origin_there_is_nothing_to_allow(shared: FlaskClient, client_with: AppWith) -> None:
    assert cors(shared.get("/api/v1/products")) == {}
    assert cors(preflight(client_with(), FRIEND)) == {}
