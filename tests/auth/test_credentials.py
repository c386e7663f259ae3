"""Password and address of an account: set anew by a link, changed by their owner, and by nobody else."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, update
from werkzeug.test import TestResponse

from app.auth.models import OneTimeToken, RememberedDevice, Session, User
from app.auth.services import credentials, links
from app.auth.services import mails as mail_services
from app.auth.services.sessions import Client
from app.core.audit import AuditEvent
from app.core.extensions import db
from app.core.orm import utc_now
from app.core.permissions import system
from app.core.transactions import in_transaction
from tests.auth.conftest import Mails
from tests.auth.people import PASSWORD, Person, new_person
from tests.auth.squatting import SQUATTERS_PASSWORD, squat, ways_in
from tests.concurrency import at_once
from tests.mailing import Received
from tests.servers import on_sqlite

ADA, BOB = "ada@example.org", "bob@example.org"
NEW = "note G on Bernoulli"
HERE = Client("192.0.2.7", "a test", "request-1")


@pytest.fixture
def ada(app: Flask) -> Person:
    return new_person(app, ADA)


def post(client: FlaskClient, path: str, body: Any) -> TestResponse:
    return client.post(f"/api/v1/auth/{path}", json=body)


def forgot(client: FlaskClient, mails: Mails, email: str = ADA) -> Received:
    assert post(client, "forgot-password", {"email": email}).status_code == 202
    (mail,) = mails()
    return mail


def reset(client: FlaskClient, token: str, password: str = NEW) -> TestResponse:
    return post(client, "reset-password", {"token": token, "password": password})


def log_in(client: FlaskClient, password: str, email: str = ADA) -> int:
    return post(client, "login", {"email": email, "password": password}).status_code


def change(app: Flask, statement: Any) -> None:
    with app.app_context():
        in_transaction(lambda: db.session.execute(statement))()


def state(app: Flask) -> list[tuple[Any, ...]]:
    """What a refusal must not change of users and sessions."""
    with app.app_context():
        users = select(User.id, User.email, User.password_hash, User.email_verified_at, User.version)
        sessions = select(Session.id, Session.ended_at)
        found = [db.session.execute(each.order_by(each.selected_columns[0])).all() for each in (users, sessions)]
        return [tuple(row) for rows in found for row in rows]


# --- Reset -----------------------------------------------------------------------------------------------------------


def test_a_reset_sets_the_password_and_ends_every_session(
    app: Flask, client: FlaskClient, mails: Mails, ada: Person
) -> None:
    refresh = ada.log_in().get_json()["refresh_token"]
    with app.app_context():
        _remember_device(user_id=ada.id)
    mail = forgot(client, mails)
    assert (mail.recipients, mail.message["Subject"]) == ([ADA], "Set a new password")
    assert reset(client, mail.token("/reset-password")).status_code == 204
    assert (log_in(client, NEW), log_in(client, PASSWORD)) == (200, 401)
    assert ada.call("GET", "/me").status_code == 401
    assert client.post("/api/v1/auth/refresh", json={"refresh_token": refresh}).status_code == 401
    assert ways_in(app, ada.id) == ["Session"]  # that of the new password
    (notice,) = mails()
    assert (notice.recipients, notice.message["Subject"]) == ([ADA], "Your password was changed")


@in_transaction
def _remember_device(*, user_id: int) -> None:
    now = utc_now()
    db.session.add(
        RememberedDevice(
            user_id=user_id, token_hash="d" * 64, created_at=now, last_used_at=now, expires_at=now + timedelta(days=1)
        )
    )


def test_a_reset_link_works_once_and_takes_its_siblings_with_it(
    app: Flask, client: FlaskClient, mails: Mails, ada: Person
) -> None:
    first, second = (forgot(client, mails).token("/reset-password") for _ in range(2))
    assert reset(client, second).status_code == 204
    before = state(app)
    for token in (first, second):
        refused = reset(client, token, "another good password")
        assert (refused.status_code, refused.get_json()["code"]) == (422, "LINK_REFUSED")
        assert [error["pointer"] for error in refused.get_json()["errors"]] == ["/token"]
    assert state(app) == before


def test_two_who_use_one_reset_link_at_once_do_not_both_win(
    app: Flask, client: FlaskClient, mails: Mails, ada: Person
) -> None:
    token = forgot(client, mails).token("/reset-password")

    def use(password: str) -> str:
        credentials.reset_password(client=HERE, token=token, password=password, now=utc_now())
        return password

    outcomes = at_once(app, *(lambda number=number: use(f"a good password {number}") for number in range(3)))
    (winner,) = [outcome for outcome in outcomes if isinstance(outcome, str)]
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["LinkRefused", "LinkRefused", "str"]
    assert log_in(client, winner) == 200


def test_two_reset_links_of_one_user_at_once_do_not_both_win(
    app: Flask, client: FlaskClient, mails: Mails, ada: Person
) -> None:
    tokens = [forgot(client, mails).token("/reset-password") for _ in range(2)]

    def use(token: str) -> str:
        credentials.reset_password(client=HERE, token=token, password=f"long {token}", now=utc_now())
        return f"long {token}"

    outcomes = at_once(app, lambda: use(tokens[0]), lambda: use(tokens[1]))
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["LinkRefused", "str"]


def test_a_reset_link_dies_after_an_hour(app: Flask, client: FlaskClient, mails: Mails, ada: Person) -> None:
    token = forgot(client, mails).token("/reset-password")
    with app.app_context():
        row = db.session.scalars(select(OneTimeToken)).one()
        assert row.expires_at - row.created_at == timedelta(hours=1)
    change(app, update(OneTimeToken).values(expires_at=utc_now()))
    before = state(app)
    assert reset(client, token).get_json()["code"] == "LINK_REFUSED"
    assert state(app) == before


def test_a_link_of_another_purpose_is_refused_like_an_unknown_one(app: Flask, client: FlaskClient, ada: Person) -> None:
    tokens = {}
    with app.app_context():
        for purpose in links.LIFETIMES:
            tokens[purpose] = links.issue_link(
                actor=system(), purpose=purpose, email=ADA, now=utc_now(), user_id=ada.id
            )
    doors = {
        "verify-email": ({"password": NEW}, {links.REGISTER}),
        "reset-password": ({"password": NEW}, {links.RESET, links.INVITE}),
        "change-email": ({}, {links.CHANGE_EMAIL}),
    }
    before = state(app)
    unknown = post(client, "change-email", {"token": "x"}).get_json()
    for door, (body, fitting) in doors.items():
        for purpose in links.LIFETIMES.keys() - fitting:
            refused = post(client, door, body | {"token": tokens[purpose]})
            assert (door, purpose, refused.status_code) == (door, purpose, 422)
            assert refused.get_json() | {"request_id": 0} == unknown | {"request_id": 0}
    assert state(app) == before


def test_a_bad_password_does_not_use_the_link_up(app: Flask, client: FlaskClient, mails: Mails, ada: Person) -> None:
    change(app, update(User).values(email="ada.lovelace@example.org"))
    token = forgot(client, mails, "ada.lovelace@example.org").token("/reset-password")
    before = state(app)
    for password in ("short", "Password1", "I am ada.lovelace"):
        refused = reset(client, token, password)
        assert (refused.status_code, [error["pointer"] for error in refused.get_json()["errors"]]) == (
            422,
            ["/password"],
        )
    assert state(app) == before
    assert reset(client, token).status_code == 204


def test_an_unknown_address_gets_the_same_answer_and_no_mail(
    app: Flask, client: FlaskClient, mails: Mails, ada: Person
) -> None:
    known = post(client, "forgot-password", {"email": ADA})
    unknown = post(client, "forgot-password", {"email": "nobody@example.org"})
    assert (known.status_code, known.data) == (unknown.status_code, unknown.data)
    assert {name for name, _ in known.headers} == {name for name, _ in unknown.headers}
    assert [mail.recipients for mail in mails()] == [[ADA]]


def test_a_deactivated_user_gets_no_link_and_a_link_from_before_opens_nothing(
    app: Flask, client: FlaskClient, mails: Mails, ada: Person
) -> None:
    token = forgot(client, mails).token("/reset-password")
    change(app, update(User).values(is_active=False))
    before = state(app)
    assert reset(client, token).get_json()["code"] == "LINK_REFUSED"
    assert state(app) == before
    closed = forgot(client, mails)
    assert closed.message["Subject"] == "Your account is closed"
    assert b"token=" not in closed.raw


def test_a_link_to_a_former_address_is_refused(app: Flask, client: FlaskClient, mails: Mails, ada: Person) -> None:
    token = forgot(client, mails).token("/reset-password")
    change(app, update(User).values(email="moved@example.org"))
    before = state(app)
    assert reset(client, token).get_json()["code"] == "LINK_REFUSED"
    assert state(app) == before


def test_a_reset_proves_the_address_and_throws_a_squatter_out(app: Flask, client: FlaskClient, mails: Mails) -> None:
    user_id = squat(app, ADA)
    assert reset(client, forgot(client, mails).token("/reset-password")).status_code == 204
    assert ways_in(app, user_id) == []
    assert (log_in(client, NEW), log_in(client, SQUATTERS_PASSWORD)) == (200, 401)


def test_a_reset_lets_somebody_in_who_was_slowed_down(client: FlaskClient, mails: Mails, ada: Person) -> None:
    answers = [log_in(client, "a wrong password") for _ in range(8)]
    assert answers[-1] == 429
    assert reset(client, forgot(client, mails).token("/reset-password")).status_code == 204
    assert log_in(client, NEW) == 200


def test_an_invitation_sets_the_first_password_by_the_same_door(app: Flask, client: FlaskClient, mails: Mails) -> None:
    with app.app_context():
        user_id = _invite(email=ADA)
    (mail,) = mails()
    assert mail.message["Subject"] == "Your account is ready"
    with app.app_context():
        row = db.session.scalars(select(OneTimeToken)).one()
        assert row.expires_at - row.created_at == timedelta(days=7)
    assert reset(client, mail.token("/reset-password")).status_code == 204
    assert log_in(client, NEW) == 200
    with app.app_context():
        db.session.rollback()
        _invite_again(user_id=user_id)
    assert mails() == []  # somebody who has come needs no invitation


@in_transaction
def _invite(*, email: str) -> int:
    user = User(email=email, name="Ada")
    db.session.add(user)
    db.session.flush()
    mail_services.request_invitation(user.id)
    return user.id


@in_transaction
def _invite_again(*, user_id: int) -> None:
    mail_services.request_invitation(user_id)


# --- Change of password ----------------------------------------------------------------------------------------------


def test_a_new_password_ends_all_other_sessions_and_keeps_this_one(
    app: Flask, client: FlaskClient, mails: Mails, ada: Person
) -> None:
    other = ada.token
    ada.log_in()
    stolen = forgot(client, mails).token("/reset-password")
    body = {"current_password": PASSWORD, "new_password": NEW}
    assert ada.post("/me/password", body).status_code == 204
    assert ada.call("GET", "/me").status_code == 200
    ada.token = other
    assert ada.call("GET", "/me").status_code == 401
    assert (log_in(client, NEW), log_in(client, PASSWORD)) == (200, 401)
    assert [mail.message["Subject"] for mail in mails()] == ["Your password was changed"]
    assert reset(client, stolen).get_json()["code"] == "LINK_REFUSED"


def test_a_new_password_forgets_the_devices_that_needed_no_code(app: Flask, ada: Person) -> None:
    ada.set_up_app()
    device = ada.log_in(code=ada.code(steps=1), remember_device=True).get_json()["device_token"]
    assert ada.post("/me/password", {"current_password": PASSWORD, "new_password": NEW}).status_code == 204
    refused = ada.log_in(password=NEW, device_token=device)
    assert (refused.status_code, refused.get_json()["code"]) == (401, "SECOND_FACTOR_REQUIRED")


@pytest.mark.parametrize(
    ("body", "status", "pointers"),
    [
        ({"current_password": "wrong password", "new_password": NEW}, 401, []),
        ({"current_password": PASSWORD, "new_password": "short"}, 422, ["/new_password"]),
        ({"current_password": PASSWORD, "new_password": "Password1"}, 422, ["/new_password"]),
        ({"current_password": PASSWORD, "new_password": "x ada@example.org x"}, 422, ["/new_password"]),
        ({"new_password": NEW}, 422, ["/current_password"]),
        ({"current_password": PASSWORD, "new_password": NEW, "user_id": 1}, 422, ["/user_id"]),
    ],
)
@on_sqlite
def test_a_change_of_password_that_breaks_a_rule_changes_nothing(
    app: Flask, ada: Person, body: dict[str, Any], status: int, pointers: list[str]
) -> None:
    before = state(app)
    refused = ada.post("/me/password", body)
    assert (refused.status_code, [error["pointer"] for error in refused.get_json()["errors"]]) == (status, pointers)
    assert state(app) == before


# --- Change of address -----------------------------------------------------------------------------------------------


def ask(person: Person, email: str = "countess@example.org", **other: Any) -> TestResponse:
    return person.post("/me/email", {"email": email, "password": PASSWORD} | other)


def test_an_address_changes_when_the_link_to_the_new_one_is_used(
    app: Flask, client: FlaskClient, mails: Mails, ada: Person
) -> None:
    assert ask(ada).status_code == 202
    link, notice = mails()
    assert (link.recipients, notice.recipients) == (["countess@example.org"], [ADA])
    assert "countess@example.org" in notice.part("plain")
    assert b"token=" not in notice.raw
    assert ada.get("/me")["email"] == ADA
    token = link.token("/change-email")
    assert post(client, "change-email", {"token": token}).status_code == 204
    assert ada.get("/me")["email"] == "countess@example.org"  # the session stays
    assert (log_in(client, PASSWORD, "countess@example.org"), log_in(client, PASSWORD)) == (200, 401)
    (told,) = mails()
    assert (told.recipients, told.message["Subject"]) == ([ADA], "Your address was changed")
    assert post(client, "change-email", {"token": token}).get_json()["code"] == "LINK_REFUSED"
    with app.app_context():
        change_ = select(AuditEvent).where(AuditEvent.action == "user.change_email")
        event = db.session.scalars(change_).one()
        assert (event.before, event.actor_id) == (None, ada.id)  # addresses do not belong into the log


def test_a_taken_address_gets_the_same_answer_and_its_owner_a_notice(app: Flask, mails: Mails, ada: Person) -> None:
    new_person(app, BOB)
    free, taken = ask(ada), ask(ada, BOB)
    assert (free.status_code, free.data) == (taken.status_code, taken.data)
    to_bob = [mail for mail in mails() if mail.recipients == [BOB]]
    assert [mail.message["Subject"] for mail in to_bob] == ["Your address belongs to your account"]
    assert b"token=" not in to_bob[0].raw


def test_an_address_that_was_taken_in_the_meantime_is_refused(
    app: Flask, client: FlaskClient, mails: Mails, ada: Person
) -> None:
    ask(ada)
    token = mails()[0].token("/change-email")
    new_person(app, "countess@example.org")
    before = state(app)
    refused = post(client, "change-email", {"token": token})
    assert (refused.status_code, refused.get_json()["code"]) == (409, "EMAIL_TAKEN")
    assert state(app) == before


def test_a_new_password_stops_a_change_of_address_that_is_on_its_way(
    app: Flask, client: FlaskClient, mails: Mails, ada: Person
) -> None:
    ask(ada)
    token = mails()[0].token("/change-email")
    assert reset(client, forgot(client, mails).token("/reset-password")).status_code == 204
    before = state(app)
    assert post(client, "change-email", {"token": token}).get_json()["code"] == "LINK_REFUSED"
    assert state(app) == before


@on_sqlite
@pytest.mark.parametrize(
    ("other", "status", "pointers"),
    [
        ({"password": "wrong password"}, 401, []),
        ({"email": "nobody"}, 422, ["/email"]),
        ({"email": "a@example.org\r\nBcc: eve@example.org"}, 422, ["/email"]),
        ({"id": 1}, 422, ["/id"]),
    ],
)
def test_a_change_of_address_that_breaks_a_rule_sends_nothing(
    app: Flask, mails: Mails, ada: Person, other: dict[str, Any], status: int, pointers: list[str]
) -> None:
    before = state(app)
    refused = ask(ada, **other)
    assert (refused.status_code, [error["pointer"] for error in refused.get_json()["errors"]]) == (status, pointers)
    assert (state(app), mails()) == (before, [])


@on_sqlite
@pytest.mark.parametrize("path", ["/me/password", "/me/email"])
def test_nobody_changes_an_account_without_a_login(client: FlaskClient, path: str) -> None:
    assert client.post(f"/api/v1{path}", json={}).status_code == 401
