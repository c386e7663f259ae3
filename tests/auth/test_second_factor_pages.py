"""The pages of the second factor without a browser: who gets in, what is refused, and where one is sent."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pyotp
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select, update
from werkzeug.test import TestResponse

from app.auth.models import Passkey, RecoveryCode, RememberedDevice, Session, Totp
from app.auth.services import access
from app.config import Settings
from app.core.extensions import db
from app.core.orm import utc_now
from tests.auth.authenticator import Authenticator
from tests.auth.people import PASSWORD, Person, change, new_person, strict_app
from tests.servers import on_sqlite

OVERVIEW = "/account/second-factor"
FORMS = (
    f"{OVERVIEW}/app/start",
    f"{OVERVIEW}/app",
    f"{OVERVIEW}/app/off",
    f"{OVERVIEW}/codes",
    f"{OVERVIEW}/devices/1/forget",
    f"{OVERVIEW}/devices/forget-all",
    "/account/passkeys",
    "/account/passkeys/1/rename",
    "/account/passkeys/1/remove",
    "/confirm/passkey",
    "/login/passkey",
)

pytestmark = [pytest.mark.usefixtures("database"), on_sqlite]


class Pages:
    """A browser's cookies and the forms that it fills in."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.client: FlaskClient = app.test_client()

    def get(self, path: str) -> TestResponse:
        return self.client.get(path)

    def csrf(self, path: str) -> str:
        found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', self.get(path).text)
        assert found is not None, path
        return found[1]

    def post(self, path: str, *, on: str = OVERVIEW, **fields: Any) -> TestResponse:
        """Send a form that stands on the page ``on``."""
        return self.client.post(path, data={"csrf_token": self.csrf(on), **fields})

    def log_in(self, person: Person) -> TestResponse:
        return self.post("/login", on="/login", email=person.email, password=PASSWORD)


@pytest.fixture
def strict(app: Flask, settings: Settings) -> Iterator[Flask]:
    with strict_app(settings) as other:
        yield other


@pytest.fixture
def ada(strict: Flask) -> Person:
    return new_person(strict, "ada@example.org", role="admin")


@pytest.fixture
def pages(strict: Flask, ada: Person) -> Pages:
    """Ada, logged in by password alone; her role needs more."""
    found = Pages(strict)
    assert found.log_in(ada).status_code == 302
    return found


def count(app: Flask, model: Any) -> int:
    with app.app_context():
        return db.session.scalar(select(func.count()).select_from(model)) or 0


def make_stale(app: Flask) -> None:
    change(app, update(Session).values(authenticated_at=utc_now() - timedelta(minutes=16)))
    with app.app_context():
        access.forget([f"s:{sid}" for sid in db.session.scalars(select(Session.sid))])


def start_set_up(pages: Pages, ada: Person, *, to: str = "") -> None:
    assert pages.post(f"{OVERVIEW}/app/start", next=to).status_code == 302
    with pages.app.app_context():
        ada.secret = db.session.scalars(select(Totp.secret)).one()


@pytest.mark.parametrize("path", FORMS)
def test_no_form_is_taken_without_its_csrf_token(pages: Pages, ada: Person, path: str) -> None:
    start_set_up(pages, ada)
    refused = pages.client.post(path, data={"code": ada.code(), "name": "x"}, headers={"Accept": "application/json"})
    assert (refused.status_code, refused.get_json()["code"]) == (400, "CSRF_REFUSED")
    assert (count(pages.app, RecoveryCode), count(pages.app, Passkey)) == (0, 0)


@pytest.mark.parametrize("path", [OVERVIEW, f"{OVERVIEW}/app"])
def test_strangers_are_sent_to_log_in(strict: Flask, path: str) -> None:
    answer = strict.test_client().get(path)
    assert (answer.status_code, answer.headers["Location"]) == (302, f"/login?next={path}")


def test_what_changes_it_needs_a_fresh_login(pages: Pages, ada: Person) -> None:
    start_set_up(pages, ada)
    token = pages.csrf(OVERVIEW)
    assert pages.post(f"{OVERVIEW}/app", on=f"{OVERVIEW}/app", code=ada.code()).status_code == 200
    make_stale(pages.app)
    for path in (f"{OVERVIEW}/app/start", f"{OVERVIEW}/app/off", f"{OVERVIEW}/codes", "/account/passkeys"):
        answer = pages.client.post(path, data={"csrf_token": token})
        assert answer.status_code == 302
        assert answer.headers["Location"].startswith("/confirm?")
    assert (count(pages.app, Totp), count(pages.app, RecoveryCode)) == (1, 10)


def test_the_secret_is_shown_only_while_the_set_up_waits(pages: Pages, ada: Person) -> None:
    start_set_up(pages, ada)
    assert ada.secret in pages.get(f"{OVERVIEW}/app").text
    done = pages.post(f"{OVERVIEW}/app", on=f"{OVERVIEW}/app", code=ada.code())
    assert done.status_code == 200
    assert done.headers["Cache-Control"] == "no-store"
    assert len(re.findall(r"\b\w{4}(?:-\w{4}){5}\b", done.text)) == 10
    again = pages.get(f"{OVERVIEW}/app")
    assert (again.status_code, again.headers["Location"]) == (302, OVERVIEW)


def test_a_wrong_code_is_said_beside_the_field_and_sets_nothing_up(pages: Pages, ada: Person) -> None:
    start_set_up(pages, ada)
    right = {pyotp.TOTP(ada.secret).at(utc_now(), counter_offset=at) for at in range(-2, 3)}
    wrong = next(f"{code:06}" for code in range(10) if f"{code:06}" not in right)
    answer = pages.post(f"{OVERVIEW}/app", on=f"{OVERVIEW}/app", code=wrong)
    assert answer.status_code == 422
    assert "Is not the one that the app shows now" in answer.text
    assert count(pages.app, RecoveryCode) == 0


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"]
)
def test_nobody_is_sent_to_another_site_afterwards(pages: Pages, ada: Person, target: str) -> None:
    start_set_up(pages, ada, to=target)
    done = pages.post(f"{OVERVIEW}/app", on=f"{OVERVIEW}/app", code=ada.code(), next=target)
    assert done.status_code == 200
    assert f'href="{OVERVIEW}"' in done.text
    assert "evil" not in done.text
    assert "javascript:" not in done.text


def test_a_session_from_before_is_asked_to_confirm_and_can_change_nothing(pages: Pages, ada: Person) -> None:
    ada.set_up_app()
    shown = pages.get(f"{OVERVIEW}?next=/account/sessions").text
    assert "You logged in without your second factor." in shown
    assert "/confirm?next=/account/sessions" in shown
    assert "Switch off" not in shown
    for path in (f"{OVERVIEW}/app/off", f"{OVERVIEW}/codes"):
        answer = pages.post(path)
        assert answer.headers["Location"].startswith("/confirm?")
    assert (count(pages.app, Totp), count(pages.app, RecoveryCode)) == (1, 10)
    confirmed = pages.post("/confirm?next=/account/sessions", on="/confirm", code=ada.code(steps=1))
    assert (confirmed.status_code, confirmed.headers["Location"]) == (302, "/account/sessions")
    assert "You logged in without" not in pages.get(OVERVIEW).text


def test_it_cannot_be_switched_off_while_a_role_needs_it(pages: Pages, ada: Person) -> None:
    start_set_up(pages, ada)
    pages.post(f"{OVERVIEW}/app", on=f"{OVERVIEW}/app", code=ada.code())
    assert "Switch off" not in pages.get(OVERVIEW).text
    answer = pages.post(f"{OVERVIEW}/app/off")
    assert (answer.status_code, answer.headers["Location"]) == (302, OVERVIEW)
    assert "Your role admin needs a second factor" in pages.get(OVERVIEW).text
    assert count(pages.app, Totp) == 1


def test_a_remembered_browser_is_one_of_its_user_only(strict: Flask, ada: Person) -> None:
    ada.set_up_app()
    pages = Pages(strict)
    assert pages.log_in(ada).headers["Location"].startswith("/login/code")
    done = pages.post("/login/code", on="/login/code", code=ada.code(steps=1), remember="y")
    (cookie,) = [one for one in done.headers.getlist("Set-Cookie") if one.startswith("cartwright-device=")]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Max-Age=2592000" in cookie
    pages.client.delete_cookie("cartwright")
    assert pages.log_in(ada).headers["Location"] == "/"
    bob = new_person(strict, "bob@example.org")
    bob.set_up_app()
    pages.client.delete_cookie("cartwright")
    assert pages.log_in(bob).headers["Location"].startswith("/login/code")
    with strict.app_context():
        device_id = db.session.scalars(select(RememberedDevice.id)).one()
    assert pages.post("/login/code", on="/login/code", code=bob.code(steps=1)).status_code == 302
    pages.post(f"{OVERVIEW}/devices/{device_id}/forget")
    pages.post(f"{OVERVIEW}/devices/forget-all")
    assert count(strict, RememberedDevice) == 1


def test_a_passkey_form_that_is_no_json_is_refused_and_starts_no_session(strict: Flask) -> None:
    pages = Pages(strict)
    sessions = count(strict, Session)
    for credential in ("", "{", "[]", '{"id": 5}', '"x"'):
        answer = pages.post(
            "/login/passkey", on="/login", challenge="x", credential=credential, next="/account/sessions"
        )
        assert (answer.status_code, answer.headers["Location"]) == (302, "/login?next=/account/sessions")
    assert count(strict, Session) == sessions


def test_a_passkey_logs_in_by_the_form_into_a_session_of_its_own(strict: Flask, ada: Person) -> None:
    key = Authenticator()
    asked = ada.post("/me/passkeys/options").get_json()
    sent = {"challenge": asked["challenge"], "credential": key.create(asked["options"]), "name": "Phone"}
    assert ada.post("/me/passkeys", sent).status_code == 201
    pages = Pages(strict)
    before = pages.csrf("/login")
    asked = pages.client.post("/api/v1/auth/passkeys/options").get_json()
    credential = strict.json.dumps(key.get(asked["options"]))
    form = {"csrf_token": before, "challenge": asked["challenge"], "credential": credential, "stay": "y"}
    entered = pages.client.post("/login/passkey?next=//evil.example", data=form)
    assert (entered.status_code, entered.headers["Location"]) == (302, "/")
    assert "Max-Age" in entered.headers["Set-Cookie"] or "Expires" in entered.headers["Set-Cookie"]
    assert pages.csrf(OVERVIEW) != before
    replayed = Pages(strict)
    refused = replayed.post("/login/passkey", on="/login", challenge=asked["challenge"], credential=credential)
    assert refused.headers["Location"].startswith("/login?")
    assert replayed.get(OVERVIEW).status_code == 302
