"""One's own account: profile and preferences, sessions, export and erasure."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from app.auth.models import Session, User
from app.auth.preferences import all_wanted
from app.core.audit import AuditEvent
from app.core.extensions import db
from app.core.orm import utc_now
from tests.auth.people import change, strict_app
from tests.auth.squatting import squat
from tests.auth.staff import Member, hire, logged, pointers, refusal
from tests.calls import PASSWORD, add_person, token_of
from tests.servers import on_sqlite


@pytest.fixture
def ada(app: Flask) -> Member:
    """A customer."""
    return hire(app, "ada", role="customer")


def test_preferences_are_changed_by_version_and_noted_without_the_name(app: Flask, ada: Member) -> None:
    assert refusal(ada.call("PATCH", "/me", {"theme": "dark"})) == (428, "VERSION_REQUIRED")
    wanted = {"name": "Ada L.", "language": "de-at", "time_zone": "Europe/Vienna", "theme": "dark"}
    changed = ada.patch("/me", wanted | {"notifications": {"jobs": True}}, 1)
    assert (changed.status_code, changed.headers["ETag"]) == (200, '"v2"')
    me = ada.get("/me")
    assert [me[field] for field in wanted] == ["Ada L.", "de-AT", "Europe/Vienna", "dark"]
    assert me["notifications"] == all_wanted({"jobs": True})
    assert (me["notifications"]["security"], me["notifications"]["jobs"]) == (True, True)
    assert refusal(ada.patch("/me", {"theme": "light"}, 1)) == (412, "STALE_VERSION")
    back = ada.patch("/me", {"time_zone": None, "notifications": {}}, 2).get_json()
    assert (back["time_zone"], back["notifications"], back["theme"]) == (None, me["notifications"], "dark")
    (_, before, after), _ = logged(app, "user.update_profile")
    assert before == {"language": "en", "time_zone": None, "theme": "system", "notifications": None}
    assert after is not None
    assert (after["theme"], after["also_changed"]) == ("dark", ["name"])


@on_sqlite
@pytest.mark.parametrize(
    ("sent", "where"),
    [
        ({"language": "tlh-KX"}, ["/language"]),
        ({"language": "../../etc"}, ["/language"]),
        ({"time_zone": "Mars/Olympus"}, ["/time_zone"]),
        ({"time_zone": "../../etc/passwd"}, ["/time_zone"]),
        ({"theme": "pink", "language": "x", "time_zone": "y"}, ["/language", "/theme", "/time_zone"]),
        ({"notifications": {"security": False}}, ["/notifications/security"]),
        ({"notifications": {"news": True}}, ["/notifications/news"]),
        ({"notifications": {"jobs": "yes"}}, ["/notifications/jobs/value"]),
        ({"name": ""}, ["/name"]),
        ({"is_active": True, "roles": ["admin"], "permissions": []}, ["/is_active", "/permissions", "/roles"]),
        ({"id": 1, "version": 99, "email": "x@example.org"}, ["/email", "/id", "/version"]),
        ({"password_hash": "x", "email_verified_at": None}, ["/email_verified_at", "/password_hash"]),
    ],
)
def test_what_is_no_preference_of_ones_own_is_refused_by_field(
    ada: Member, sent: dict[str, Any], where: list[str]
) -> None:
    before = ada.get("/me")
    refused = ada.patch("/me", sent, 1)
    assert (refused.status_code, pointers(refused)) == (422, where)
    assert ada.get("/me") == before


def test_ones_sessions_are_listed_and_ended(app: Flask, ada: Member) -> None:
    other = Member(app, ada.id, ada.email, token_of(app, ada.id))
    sessions = ada.get("/me/sessions")["items"]
    assert [(row["is_current"], row["kind"], row["address"]) for row in sessions] == [
        (False, "api", "192.0.2.55"),
        (True, "api", "192.0.2.55"),
    ]
    assert ada.delete(f"/me/sessions/{sessions[0]['id']}").status_code == 204
    assert refusal(other.call("GET", "/me")) == (401, "TOKEN_REFUSED")
    more = [Member(app, ada.id, ada.email, token_of(app, ada.id)) for _ in range(2)]
    assert ada.delete("/me/sessions").get_json() == {"count": 2}
    assert [who.call("GET", "/me").status_code for who in (ada, *more)] == [200, 401, 401]
    assert [row["is_current"] for row in ada.get("/me/sessions")["items"]] == [True]


def test_an_export_has_all_that_is_kept_and_no_secret(app: Flask) -> None:
    user_id = squat(app, "ada@example.org")
    change(app, sa.update(User).values(email_verified_at=utc_now()))
    ada = Member(app, user_id, "", token_of(app, user_id))
    answer = ada.call("GET", "/me/export")
    assert answer.headers["Content-Disposition"].startswith("attachment; filename=")
    kept = answer.get_json()["auth"]
    assert (kept["profile"]["email"], kept["roles"], kept["profile"]["has_password"]) == (
        "ada@example.org",
        ["analyst"],
        True,
    )
    one_each = ("api_keys", "authenticator_app", "recovery_codes", "remembered_devices", "passkeys")
    assert {part: len(kept[part]) for part in one_each} == dict.fromkeys(one_each, 1)
    assert (len(kept["sessions"]), kept["accounts_at_providers"][0]["provider"]) == (2, "idp")
    assert [event["action"] for event in kept["audit_log"]["events"]] == ["user.export", "user.log_in"]
    for secret in ("s" * 64, "k" * 64, "JBSWY3DPEHPK3PXP", "r" * 64, "d" * 64, "p" * 64, "argon2"):
        assert secret not in answer.text
    assert len(logged(app, "user.export")) == 1


@on_sqlite
def test_an_export_says_what_others_did_but_not_from_where(app: Flask) -> None:
    boss, ada = hire(app, "boss", role="admin"), hire(app, "ada", role="customer")
    headers = {"Authorization": f"Bearer {boss.token}", "If-Match": '"v1"', "X-Request-Id": "of-the-boss"}
    away, here = {"REMOTE_ADDR": "203.0.113.99"}, "127.0.0.1"
    client, path = app.test_client(), f"/api/v1/users/{ada.id}"
    assert client.patch(path, json={"name": "Ada"}, headers=headers, environ_overrides=away).status_code == 200
    answer = ada.call("GET", "/me/export")
    events = answer.get_json()["auth"]["audit_log"]["events"]
    assert [(event["action"], event.get("address")) for event in events][:2] == [
        ("user.export", here),
        ("user.update", None),
    ]
    assert ("203.0.113.99" in answer.text, "of-the-boss" in answer.text) == (False, False)


def test_an_erased_person_is_a_number_and_nothing_else(app: Flask) -> None:
    other = hire(app, "other", role="analyst")
    others = {table: rows for table, rows in of_person(app, other.id).items() if rows}
    user_id = squat(app, "wilhelmina@example.org")
    change(app, sa.update(User).values(email_verified_at=utc_now()))
    ada = Member(app, user_id, "", token_of(app, user_id))
    registration = {"email": "wilhelmina@example.org", "name": "Wilhelmina", "password": PASSWORD}
    assert app.test_client().post("/api/v1/auth/register", json=registration).status_code == 202
    assert ada.patch("/me", {"name": "Wilhelmina Lovelace", "theme": "dark"}, 1).status_code == 200
    assert ada.post("/me/erasure").status_code == 204
    assert refusal(ada.call("GET", "/me")) == (401, "TOKEN_REFUSED")
    assert {table: len(rows) for table, rows in of_person(app, user_id).items() if rows} == {}
    with app.app_context():
        user = db.session.get_one(User, user_id)
        assert (user.email, user.name, user.password_hash) == (f"erased-{user_id}@invalid", "Erased user", "")
        assert (user.is_active, user.theme, user.erased_at is not None) == (False, "system", True)
        for table in db.metadata.sorted_tables:
            if sa.inspect(db.engine).has_table(table.name):
                rows = str(db.session.execute(sa.select(table)).all())
                assert "wilhelmina" not in rows.lower(), table.name
                assert "lovelace" not in rows.lower(), table.name
        assert db.session.scalars(sa.select(AuditEvent.id).where(AuditEvent.subject_id == user_id)).all()
    assert others == {table: rows for table, rows in of_person(app, other.id).items() if rows}
    root = hire(app, "root", role="admin")
    assert refusal(root.call("GET", f"/users/{user_id}")) == (404, "USER_NOT_FOUND")
    assert refusal(root.patch(f"/users/{user_id}", {"is_active": True}, 3)) == (404, "USER_NOT_FOUND")
    assert user_id not in [row["id"] for row in root.get("/users")["items"]]
    with app.app_context():
        assert add_person(email="wilhelmina@example.org", role="customer") > user_id


def of_person(app: Flask, user_id: int) -> dict[str, list[Any]]:
    """Every row that refers to a person, by table."""
    with app.app_context():
        tables = [table for table in db.metadata.sorted_tables if "user_id" in table.columns]
        assert len(tables) >= 10
        return {
            table.name: list(db.session.execute(sa.select(table).where(table.columns["user_id"] == user_id)).all())
            for table in tables
        }


@on_sqlite
def test_erasing_needs_a_fresh_login(app: Flask, ada: Member) -> None:
    change(app, sa.update(Session).values(authenticated_at=utc_now() - timedelta(minutes=16)))
    assert refusal(ada.post("/me/erasure")) == (401, "FRESH_LOGIN_REQUIRED")
    assert ada.get("/me")["email"] == ada.email


@on_sqlite
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "/me", {"theme": "dark"}),
        ("GET", "/me/export", None),
        ("POST", "/me/erasure", None),
        ("POST", "/me/keys", {"name": "k", "scopes": ["products:read"]}),
        ("GET", "/me/sessions", None),
        ("DELETE", "/me/sessions", None),
    ],
)
def test_who_lacks_the_second_factor_that_a_role_needs_does_nothing_personal(
    app: Flask, settings: Any, method: str, path: str, body: Any
) -> None:
    with strict_app(settings) as strict:
        member = hire(strict, "member", role="analyst")
        assert refusal(member.call(method, path, body, version=1)) == (403, "SECOND_FACTOR_SETUP_REQUIRED")
        assert member.get("/me")["permissions"] == []
        assert member.call("GET", "/me/second-factor").status_code == 200
