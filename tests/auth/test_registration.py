"""Registering: an account comes into being by the link of a mail, and for nobody but the owner of the address."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select, update
from werkzeug.test import TestResponse

from app import create_app
from app.auth.errors import LinkRefused, RegistrationClosed
from app.auth.models import OneTimeToken, Registration, Role, User, UserRole
from app.auth.services import registration
from app.auth.services.accounts import claim_account, normalised_email
from app.auth.services.second_factor import hash_of
from app.auth.services.sessions import Client
from app.config import Accounts, Rates, Settings
from app.core import throttle
from app.core.audit import AuditEvent
from app.core.extensions import db
from app.core.orm import utc_now
from app.core.permissions import guest
from app.core.transactions import in_transaction
from tests.auth.conftest import Mails
from tests.auth.people import PASSWORD, new_person
from tests.auth.squatting import SQUATTERS_PASSWORD, squat, ways_in
from tests.concurrency import at_once
from tests.mailing import PUBLIC_URL
from tests.servers import on_sqlite
from workers.jobs.outbox import HANDLERS
from workers.schedule import TIMETABLE

ADA = {"email": "ada@example.org", "name": "Ada Lovelace", "password": "note G on Bernoulli"}
HERE = Client("192.0.2.7", "a test", "request-1")


def post(client: FlaskClient, path: str, body: Any) -> TestResponse:
    return client.post(f"/api/v1/auth/{path}", json=body)


def register(client: FlaskClient, **other: Any) -> TestResponse:
    return post(client, "register", ADA | other)


def log_in(client: FlaskClient, password: str = ADA["password"], email: str = ADA["email"]) -> int:
    return post(client, "login", {"email": email, "password": password}).status_code


def verify(client: FlaskClient, token: str, password: str = ADA["password"]) -> TestResponse:
    return post(client, "verify-email", {"token": token, "password": password})


def count(app: Flask, model: type[Any]) -> int:
    with app.app_context():
        return db.session.scalar(select(func.count()).select_from(model)) or 0


def change(app: Flask, statement: Any) -> None:
    with app.app_context():
        in_transaction(lambda: db.session.execute(statement))()


def test_an_account_comes_into_being_when_the_link_is_used(app: Flask, client: FlaskClient, mails: Mails) -> None:
    assert register(client, email=" Ada@Example.org ").status_code == 202
    assert count(app, User) == 0
    assert log_in(client) == 401
    (mail,) = mails()
    assert mail.recipients == ["ada@example.org"]
    assert verify(client, mail.token("/verify-email")).status_code == 204
    assert log_in(client) == 200
    with app.app_context():
        user = db.session.scalars(select(User)).one()
        roles = db.session.scalars(select(Role.name).join(UserRole, UserRole.role_id == Role.id)).all()
        assert (user.email, user.name, roles) == ("ada@example.org", "Ada Lovelace", ["customer"])
        assert user.email_verified_at is not None
        actions = db.session.scalars(select(AuditEvent.action).order_by(AuditEvent.id)).all()
    assert actions == ["registration.create", "user.log_in_refused", "link.issue", "user.create", "user.log_in"]


def test_a_link_works_once(app: Flask, client: FlaskClient, mails: Mails) -> None:
    register(client)
    token = mails()[0].token("/verify-email")
    verify(client, token)
    again = verify(client, token)
    assert (again.status_code, again.get_json()["code"]) == (422, "LINK_REFUSED")
    assert [error["pointer"] for error in again.get_json()["errors"]] == ["/token"]
    assert count(app, User) == 1


def test_people_register_one_after_the_other(client: FlaskClient, mails: Mails) -> None:
    for email in ("ada@example.org", "bob@example.org", "cara@example.org"):
        assert register(client, email=email).status_code == 202
        assert verify(client, mails()[-1].token("/verify-email")).status_code < 300
        assert log_in(client, email=email) == 200


def test_a_link_used_twice_at_once_makes_one_account(app: Flask, client: FlaskClient, mails: Mails) -> None:
    register(client)
    token = mails()[0].token("/verify-email")

    def use() -> int:
        return registration.verify_email(client=HERE, token=token, password=ADA["password"], now=utc_now())

    outcomes = at_once(app, use, use, use)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["LinkRefused", "LinkRefused", "int"]
    assert count(app, User) == 1


def test_a_link_used_while_somebody_else_uses_it_is_refused_as_a_link_not_for_its_password(
    app: Flask, client: FlaskClient, mails: Mails, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(client)
    token = mails()[0].token("/verify-email")
    attempt = throttle.attempt

    def use() -> int:
        return registration.verify_email(client=HERE, token=token, password=ADA["password"], now=utc_now())

    def another_is_faster(key: str) -> None:
        monkeypatch.setattr(throttle, "attempt", attempt)
        assert [type(outcome) for outcome in at_once(app, use)] == [int]
        attempt(key)

    monkeypatch.setattr(throttle, "attempt", another_is_faster)
    with app.app_context(), pytest.raises(LinkRefused):
        use()
    assert count(app, User) == 1


def test_two_registrations_of_one_address_used_at_once_make_one_account(
    app: Flask, client: FlaskClient, mails: Mails
) -> None:
    register(client)
    register(client)
    tokens = [mail.token("/verify-email") for mail in mails()]

    def use(token: str) -> int:
        return registration.verify_email(client=HERE, token=token, password=ADA["password"], now=utc_now())

    outcomes = at_once(app, lambda: use(tokens[0]), lambda: use(tokens[1]))
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["LinkRefused", "int"]
    assert (count(app, User), count(app, Registration), count(app, OneTimeToken)) == (1, 0, 0)


def test_two_who_prove_one_address_at_once_in_different_ways_get_one_account(app: Flask) -> None:
    def claim(name: str) -> int:
        return claim_account(
            actor=guest(), email="ada@example.org", name=name, now=utc_now(), may_create=True, password_hash=""
        )

    first, second = at_once(app, lambda: claim("One"), lambda: claim("Two"))
    assert first == second
    assert (count(app, User), count(app, UserRole)) == (1, 1)


def test_nobody_completes_what_somebody_else_has_registered(app: Flask, client: FlaskClient, mails: Mails) -> None:
    register(client, password="what the squatter chose")
    token = mails()[0].token("/verify-email")
    refused = verify(client, token, "what the owner would type")
    assert (refused.status_code, refused.get_json()["code"]) == (401, "LOGIN_REFUSED")
    assert count(app, User) == 0
    assert verify(client, token, "what the squatter chose").status_code == 204  # nothing was used up by the mistake


def test_other_registrations_of_an_address_die_with_its_verification(
    app: Flask, client: FlaskClient, mails: Mails
) -> None:
    register(client, password="what the squatter chose")
    register(client)
    squatters, own = (mail.token("/verify-email") for mail in mails())
    assert verify(client, own).status_code == 204
    assert verify(client, squatters, "what the squatter chose").get_json()["code"] == "LINK_REFUSED"
    assert (log_in(client), log_in(client, "what the squatter chose")) == (200, 401)
    assert count(app, Registration) == 0


def test_the_password_of_a_link_is_guessed_at_slowly(client: FlaskClient, mails: Mails) -> None:
    register(client)
    token = mails()[0].token("/verify-email")
    answers = [verify(client, token, f"guess number {guess}").status_code for guess in range(8)]
    assert answers[0] == 401
    assert answers[-1] == 429


def test_a_link_dies_after_two_days(app: Flask, client: FlaskClient, mails: Mails) -> None:
    register(client)
    token = mails()[0].token("/verify-email")
    change(app, update(OneTimeToken).values(expires_at=utc_now() - timedelta(seconds=1)))
    assert verify(client, token).get_json()["code"] == "LINK_REFUSED"
    assert count(app, User) == 0


@on_sqlite
@pytest.mark.parametrize("token", ["x", "a" * 43, "é" * 43])
def test_a_token_that_nobody_was_sent_is_refused_like_a_used_one(client: FlaskClient, token: str) -> None:
    assert verify(client, token).get_json()["code"] == "LINK_REFUSED"


def test_a_known_address_gets_the_same_answer_and_another_mail(app: Flask, client: FlaskClient, mails: Mails) -> None:
    new_person(app, "ada@example.org")
    known, unknown = register(client), register(client, email="bob@example.org")
    assert (known.status_code, known.data) == (unknown.status_code, unknown.data)
    assert {name for name, _ in known.headers} == {name for name, _ in unknown.headers}
    first, second = mails()
    assert first.message["Subject"] == "You already have an account"
    assert f"{PUBLIC_URL}/forgot-password" in first.part("plain")
    assert "token" not in first.raw.decode()
    assert second.message["Subject"] == "Complete your registration"
    assert log_in(client, PASSWORD) == 200


def test_a_squatter_loses_every_way_in_when_the_owner_comes(app: Flask, client: FlaskClient, mails: Mails) -> None:
    user_id = squat(app, "ada@example.org")
    assert len(ways_in(app, user_id)) == 7
    register(client)
    assert verify(client, mails()[0].token("/verify-email")).status_code == 204
    assert ways_in(app, user_id) == []
    assert (log_in(client), log_in(client, SQUATTERS_PASSWORD)) == (200, 401)
    with app.app_context():
        roles = db.session.scalars(select(Role.name).join(UserRole, UserRole.role_id == Role.id)).all()
    assert roles == ["analyst"]  # the administrator gave it to this address


def test_a_squatter_loses_every_way_in_when_a_provider_vouches_for_the_owner(app: Flask, client: FlaskClient) -> None:
    user_id = squat(app, "ada@example.org")
    with app.app_context():
        found = claim_account(
            actor=guest(), email="ada@example.org", name="Ada", now=utc_now(), may_create=False, password_hash=""
        )
    assert (found, ways_in(app, user_id)) == (user_id, [])
    assert log_in(client, SQUATTERS_PASSWORD) == 401


def test_a_verified_account_keeps_everything_when_its_address_is_proven_again(app: Flask, client: FlaskClient) -> None:
    user_id = squat(app, "ada@example.org")
    change(app, update(User).values(email_verified_at=utc_now()))
    before = ways_in(app, user_id)
    with app.app_context():
        claim_account(actor=guest(), email="ada@example.org", name="x", now=utc_now(), may_create=True)
    assert ways_in(app, user_id) == before
    assert count(app, User) == 1


def test_where_nobody_may_register_a_proven_address_makes_no_account(context: Flask) -> None:
    with pytest.raises(RegistrationClosed):
        claim_account(actor=guest(), email="ada@example.org", name="x", now=utc_now(), may_create=False)
    assert db.session.scalar(select(func.count()).select_from(User)) == 0


def test_a_deactivated_account_is_neither_taken_over_nor_opened(app: Flask, client: FlaskClient, mails: Mails) -> None:
    register(client)
    token = mails()[0].token("/verify-email")
    user_id = squat(app, "ada@example.org")
    change(app, update(User).values(is_active=False))
    assert verify(client, token).get_json()["code"] == "LINK_REFUSED"
    assert len(ways_in(app, user_id)) == 7
    register(client)
    assert [mail.message["Subject"] for mail in mails()] == ["Your account is closed"]


def test_the_link_can_be_sent_again(client: FlaskClient, mails: Mails) -> None:
    register(client)
    mails()
    assert post(client, "resend-verification", {"email": "ADA@example.org"}).status_code == 202
    (mail,) = mails()
    assert verify(client, mail.token("/verify-email")).status_code == 204


def test_asking_again_for_another_address_sends_nothing(client: FlaskClient, mails: Mails) -> None:
    register(client)
    mails()
    known = post(client, "resend-verification", {"email": "ada@example.org"})
    mails()
    unknown = post(client, "resend-verification", {"email": "bob@example.org"})
    assert (known.status_code, known.data) == (unknown.status_code, unknown.data)
    assert mails() == []


def test_a_name_is_not_mailed_to_an_address_that_nobody_has_proven(client: FlaskClient, mails: Mails) -> None:
    register(client, name="Win money at http://evil.example/")
    assert b"evil" not in mails()[0].raw


def test_links_lead_to_the_public_url_whatever_host_was_asked(client: FlaskClient, mails: Mails) -> None:
    poisoned = {"Host": "evil.example", "X-Forwarded-Host": "evil.example"}
    assert client.post("/api/v1/auth/register", json=ADA, headers=poisoned).status_code == 202
    (mail,) = mails()
    assert b"evil.example" not in mail.raw
    assert mail.token("/verify-email")


def test_a_token_is_kept_as_a_hash_only(app: Flask, client: FlaskClient, mails: Mails) -> None:
    register(client)
    token = mails()[0].token("/verify-email")
    with app.app_context():
        for table in db.metadata.sorted_tables:
            assert token not in str(db.session.execute(select(table)).all())
        assert db.session.scalars(select(OneTimeToken.token_hash)).one() == hash_of(token)


@pytest.mark.parametrize(
    ("sent", "pointers"),
    [
        ({}, ["/email", "/name", "/password"]),
        (ADA | {"email": "ada"}, ["/email"]),
        (ADA | {"email": "ada@example.org\nBcc: eve@example.org"}, ["/email"]),
        (ADA | {"email": "ada@example.org, eve@example.org"}, ["/email"]),
        (ADA | {"email": "Ada <ada@example.org>"}, ["/email"]),
        (ADA | {"email": "ädä@example.org"}, ["/email"]),
        (ADA | {"name": "Ada\r\nX: y"}, ["/name"]),
        (ADA | {"name": " "}, ["/name"]),
        (ADA | {"name": "x" * 256}, ["/name"]),
        (ADA | {"password": "short"}, ["/password"]),
        (ADA | {"password": "Password1"}, ["/password"]),
        (ADA | {"email": "lovelace@example.org", "password": "Lovelace 1815"}, ["/password"]),
        (ADA | {"roles": ["admin"], "is_active": True}, ["/is_active", "/roles"]),
        (ADA | {"email_verified_at": "2026-01-01T00:00:00Z"}, ["/email_verified_at"]),
    ],
)
@on_sqlite
def test_a_registration_that_breaks_a_rule_is_refused_by_field(
    app: Flask, client: FlaskClient, sent: dict[str, Any], pointers: list[str]
) -> None:
    answer = post(client, "register", sent)
    assert answer.status_code == 422, answer.text
    assert sorted({error["pointer"] for error in answer.get_json()["errors"]}) == pointers
    assert count(app, Registration) == 0


@on_sqlite
def test_where_registration_is_closed_nobody_registers(app: Flask, settings: Settings) -> None:
    closed = create_app(dataclasses.replace(settings, accounts=Accounts(registration_open=False)))
    refused = register(closed.test_client())
    assert (refused.status_code, refused.get_json()["code"]) == (403, "REGISTRATION_CLOSED")
    page = closed.test_client().get("/register")
    assert (page.status_code, "Nobody may register at present" in page.text) == (403, True)
    assert count(app, Registration) == 0


@on_sqlite
def test_one_address_is_written_to_so_often_and_others_go_on(app: Flask, settings: Settings) -> None:
    plenty = settings.rates
    strict = create_app(dataclasses.replace(settings, rates=dataclasses.replace(plenty, mail_to_one="2 per hour")))
    client = strict.test_client()
    bodies = [{"email": "ada@example.org"}, {"email": " ADA@ｅｘａｍｐｌｅ.org"}]  # one mailbox
    assert [post(client, "resend-verification", body).status_code for body in bodies] == [202, 202]
    for path, body in (("resend-verification", bodies[0]), ("register", ADA)):  # one count, also with the pages
        refused = post(client, path, body)
        assert (refused.status_code, refused.get_json()["code"]) == (429, "RATE_LIMITED")
        assert int(refused.headers["Retry-After"]) > 0
    assert post(client, "resend-verification", {"email": "bob@example.org"}).status_code == 202
    answers = [post(client, "forgot-password", body).status_code for body in (*bodies, bodies[0])]
    assert answers == [202, 202, 429], "who forgot the password has a count of their own"


@on_sqlite
def test_what_sends_no_mail_keeps_nobody_from_asking_for_one(app: Flask, settings: Settings) -> None:
    strict = create_app(
        dataclasses.replace(settings, rates=dataclasses.replace(settings.rates, mail_to_one="2 per hour"))
    )
    client = strict.test_client()
    for _ in range(5):
        assert post(client, "forgot-password", {"email": "ada@example.org", "more": 1}).status_code == 422
        assert client.post("/forgot-password", data={"email": "ada@example.org"}).status_code == 400
    assert post(client, "forgot-password", {"email": "ada@example.org"}).status_code == 202


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        (" Ada@Example.ORG ", "ada@example.org"),
        ("ada@ｅｘａｍｐｌｅ.org", "ada@example.org"),
        ("ada@xn--bcher-kva.example", "ada@bücher.example"),
        ("ada@BÜCHER.example", "ada@bücher.example"),
        ("ada@straße.example", "ada@straße.example"),
        ("ådå@bücher.example", "ådå@bücher.example"),
        ("ada@xn--a.example", "ada@xn--a.example"),
        ("ada", "ada"),
        ("", ""),
    ],
)
def test_one_mailbox_is_one_address(typed: str, kept: str) -> None:
    assert normalised_email(typed) == kept


@on_sqlite
@pytest.mark.parametrize("path", ["register", "forgot-password", "resend-verification"])
def test_one_client_asks_so_often(app: Flask, settings: Settings, path: str) -> None:
    rates = Rates(registration="2 per hour", mail="2 per hour", mail_to_one="100 per hour", write="100 per hour")
    client = create_app(dataclasses.replace(settings, rates=rates)).test_client()
    answers = []
    for number in range(3):
        body = ADA | {"email": f"ada{number}@example.org"}
        sent = body if path == "register" else {"email": body["email"]}
        answers.append(post(client, path, sent).status_code)
    assert answers == [202, 202, 429]
    assert count(app, Registration) == (2 if path == "register" else 0)


def test_what_expired_is_purged_and_the_rest_stays(app: Flask, client: FlaskClient, mails: Mails) -> None:
    register(client)
    register(client, email="bob@example.org")
    mails()
    past = utc_now() - timedelta(minutes=1)
    change(app, update(Registration).where(Registration.email == "ada@example.org").values(expires_at=past))
    change(app, update(OneTimeToken).where(OneTimeToken.email == "ada@example.org").values(expires_at=past))
    with app.app_context():
        HANDLERS["purge_accounts"]()
        assert db.session.scalars(select(Registration.email)).all() == ["bob@example.org"]
        assert db.session.scalars(select(OneTimeToken.email)).all() == ["bob@example.org"]


@on_sqlite
def test_what_the_timetable_asks_for_is_done_by_somebody(app: Flask) -> None:
    assert "purge_accounts" in TIMETABLE
    assert TIMETABLE.keys() <= HANDLERS.keys()


def test_a_registration_that_expired_before_its_mail_was_written_is_not_answered(
    app: Flask, client: FlaskClient, mails: Mails
) -> None:
    register(client)
    change(app, update(Registration).values(expires_at=utc_now() - timedelta(seconds=1)))
    assert mails() == []
