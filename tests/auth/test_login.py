"""Logging in: who gets a token, who does not, and what is noted about it."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import Any

import pytest
from argon2 import PasswordHasher
from flask import Flask
from flask.testing import FlaskClient
from flask_jwt_extended import create_access_token
from sqlalchemy import delete, select, update
from werkzeug.test import TestResponse

from app import create_app
from app.auth import passwords
from app.auth.jwt import LEEWAY_S
from app.auth.models import Role, RolePermission, Session, User, UserRole
from app.auth.services import access
from app.config import Rates, Settings
from app.core.audit import AuditEvent
from app.core.extensions import db
from app.core.throttle import FREE_ATTEMPTS
from app.core.transactions import in_transaction
from tests.conftest import Admin
from tests.servers import on_sqlite

URL = "/api/v1/auth/login"


def log_in(client: FlaskClient, email: str, password: str) -> TestResponse:
    return client.post(URL, json={"email": email, "password": password})


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def trail(app: Flask) -> list[tuple[str, str, int | None]]:
    """(action, kind of actor, subject) of everything in the audit trail."""
    with app.app_context():
        rows = db.session.scalars(select(AuditEvent).order_by(AuditEvent.id))
        return [(row.action, row.actor_kind, row.subject_id) for row in rows]


def change(app: Flask, statement: Any) -> None:
    """Run a statement, and do what every service does that changes rights: forget what is remembered of users."""

    @in_transaction
    def run() -> None:
        access.forget_users(list(db.session.scalars(select(User.id))))
        db.session.execute(statement)

    with app.app_context():
        run()


def test_email_and_password_give_a_token_that_opens_the_api(client: FlaskClient, admin: Admin) -> None:
    answer = log_in(client, admin.email, admin.password)
    assert answer.status_code == 200
    body = answer.get_json()
    assert (body["token_type"], body["expires_in"], sorted(body)) == (
        "Bearer",
        900,
        ["access_token", "expires_in", "refresh_expires_at", "refresh_token", "token_type"],
    )
    me = client.get("/api/v1/me", headers=bearer(body["access_token"])).get_json()
    assert (me["id"], me["email"], me["name"], me["roles"]) == (admin.id, admin.email, "Ada Admin", ["admin"])
    assert "users:write" in me["permissions"]


@pytest.mark.parametrize("spelling", ["ADMIN@example.org", "  Admin@Example.Org "])
def test_an_address_is_the_same_in_any_case(client: FlaskClient, admin: Admin, spelling: str) -> None:
    assert log_in(client, spelling, admin.password).status_code == 200


def test_addresses_that_only_look_alike_are_different(client: FlaskClient, admin: Admin) -> None:
    assert log_in(client, admin.email.replace("a", "á"), admin.password).status_code == 401


def test_a_wrong_password_an_unknown_address_and_a_closed_account_look_the_same(
    app: Flask, client: FlaskClient, admin: Admin
) -> None:
    answers = [log_in(client, admin.email, "wrong password"), log_in(client, "nobody@example.org", admin.password)]
    change(app, update(User).values(is_active=False))
    answers.append(log_in(client, admin.email, admin.password))
    for answer in answers:
        assert answer.status_code == 401
        assert answer.get_json()["code"] == "LOGIN_REFUSED"
        assert answer.get_json()["detail"] == "Email or password is wrong."


def test_an_unknown_address_costs_a_password_check_too(
    client: FlaskClient, admin: Admin, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[str | None] = []
    really = passwords.is_correct

    def count(password: str, stored_hash: str | None) -> bool:
        checked.append(stored_hash)
        return really(password, stored_hash)

    monkeypatch.setattr(passwords, "is_correct", count)
    log_in(client, "nobody@example.org", "whatever it is")
    log_in(client, admin.email, "whatever it is")
    assert [stored is None for stored in checked] == [True, False]


def test_every_attempt_is_noted_without_what_was_typed(app: Flask, client: FlaskClient, admin: Admin) -> None:
    log_in(client, admin.email, admin.password)
    log_in(client, admin.email, "wrong password")
    log_in(client, "my-secret-password-by-mistake", "x")
    assert trail(app) == [
        ("user.create", "system", admin.id),
        ("user.log_in", "user", admin.id),
        ("user.log_in_refused", "guest", admin.id),
        ("user.log_in_refused", "guest", None),
    ]
    with app.app_context():
        attempts = select(AuditEvent).where(AuditEvent.action != "user.create").order_by(AuditEvent.id)
        rows = db.session.scalars(attempts).all()
        assert all(row.request_id and row.address == "127.0.0.1" for row in rows)
        started = db.session.scalars(select(Session.id)).one()
        noted = {"session": started, "kind": "api", "via": "password", "second_factor": False}
        assert [(row.before, row.after) for row in rows] == [(None, noted), (None, None), (None, None)]


@pytest.mark.parametrize(
    ("sent", "pointers"),
    [
        ({}, ["/email", "/password"]),
        ({"email": "a@b", "password": "x", "remember": True}, ["/remember"]),
        ({"email": "a" * 255, "password": "x" * 129}, ["/email", "/password"]),
        ({"email": 5, "password": None}, ["/email", "/password"]),
        ({"email": "a\u0000b", "password": ""}, ["/email", "/password"]),
    ],
)
@on_sqlite
def test_a_malformed_login_is_refused_by_field(client: FlaskClient, sent: dict[str, Any], pointers: list[str]) -> None:
    answer = client.post(URL, json=sent)
    assert answer.status_code == 422
    assert sorted(error["pointer"] for error in answer.get_json()["errors"]) == pointers


@on_sqlite
def test_a_password_that_is_no_text_is_refused(client: FlaskClient, admin: Admin) -> None:
    body = f'{{"email":"{admin.email}","password":"\\ud800\\ud800"}}'
    assert client.post(URL, data=body, content_type="application/json").status_code == 400


def test_a_token_dies_with_its_account(app: Flask, client: FlaskClient, admin_token: str, admin: Admin) -> None:
    assert client.get("/api/v1/me", headers=bearer(admin_token)).status_code == 200
    change(app, update(User).values(is_active=False))
    refused = client.get("/api/v1/me", headers=bearer(admin_token))
    assert (refused.status_code, refused.get_json()["code"]) == (401, "TOKEN_REFUSED")
    change(app, delete(UserRole))
    change(app, delete(User))
    assert client.get("/api/v1/me", headers=bearer(admin_token)).status_code == 401


@on_sqlite
def test_a_token_that_has_expired_or_was_signed_by_another_is_refused(
    app: Flask, client: FlaskClient, settings: Settings, admin: Admin
) -> None:
    other = create_app(dataclasses.replace(settings, jwt_secret_key="x" * 40))
    with app.app_context():
        expired = create_access_token(str(admin.id), expires_delta=timedelta(seconds=-LEEWAY_S - 1))
        nameless = create_access_token("nobody")
    with other.app_context():
        foreign = create_access_token(str(admin.id))
        db.engine.dispose()
    for token in (expired, nameless, foreign):
        answer = client.get("/api/v1/products", headers=bearer(token))
        assert (answer.status_code, answer.get_json()["code"]) == (401, "TOKEN_REFUSED")
        assert answer.mimetype == "application/problem+json"


def test_a_role_gives_its_permissions_and_no_more(app: Flask, client: FlaskClient, admin: Admin) -> None:
    change(app, update(Role).where(Role.name == "admin").values(is_locked=False))
    token = log_in(client, admin.email, admin.password).get_json()["access_token"]
    refused = client.get("/api/v1/products", headers=bearer(token))
    assert (refused.status_code, refused.get_json()["code"]) == (403, "PERMISSION_MISSING")
    assert "products:read" in refused.get_json()["detail"]

    @in_transaction
    def allow() -> None:
        role_id = db.session.scalars(select(Role.id).where(Role.name == "admin")).one()
        access.forget_holders(role_id)
        db.session.add_all(RolePermission(role_id=role_id, permission=name) for name in ("products:read", "old:name"))

    with app.app_context():
        allow()
    assert client.get("/api/v1/products", headers=bearer(token)).status_code == 200
    refused = client.post("/api/v1/products", json={"no": "matter"}, headers=bearer(token))
    assert refused.status_code == 403
    assert client.get("/api/v1/me", headers=bearer(token)).get_json()["permissions"] == ["products:read"]


def test_an_outdated_hash_is_renewed_by_a_login(app: Flask, client: FlaskClient, admin: Admin) -> None:
    weak = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(admin.password)
    change(app, update(User).values(password_hash=weak))
    assert log_in(client, admin.email, "wrong password").status_code == 401
    assert stored_hash(app) == weak
    assert log_in(client, admin.email, admin.password).status_code == 200
    assert stored_hash(app) != weak
    assert log_in(client, admin.email, admin.password).status_code == 200


def stored_hash(app: Flask) -> str:
    with app.app_context():
        return db.session.scalars(select(User.password_hash)).one()


@pytest.fixture
def limited(app: Flask, settings: Settings) -> Any:
    """The application with a limit of three logins a minute."""
    other = create_app(dataclasses.replace(settings, rates=Rates(login="3 per minute")))
    yield other
    with other.app_context():
        db.engine.dispose()


@on_sqlite
def test_an_address_that_tries_too_often_has_to_wait(limited: Flask, admin: Admin) -> None:
    client = limited.test_client()
    for at in range(3):
        assert log_in(client, f"{at}@example.org", "wrong password").status_code == 401
    answer = log_in(client, admin.email, admin.password)
    assert answer.status_code == 429
    assert (answer.mimetype, answer.get_json()["code"]) == ("application/problem+json", "RATE_LIMITED")
    assert 0 < int(answer.headers["Retry-After"]) <= 60
    elsewhere = limited.test_client().post(
        URL, json={"email": admin.email, "password": admin.password}, environ_base={"REMOTE_ADDR": "192.0.2.9"}
    )
    assert elsewhere.status_code == 200


@on_sqlite
def test_an_account_that_is_tried_from_many_addresses_has_to_wait(app: Flask, admin: Admin) -> None:
    spellings = [admin.email, admin.email.upper(), f" {admin.email}", admin.email, admin.email, admin.email, "other@x"]
    answers = [
        app.test_client().post(
            URL, json={"email": email, "password": "wrong"}, environ_base={"REMOTE_ADDR": f"192.0.2.{at}"}
        )
        for at, email in enumerate(spellings)
    ]
    assert [answer.status_code for answer in answers] == [401] * FREE_ATTEMPTS + [429, 401]
    refused = answers[FREE_ATTEMPTS]
    assert (refused.mimetype, refused.get_json()["code"]) == ("application/problem+json", "RATE_LIMITED")
    assert refused.headers["Retry-After"] == "1"


@on_sqlite
def test_answers_that_are_not_refused_for_their_rate_ask_nobody_to_wait(client: FlaskClient, admin: Admin) -> None:
    assert "Retry-After" not in log_in(client, admin.email, admin.password).headers
