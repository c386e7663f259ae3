"""The second factor by API: authenticator app, recovery codes, remembered devices, and roles that require one."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pyotp
import pytest
from flask import Flask
from sqlalchemy import func, select, text, update

from app.auth.models import Challenge, RecoveryCode, RememberedDevice, Role, Session, Totp
from app.auth.services import second_factor, totp
from app.auth.services.sessions import Client
from app.config import Settings
from app.core.extensions import db
from app.core.orm import utc_now
from app.core.outbox import Outbox
from tests.auth.people import Person, change, deeds, new_person, strict_app
from tests.browsing import Visitor, hidden_fields
from tests.concurrency import at_once
from tests.servers import on_sqlite

PRODUCTS = "/products"


@pytest.fixture
def ada(app: Flask) -> Person:
    return new_person(app, "ada@example.org", role="admin")


def count(app: Flask, model: Any, *where: Any) -> int:
    with app.app_context():
        return db.session.scalar(select(func.count()).select_from(model).where(*where)) or 0


def notices(app: Flask) -> list[str]:
    with app.app_context():
        rows = db.session.scalars(select(Outbox).where(Outbox.kind == "mail_second_factor").order_by(Outbox.id))
        return [row.arguments["what"] for row in rows]


def let_codes_be_used_again(app: Flask) -> None:
    """As if some minutes had gone by since the last code."""
    change(app, update(Totp).values(last_step=None))


def make_stale(app: Flask) -> None:
    change(app, update(Session).values(authenticated_at=utc_now() - timedelta(minutes=16)))
    with app.app_context():
        from app.auth.services import access

        access.forget([f"s:{sid}" for sid in db.session.scalars(select(Session.sid))])


# --- Setting it up ---------------------------------------------------------------------------------------------------


def test_an_app_is_set_up_by_its_first_code_and_asked_for_at_the_next_login(app: Flask, ada: Person) -> None:
    started = ada.post("/me/totp")
    assert started.status_code == 201
    said = started.get_json()
    assert parse_qs(urlsplit(said["uri"]).query) == {"secret": [said["secret"]], "issuer": ["Cartwright"]}
    assert urlsplit(said["uri"])[:3] == ("otpauth", "totp", "/Cartwright:ada%40example.org")
    kind, _, picture = said["qr"].partition(",")
    assert kind == "data:image/svg+xml;base64"
    assert base64.b64decode(picture).startswith(b"<svg ")
    assert len(base64.b32decode(said["secret"])) * 8 >= 160
    assert ada.log_in().status_code == 200, "what is not confirmed is not asked for"
    ada.secret = said["secret"]
    confirmed = ada.post("/me/totp/confirm", {"code": ada.code()})
    assert confirmed.status_code == 200
    codes = confirmed.get_json()["codes"]
    assert len(set(codes)) == 10
    state = ada.get("/me/second-factor")
    assert (state["recovery_codes_left"], state["totp_confirmed_at"] is None) == (10, False)
    refused = ada.log_in()
    assert (refused.status_code, refused.get_json()["code"]) == (401, "SECOND_FACTOR_REQUIRED")
    assert ada.log_in(code=ada.code(steps=1)).status_code == 200
    assert deeds(app, of="totp.") == ["totp.start", "totp.confirm"]
    assert notices(app) == ["totp_on"]


def test_a_wrong_first_code_sets_nothing_up(app: Flask, ada: Person) -> None:
    ada.secret = ada.post("/me/totp").get_json()["secret"]
    wrong = f"{(int(ada.code()) + 1) % 1_000_000:06}"
    assert wrong not in {ada.code(steps=step) for step in (-2, -1, 0, 1, 2)}
    refused = ada.post("/me/totp/confirm", {"code": wrong})
    assert (refused.status_code, refused.get_json()["errors"][0]["pointer"]) == (422, "/code")
    assert ada.get("/me/second-factor")["totp_confirmed_at"] is None
    assert count(app, RecoveryCode) == 0
    assert ada.log_in().status_code == 200


@on_sqlite
def test_a_set_up_that_is_half_an_hour_old_is_started_again(app: Flask, ada: Person) -> None:
    ada.secret = ada.post("/me/totp").get_json()["secret"]
    change(app, update(Totp).values(created_at=utc_now() - totp.SET_UP_FOR))
    refused = ada.post("/me/totp/confirm", {"code": ada.code()})
    assert (refused.status_code, refused.get_json()["code"]) == (409, "TOTP_NOT_SET_UP")
    assert count(app, Totp, Totp.confirmed_at.is_not(None)) == 0


def test_there_is_one_app_and_a_second_one_is_refused(app: Flask, ada: Person) -> None:
    ada.set_up_app()
    refused = ada.post("/me/totp")
    assert (refused.status_code, refused.get_json()["code"]) == (409, "TOTP_ALREADY_SET_UP")
    again = ada.post("/me/totp/confirm", {"code": ada.code(steps=1)})
    assert (again.status_code, again.get_json()["code"]) == (409, "TOTP_NOT_SET_UP")
    assert ada.log_in(code=ada.code(steps=1)).status_code == 200, "the first one still counts"


@pytest.mark.parametrize("path", ["/me/totp", "/me/totp/confirm", "/me/totp/disable", "/me/recovery-codes"])
@on_sqlite
def test_changing_the_second_factor_needs_a_fresh_login(app: Flask, ada: Person, path: str) -> None:
    ada.set_up_app()
    make_stale(app)
    refused = ada.post(path, {"code": "123456"} if path.endswith("confirm") else None)
    assert (refused.status_code, refused.get_json()["code"]) == (401, "FRESH_LOGIN_REQUIRED")
    assert (count(app, Totp, Totp.confirmed_at.is_not(None)), count(app, RecoveryCode)) == (1, 10)


def test_the_database_holds_no_secret_in_plain_text(app: Flask, ada: Person) -> None:
    ada.set_up_app()
    with app.app_context():
        stored = db.session.execute(text("SELECT secret FROM totp")).scalar_one()
        hashes = db.session.execute(text("SELECT code_hash FROM recovery_code")).scalars().all()
        assert db.session.scalars(select(Totp.secret)).one() == ada.secret
    assert ada.secret not in stored
    for code in ada.codes:
        assert code not in hashes
        assert code.replace("-", "") not in hashes


# --- Codes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("step", "status"), [(-2, 401), (-1, 200), (0, 200), (1, 200), (2, 401)])
@on_sqlite
def test_codes_of_the_neighbouring_steps_count_and_no_others(context: Flask, step: int, status: int) -> None:
    secret, now = pyotp.random_base32(), utc_now().replace(second=10)
    code = pyotp.TOTP(secret).at(now, counter_offset=step)
    found = second_factor.matching_step(secret, code, now)
    assert found == (int(now.timestamp()) // 30 + step if status == 200 else None)


def test_a_code_works_once(app: Flask, ada: Person) -> None:
    ada.set_up_app()
    following = ada.code(steps=1)
    assert ada.log_in(code=ada.used).status_code == 401, "the set-up used it up"
    assert ada.log_in(code=following).status_code == 200
    sessions = count(app, Session)
    again = ada.log_in(code=following)
    assert (again.status_code, again.get_json()["code"]) == (401, "SECOND_FACTOR_REFUSED")
    assert ada.log_in(code=ada.used).status_code == 401, "an older one is no way around it"
    assert count(app, Session) == sessions


def test_a_code_sent_twice_at_the_same_moment_lets_one_in(app: Flask, ada: Person) -> None:
    ada.set_up_app()
    code, now = ada.code(steps=1), utc_now()
    actor = Client("192.0.2.1", "").as_user(ada.id, "Ada")

    def use() -> bool:
        return second_factor.use_code(user_id=ada.id, code=code, actor=actor, now=now)

    assert sorted(at_once(app, use, use, use)) == [False, False, True]


def test_a_recovery_code_sent_twice_at_the_same_moment_lets_one_in(app: Flask, ada: Person) -> None:
    ada.set_up_app()
    actor = Client("192.0.2.1", "").as_user(ada.id, "Ada")

    def use() -> bool:
        return second_factor.use_code(user_id=ada.id, code=ada.codes[0], actor=actor, now=utc_now())

    assert sorted(at_once(app, use, use, use)) == [False, False, True]
    assert count(app, RecoveryCode, RecoveryCode.used_at.is_(None)) == 9


def test_codes_of_somebody_else_are_refused(app: Flask, ada: Person) -> None:
    bob = new_person(app, "bob@example.org")
    ada.set_up_app()
    bob.set_up_app()
    for code in (bob.code(steps=1), bob.codes[0]):
        refused = ada.log_in(code=code)
        assert (refused.status_code, refused.get_json()["code"]) == (401, "SECOND_FACTOR_REFUSED")
    assert bob.log_in(code=bob.codes[0]).status_code == 200, "and it is not used up"


def test_a_recovery_code_replaces_the_app_once_and_its_owner_is_told(app: Flask, ada: Person) -> None:
    ada.set_up_app()
    assert ada.log_in(code=ada.codes[3]).status_code == 200
    assert ada.get("/me/second-factor")["recovery_codes_left"] == 9
    assert ada.log_in(code=ada.codes[3]).status_code == 401
    assert deeds(app, of="second_factor.") == ["second_factor.recovery_code_used"]
    assert notices(app) == ["totp_on", "code_used"]


@pytest.mark.parametrize(
    "typed",
    [
        lambda code: code.upper(),
        lambda code: code.replace("-", ""),
        lambda code: f"  {code.replace('-', ' ')} ",
        lambda code: code.replace("-", "–").replace("0", "O").replace("1", "l"),
        lambda code: code.replace("1", "I").replace("0", "o"),
    ],
)
@on_sqlite
def test_a_recovery_code_may_be_typed_as_people_type(ada: Person, typed: Any) -> None:
    ada.set_up_app()
    code = max(ada.codes, key=lambda one: one.count("0") + one.count("1"))
    assert ada.log_in(code=typed(code)).status_code == 200


@on_sqlite
def test_a_code_of_the_app_may_be_typed_with_spaces(ada: Person) -> None:
    ada.set_up_app()
    code = ada.code(steps=1)
    assert ada.log_in(code=f" {code[:3]} {code[3:]}").status_code == 200


def test_new_recovery_codes_replace_the_old_ones(app: Flask, ada: Person) -> None:
    ada.set_up_app()
    old, answer = ada.codes, ada.post("/me/recovery-codes")
    assert answer.status_code == 201
    fresh = answer.get_json()["codes"]
    assert len(fresh) == 10
    assert not set(fresh) & set(old)
    assert ada.log_in(code=old[0]).status_code == 401
    assert ada.log_in(code=fresh[0]).status_code == 200


@on_sqlite
def test_guessing_codes_gets_slower_and_slower(app: Flask, ada: Person) -> None:
    ada.set_up_app()
    codes = [ada.log_in(code="000000").status_code for _ in range(7)]
    assert codes[:5] == [401] * 5
    assert codes[-1] == 429
    right = ada.log_in(code=ada.code(steps=1))
    assert (right.status_code, int(right.headers["Retry-After"]) > 0) == (429, True)


# --- Switching it off ------------------------------------------------------------------------------------------------


def test_switching_off_deletes_codes_and_devices(app: Flask, ada: Person) -> None:
    ada.set_up_app()
    device = ada.log_in(code=ada.code(steps=1), remember_device=True).get_json()["device_token"]
    assert ada.post("/me/totp/disable").status_code == 204
    assert (count(app, Totp), count(app, RecoveryCode), count(app, RememberedDevice)) == (0, 0, 0)
    assert ada.log_in().status_code == 200
    ada.set_up_app()
    assert ada.log_in(device_token=device).status_code == 401, "a device of the past is not remembered again"
    assert notices(app) == ["totp_on", "totp_off", "totp_on"]


def test_a_session_from_before_cannot_exchange_the_second_factor(app: Flask, ada: Person) -> None:
    thief = Person(app, ada.id, ada.email)
    thief.log_in()
    ada.set_up_app()
    for path in ("/me/totp/disable", "/me/recovery-codes", "/me/passkeys/options"):
        assert thief.post("/auth/confirm", {"password": "correct horse battery staple"}).status_code == 204
        refused = thief.post(path)
        assert (refused.status_code, refused.get_json()["code"]) == (401, "SECOND_FACTOR_REQUIRED")
    assert (count(app, Totp), count(app, RecoveryCode), count(app, Challenge)) == (1, 10, 0)
    assert thief.post("/auth/confirm", {"code": ada.code(steps=1)}).status_code == 204
    assert thief.post("/me/recovery-codes").status_code == 201


def test_tokens_made_out_of_a_session_are_no_fresher_and_no_stronger_than_it(app: Flask, ada: Person) -> None:
    thief, browser = Person(app, ada.id, ada.email), Visitor(app, ada.email)
    headers = {"X-CSRFToken": hidden_fields(browser.get("/account").text)["csrf_token"]}
    ada.set_up_app()
    make_stale(app)
    tokens = browser.client.post("/api/v1/auth/token", json={}, headers=headers).get_json()
    thief.token = tokens["access_token"]
    assert thief.post("/me/totp/disable").get_json()["code"] == "FRESH_LOGIN_REQUIRED"
    assert thief.post("/auth/confirm", {"password": "correct horse battery staple"}).status_code == 204
    assert thief.post("/me/totp/disable").get_json()["code"] == "SECOND_FACTOR_REQUIRED"
    assert count(app, Totp) == 1


# --- Remembered devices ----------------------------------------------------------------------------------------------


def test_a_remembered_device_needs_no_code_for_thirty_days(app: Flask, ada: Person) -> None:
    ada.set_up_app()
    assert "device_token" not in ada.log_in(code=ada.codes[0]).get_json()
    device = ada.log_in(code=ada.code(steps=1), remember_device=True).get_json()["device_token"]
    assert ada.log_in(device_token=device).status_code == 200
    assert "device_token" not in ada.log_in(device_token=device, remember_device=True).get_json()
    (listed,) = ada.get("/me/devices")["items"]
    assert (listed["address"], "token_hash" in listed) == ("127.0.0.1", False)
    change(app, update(RememberedDevice).values(expires_at=utc_now()))
    assert ada.log_in(device_token=device).get_json()["code"] == "SECOND_FACTOR_REQUIRED"
    assert ada.get("/me/devices")["items"] == []


def test_a_device_of_one_user_is_nothing_to_another(app: Flask, ada: Person) -> None:
    bob = new_person(app, "bob@example.org")
    ada.set_up_app()
    bob.set_up_app()
    device = ada.log_in(code=ada.code(steps=1), remember_device=True).get_json()["device_token"]
    assert bob.log_in(device_token=device).get_json()["code"] == "SECOND_FACTOR_REQUIRED"
    bob.log_in(code=bob.code(steps=1))
    (listed,) = ada.get("/me/devices")["items"]
    refused = bob.call("DELETE", f"/me/devices/{listed['id']}")
    assert (refused.status_code, refused.get_json()["code"]) == (404, "DEVICE_NOT_FOUND")
    assert bob.call("DELETE", "/me/devices").status_code == 204
    assert ada.log_in(device_token=device).status_code == 200
    assert ada.call("DELETE", f"/me/devices/{listed['id']}").status_code == 204
    assert ada.log_in(device_token=device).status_code == 401


@on_sqlite
def test_remembering_many_devices_forgets_the_oldest(app: Flask, ada: Person) -> None:
    ada.set_up_app()
    tokens = []
    for _ in range(21):
        let_codes_be_used_again(app)
        tokens.append(ada.log_in(code=ada.code(), remember_device=True).get_json()["device_token"])
    assert len(ada.get("/me/devices")["items"]) == 20
    assert ada.log_in(device_token=tokens[0]).status_code == 401
    assert ada.log_in(device_token=tokens[1]).status_code == 200


@on_sqlite
def test_a_login_without_an_app_remembers_no_device(app: Flask, ada: Person) -> None:
    assert "device_token" not in ada.log_in(code="123456", remember_device=True).get_json()
    assert count(app, RememberedDevice) == 0


# --- Roles that require it -------------------------------------------------------------------------------------------


def test_a_role_that_requires_it_allows_nothing_until_it_is_there(app: Flask, ada: Person, settings: Settings) -> None:
    with strict_app(settings) as strict:
        person = Person(strict, ada.id, ada.email)
        assert person.log_in().status_code == 200
        assert person.get("/me/second-factor")["required_by"] == ["admin"]
        for method, path in (("GET", PRODUCTS), ("POST", PRODUCTS), ("GET", "/me/devices")):
            refused = person.call(method, path)
            assert (refused.status_code, refused.get_json()["code"]) == (403, "SECOND_FACTOR_SETUP_REQUIRED")
        person.set_up_app()
        assert person.call("GET", PRODUCTS).status_code == 200, "at once, in the same session"
        needed = person.post("/me/totp/disable")
        assert (needed.status_code, needed.get_json()["code"]) == (409, "SECOND_FACTOR_NEEDED")
        assert count(strict, Totp) == 1


def test_other_sessions_stay_closed_until_they_have_seen_it(app: Flask, ada: Person, settings: Settings) -> None:
    with strict_app(settings) as strict:
        one, other = Person(strict, ada.id, ada.email), Person(strict, ada.id, ada.email)
        one.log_in()
        other.log_in()
        one.set_up_app()
        assert other.call("GET", PRODUCTS).get_json()["code"] == "SECOND_FACTOR_SETUP_REQUIRED"
        assert other.post("/auth/confirm", {"password": "correct horse battery staple"}).status_code == 204
        assert other.call("GET", PRODUCTS).status_code == 403, "a password is no second factor"
        assert other.post("/auth/confirm", {"code": one.code(steps=1)}).status_code == 204
        assert other.call("GET", PRODUCTS).status_code == 200


def test_customers_and_roles_that_say_no_need_none(app: Flask, ada: Person, settings: Settings) -> None:
    customer = new_person(app, "carl@example.org")
    with strict_app(settings) as strict:
        person = Person(strict, customer.id, customer.email)
        person.log_in()
        assert person.get("/me/second-factor")["required_by"] == []
        change(strict, update(Role).where(Role.name == "customer").values(requires_second_factor=True))
        assert person.get("/me/second-factor")["required_by"] == ["customer"]
        change(strict, update(Role).values(requires_second_factor=False))
        staff = Person(strict, ada.id, ada.email)
        staff.log_in()
        assert staff.call("GET", PRODUCTS).status_code == 200
        assert staff.get("/me/second-factor")["required_by"] == []


# --- Operators and the timetable -------------------------------------------------------------------------------------


def test_an_operator_takes_away_what_somebody_has_lost(app: Flask, ada: Person) -> None:
    ada.set_up_app()
    run = app.test_cli_runner().invoke(args=["user", "reset-second-factor", " ADA@example.org"])
    assert run.exit_code == 0, run.output
    assert (count(app, Totp), count(app, RecoveryCode)) == (0, 0)
    assert ada.call("GET", "/me").status_code == 401, "logged out everywhere"
    assert ada.log_in().status_code == 200
    assert "second_factor.reset" in deeds(app)
    assert notices(app)[-1] == "reset"


@on_sqlite
def test_resetting_for_nobody_is_refused(app: Flask, ada: Person) -> None:
    ada.set_up_app()
    run = app.test_cli_runner().invoke(args=["user", "reset-second-factor", "nobody@example.org"])
    assert run.exit_code == 1
    assert "nobody@example.org" in run.output
    assert count(app, Totp) == 1


def test_what_has_expired_is_deleted_by_the_timetable(app: Flask, ada: Person) -> None:
    ada.set_up_app()
    ada.log_in(code=ada.code(steps=1), remember_device=True)
    ada.client.post("/api/v1/auth/passkeys/options")
    with app.app_context():
        assert second_factor.purge_expired(now=utc_now()) == 0
        assert second_factor.purge_expired(now=utc_now() + timedelta(minutes=6)) == 1
        assert second_factor.purge_expired(now=utc_now() + timedelta(days=31)) == 1
    assert (count(app, Challenge), count(app, RememberedDevice), count(app, Totp)) == (0, 0, 1)
