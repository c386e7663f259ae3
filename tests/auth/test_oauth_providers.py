"""OAuth providers as data: the API, the command line, and the list for log-in pages."""

from __future__ import annotations

from typing import Any, Final

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, text, update

from app.auth.models import OauthIdentity, OauthProvider, Session
from app.auth.providers import MAX_PROVIDERS, is_safe_address
from app.auth.services import access
from app.core.audit import AuditEvent
from app.core.extensions import db
from app.core.orm import utc_now
from app.core.transactions import in_transaction
from tests.auth.staff import all_but, hire, refusal
from tests.conftest import Admin
from tests.servers import on_sqlite

URL: Final = "/api/v1/oauth-providers"
ACME: Final = {
    "code": "acme",
    "name": "Acme ID",
    "preset": "oidc",
    "issuer": "https://id.acme.example",
    "client_id": "cartwright",
    "client_secret": "very secret",
}
CHANGE: Final = {name: ACME[name] for name in ("name", "issuer", "client_id")}

Headers = dict[str, str]


@pytest.fixture
def made(client: FlaskClient, auth_headers: Headers) -> dict[str, Any]:
    answer = client.post(URL, json=ACME, headers=auth_headers)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.get_json()
    return found


def stored(app: Flask) -> OauthProvider:
    with app.app_context():
        return db.session.scalars(select(OauthProvider)).one()


def connect_somebody(app: Flask, admin: Admin) -> None:
    @in_transaction
    def run() -> None:
        provider_id, now = db.session.scalars(select(OauthProvider.id)).one(), utc_now()
        row = OauthIdentity(user_id=admin.id, provider_id=provider_id, subject="s", email="")
        row.created_at = row.last_used_at = now
        db.session.add(row)

    with app.app_context():
        run()


def test_a_provider_is_added_changed_and_deleted(app: Flask, client: FlaskClient, auth_headers: Headers) -> None:
    answer = client.post(URL, json=ACME, headers=auth_headers)
    made = answer.get_json()
    assert (answer.status_code, answer.headers["ETag"]) == (201, '"v1"')
    path = f"{URL}/{made['id']}"
    assert answer.headers["Location"] == path
    assert client.get(path, headers=auth_headers).get_json() == made
    assert client.get(URL, headers=auth_headers).get_json()["items"] == [made]
    known = client.get(path, headers=auth_headers | {"If-None-Match": '"v1"'})
    assert known.status_code == 304
    changed = client.put(
        path, json=CHANGE | {"name": "New", "is_enabled": False}, headers=auth_headers | {"If-Match": '"v1"'}
    )
    assert (changed.status_code, changed.get_json()["name"], changed.headers["ETag"]) == (200, "New", '"v2"')
    assert stored(app).client_secret == "very secret"
    client.put(path, json=CHANGE | {"client_secret": "newer"}, headers=auth_headers | {"If-Match": '"v2"'})
    assert stored(app).client_secret == "newer"
    assert client.delete(path, headers=auth_headers | {"If-Match": '"v3"'}).status_code == 204
    assert client.get(path, headers=auth_headers).status_code == 404


def test_the_secret_is_never_shown_and_encrypted_at_rest(
    app: Flask, client: FlaskClient, auth_headers: Headers, made: dict[str, Any]
) -> None:
    path = f"{URL}/{made['id']}"
    answers = [client.get(path, headers=auth_headers), client.get(URL, headers=auth_headers)]
    answers.append(client.get("/api/v1/auth/providers"))
    changed = client.put(
        path, json=CHANGE | {"client_secret": "newer secret"}, headers=auth_headers | {"If-Match": '"v1"'}
    )
    for answer in [*answers, changed]:
        assert answer.status_code == 200
        assert "secret" not in answer.text
    with app.app_context():
        raw = db.session.execute(text("SELECT client_secret FROM oauth_provider")).scalar_one()
        assert "secret" not in raw
        of_providers = select(AuditEvent).where(AuditEvent.subject_kind == "provider").order_by(AuditEvent.id)
        events = db.session.scalars(of_providers).all()
        assert [event.action for event in events] == ["provider.create", "provider.update"]
        assert not any("very" in str((event.before, event.after)) for event in events)
        assert not any("newer" in str((event.before, event.after)) for event in events)


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"code": "Acme"}, "/code"),
        ({"code": "a/b"}, "/code"),
        ({"code": "-a"}, "/code"),
        ({"code": "a" * 65}, "/code"),
        ({"preset": "facebook"}, "/preset"),
        ({"issuer": None}, "/issuer"),
        ({"issuer": "http://id.acme.example"}, "/issuer"),
        ({"issuer": "https://user:pw@id.acme.example"}, "/issuer"),
        ({"issuer": "https://id.acme.example/#x"}, "/issuer"),
        ({"issuer": "https://id.acme.example/?x=1"}, "/issuer"),
        ({"issuer": "https://"}, "/issuer"),
        ({"issuer": "ftp://id.acme.example"}, "/issuer"),
        ({"issuer": "https://id.acme.example:99999"}, "/issuer"),
        ({"preset": "google"}, "/issuer"),
        ({"preset": "github"}, "/issuer"),
        ({"name": ""}, "/name"),
        ({"client_id": 5}, "/client_id"),
        ({"client_secret": ""}, "/client_secret"),
        ({"version": 7}, "/version"),
    ],
)
@on_sqlite
def test_a_provider_that_breaks_a_rule_is_refused_by_field(
    app: Flask, client: FlaskClient, auth_headers: Headers, change: dict[str, Any], pointer: str
) -> None:
    answer = client.post(URL, json=ACME | change, headers=auth_headers)
    assert answer.status_code == 422
    assert pointer in [error["pointer"] for error in answer.get_json()["errors"]]
    with app.app_context():
        assert db.session.scalars(select(OauthProvider)).all() == []


@pytest.mark.parametrize(("preset", "issuer"), [("google", "https://accounts.google.com"), ("github", None)])
@on_sqlite
def test_presets_know_their_issuer(client: FlaskClient, auth_headers: Headers, preset: str, issuer: str | None) -> None:
    answer = client.post(URL, json=ACME | {"preset": preset, "issuer": None}, headers=auth_headers)
    assert (answer.status_code, answer.get_json()["issuer"]) == (201, issuer)


@pytest.mark.parametrize(
    ("url", "here", "elsewhere"),
    [
        ("https://id.example", True, True),
        ("http://127.0.0.1:9400", True, False),
        ("http://[::1]:9400", True, False),
        ("http://localhost:9400", True, False),
        ("http://localhost.evil.example", False, False),
        ("http://127.0.0.1.evil.example", False, False),
        ("http://id.example", False, False),
        ("https://id.example@evil.example", False, False),
        ("https://id.example/ x", False, False),
        ("https://id.example/\n", False, False),
        ("//id.example", False, False),
        (None, False, False),
    ],
)
def test_secrets_go_over_tls_or_stay_on_this_machine(url: Any, here: bool, elsewhere: bool) -> None:
    assert is_safe_address(url, loopback=True) is here
    assert is_safe_address(url, loopback=False) is elsewhere


def test_two_providers_cannot_share_a_code(client: FlaskClient, auth_headers: Headers, made: dict[str, Any]) -> None:
    answer = client.post(URL, json=ACME, headers=auth_headers)
    assert (answer.status_code, answer.get_json()["code"]) == (409, "PROVIDER_CODE_TAKEN")
    assert client.get(URL, headers=auth_headers).get_json()["items"] == [made]


@on_sqlite
def test_there_are_at_most_fifty_providers(app: Flask, client: FlaskClient, auth_headers: Headers) -> None:
    for at in range(MAX_PROVIDERS):
        client.post(URL, json=ACME | {"code": f"p{at}"}, headers=auth_headers)
    answer = client.post(URL, json=ACME, headers=auth_headers)
    assert (answer.status_code, answer.get_json()["code"]) == (409, "TOO_MANY_PROVIDERS")
    assert len(client.get("/api/v1/auth/providers").get_json()["items"]) == MAX_PROVIDERS


def test_a_change_of_an_old_version_or_of_none_is_refused(
    app: Flask, client: FlaskClient, auth_headers: Headers, made: dict[str, Any]
) -> None:
    path = f"{URL}/{made['id']}"
    for method, body in (("PUT", CHANGE | {"name": "New"}), ("DELETE", None)):
        assert client.open(path, method=method, json=body, headers=auth_headers).status_code == 428
        stale = client.open(path, method=method, json=body, headers=auth_headers | {"If-Match": '"v9"'})
        assert (stale.status_code, stale.get_json()["code"]) == (412, "PROVIDER_STALE")
    assert (stored(app).name, stored(app).version) == ("Acme ID", 1)


@on_sqlite
def test_changes_need_a_fresh_login(
    app: Flask, client: FlaskClient, auth_headers: Headers, made: dict[str, Any]
) -> None:
    @in_transaction
    def age() -> None:
        db.session.execute(update(Session).values(authenticated_at=made_long_ago))

    made_long_ago = utc_now().replace(year=2020)
    with app.app_context():
        age()
        access.forget([f"s:{sid}" for sid in db.session.scalars(select(Session.sid))])
    path, match = f"{URL}/{made['id']}", auth_headers | {"If-Match": '"v1"'}
    answers = [client.post(URL, json=ACME | {"code": "b"}, headers=auth_headers)]
    answers += [client.put(path, json=CHANGE, headers=match), client.delete(path, headers=match)]
    assert [answer.get_json()["code"] for answer in answers] == ["FRESH_LOGIN_REQUIRED"] * 3
    assert stored(app).version == 1
    assert client.get(path, headers=auth_headers).status_code == 200


def test_a_provider_that_people_use_is_not_deleted_by_accident(
    app: Flask, client: FlaskClient, auth_headers: Headers, made: dict[str, Any], admin: Admin
) -> None:
    connect_somebody(app, admin)
    path, match = f"{URL}/{made['id']}", auth_headers | {"If-Match": '"v1"'}
    refused = client.delete(path, headers=match)
    assert (refused.status_code, refused.get_json()["code"]) == (409, "PROVIDER_IN_USE")
    assert refused.get_json()["detail"].startswith("1 people log in by Acme ID.")
    moved = client.put(path, json=CHANGE | {"issuer": "https://other.example"}, headers=match)
    assert (moved.status_code, moved.get_json()["errors"][0]["pointer"]) == (409, "/issuer")
    assert stored(app).issuer == ACME["issuer"]
    assert client.delete(f"{path}?with_identities=true", headers=match).status_code == 204
    with app.app_context():
        assert db.session.scalars(select(OauthIdentity)).all() == []
        event = db.session.scalars(select(AuditEvent).where(AuditEvent.action == "provider.delete")).one()
        assert event.before is not None
        assert event.before["identities"] == 1


def test_everybody_may_know_how_one_can_log_in(
    client: FlaskClient, auth_headers: Headers, made: dict[str, Any]
) -> None:
    client.post(URL, json=ACME | {"code": "off", "is_enabled": False}, headers=auth_headers)
    answer = client.application.test_client().get("/api/v1/auth/providers")
    offer = {"code": "acme", "name": "Acme ID", "url": "http://localhost:8000/login/with/acme"}
    assert answer.get_json() == {"items": [offer]}


@on_sqlite
def test_ones_own_identities_are_listed_and_ended(
    app: Flask, client: FlaskClient, auth_headers: Headers, made: dict[str, Any], admin: Admin
) -> None:
    connect_somebody(app, admin)
    (mine,) = client.get("/api/v1/me/identities", headers=auth_headers).get_json()["items"]
    assert (mine["provider"], mine["provider_name"]) == ("acme", "Acme ID")
    assert "subject" not in mine
    path = f"/api/v1/me/identities/{mine['id']}"
    assert client.delete("/api/v1/me/identities/999", headers=auth_headers).status_code == 404
    assert client.delete(path, headers=auth_headers).status_code == 204
    assert client.get("/api/v1/me/identities", headers=auth_headers).get_json()["items"] == []


@on_sqlite
def test_only_who_may_do_everything_says_who_vouches_for_people(app: Flask, made: dict[str, Any]) -> None:
    keeper = hire(app, "keeper", {"providers:read", "providers:write"})
    most = hire(app, "most", all_but("users:write"))
    for member, missing in ((keeper, "audit:read"), (most, "users:write")):
        for refused in (
            member.post("/oauth-providers", ACME | {"code": "evil", "issuer": "https://evil.example"}),
            member.call("PUT", f"/oauth-providers/{made['id']}", CHANGE | {"issuer": "https://e.example"}, version=1),
        ):
            assert refusal(refused) == (403, "PERMISSION_MISSING")
            assert missing in refused.get_json()["detail"]
    assert stored(app).issuer == ACME["issuer"]
    assert keeper.delete(f"/oauth-providers/{made['id']}", 1).status_code == 204


@on_sqlite
def test_the_command_line_adds_lists_and_removes_providers(app: Flask, admin: Admin) -> None:
    runner = app.test_cli_runner()
    args = ["oauth", "add", "oidc", "--code", "acme", "--name", "Acme ID", "--client-id", "us"]
    refused = runner.invoke(args=[*args, "--issuer", "http://acme.example"], env={"OAUTH_CLIENT_SECRET": "s"})
    assert (refused.exit_code, "issuer must be an https address" in refused.output) == (1, True)
    unnamed = runner.invoke(args=[*args[:6], "", *args[7:]], env={"OAUTH_CLIENT_SECRET": "s"})
    assert (unnamed.exit_code, "name" in unnamed.output) == (1, True)
    added = runner.invoke(args=[*args, "--issuer", "https://acme.example"], input="typed secret\n")
    assert added.exit_code == 0, added.output
    assert "http://localhost:8000/login/with/acme/callback" in added.output
    assert "typed secret" not in added.output
    assert stored(app).client_secret == "typed secret"
    listed = runner.invoke(args=["oauth", "list"]).output
    assert listed.split() == ["acme", "oidc", "on", "Acme", "ID", "https://acme.example"]
    connect_somebody(app, admin)
    kept = runner.invoke(args=["oauth", "remove", "acme"])
    assert (kept.exit_code, "1 people log in by Acme ID" in kept.output) == (1, True)
    assert runner.invoke(args=["oauth", "remove", "acme", "--with-identities"]).exit_code == 0
    assert runner.invoke(args=["oauth", "remove", "acme"]).exit_code == 1
    assert runner.invoke(args=["oauth", "list"]).output == ""
