"""Refresh tokens: each works once, two tabs are no theft, a theft ends everything that came from the login."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import Any, Final

import jwt
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select, update
from werkzeug.test import TestResponse

from app import create_app
from app.auth.jwt import AUDIENCE, ISSUER, key_id
from app.auth.models import RefreshToken, Session, User
from app.auth.services import access
from app.auth.services.tokens import GRACE
from app.config import Settings
from app.core.extensions import db
from app.core.orm import utc_now
from tests.auth.people import PASSWORD, Person, change, deeds, new_person
from tests.concurrency import at_once
from tests.servers import on_sqlite

LOGIN: Final = "/api/v1/auth/login"
REFRESH: Final = "/api/v1/auth/refresh"
ME: Final = "/api/v1/me"
COOKIE: Final = "cartwright-refresh"
CSRF: Final = "cartwright-refresh-csrf"


@pytest.fixture
def ada(app: Flask) -> Person:
    return new_person(app, "ada@example.org")


@pytest.fixture
def tokens(ada: Person) -> dict[str, Any]:
    """Tokens of a login by API."""
    return log_in(ada)


def log_in(person: Person) -> dict[str, Any]:
    found: dict[str, Any] = person.client.post(LOGIN, json={"email": person.email, "password": PASSWORD}).get_json()
    return found


def refresh(app: Flask, token: str) -> TestResponse:
    return app.test_client().post(REFRESH, json={"refresh_token": token})


def opens(app: Flask, access_token: str) -> bool:
    return app.test_client().get(ME, headers={"Authorization": f"Bearer {access_token}"}).status_code == 200


def expect_refused(answer: TestResponse, code: str = "TOKEN_REFUSED") -> None:
    assert (answer.status_code, answer.get_json()["code"]) == (401, code)
    assert "access_token" not in answer.text
    assert "Set-Cookie" not in answer.headers


def used_before(app: Flask, token: str, by: timedelta) -> None:
    """Let a token have been used so long ago."""
    claims = jwt.decode(token, options={"verify_signature": False})
    change(app, update(RefreshToken).where(RefreshToken.jti == claims["jti"]).values(used_at=utc_now() - by))


def open_sessions(app: Flask) -> int:
    with app.app_context():
        return db.session.scalar(select(func.count()).where(Session.ended_at.is_(None))) or 0


def stored_tokens(app: Flask) -> int:
    with app.app_context():
        return db.session.scalar(select(func.count()).select_from(RefreshToken)) or 0


def test_a_refresh_token_gives_an_access_token_and_its_successor(app: Flask, tokens: dict[str, Any]) -> None:
    answer = refresh(app, tokens["refresh_token"])
    assert answer.status_code == 200
    body = answer.get_json()
    assert body["refresh_token"] != tokens["refresh_token"]
    assert opens(app, body["access_token"])
    assert refresh(app, body["refresh_token"]).status_code == 200
    assert deeds(app, of="session.") == []


def test_two_tabs_get_the_same_successor(app: Flask, tokens: dict[str, Any]) -> None:
    first, second = (refresh(app, tokens["refresh_token"]).get_json() for _ in range(2))
    assert first["refresh_token"] == second["refresh_token"]
    used_before(app, tokens["refresh_token"], GRACE - timedelta(seconds=2))
    assert refresh(app, tokens["refresh_token"]).get_json()["refresh_token"] == first["refresh_token"]
    assert opens(app, first["access_token"])
    assert stored_tokens(app) == 3  # with that of the fixture's own login


def test_tabs_that_refresh_at_the_same_moment_share_one_successor(app: Flask, tokens: dict[str, Any]) -> None:
    answers = at_once(app, *[lambda: refresh(app, tokens["refresh_token"]).get_json()] * 4)
    assert len({answer["refresh_token"] for answer in answers}) == 1
    assert all(opens(app, answer["access_token"]) for answer in answers)
    assert stored_tokens(app) == 3
    assert refresh(app, answers[0]["refresh_token"]).status_code == 200


def test_a_token_that_is_used_again_later_ends_everything_that_came_from_its_login(
    app: Flask, ada: Person, tokens: dict[str, Any]
) -> None:
    elsewhere = log_in(ada)
    newest = refresh(app, tokens["refresh_token"]).get_json()
    used_before(app, tokens["refresh_token"], GRACE + timedelta(seconds=1))
    assert opens(app, newest["access_token"])
    expect_refused(refresh(app, tokens["refresh_token"]), "REFRESH_REUSED")
    expect_refused(refresh(app, newest["refresh_token"]))
    for body in (tokens, newest):
        assert not opens(app, body["access_token"])
    assert opens(app, elsewhere["access_token"])
    assert refresh(app, elsewhere["refresh_token"]).status_code == 200
    assert deeds(app, of="session.") == ["session.refresh_reused"]
    expect_refused(refresh(app, tokens["refresh_token"]))
    assert deeds(app, of="session.") == ["session.refresh_reused"]


def test_a_thief_and_the_owner_at_once_never_get_two_families(app: Flask, tokens: dict[str, Any]) -> None:
    newest = refresh(app, tokens["refresh_token"]).get_json()
    used_before(app, tokens["refresh_token"], GRACE + timedelta(seconds=1))
    stolen, own = at_once(
        app, lambda: refresh(app, tokens["refresh_token"]), lambda: refresh(app, newest["refresh_token"])
    )
    expect_refused(stolen, "REFRESH_REUSED")
    assert own.status_code in {200, 401}
    if own.status_code == 200:  # it was a moment earlier, and ended a moment later
        assert not opens(app, own.get_json()["access_token"])
        expect_refused(refresh(app, own.get_json()["refresh_token"]))
    assert open_sessions(app) == 1


@on_sqlite
def test_neither_kind_of_token_does_the_work_of_the_other(app: Flask, tokens: dict[str, Any]) -> None:
    client = app.test_client()
    refused = client.get(ME, headers={"Authorization": f"Bearer {tokens['refresh_token']}"})
    assert (refused.status_code, refused.get_json()["code"]) == (401, "TOKEN_REFUSED")
    expect_refused(refresh(app, tokens["access_token"]))
    assert stored_tokens(app) == 2


@on_sqlite
def test_a_refresh_token_that_is_not_quite_ours_is_refused(
    app: Flask, tokens: dict[str, Any], settings: Settings
) -> None:
    key = settings.jwt_secret_key
    claims = jwt.decode(tokens["refresh_token"], options={"verify_signature": False})
    right = jwt.encode(claims, key, "HS256", headers={"kid": key_id(key)})
    assert (claims["aud"], claims["iss"]) == (AUDIENCE, ISSUER)
    changes: list[dict[str, Any]] = [
        {"aud": "other"}, {"iss": "other"}, {"jti": "0" * 32}, {"sid": "0" * 32}, {"sid": 7}, {"jti": ["x"]},
        {"type": "access"}, {"exp": 1}, {"nbf": 4_000_000_000},
    ]  # fmt: skip
    for changed in changes:
        expect_refused(refresh(app, jwt.encode(claims | changed, key, "HS256", headers={"kid": key_id(key)})))
    other = "x" * 40
    for kid in (key_id(key), key_id(other), "", "unknown"):
        expect_refused(refresh(app, jwt.encode(claims, other, "HS256", headers={"kid": kid})))
    expect_refused(refresh(app, jwt.encode(claims, "", "none", headers={"kid": key_id(key)})))
    for text in ("x", "a.b.c", right[:-3], "é" * 10):
        expect_refused(refresh(app, text))
    assert stored_tokens(app) == 2
    assert refresh(app, right).status_code == 200


def test_a_refresh_token_of_a_foreign_session_is_refused(app: Flask, ada: Person, settings: Settings) -> None:
    one, other = (jwt.decode(log_in(ada)["refresh_token"], options={"verify_signature": False}) for _ in range(2))
    key = settings.jwt_secret_key
    expect_refused(refresh(app, jwt.encode(one | {"sid": other["sid"]}, key, headers={"kid": key_id(key)})))


@pytest.mark.parametrize("how", ["logged out", "deactivated", "session expired", "token expired"])
def test_what_has_ended_is_refreshed_no_more(app: Flask, ada: Person, tokens: dict[str, Any], how: str) -> None:
    if how == "logged out":
        headers = {"Authorization": f"Bearer {tokens['access_token']}"}
        assert ada.client.post("/api/v1/auth/logout", headers=headers).status_code == 204
    elif how == "deactivated":
        change(app, update(User).values(is_active=False))
    elif how == "session expired":
        change(app, update(Session).values(expires_at=utc_now()))
    else:
        change(app, update(RefreshToken).values(expires_at=utc_now()))
    before = stored_tokens(app)
    expect_refused(refresh(app, tokens["refresh_token"]))
    assert stored_tokens(app) == before


def test_however_often_it_is_refreshed_a_login_ends_after_ninety_days(app: Flask, tokens: dict[str, Any]) -> None:
    early = access.LONGEST_SESSION - timedelta(hours=1)
    change(app, update(Session).values(created_at=utc_now() - early))
    body = refresh(app, tokens["refresh_token"]).get_json()
    expiry = jwt.decode(body["refresh_token"], options={"verify_signature": False})["exp"]
    assert 3500 < expiry - utc_now().timestamp() <= 3600


# --- In a browser: the refresh token in a cookie ---------------------------------------------------------------------


@pytest.fixture
def browser(app: Flask, ada: Person) -> FlaskClient:
    """A client that has its refresh token in a cookie."""
    client = app.test_client()
    answer = client.post(LOGIN, json={"email": ada.email, "password": PASSWORD, "cookie": True})
    assert answer.status_code == 200
    assert "refresh_token" not in answer.get_json()
    return client


def csrf_of(browser: FlaskClient) -> dict[str, str]:
    cookie = browser.get_cookie(CSRF)
    assert cookie
    return {"X-CSRF-TOKEN": cookie.value}


def test_the_cookie_is_for_this_path_and_for_no_script(browser: FlaskClient) -> None:
    cookie = browser.get_cookie(COOKIE, path="/api/v1/auth")
    assert cookie
    assert (cookie.http_only, cookie.same_site, cookie.path) == (True, "Strict", "/api/v1/auth")
    assert cookie.max_age is not None
    assert 0 < 30 * 86400 - cookie.max_age < 60
    readable = browser.get_cookie(CSRF)
    assert readable
    assert not readable.http_only
    assert readable.same_site == "Strict"


def test_the_cookie_is_exchanged_for_its_successor(app: Flask, browser: FlaskClient) -> None:
    before = browser.get_cookie(COOKIE, path="/api/v1/auth")
    answer = browser.post(REFRESH, json={}, headers=csrf_of(browser))
    assert answer.status_code == 200
    assert "refresh_token" not in answer.get_json()
    assert opens(app, answer.get_json()["access_token"])
    after = browser.get_cookie(COOKIE, path="/api/v1/auth")
    assert before
    assert after
    assert after.value != before.value
    assert browser.post(REFRESH, json={}, headers=csrf_of(browser)).status_code == 200


@on_sqlite
def test_a_cookie_alone_refreshes_nothing(app: Flask, browser: FlaskClient) -> None:
    before = stored_tokens(app)
    for headers in ({}, {"X-CSRF-TOKEN": ""}, {"X-CSRF-TOKEN": "0" * 32}):
        expect_refused(browser.post(REFRESH, json={}, headers=headers))
    assert stored_tokens(app) == before
    assert browser.post(REFRESH, json={}, headers=csrf_of(browser)).status_code == 200


@on_sqlite
def test_the_cookie_opens_nothing_by_itself(browser: FlaskClient) -> None:
    assert browser.get(ME).status_code == 401
    assert browser.post("/api/v1/auth/logout", headers=csrf_of(browser)).status_code == 401


@on_sqlite
def test_over_tls_the_cookie_is_secure(app: Flask, ada: Person, settings: Settings) -> None:
    secure = create_app(dataclasses.replace(settings, public_url="https://shop.example.org"))
    login = {"email": ada.email, "password": PASSWORD, "cookie": True}
    answer = secure.test_client().post(LOGIN, json=login, base_url="https://shop.example.org")
    cookies = answer.headers.getlist("Set-Cookie")
    assert any(cookie.startswith(f"__Secure-{COOKIE}=") for cookie in cookies)
    for cookie in cookies:
        assert "Secure" in cookie.split("; ")
    with secure.app_context():
        db.engine.dispose()


@on_sqlite
def test_logging_out_empties_the_cookie(app: Flask, ada: Person) -> None:
    client = app.test_client()
    login = {"email": ada.email, "password": PASSWORD, "cookie": True}
    token = client.post(LOGIN, json=login).get_json()["access_token"]
    assert client.post("/api/v1/auth/logout", headers={"Authorization": f"Bearer {token}"}).status_code == 204
    assert client.get_cookie(COOKIE, path="/api/v1/auth") is None
    assert client.get_cookie(CSRF) is None


@on_sqlite
def test_refreshing_too_often_is_refused(app: Flask, settings: Settings) -> None:
    strict = create_app(
        dataclasses.replace(settings, rates=dataclasses.replace(settings.rates, refresh="2 per minute"))
    )
    codes = [refresh(strict, "nonsense").status_code for _ in range(3)]
    assert codes == [401, 401, 429]
    with strict.app_context():
        db.engine.dispose()
