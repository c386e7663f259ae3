"""Passkeys by API: adding them, logging in with them, and everything an answer can be wrong about."""

from __future__ import annotations

import base64
import copy
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import func, select, update

from app.auth.models import Challenge, Passkey, Session
from app.auth.services import ceremonies, passkeys
from app.config import Settings
from app.core.audit import AuditEvent
from app.core.extensions import db
from app.core.orm import utc_now
from app.core.transactions import in_transaction
from tests.auth.authenticator import PRESENT, Authenticator, Json
from tests.auth.people import Person, change, deactivate, deeds, new_person, strict_app
from tests.concurrency import at_once
from tests.servers import on_sqlite

PARTY = ceremonies.RelyingParty("localhost", "http://localhost:8000", "Cartwright")


@pytest.fixture
def ada(app: Flask) -> Person:
    return new_person(app, "ada@example.org", role="admin")


@pytest.fixture
def key() -> Authenticator:
    return Authenticator()


def add(person: Person, key: Authenticator, name: str = "Phone", **how: Any) -> Any:
    asked = person.post("/me/passkeys/options").get_json()
    sent = {"challenge": asked["challenge"], "credential": key.create(asked["options"], **how), "name": name}
    return person.post("/me/passkeys", sent)


def ask(person: Person) -> Json:
    asked: Json = person.client.post("/api/v1/auth/passkeys/options").get_json()
    return asked


def answer(person: Person, key: Authenticator, **how: Any) -> Json:
    asked = ask(person)
    return {"challenge": asked["challenge"], "credential": key.get(asked["options"], **how)}


def log_in(person: Person, sent: Json) -> Any:
    return person.client.post("/api/v1/auth/passkeys/login", json=sent)


def refusals(app: Flask) -> list[str]:
    """Why passkeys were refused, as the audit log says."""
    with app.app_context():
        rows = db.session.scalars(select(AuditEvent).order_by(AuditEvent.id))
        return [row.after["why"] for row in rows if row.action == "passkey.refused" and row.after]


def count(app: Flask, model: Any) -> int:
    with app.app_context():
        return db.session.scalar(select(func.count()).select_from(model)) or 0


# --- Adding ----------------------------------------------------------------------------------------------------------


def test_a_passkey_is_added_and_logs_in_as_both_factors_in_one(app: Flask, ada: Person, key: Authenticator) -> None:
    asked = ada.post("/me/passkeys/options").get_json()
    options = asked["options"]
    assert (options["rp"]["id"], options["user"]["name"], options["attestation"]) == (
        "localhost",
        "ada@example.org",
        "none",
    )
    assert options["authenticatorSelection"] == {
        "residentKey": "required",
        "requireResidentKey": True,
        "userVerification": "required",
    }
    assert b"ada" not in base64.urlsafe_b64decode(options["user"]["id"] + "==").lower()
    made = ada.post(
        "/me/passkeys",
        {"challenge": asked["challenge"], "credential": key.create(options), "name": " Phone "},
    )
    assert made.status_code == 201, made.text
    assert made.headers["Location"] == f"/api/v1/me/passkeys/{made.get_json()['id']}"
    (listed,) = ada.get("/me/passkeys")["items"]
    assert (listed["name"], listed["transports"], listed["last_used_at"]) == ("Phone", ["internal"], None)
    sent = answer(ada, key)
    entered = log_in(ada, sent)
    assert entered.status_code == 200, entered.text
    ada.token = entered.get_json()["access_token"]
    assert ada.get("/me")["email"] == "ada@example.org"
    assert ada.get("/me/passkeys")["items"][0]["last_used_at"] is not None
    with app.app_context():
        row = db.session.scalars(select(Session).order_by(Session.id.desc())).first()
        assert row is not None
        assert (row.via, row.second_factor_at is None) == ("passkey", False)


def test_the_question_at_the_login_is_the_same_for_everybody(app: Flask, ada: Person, key: Authenticator) -> None:
    before = ask(ada)["options"]
    add(ada, key)
    after = ask(ada)["options"]
    assert before | {"challenge": ""} == after | {"challenge": ""}
    assert after["allowCredentials"] == []
    assert after["userVerification"] == "required"


@pytest.mark.parametrize(
    "how",
    [{"flags": PRESENT}, {"origin": "http://localhost:9000"}, {"origin": "https://localhost.example"}],
    ids=["not unlocked", "another port", "another site"],
)
@on_sqlite
def test_a_passkey_made_elsewhere_or_without_its_user_is_refused(
    app: Flask, ada: Person, key: Authenticator, how: Any
) -> None:
    refused = add(ada, key, **how)
    assert (refused.status_code, refused.get_json()["code"]) == (422, "PASSKEY_NOT_ACCEPTED")
    assert refused.get_json()["errors"][0]["pointer"] == "/credential"
    assert count(app, Passkey) == 0


def test_a_question_is_answered_once_in_time_and_by_whom_it_was_put_to(
    app: Flask, ada: Person, key: Authenticator
) -> None:
    bob = new_person(app, "bob@example.org")
    asked = ada.post("/me/passkeys/options").get_json()
    sent = {"challenge": asked["challenge"], "credential": key.create(asked["options"]), "name": "Phone"}
    assert bob.post("/me/passkeys", sent).status_code == 422, "put to somebody else"
    assert ada.post("/me/passkeys", sent).status_code == 422, "gone by that"
    asked = ada.post("/me/passkeys/options").get_json()
    sent = {"challenge": asked["challenge"], "credential": key.create(asked["options"]), "name": "Phone"}
    change(app, update(Challenge).values(expires_at=utc_now()))
    assert ada.post("/me/passkeys", sent).status_code == 422, "too late"
    for_login = ask(ada)
    options = asked["options"] | {"challenge": for_login["options"]["challenge"]}
    sent = {"challenge": for_login["challenge"], "credential": key.create(options), "name": "Phone"}
    assert ada.post("/me/passkeys", sent).status_code == 422, "put for another purpose"
    assert count(app, Passkey) == 0


@on_sqlite
def test_a_question_has_one_purpose(context: Flask) -> None:
    @in_transaction
    def ask_for(purpose: str) -> str:
        return ceremonies.new_challenge(purpose, utc_now(), None).token

    for asked, answered, fits in (("register", "log_in", False), ("log_in", "log_in", True)):
        token = ask_for(asked)
        assert (ceremonies.take_challenge(token=token, purpose=answered, now=utc_now()) is not None) is fits


def test_a_passkey_belongs_to_one_user(app: Flask, ada: Person, key: Authenticator) -> None:
    bob = new_person(app, "bob@example.org")
    assert add(ada, key).status_code == 201
    asked = bob.post("/me/passkeys/options").get_json()
    credential = key.create(asked["options"])
    with app.app_context():
        raw = key.keys[-1].id
        stored = ceremonies.hash_of_id(raw)
    change(app, update(Passkey).values(credential_id=raw, credential_hash=stored))
    refused = bob.post("/me/passkeys", {"challenge": asked["challenge"], "credential": credential, "name": "Stolen"})
    assert (refused.status_code, refused.get_json()["code"]) == (409, "PASSKEY_KNOWN")
    assert bob.get("/me/passkeys")["items"] == []


@on_sqlite
def test_there_are_at_most_twenty(app: Flask, ada: Person, key: Authenticator) -> None:
    for at in range(passkeys.MAX_PASSKEYS):
        assert add(ada, key, f"Key {at}").status_code == 201
    refused = ada.post("/me/passkeys/options")
    assert (refused.status_code, refused.get_json()["code"]) == (409, "TOO_MANY_PASSKEYS")
    page = ada.get("/me/passkeys?limit=15")
    rest = ada.get(f"/me/passkeys?cursor={page['next_cursor']}")
    assert (len(page["items"]), len(rest["items"]), rest["next_cursor"]) == (15, 5, None)


@on_sqlite
def test_what_is_no_credential_is_refused_by_field(app: Flask, ada: Person) -> None:
    asked = ada.post("/me/passkeys/options").get_json()
    refused = ada.post("/me/passkeys", {"challenge": asked["challenge"], "credential": {"id": 5}, "name": ""})
    pointers = {error["pointer"] for error in refused.get_json()["errors"]}
    assert refused.status_code == 422
    assert pointers == {"/name", "/credential/id", "/credential/rawId", "/credential/type", "/credential/response"}
    assert count(app, Passkey) == 0


# --- Logging in ------------------------------------------------------------------------------------------------------


def test_an_answer_works_once(app: Flask, ada: Person, key: Authenticator) -> None:
    add(ada, key)
    sent = answer(ada, key)
    assert log_in(ada, sent).status_code == 200
    sessions = count(app, Session)
    refused = log_in(ada, sent)
    assert (refused.status_code, refused.get_json()["code"]) == (401, "PASSKEY_REFUSED")
    assert count(app, Session) == sessions


def test_an_answer_sent_twice_at_the_same_moment_lets_one_in(app: Flask, ada: Person, key: Authenticator) -> None:
    add(ada, key)
    sent = answer(ada, key)
    key.keys[-1].counter = 0
    replies = at_once(app, *[lambda: app.test_client().post("/api/v1/auth/passkeys/login", json=sent).status_code] * 3)
    assert sorted(replies) == [200, 401, 401]


@pytest.mark.parametrize(
    "how",
    [{"flags": PRESENT}, {"flags": 0}, {"origin": "http://localhost:9000"}, {"rp_id": "example.org"}],
    ids=["not unlocked", "nobody there", "another origin", "another site"],
)
def test_an_answer_without_its_user_or_for_another_site_is_refused(
    app: Flask, ada: Person, key: Authenticator, how: Any
) -> None:
    add(ada, key)
    sessions = count(app, Session)
    refused = log_in(ada, answer(ada, key, **how))
    assert (refused.status_code, refused.get_json()["code"]) == (401, "PASSKEY_REFUSED")
    assert refusals(app) == ["answer"]
    assert count(app, Session) == sessions


def test_unknown_passkeys_wrong_ones_and_closed_accounts_look_the_same(
    app: Flask, ada: Person, key: Authenticator
) -> None:
    add(ada, key)
    stranger = Authenticator()
    asked = ada.post("/me/passkeys/options").get_json()
    stranger.create(asked["options"])
    replies = [log_in(ada, answer(ada, stranger))]
    forged = answer(ada, key)
    forged["credential"]["response"]["signature"] = answer(ada, stranger)["credential"]["response"]["signature"]
    replies.append(log_in(ada, forged))
    deactivate(app, ada.id)
    replies.append(log_in(ada, answer(ada, key)))
    said = {(one.status_code, one.get_json()["code"], one.get_json()["detail"]) for one in replies}
    assert len(said) == 1
    assert {one[:2] for one in said} == {(401, "PASSKEY_REFUSED")}
    assert refusals(app) == ["unknown", "answer", "inactive user"]


def test_a_passkey_whose_counter_goes_back_was_copied(app: Flask, ada: Person, key: Authenticator) -> None:
    add(ada, key)
    copied = copy.deepcopy(key.keys[-1].counter)
    assert log_in(ada, answer(ada, key)).status_code == 200
    assert log_in(ada, answer(ada, key)).status_code == 200
    key.keys[-1].counter = copied
    refused = log_in(ada, answer(ada, key))
    assert (refused.status_code, refused.get_json()["code"]) == (401, "PASSKEY_REFUSED")
    assert refusals(app) == ["counter went back"]
    with app.app_context():
        assert db.session.scalars(select(Passkey.sign_count)).one() == 2


def test_a_passkey_that_names_another_owner_is_refused(app: Flask, ada: Person, key: Authenticator) -> None:
    bob = new_person(app, "bob@example.org")
    add(ada, key)
    with app.app_context():
        key.keys[-1].owner = ceremonies.handle_of(bob.id)
    assert log_in(ada, answer(ada, key)).status_code == 401
    assert refusals(app) == ["answer"]


def test_an_answer_that_is_too_late_is_refused(app: Flask, ada: Person, key: Authenticator) -> None:
    add(ada, key)
    sent = answer(ada, key)
    change(app, update(Challenge).values(expires_at=utc_now() - timedelta(seconds=1)))
    assert log_in(ada, sent).status_code == 401


@on_sqlite
@hypothesis_settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    name=st.sampled_from(["clientDataJSON", "authenticatorData", "signature", "userHandle", "attestationObject"]),
    noise=st.one_of(st.binary(min_size=1, max_size=80).map(lambda b: base64.urlsafe_b64encode(b).decode()), st.text()),
)
def test_noise_in_place_of_an_answer_is_refused_and_breaks_nothing(
    app: Flask, ada: Person, key: Authenticator, name: str, noise: str
) -> None:
    if not key.keys:
        add(ada, key)
    sent = answer(ada, key)
    sent["credential"]["response"][name] = noise
    expected = {400, 401, 422} if name != "attestationObject" else {200, 400, 422}
    assert log_in(ada, sent).status_code in expected
    asked = ada.post("/me/passkeys/options").get_json()
    created = Authenticator().create(asked["options"])
    created["response"] |= {"attestationObject": noise} if name != "clientDataJSON" else {"clientDataJSON": noise}
    assert ada.post(
        "/me/passkeys", {"challenge": asked["challenge"], "credential": created, "name": "Noise"}
    ).status_code in {400, 422}


# --- Confirming, and what a role requires ----------------------------------------------------------------------------


def test_a_passkey_confirms_a_session_that_came_by_password(app: Flask, ada: Person, settings: Settings) -> None:
    key = Authenticator()
    with strict_app(settings) as strict:
        person = Person(strict, ada.id, ada.email)
        person.log_in()
        assert person.call("GET", "/products").status_code == 403
        assert add(person, key).status_code == 201
        assert person.call("GET", "/products").status_code == 200, "adding it proved it"
        person.log_in()
        assert person.call("GET", "/products").status_code == 403
        assert person.post("/auth/passkeys/confirm", answer(person, key)).status_code == 204
        assert person.call("GET", "/products").status_code == 200


def test_a_passkey_of_somebody_else_confirms_nothing(app: Flask, ada: Person, key: Authenticator) -> None:
    bob = new_person(app, "bob@example.org")
    add(bob, key)
    refused = ada.post("/auth/passkeys/confirm", answer(ada, key))
    assert (refused.status_code, refused.get_json()["code"]) == (401, "PASSKEY_REFUSED")
    assert refusals(app) == ["of another user"]
    with app.app_context():
        mine = select(Session.second_factor_at).where(Session.user_id == ada.id)
        assert set(db.session.scalars(mine)) == {None}


def test_the_last_second_factor_stays_while_a_role_requires_one(
    app: Flask, ada: Person, key: Authenticator, settings: Settings
) -> None:
    with strict_app(settings) as strict:
        person = Person(strict, ada.id, ada.email)
        person.log_in()
        add(person, key)
        url = f"/me/passkeys/{person.get('/me/passkeys')['items'][0]['id']}"
        refused = person.call("DELETE", url)
        assert (refused.status_code, refused.get_json()["code"]) == (409, "SECOND_FACTOR_NEEDED")
        assert count(strict, Passkey) == 1
        person.set_up_app()
        assert person.post("/me/totp/disable").status_code == 204, "the passkey is left"
        person.set_up_app()
        assert person.call("DELETE", url).status_code == 204, "the app is left"
        assert log_in(person, answer(person, key)).status_code == 401


def test_two_that_go_at_the_same_moment_are_not_both_let_go(
    app: Flask, ada: Person, key: Authenticator, settings: Settings
) -> None:
    with strict_app(settings) as strict:
        person = Person(strict, ada.id, ada.email)
        person.log_in()
        add(person, key, "One")
        add(person, key, "Two")
        ids = [one["id"] for one in person.get("/me/passkeys")["items"]]
        headers = {"Authorization": f"Bearer {person.token}"}
        gone = [
            lambda at=at: strict.test_client().delete(f"/api/v1/me/passkeys/{at}", headers=headers).status_code
            for at in ids
        ]
        assert sorted(at_once(strict, *gone)) == [204, 409]
        assert count(strict, Passkey) == 1


# --- Keeping them ----------------------------------------------------------------------------------------------------


def test_a_passkey_is_renamed_and_removed_by_its_owner_only(app: Flask, ada: Person, key: Authenticator) -> None:
    bob = new_person(app, "bob@example.org")
    url = f"/me/passkeys/{add(ada, key).get_json()['id']}"
    for refused in (bob.call("PATCH", url, {"name": "Mine"}), bob.call("DELETE", url)):
        assert (refused.status_code, refused.get_json()["code"]) == (404, "PASSKEY_NOT_FOUND")
    assert ada.call("PATCH", url, {"name": " "}).status_code == 422
    assert ada.get("/me/passkeys")["items"][0]["name"] == "Phone"
    assert ada.call("PATCH", url, {"name": "Old phone"}).get_json()["name"] == "Old phone"
    assert ada.call("DELETE", url).status_code == 204
    assert log_in(ada, answer(ada, key)).status_code == 401
    assert deeds(app, of="passkey.") == ["passkey.add", "passkey.rename", "passkey.remove", "passkey.refused"]


def test_somebody_with_the_password_alone_adds_no_passkey_of_their_own(
    app: Flask, ada: Person, key: Authenticator
) -> None:
    thief = Person(app, ada.id, ada.email)
    asked = ada.post("/me/passkeys/options").get_json()
    thief.log_in()
    add(ada, key)
    sent = {"challenge": asked["challenge"], "credential": Authenticator().create(asked["options"]), "name": "Thief"}
    refused = thief.post("/me/passkeys", sent)
    assert (refused.status_code, refused.get_json()["code"]) == (401, "SECOND_FACTOR_REQUIRED")
    refused = thief.post("/me/totp")
    assert (refused.status_code, refused.get_json()["code"]) == (401, "SECOND_FACTOR_REQUIRED")
    assert count(app, Passkey) == 1
