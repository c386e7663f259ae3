"""Users: what administrators may do to other people's accounts, and what nobody may."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import select
from werkzeug.test import TestResponse

from app.auth.models import OneTimeToken, User
from app.auth.queries.users import count_administrators
from app.auth.roles import BUILT_IN
from app.core.extensions import db
from app.core.outbox import Outbox
from tests.auth.conftest import Mails
from tests.auth.staff import Member, all_but, hire, logged, pointers, refusal
from tests.calls import PASSWORD, add_key
from tests.concurrency import at_once
from tests.mailing import Received
from tests.servers import on_sqlite

NEW: dict[str, Any] = {"email": "New@Example.org", "name": "New One", "roles": ["analyst"]}


@pytest.fixture
def root(app: Flask) -> Member:
    """An administrator."""
    return hire(app, "root", role="admin")


def test_an_invited_user_sets_a_password_by_the_mail_and_logs_in(app: Flask, root: Member, mails: Mails) -> None:
    made = root.post("/users", NEW)
    user = made.get_json()
    assert (made.status_code, made.headers["ETag"]) == (201, '"v1"')
    assert made.headers["Location"] == f"/api/v1/users/{user['id']}"
    assert (user["email"], user["roles"], user["email_verified_at"]) == ("new@example.org", ["analyst"], None)
    (mail,) = mails()
    assert mail.recipients == ["new@example.org"]
    client = app.test_client()
    proof = {"token": mail.token("/reset-password"), "password": PASSWORD}
    assert client.post("/api/v1/auth/reset-password", json=proof).status_code == 204
    log_in = {"email": "new@example.org", "password": PASSWORD}
    assert client.post("/api/v1/auth/login", json=log_in).status_code == 200
    assert root.get(f"/users/{user['id']}")["email_verified_at"] is not None
    assert logged(app, "user.create")[-1] == (user["id"], None, {"roles": ["analyst"]})


def test_an_address_in_use_is_refused(root: Member) -> None:
    assert root.post("/users", NEW).status_code == 201
    refused = root.post("/users", NEW | {"email": "new@example.org"})
    assert (refusal(refused), pointers(refused)) == ((409, "EMAIL_TAKEN"), ["/email"])
    assert len(root.get("/users")["items"]) == 2


def test_users_are_found_by_the_beginning_of_address_or_name_by_role_and_state(app: Flask, root: Member) -> None:
    for email, name in (("ann@a.example.org", "Zoe"), ("bob@b.example.org", "Annabel"), ("an_n@c.example.org", "Cy")):
        assert root.post("/users", {"email": email, "name": name}).status_code == 201

    def names(query: str) -> list[str]:
        return [user["name"] for user in root.get(f"/users?{query}")["items"]]

    assert names("q=Ann") == ["Zoe", "Annabel"]
    assert names("q=an_") == ["Cy"]  # what stands for any letter in SQL stands for itself
    assert names("q=%25") == names("q=nn") == []
    assert names("role=admin") == ["Somebody"]
    assert len(names("is_active=true")) == 4
    first = root.get("/users?limit=3")
    assert [len(first["items"]), len(root.get(f"/users?cursor={first['next_cursor']}")["items"])] == [3, 1]


def test_a_change_needs_the_version_and_stands_in_the_log_without_names(app: Flask, root: Member) -> None:
    member = hire(app, "member", role="analyst")
    path = f"/users/{member.id}"
    assert refusal(root.call("PATCH", path, {"name": "x"})) == (428, "VERSION_REQUIRED")
    assert refusal(root.patch(path, {"name": "x"}, 7)) == (412, "STALE_VERSION")
    changed = root.patch(path, {"name": "Mary Smith", "roles": ["order desk", "customer"]}, 1).get_json()
    assert (changed["name"], changed["roles"], changed["version"]) == ("Mary Smith", ["customer", "order desk"], 2)
    after = {"roles": ["customer", "order desk"], "also_changed": ["name"]}
    assert logged(app, "user.update") == [(member.id, {"roles": ["analyst"]}, after)]
    assert member.get("/me")["permissions"] == sorted(BUILT_IN["order desk"].permissions)
    assert root.patch(path, {"name": "Mary Smith"}, 2).get_json()["version"] == 2


@pytest.mark.parametrize(
    ("change", "before", "after"),
    [
        ({"name": "Mary"}, None, {"also_changed": ["name"]}),
        ({"name": "Somebody", "roles": ["customer"]}, {"roles": ["analyst"]}, {"roles": ["customer"]}),
        ({"roles": ["analyst"], "is_active": False}, {"is_active": True}, {"is_active": False}),
    ],
)
@on_sqlite
def test_the_log_holds_only_what_a_change_changed(
    app: Flask, root: Member, change: dict[str, Any], before: dict[str, Any] | None, after: dict[str, Any]
) -> None:
    member = hire(app, "member", role="analyst")
    assert root.patch(f"/users/{member.id}", change, 1).status_code == 200
    assert logged(app, "user.update") == [(member.id, before, after)]


def test_a_deactivated_user_is_out_at_once_and_so_are_keys(app: Flask, root: Member) -> None:
    member = hire(app, "member", role="analyst")
    with app.app_context():
        add_key(user_id=member.id, secret="cw_of_the_member", scopes=["products:read"])
    by_key = Member(app, member.id, "", "cw_of_the_member")
    assert [who.call("GET", "/products").status_code for who in (member, by_key)] == [200, 200]
    closed = root.patch(f"/users/{member.id}", {"is_active": False}, 1)
    assert (closed.status_code, closed.get_json()["is_active"]) == (200, False)
    assert [refusal(who.call("GET", "/products")) for who in (member, by_key)] == [(401, "TOKEN_REFUSED")] * 2
    assert root.get(f"/users/{member.id}/sessions")["items"] == []
    assert root.patch(f"/users/{member.id}", {"is_active": True}, 2).status_code == 200
    assert refusal(member.call("GET", "/products")) == (401, "TOKEN_REFUSED")
    assert by_key.call("GET", "/products").status_code == 200


def test_an_address_changes_until_its_owner_has_proven_it_and_old_links_die(
    app: Flask, root: Member, mails: Mails
) -> None:
    user = root.post("/users", NEW).get_json()
    (first,) = mails()
    path = f"/users/{user['id']}"
    assert root.patch(path, {"email": "right@example.org"}, 1).get_json()["email"] == "right@example.org"
    (second,) = mails()
    assert second.recipients == ["right@example.org"]
    client = app.test_client()

    def use(mail: Received) -> TestResponse:
        proof = {"token": mail.token("/reset-password"), "password": PASSWORD}
        return client.post("/api/v1/auth/reset-password", json=proof)

    assert refusal(use(first)) == (422, "LINK_REFUSED")
    assert use(second).status_code == 204
    version = root.get(path)["version"]
    refused = root.patch(path, {"email": "taken@over.example.org"}, version)
    assert (refusal(refused), pointers(refused)) == ((409, "EMAIL_SETTLED"), ["/email"])
    assert root.get(path)["email"] == "right@example.org"
    taken = root.post("/users", {"email": "free@example.org", "name": "Free"}).get_json()
    assert refusal(root.patch(f"/users/{taken['id']}", {"email": "right@example.org"}, 1)) == (409, "EMAIL_TAKEN")


def test_an_invitation_is_sent_again_only_to_who_has_used_none(app: Flask, root: Member, mails: Mails) -> None:
    user = root.post("/users", NEW).get_json()
    mails()
    assert root.post(f"/users/{user['id']}/invitation").status_code == 202
    assert [mail.recipients for mail in mails()] == [["new@example.org"]]
    with app.app_context():
        assert len(db.session.scalars(select(OneTimeToken)).all()) == 1
    assert refusal(root.post(f"/users/{root.id}/invitation")) == (409, "NOTHING_TO_INVITE")
    assert mails() == []


GRABS: dict[str, Callable[[Member, int], Any]] = {
    "another address": lambda who, other: who.patch(f"/users/{other}", {"email": "mine@example.org"}, 1),
    "another name": lambda who, other: who.patch(f"/users/{other}", {"name": "x"}, 1),
    "no roles": lambda who, other: who.patch(f"/users/{other}", {"roles": []}, 1),
    "closing": lambda who, other: who.patch(f"/users/{other}", {"is_active": False}, 1),
    "logging out": lambda who, other: who.delete(f"/users/{other}/sessions"),
    "an invitation": lambda who, other: who.post(f"/users/{other}/invitation"),
    "admin for oneself": lambda who, _: who.patch(f"/users/{who.id}", {"roles": ["admin"]}, 1),
    "a little more for oneself": lambda who, _: who.patch(f"/users/{who.id}", {"roles": ["farm operator"]}, 1),
    "an administrator": lambda who, _: who.post("/users", NEW | {"roles": ["admin"]}),
}


@on_sqlite
@pytest.mark.parametrize("grab", GRABS)
def test_nobody_rises_by_changing_users(app: Flask, root: Member, grab: str) -> None:
    keeper = hire(app, "keeper", all_but("jobs:write"))
    other = hire(app, "operator", role="farm operator", is_verified=False).id
    before = [user | {"last_seen_at": None} for user in root.get("/users")["items"]]
    refused = GRABS[grab](keeper, other)
    assert refusal(refused) == (403, "PERMISSION_MISSING")
    assert "jobs:write" in refused.get_json()["detail"]
    assert [user | {"last_seen_at": None} for user in root.get("/users")["items"]] == before
    with app.app_context():
        assert db.session.scalars(select(Outbox)).all() == []


def test_a_key_gives_no_role_beyond_its_scopes(app: Flask, root: Member) -> None:
    with app.app_context():
        add_key(user_id=root.id, secret="cw_of_root", scopes=["users:read", "users:write"])
    key = Member(app, root.id, "", "cw_of_root")
    assert refusal(key.post("/users", NEW)) == (403, "PERMISSION_MISSING")
    assert refusal(key.patch(f"/users/{root.id}", {"name": "x"}, 1)) == (403, "PERMISSION_MISSING")
    assert key.post("/users", NEW | {"roles": []}).status_code == 201
    assert logged(app, "user.create")[-1][2] == {"roles": []}


@pytest.mark.parametrize("change", [{"roles": []}, {"roles": ["analyst"]}, {"is_active": False}])
def test_the_last_administrator_stays(app: Flask, root: Member, change: dict[str, Any]) -> None:
    root.post("/users", NEW | {"roles": ["admin"]})  # who has not come yet does not count
    assert refusal(root.patch(f"/users/{root.id}", change, 1)) == (409, "LAST_ADMINISTRATOR")
    assert refusal(root.post("/me/erasure")) == (409, "LAST_ADMINISTRATOR")
    assert root.get("/me")["roles"] == ["admin"]
    hire(app, "second", role="admin")
    assert root.patch(f"/users/{root.id}", change, 1).status_code == 200


@pytest.mark.parametrize("change", [{"roles": []}, {"is_active": False}])
def test_of_two_administrators_who_remove_each_other_at_once_one_stays(
    app: Flask, root: Member, change: dict[str, Any]
) -> None:
    other = hire(app, "other", role="admin")
    answers = at_once(
        app,
        lambda: root.patch(f"/users/{other.id}", change, 1).status_code,
        lambda: other.patch(f"/users/{root.id}", change, 1).status_code,
    )
    assert answers.count(200) == 1
    with app.app_context():
        assert count_administrators(but=0) == 1


def test_two_administrators_who_erase_themselves_at_once_do_not_both_go(app: Flask, root: Member) -> None:
    other = hire(app, "other", role="admin")
    answers = at_once(app, lambda: root.post("/me/erasure").status_code, lambda: other.post("/me/erasure").status_code)
    assert sorted(answers) == [204, 409]


@on_sqlite
@pytest.mark.parametrize(
    ("sent", "where"),
    [
        ({}, ["/email", "/name"]),
        ({"email": "nobody", "name": "x"}, ["/email"]),
        ({"email": "a@example.org\nBcc: b@example.org", "name": "x"}, ["/email"]),
        ({"email": "a@example.org", "name": " "}, ["/name"]),
        ({"email": "a@example.org", "name": "x", "roles": ["analyst", "king"]}, ["/roles/1"]),
        ({"email": "a@example.org", "name": "x", "roles": ["analyst", "analyst"]}, ["/roles"]),
        ({"email": "a@example.org", "name": "x", "is_active": True, "id": 1}, ["/id", "/is_active"]),
        (
            {"email": "a@example.org", "name": "x", "password_hash": "x", "email_verified_at": None, "version": 1},
            ["/email_verified_at", "/password_hash", "/version"],
        ),
    ],
)
def test_a_malformed_user_is_refused_by_field(root: Member, sent: dict[str, Any], where: list[str]) -> None:
    refused = root.post("/users", sent)
    assert (refused.status_code, pointers(refused)) == (422, where)
    assert len(root.get("/users")["items"]) == 1


@on_sqlite
def test_sessions_and_keys_are_ended_only_as_those_of_their_user(app: Flask, root: Member) -> None:
    one, other = hire(app, "one", role="analyst"), hire(app, "other", role="analyst")
    session = root.get(f"/users/{one.id}/sessions")["items"][0]["id"]
    with app.app_context():
        key = add_key(user_id=one.id, secret="cw_of_one", scopes=["products:read"])
    assert refusal(root.delete(f"/users/{other.id}/sessions/{session}")) == (404, "SESSION_NOT_FOUND")
    assert refusal(root.delete(f"/users/{other.id}/keys/{key}")) == (404, "KEY_NOT_FOUND")
    assert refusal(other.delete(f"/me/sessions/{session}")) == (404, "SESSION_NOT_FOUND")
    for method, body in (("GET", None), ("PATCH", {"name": "mine"}), ("DELETE", None)):
        assert refusal(other.call(method, f"/me/keys/{key}", body, version=1)) == (404, "KEY_NOT_FOUND")
    assert one.call("GET", "/products").status_code == 200
    assert root.delete(f"/users/{one.id}/keys/{key}").status_code == 204
    assert root.delete(f"/users/{one.id}/sessions/{session}").status_code == 204
    assert refusal(one.call("GET", "/products")) == (401, "TOKEN_REFUSED")
    for path in ("", "/sessions", "/keys"):
        assert refusal(root.call("GET", f"/users/4711{path}")) == (404, "USER_NOT_FOUND")


def run(app: Flask, *arguments: str) -> Result:
    return app.test_cli_runner().invoke(args=["user", *arguments])


@on_sqlite
def test_users_are_looked_after_from_the_command_line(app: Flask, root: Member) -> None:
    member = hire(app, "member", role="analyst")
    assert "member@example.org  Somebody [analyst]" in run(app, "list", "--role", "analyst").output
    assert run(app, "set-roles", "MEMBER@example.org", "order desk").output == "member@example.org: order desk\n"
    assert member.get("/me")["roles"] == ["order desk"]
    assert run(app, "deactivate", "member@example.org").exit_code == 0
    assert refusal(member.call("GET", "/me")) == (401, "TOKEN_REFUSED")
    assert run(app, "activate", "member@example.org").exit_code == 0
    with app.app_context():
        assert db.session.get_one(User, member.id).is_active
    for arguments, reason in (
        (("deactivate", "root@example.org"), "last administrator"),
        (("set-roles", "member@example.org", "king"), "roles/0 is no role."),
        (("activate", "nobody@example.org"), "Nobody has the address"),
    ):
        refused = run(app, *arguments)
        assert refused.exit_code == 1
        assert reason in refused.output
    assert root.get("/me")["roles"] == ["admin"]
