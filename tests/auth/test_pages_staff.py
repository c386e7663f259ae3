"""Pages of those who look after accounts, as a browser without scripts uses them."""

from __future__ import annotations

import re
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update

from app.auth.changes import Change, changes
from app.auth.models import OauthProvider, Role, RolePermission, User
from app.core import audit
from app.core.extensions import db
from app.core.permissions import CATALOGUE, system
from app.core.transactions import in_transaction
from tests.auth.people import change, deeds, new_person
from tests.browsing import Visitor, hidden_fields
from tests.servers import on_sqlite

pytestmark = [pytest.mark.usefixtures("database"), on_sqlite]

PROVIDER = {
    "preset": "oidc",
    "name": "Example ID",
    "code": "example",
    "issuer": "https://login.example.org",
    "client_id": "cartwright",
    "client_secret": "s3cr3t-of-the-provider",
    "is_enabled": "y",
}


@pytest.fixture
def ada(app: Flask) -> Visitor:
    """An administrator who is logged in."""
    new_person(app, "ada@example.org", role="admin")
    return Visitor(app, "ada@example.org")


def role_id(app: Flask, name: str) -> int:
    with app.app_context():
        return db.session.scalars(select(Role.id).where(Role.name == name)).one()


def menu(page: str) -> dict[str, str]:
    """The main menu of a page: label -> address."""
    found = re.search(r'<nav class="sidebar".*?</nav>', page, flags=re.DOTALL)
    assert found is not None
    links = re.findall(r'<a href="([^"]+)"[^>]*>(?:<svg.*?</svg>)?([^<]+)</a>', found[0], flags=re.DOTALL)
    return {label: address for address, label in links}


@in_transaction
def allow_just(*, name: str, permissions: list[str]) -> None:
    session = db.session()
    role = Role(name=name)
    session.add(role)
    session.flush()
    session.add_all(RolePermission(role_id=role.id, permission=each) for each in permissions)


@pytest.mark.parametrize("permission", [*sorted(CATALOGUE), None])
def test_the_menu_shows_what_one_may_open_and_nothing_else(app: Flask, permission: str | None) -> None:
    with app.app_context():
        allow_just(name="narrow", permissions=[permission] if permission else [])
    new_person(app, "eve@example.org", role="narrow")
    eve = Visitor(app, "eve@example.org")
    shown = menu(eve.get("/account").text)
    for address in shown.values():
        assert eve.get(address).status_code == 200
    entries = {"/admin/users": "users:read", "/admin/roles": "roles:read", "/admin/audit": "audit:read",
               "/admin/providers": "providers:read"}  # fmt: skip
    for address, needed in entries.items():
        assert (address in shown.values()) == (needed == permission)
        assert (eve.get(address).status_code == 200) == (needed == permission)


@pytest.mark.parametrize(("role", "home"), [("admin", "/admin"), ("customer", "/account")])
def test_the_root_leads_to_the_first_page_that_one_may_open(app: Flask, role: str, home: str) -> None:
    new_person(app, "ada@example.org", role=role)
    assert Visitor(app, "ada@example.org").get("/").headers["Location"] == home
    assert Visitor(app).get("/").headers["Location"] == "/login"


def test_who_may_only_read_sees_no_button_that_would_be_refused(app: Flask) -> None:
    with app.app_context():
        allow_just(name="reader", permissions=[name for name in CATALOGUE if name.endswith(":read")])
    eve_id = new_person(app, "eve@example.org", role="reader").id
    eve = Visitor(app, "eve@example.org")
    for path in ("/admin/users", f"/admin/users/{eve_id}", "/admin/roles", "/admin/roles/2", "/admin/providers"):
        page = eve.get(path)
        assert page.status_code == 200
        main = page.text.partition("<main")[2]
        assert '<form method="post"' not in main
        for address in re.findall(r'<a [^>]*href="(/admin/[^"]+)"', main):
            assert eve.get(address.replace("&amp;", "&")).status_code == 200


def test_users_are_found_by_name_role_and_state(app: Flask, ada: Visitor) -> None:
    new_person(app, "bob@example.org", role="analyst")
    change(app, update(User).where(User.email == "bob@example.org").values(is_active=False))
    assert "bob@example.org" in ada.get("/admin/users?q=bo").text
    assert "bob@example.org" in ada.get("/admin/users?role=analyst&active=no").text
    assert "bob@example.org" not in ada.get("/admin/users?active=yes").text
    assert "Nobody fits" in ada.get("/admin/users?q=zebra").text


def test_long_lists_go_on_by_a_link_and_back(app: Flask, ada: Visitor) -> None:
    @in_transaction
    def fill() -> None:
        db.session.add_all(User(email=f"u{at}@example.org", name=f"User {at}") for at in range(60))

    with app.app_context():
        fill()
    first = ada.get("/admin/users?q=u").text
    onward = re.search(r'<a class="btn[^"]*" href="([^"]+)" rel="next">', first)
    assert onward is not None
    second = ada.get(onward[1].replace("&amp;", "&")).text
    assert "u59@example.org" in second
    assert "u59@example.org" not in first
    assert 'href="/admin/users?q=u">Back to the beginning' in second


def test_somebody_is_invited_with_roles_and_is_deactivated_and_activated(app: Flask, ada: Visitor) -> None:
    answer = ada.send("/admin/users/new", {"email": "Bob@Example.org", "name": "Bob", "roles": ["analyst"]})
    assert answer.status_code == 302
    at = answer.headers["Location"]
    page = ada.get(at).text
    assert "analyst" in page
    assert "Invite again" in page
    fields = hidden_fields(page)
    version = re.search(r'name="version" value="(\d+)"', page)
    assert version is not None
    ada.post(f"{at}/active", fields | {"active": "no", "version": version[1]})
    assert "Deactivated" in ada.get(at).text
    ada.post(f"{at}/active", fields | {"active": "yes", "version": str(int(version[1]) + 1)})
    assert "Deactivate" in ada.get(at).text
    assert deeds(app, of="user.")[-3:] == ["user.create", "user.update", "user.update"]


def test_a_button_of_a_page_that_is_out_of_date_changes_nothing_and_says_so(app: Flask, ada: Visitor) -> None:
    ada.send("/admin/users/new", {"email": "bob@example.org", "name": "Bob"})
    fields = hidden_fields(ada.get("/admin/users/2").text)
    answer = ada.post("/admin/users/2/active", fields | {"active": "no", "version": "77"})
    assert answer.status_code == 302
    assert "alert-danger" in ada.get("/admin/users/2").text
    with app.app_context():
        assert db.session.scalars(select(User.is_active).where(User.id == 2)).one()


def test_the_last_administrator_is_not_deactivated(app: Flask, ada: Visitor) -> None:
    page = ada.get("/admin/users/1").text
    version = re.search(r'name="version" value="(\d+)"', page)
    assert version is not None
    ada.post("/admin/users/1/active", hidden_fields(page) | {"active": "no", "version": version[1]})
    assert "last administrator" in ada.get("/admin/users/1").text


def test_nobody_gives_a_role_that_may_more_than_they(app: Flask) -> None:
    with app.app_context():
        allow_just(name="desk", permissions=["users:read", "users:write"])
    new_person(app, "eve@example.org", role="desk")
    eve = Visitor(app, "eve@example.org")
    answer = eve.send("/admin/users/new", {"email": "x@example.org", "name": "X", "roles": ["admin"]})
    assert answer.status_code == 403
    with app.app_context():
        assert db.session.scalars(select(User.email)).all() == ["eve@example.org"]


def test_a_role_is_made_changed_and_deleted(app: Flask, ada: Visitor) -> None:
    fields = {"name": "night shift", "description": "At night", "permissions": ["jobs:read"], "second_factor": "yes"}
    made = ada.send("/admin/roles/new", fields)
    at = made.headers["Location"]
    assert "Always" in ada.get(at).text
    assert ada.send(f"{at}/edit", fields | {"permissions": ["jobs:read", "jobs:write"]}).status_code == 302
    with app.app_context():
        granted = db.session.scalars(select(RolePermission.permission).where(RolePermission.role_id == int(at[13:])))
        assert sorted(granted) == ["jobs:read", "jobs:write"]
    assert ada.send(f"{at}/delete").headers["Location"] == "/admin/roles"
    assert ada.get(at).status_code == 404
    assert deeds(app, of="role.") == ["role.create", "role.update", "role.delete"]


def test_a_role_that_somebody_has_is_not_deleted_and_the_page_says_by_how_many(app: Flask, ada: Visitor) -> None:
    ada.send("/admin/roles/new", {"name": "night shift", "permissions": ["jobs:read"]})
    new_person(app, "bob@example.org", role="night shift")
    at = f"/admin/roles/{role_id(app, 'night shift')}/delete"
    shown = ada.get(at)
    assert (shown.status_code, "1 user has the role" in shown.text) == (200, True)
    assert re.search(r'<a [^>]*href="/admin/users/\d+"><bdi>Bob</bdi></a>', shown.text)
    main = shown.text.partition("<main")[2]
    assert ("btn-danger" in main, '<form method="post"' in main) == (False, False)
    assert role_id(app, "night shift")


def test_a_role_that_somebody_got_while_its_deletion_was_asked_for_is_not_deleted(app: Flask, ada: Visitor) -> None:
    ada.send("/admin/roles/new", {"name": "night shift", "permissions": ["jobs:read"]})
    at = f"/admin/roles/{role_id(app, 'night shift')}/delete"
    asked = hidden_fields(ada.get(at).text)
    new_person(app, "bob@example.org", role="night shift")
    answer = ada.post(at, asked)
    assert (answer.status_code, "1 user has the role" in answer.text) == (422, True)
    assert role_id(app, "night shift")


def test_who_may_not_see_users_is_told_only_how_many_have_a_role(app: Flask) -> None:
    with app.app_context():
        allow_just(name="keeper", permissions=["roles:read", "roles:write"])
        allow_just(name="idle", permissions=[])
    new_person(app, "eve@example.org", role="keeper")
    new_person(app, "bob@example.org", role="idle")
    shown = Visitor(app, "eve@example.org").get(f"/admin/roles/{role_id(app, 'idle')}/delete").text
    assert ("1 user has the role" in shown, "Bob" in shown, "/admin/users" in shown) == (True, False, False)


def test_the_locked_role_has_no_way_to_change_it(app: Flask, ada: Visitor) -> None:
    at = f"/admin/roles/{role_id(app, 'admin')}"
    assert f"{at}/edit" not in ada.get(at).text
    answer = ada.send(f"{at}/edit", {"name": "admin", "permissions": ["jobs:read"]})
    assert answer.status_code == 422
    assert "changed by nobody" in answer.text


def edit_together(app: Flask, ada: Visitor) -> tuple[str, dict[str, Any], str]:
    """Two people edit a role at once: the address, what the slower one sends, and the answer to that."""
    ada.send("/admin/roles/new", {"name": "night shift", "description": "old", "permissions": ["jobs:read"]})
    at = f"/admin/roles/{role_id(app, 'night shift')}/edit"
    page = ada.get(at).text
    ada.send(at, {"name": "night shift", "description": "theirs", "permissions": ["jobs:read"], "second_factor": "yes"})
    mine = {"name": "night shift", "description": "mine", "permissions": ["jobs:read"], "second_factor": "usual"}
    answer = ada.post(at, hidden_fields(page) | mine)
    assert answer.status_code == 412
    return at, mine, answer.text


def test_an_edit_that_met_a_newer_version_saves_nothing_and_shows_both(app: Flask, ada: Visitor) -> None:
    _at, _mine, page = edit_together(app, ada)
    shown = re.findall(r'name="keep-(\w+)" value="(theirs|yours)".*?</strong><br>(.*?)</span>', page, flags=re.DOTALL)
    assert shown == [
        ("description", "theirs", "theirs"),
        ("description", "yours", "mine"),
        ("second_factor", "theirs", "yes"),
        ("second_factor", "yours", "usual"),
    ]
    with app.app_context():
        assert db.session.scalars(select(Role.description).where(Role.name == "night shift")).one() == "theirs"


def test_whoever_met_a_newer_version_chooses_whose_values_to_keep(app: Flask, ada: Visitor) -> None:
    at, mine, page = edit_together(app, ada)
    chosen = {"keep-description": "yours", "keep-second_factor": "theirs"}
    assert ada.post(at, hidden_fields(page) | mine | chosen).status_code == 302
    with app.app_context():
        role = db.session.scalars(select(Role).where(Role.name == "night shift")).one()
        assert (role.description, role.requires_second_factor) == ("mine", True)


@pytest.mark.parametrize("version", ["", "x", "-1", "9" * 30, "²"])
def test_a_form_that_does_not_say_its_version_saves_nothing(app: Flask, ada: Visitor, version: str) -> None:
    at = f"/admin/roles/{role_id(app, 'analyst')}/edit"
    fields = hidden_fields(ada.get(at).text) | {"version": version, "name": "analyst", "description": "changed"}
    assert ada.post(at, fields).status_code == 422
    with app.app_context():
        assert "changed" not in db.session.scalars(select(Role.description)).all()


def test_a_provider_is_added_changed_and_deleted_and_its_secret_never_shown(app: Flask, ada: Visitor) -> None:
    at = ada.send("/admin/providers/new", PROVIDER).headers["Location"]
    page = ada.get(at).text
    assert PROVIDER["client_secret"] not in page
    assert "/login/with/example/callback" in page
    changed = {"name": "Example", "issuer": PROVIDER["issuer"], "client_id": "other"}
    assert ada.send(at, changed).status_code == 302
    with app.app_context():
        row = db.session.scalars(select(OauthProvider)).one()
        assert (row.client_id, row.is_enabled, row.client_secret) == ("other", False, PROVIDER["client_secret"])
    assert ada.send(at.replace("/edit", "/delete")).headers["Location"] == "/admin/providers"
    assert ada.get(at).status_code == 404


@pytest.mark.parametrize(("field", "value"), [("issuer", "http://evil.example"), ("code", "No Spaces"), ("issuer", "")])
def test_a_provider_that_breaks_a_rule_is_refused_beside_its_field(
    app: Flask, ada: Visitor, field: str, value: str
) -> None:
    answer = ada.send("/admin/providers/new", PROVIDER | {field: value})
    assert answer.status_code == 422
    assert f'id="{field}-error"' in answer.text
    with app.app_context():
        assert db.session.scalar(select(OauthProvider.id)) is None


def test_the_audit_log_is_searched_by_the_address_of_the_page(app: Flask, ada: Visitor) -> None:
    ada.send("/admin/roles/new", {"name": "night shift", "permissions": ["jobs:read"]})
    page = ada.get("/admin/audit?action=role.create&actor=user&actor_id=1").text
    assert "role.create" in page
    assert "jobs:read" in page
    assert "user.log_in" not in page.partition("<table")[2]
    assert "Nothing fits" in ada.get("/admin/audit?until=2020-01-01").text
    assert "role.create" in ada.get("/admin/audit?action=role.").text


@pytest.mark.parametrize("query", ["actor_id=x", "since=yesterday", "actor_id=99999999999999999999999", "action=%00"])
def test_filters_that_make_no_sense_break_no_page(ada: Visitor, query: str) -> None:
    assert ada.get(f"/admin/audit?{query}").status_code == 200


def test_a_cursor_that_is_none_is_refused_on_a_page(ada: Visitor) -> None:
    answer = ada.get("/admin/users?cursor=nonsense")
    assert answer.status_code == 422
    assert "is not a cursor of this list" in answer.text


def test_an_event_without_a_user_or_with_odd_values_is_shown(app: Flask, ada: Visitor) -> None:
    @in_transaction
    def write() -> None:
        odd = {"list": [1, None, {"a": True}], "nested": {"x": [1, 2]}, "empty": {}, "text": "<b>"}
        audit.record(actor=system(), action="thing.odd", subject=("thing", None), before=odd, after={"text": "&"})

    with app.app_context():
        write()
    page = ada.get("/admin/audit?action=thing.odd").text
    assert "&lt;b&gt;" in page
    assert "System" in page


@pytest.mark.parametrize(
    ("before", "after", "shown"),
    [
        ({"a": 1}, {"a": 2}, [Change("a", ["1"], ["2"])]),
        ({"a": 1, "b": 1}, {"a": 1, "b": 2}, [Change("b", ["1"], ["2"])]),
        ({"roles": ["x", "y"]}, {"roles": ["y", "z"]}, [Change("roles", ["x"], ["z"])]),
        (None, {"is_active": True}, [Change("is active", [], ["yes"])]),
        ({"name": "old"}, None, [Change("name", ["old"], [])]),
        (None, None, []),
    ],
)
def test_a_change_shows_what_went_and_what_came(
    before: dict[str, Any] | None, after: dict[str, Any] | None, shown: list[Change]
) -> None:
    assert changes(before, after) == shown
