"""The pages of registering, of a forgotten password, and of one's own password and address, as a browser uses them."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select

from app.auth.models import Registration, User
from app.auth.services.users import create_user
from app.core.extensions import db
from app.core.orm import utc_now
from app.core.permissions import system
from tests.auth.conftest import Mails, Page, send_form
from tests.auth.people import PASSWORD, new_person
from tests.servers import on_sqlite

pytestmark = on_sqlite

ADA = {"email": "ada@example.org", "name": "Ada Lovelace", "password": "note G on Bernoulli"}


def count(app: Flask, model: type[Any]) -> int:
    with app.app_context():
        return db.session.scalar(select(func.count()).select_from(model)) or 0


def log_in(client: FlaskClient, password: str = PASSWORD, email: str = "ada@example.org") -> int:
    return send_form(client, "/login", {"email": email, "password": password}).status_code


def is_logged_in(client: FlaskClient) -> bool:
    return client.get("/account/password").status_code == 200


def test_somebody_registers_and_is_logged_in_by_the_link(
    app: Flask, client: FlaskClient, page: Page, mails: Mails
) -> None:
    sent = page("/register", ADA)
    assert (sent.status_code, sent.location) == (302, "/register/done")
    assert "Look into your mailbox" in client.get("/register/done").text
    path = f"/verify-email?token={mails()[0].token('/verify-email')}"
    for _ in range(3):  # programs that look into mails follow links
        assert client.get(path).status_code == 200
        assert client.head(path).status_code == 200
    assert count(app, User) == 0
    done = page(path, {"password": ADA["password"]})
    assert (done.status_code, done.location) == (302, "/")
    assert (count(app, User), is_logged_in(client)) == (1, True)


def test_a_wrong_password_at_the_link_is_said_and_logs_nobody_in(
    app: Flask, client: FlaskClient, page: Page, mails: Mails
) -> None:
    page("/register", ADA)
    path = f"/verify-email?token={mails()[0].token('/verify-email')}"
    refused = page(path, {"password": "something else"})
    assert (refused.status_code, "not the password that was chosen" in refused.text) == (422, True)
    assert (count(app, User), is_logged_in(client)) == (0, False)


@pytest.mark.parametrize(
    ("path", "fields", "way_out"),
    [
        ("/verify-email?token=abc", {"password": "whatever it is"}, "/resend-verification"),
        ("/reset-password?token=abc", {"password": "whatever it is"}, "/forgot-password"),
        ("/change-email?token=abc", {}, ""),
    ],
)
def test_a_link_that_is_not_valid_is_said_with_a_way_out(
    page: Page, path: str, fields: dict[str, str], way_out: str
) -> None:
    refused = page(path, fields)
    assert refused.status_code == 422
    assert "Is not valid (any more); ask for a new mail." in refused.text
    assert f'href="{way_out}"' in refused.text or not way_out


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"email": "ada"}, "Must be an email address"),
        ({"name": "  "}, "This field is needed."),
        ({"name": "Ada\tX"}, "control characters"),
        ({"password": "short"}, "Must have 8 to 128 characters."),
        ({"password": "password1"}, "Is one of the most common passwords"),
    ],
)
def test_what_breaks_a_rule_is_said_beside_the_field(app: Flask, page: Page, fields: dict[str, str], says: str) -> None:
    refused = page("/register", ADA | fields)
    assert (refused.status_code, says in refused.text) == (422, True)
    assert 'class="form-control is-invalid"' in refused.text
    assert ADA["password"] not in refused.text
    assert count(app, Registration) == 0


def test_somebody_who_forgot_the_password_sets_a_new_one(
    app: Flask, client: FlaskClient, page: Page, mails: Mails
) -> None:
    new_person(app, "ada@example.org")
    assert page("/forgot-password", {"email": "ada@example.org"}).location == "/forgot-password/done"
    path = f"/reset-password?token={mails()[0].token('/reset-password')}"
    client.get(path)
    done = page(path, {"password": "note G on Bernoulli"})
    assert (done.status_code, done.location) == (302, "/login?next=/")
    assert not is_logged_in(client)
    assert log_in(client, "note G on Bernoulli") == 302
    assert is_logged_in(client)


def test_a_bad_new_password_keeps_the_token_in_the_form(app: Flask, page: Page, mails: Mails) -> None:
    new_person(app, "ada@example.org")
    page("/forgot-password", {"email": "ada@example.org"})
    token = mails()[0].token("/reset-password")
    refused = page(f"/reset-password?token={token}", {"password": "short"})
    assert refused.status_code == 422
    assert f'value="{token}"' in refused.text


@pytest.mark.parametrize("path", ["/register", "/account/password", "/reset-password"])
def test_a_new_password_that_is_too_long_is_refused_with_the_whole_rule(
    app: Flask, client: FlaskClient, page: Page, mails: Mails, path: str
) -> None:
    new_person(app, "ada@example.org")
    log_in(client)
    if path == "/reset-password":
        page("/forgot-password", {"email": "ada@example.org"})
        path = f"{path}?token={mails()[0].token(path)}"
    name = "new_password" if path == "/account/password" else "password"
    refused = page(path, {"email": "b@example.org", "name": "B", "current_password": PASSWORD, name: "x" * 129})
    assert (refused.status_code, "Must have 8 to 128 characters." in refused.text) == (422, True)


def test_somebody_who_is_invited_is_welcomed_and_somebody_who_forgot_is_warned(
    app: Flask, client: FlaskClient, page: Page, mails: Mails
) -> None:
    with app.app_context():
        create_user(actor=system(), now=utc_now(), email="bo@example.org", name="Bo")
    path = f"/reset-password?token={mails()[0].token('/reset-password')}"
    for shown in (client.get(path), page(path, {"password": "short"})):
        assert "<h1>Welcome, choose a password</h1>" in shown.text
        assert "logged out" not in shown.text
    assert page(path, {"password": "note G on Bernoulli"}).location == "/login?next=/"
    new_person(app, "ada@example.org")
    page("/forgot-password", {"email": "ada@example.org"})
    for address in (path, f"/reset-password?token={mails()[0].token('/reset-password')}"):
        shown = client.get(address)
        assert "<h1>Set a new password</h1>" in shown.text
        assert "You will be logged out on all devices." in shown.text


def test_somebody_changes_the_password_and_stays_logged_in_only_here(
    app: Flask, client: FlaskClient, page: Page
) -> None:
    new_person(app, "ada@example.org")
    elsewhere = app.test_client()
    assert (log_in(client), log_in(elsewhere)) == (302, 302)
    wrong = page("/account/password", {"current_password": "wrong one", "new_password": "note G on Bernoulli"})
    assert (wrong.status_code, "The password is wrong." in wrong.text) == (422, True)
    assert is_logged_in(elsewhere)
    done = page("/account/password", {"current_password": PASSWORD, "new_password": "note G on Bernoulli"})
    assert done.status_code == 302
    assert (is_logged_in(client), is_logged_in(elsewhere)) == (True, False)


def test_somebody_changes_the_address(app: Flask, client: FlaskClient, page: Page, mails: Mails) -> None:
    new_person(app, "ada@example.org")
    log_in(client)
    assert "ada@example.org" in client.get("/account/email").text
    assert page("/account/email", {"email": "countess@example.org", "password": PASSWORD}).status_code == 302
    path = f"/change-email?token={mails()[0].token('/change-email')}"
    client.get(path)
    assert "ada@example.org" in client.get("/account/email").text
    assert page(path, {}).status_code == 302
    assert "countess@example.org" in client.get("/account/email").text


@pytest.mark.parametrize(
    "target", ["//evil.example", "https://evil.example/", "/\\evil.example", "javascript:alert(1)"]
)
def test_no_page_sends_anybody_elsewhere(
    app: Flask, client: FlaskClient, page: Page, mails: Mails, target: str
) -> None:
    page("/register", ADA | {"next": target})
    token = mails()[0].token("/verify-email")
    assert page(f"/verify-email?token={token}", {"password": ADA["password"], "next": target}).location == "/"
    fields = {"current_password": ADA["password"], "new_password": PASSWORD, "next": target}
    assert page("/account/password", fields).location == "/account"
    fields = {"email": "countess@example.org", "password": PASSWORD, "next": target}
    assert page("/account/email", fields).location == "/account"
    _notice, link, _old = mails()
    changed = page(f"/change-email?token={link.token('/change-email')}", {"next": target})
    assert changed.location == "/login?next=/account"
    page("/forgot-password", {"email": "countess@example.org"})
    reset = next(mail for mail in mails() if b"reset-password" in mail.raw).token("/reset-password")
    fields = {"password": "another good one", "next": target}
    assert page(f"/reset-password?token={reset}", fields).location == "/login?next=/"


def test_the_link_gives_the_browser_a_session_of_its_own(
    app: Flask, client: FlaskClient, page: Page, mails: Mails
) -> None:
    new_person(app, "eve@example.org")
    log_in(client, email="eve@example.org")
    before = client.get_cookie("cartwright")
    page("/register", ADA)
    page(f"/verify-email?token={mails()[0].token('/verify-email')}", {"password": ADA["password"]})
    after = client.get_cookie("cartwright")
    assert before is not None
    assert after is not None
    assert before.value != after.value
    assert "ada@example.org" in client.get("/account/email").text


def test_pages_with_a_token_are_neither_kept_nor_told_to_others(client: FlaskClient) -> None:
    for path in ("/verify-email", "/reset-password", "/change-email"):
        headers = client.get(f"{path}?token=abc").headers
        assert (headers["Cache-Control"], headers["Referrer-Policy"]) == ("no-store", "same-origin")
        assert "'unsafe-inline'" not in headers["Content-Security-Policy"]


def test_a_token_of_a_link_is_escaped_in_its_page(client: FlaskClient) -> None:
    shown = client.get('/reset-password?token="><script>alert(1)</script>')
    assert "<script>alert" not in shown.text
