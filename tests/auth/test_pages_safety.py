"""What keeps pages from being used against the people who are logged in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import pytest
import sqlalchemy as sa
from flask import Flask
from werkzeug.routing import Rule

from app.auth.models import Session
from app.auth.services.sessions import sid_of
from app.core.extensions import db
from app.core.permissions import CATALOGUE
from tests.auth.people import deeds, new_person
from tests.browsing import Visitor, hidden_fields
from tests.servers import on_sqlite

pytestmark = [pytest.mark.usefixtures("database"), on_sqlite]

_READS: Final = {"GET", "HEAD", "OPTIONS"}
COOKIE: Final = "cartwright"


def page_rules(app: Flask) -> Iterator[Rule]:
    """The routes of pages: all that is neither the API nor a file."""
    for rule in app.url_map.iter_rules():
        if not rule.rule.startswith(("/api/", "/static/", "/bootstrap/")):
            yield rule


def filled(rule: Rule) -> str:
    return re.sub(r"<[^>]+>", "1", rule.rule)


def everything(app: Flask) -> dict[str, list[Any]]:
    """Every row of every table, but when a session was last seen."""
    with app.app_context(), db.engine.connect() as connection:
        return {
            table.name: [
                tuple(value for name, value in row._mapping.items() if name not in {"last_seen_at", "expires_at"})
                for row in connection.execute(sa.select(table))
            ]
            for table in db.metadata.sorted_tables
            if sa.inspect(connection).has_table(table.name)
        }


@pytest.mark.parametrize("token", [{}, {"csrf_token": "made up"}, {"csrf_token": ""}])
def test_no_page_takes_a_form_without_its_token_and_nothing_changes(app: Flask, token: dict[str, str]) -> None:
    new_person(app, "ada@example.org", role="admin")
    ada = Visitor(app, "ada@example.org")
    unsafe = [(filled(rule), method) for rule in page_rules(app) for method in sorted((rule.methods or set()) - _READS)]
    assert len(unsafe) > 30
    before = everything(app)
    for path, method in unsafe:
        answer = ada.client.open(path, method=method, data=token, headers={"Accept": "text/html"})
        assert (path, answer.status_code) == (path, 400)
    assert everything(app) == before


def test_the_token_of_somebody_elses_page_is_no_good(app: Flask) -> None:
    for name in ("ada", "eve"):
        new_person(app, f"{name}@example.org", role="admin")
    ada, eve = Visitor(app, "ada@example.org"), Visitor(app, "eve@example.org")
    stolen = hidden_fields(eve.get("/account/privacy").text)
    before = everything(app)
    assert ada.post("/account/sessions/end-others", stolen).status_code == 400
    assert everything(app) == before


def test_every_form_of_every_page_carries_a_token(app: Flask) -> None:
    new_person(app, "ada@example.org", role="admin")
    ada, seen = Visitor(app, "ada@example.org"), 0
    for rule in page_rules(app):
        if "GET" in (rule.methods or set()):
            page = ada.get(filled(rule)).get_data(as_text=True)
            for form in re.findall(r"<form[^>]*method=.post.*?</form>", page, flags=re.DOTALL | re.IGNORECASE):
                assert 'name="csrf_token"' in form, (rule.rule, form)
                seen += 1
    assert seen > 50


def test_a_login_gives_a_new_session_whatever_cookie_was_there_before(app: Flask) -> None:
    new_person(app, "ada@example.org")
    ada = Visitor(app)
    ada.get("/login")
    planted = ada.client.get_cookie(COOKIE)
    assert planted is not None
    ada.log_in("ada@example.org")
    after = ada.client.get_cookie(COOKIE)
    assert after is not None
    assert after.value != planted.value
    attacker = Visitor(app)
    attacker.client.set_cookie(COOKIE, planted.value)
    assert attacker.get("/account").headers["Location"].startswith("/login")


def test_logging_in_again_ends_the_session_before_and_leaves_nothing_of_it_in_the_cookie(app: Flask) -> None:
    new_person(app, "ada@example.org")
    ada = Visitor(app, "ada@example.org")
    with ada.client.session_transaction() as cookie:
        first, cookie["planted"] = cookie["_user_id"], "by somebody else"
    ada.log_in("ada@example.org")
    with ada.client.session_transaction() as cookie:
        assert cookie["_user_id"] != first
        assert "planted" not in cookie
    with app.app_context():
        of_browsers = sa.select(Session.sid, Session.end_reason).where(Session.kind == "browser").order_by(Session.id)
        rows = db.session.execute(of_browsers).all()
    assert [(row.sid == sid_of(first), row.end_reason) for row in rows] == [(True, "replaced"), (False, None)]


def test_logging_out_ends_the_session_so_that_a_copy_of_its_cookie_is_worth_nothing(app: Flask) -> None:
    new_person(app, "ada@example.org")
    ada = Visitor(app, "ada@example.org")
    copied = ada.client.get_cookie(COOKIE)
    assert copied is not None
    with ada.client.session_transaction() as cookie:
        sid = sid_of(cookie["_user_id"])
    answer = ada.send("/logout", on="/account")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/login")
    thief = Visitor(app)
    thief.client.set_cookie(COOKIE, copied.value)
    assert thief.get("/account").status_code == 302
    with app.app_context():
        assert db.session.scalars(sa.select(Session.end_reason).where(Session.sid == sid)).one() == "logged out"


def test_nobody_is_logged_out_by_a_link(app: Flask) -> None:
    new_person(app, "ada@example.org")
    ada = Visitor(app, "ada@example.org")
    assert ada.get("/logout").status_code == 405
    assert ada.get("/account").status_code == 200


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example",
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "javascript:alert(1)",
        "/\t/evil.example",
        "http:evil.example",
        "evil.example",
        "/a\\..\\..",
        "",
    ],
)
def test_a_login_leads_nowhere_but_to_this_site(app: Flask, target: str) -> None:
    new_person(app, "ada@example.org")
    answer = Visitor(app).log_in("ada@example.org", next=target)
    assert (answer.status_code, answer.headers["Location"]) == (302, "/")


def test_a_login_leads_on_to_the_page_that_was_asked_for(app: Flask) -> None:
    new_person(app, "ada@example.org", role="admin")
    ada = Visitor(app)
    asked = ada.get("/admin/users?role=admin&active=yes")
    assert asked.headers["Location"] == "/login?next=/admin/users?role%3Dadmin%26active%3Dyes"
    answer = ada.send(
        asked.headers["Location"], {"email": "ada@example.org", "password": "correct horse battery staple"}
    )
    assert answer.headers["Location"] == "/admin/users?role=admin&active=yes"


def test_a_theme_switch_leads_nowhere_but_to_this_site(app: Flask) -> None:
    new_person(app, "ada@example.org")
    ada = Visitor(app, "ada@example.org")
    answer = ada.send("/account/theme", {"theme": "dark", "next": "//evil.example"}, on="/account")
    assert answer.headers["Location"] == "/account"


def test_no_page_is_stored_or_framed_or_runs_scripts_of_others(app: Flask) -> None:
    new_person(app, "ada@example.org", role="admin")
    answer = Visitor(app, "ada@example.org").get("/admin/users")
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Frame-Options"] == "DENY"
    policy = answer.headers["Content-Security-Policy"]
    nonce = re.search(r"script-src 'nonce-([\w-]+)'", policy)
    assert nonce is not None
    scripts = re.findall(r"<script[^>]*>", answer.text)
    assert scripts
    assert all(f'nonce="{nonce[1]}"' in script and "src=" in script for script in scripts)


@pytest.mark.parametrize("hidden", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>'])
def test_names_that_are_markup_are_shown_as_they_are_written(app: Flask, hidden: str) -> None:
    new_person(app, "ada@example.org", role="admin")
    ada = Visitor(app, "ada@example.org")
    assert ada.send("/admin/users/new", {"email": "eve@example.org", "name": hidden}).status_code == 302
    assert ada.send("/admin/roles/new", {"name": hidden, "permissions": "products:read"}).status_code == 302
    for path in ("/admin/users", "/admin/users/2", "/admin/users/2/edit", "/admin/roles", "/admin/audit"):
        assert hidden not in ada.get(path).text


def test_an_overposted_field_changes_nothing(app: Flask) -> None:
    """A form takes the fields that it has: nobody gives themselves a role by their own profile."""
    new_person(app, "eve@example.org")
    eve = Visitor(app, "eve@example.org")
    fields = {"name": "Eve", "language": "en", "time_zone": "", "theme": "dark", "roles": "admin", "is_active": "y"}
    assert eve.send("/account", fields | {"id": "1", "email_verified_at": "x"}).status_code == 302
    assert eve.get("/admin/users").status_code == 403
    assert deeds(app, of="user.update") == ["user.update_profile"]


@pytest.mark.parametrize("permission", sorted(CATALOGUE))
def test_a_page_refused_names_the_permission_that_is_missing(app: Flask, permission: str) -> None:
    pages = [
        filled(rule)
        for rule in page_rules(app)
        if getattr(app.view_functions[rule.endpoint], "access", "") == permission and "GET" in (rule.methods or ())
    ]
    assert pages or permission.split(":", maxsplit=1)[0] not in {"users", "roles", "providers", "audit"}
    new_person(app, "eve@example.org")
    eve = Visitor(app, "eve@example.org")
    for page in pages:
        answer = eve.get(page)
        assert (page, answer.status_code) == (page, 403)
        assert permission in answer.text
