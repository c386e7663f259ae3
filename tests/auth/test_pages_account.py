"""Pages of one's own account, as a browser without scripts uses them."""

from __future__ import annotations

import re

import pytest
from flask import Flask
from sqlalchemy import select, update

from app.auth.models import ApiKey, Session, User
from app.auth.preferences import NOTIFICATIONS
from app.core.extensions import db
from app.core.orm import utc_now
from tests.auth.people import change, deeds, new_person
from tests.browsing import Visitor
from tests.servers import on_sqlite

pytestmark = [pytest.mark.usefixtures("database"), on_sqlite]

PROFILE = {"name": "Ada", "language": "en", "time_zone": "", "theme": "system"}


@pytest.fixture
def ada(app: Flask) -> Visitor:
    """An administrator who is logged in."""
    new_person(app, "ada@example.org", role="admin")
    return Visitor(app, "ada@example.org")


def test_a_profile_is_saved_and_shown_and_rules_the_pages(app: Flask, ada: Visitor) -> None:
    fields = {"name": "Ada Lovelace", "language": "de-AT", "time_zone": "Europe/Vienna", "theme": "dark"}
    assert ada.send("/account", fields | {"notifications": "jobs"}).status_code == 302
    page = ada.get("/account").text
    assert 'data-bs-theme="dark"' in page
    assert 'value="Ada Lovelace"' in page
    with app.app_context():
        user = db.session.scalars(select(User)).one()
        assert (user.name, user.language, user.time_zone, user.theme) == tuple(fields.values())
        optional = [kind for kind, each in NOTIFICATIONS.items() if each.is_optional]
        assert user.notifications == {kind: kind == "jobs" for kind in optional}


@pytest.mark.parametrize(
    ("field", "value", "rule"),
    [
        ("name", "", "needed"),
        ("name", "x" * 256, "255"),
        ("name", "a\x07b", "control characters"),
        ("time_zone", "Mars/Olympus", "valid choice"),
        ("language", "xx-nowhere", "valid choice"),
        ("theme", "pink", "valid choice"),
    ],
)
def test_what_breaks_a_rule_is_said_beside_its_field_and_nothing_is_saved(
    app: Flask, ada: Visitor, field: str, value: str, rule: str
) -> None:
    answer = ada.send("/account", PROFILE | {field: value})
    assert answer.status_code == 422
    said = re.search(rf'id="{field}-error">(.*?)</div></div>', answer.text, flags=re.DOTALL)
    assert said is not None
    assert rule in said[1]
    assert f'aria-describedby="{field}-error' in answer.text
    with app.app_context():
        assert db.session.scalars(select(User.version)).one() == 1


def test_times_are_shown_in_the_readers_zone_with_the_exact_instant_as_title(app: Flask, ada: Visitor) -> None:
    long_ago = utc_now().replace(year=2025, month=1, day=31, hour=23, minute=30, second=5, microsecond=0)
    change(app, update(User).values(created_at=long_ago))
    assert 'title="2025-01-31 23:30:05 UTC">Jan 31, 2025</time>' in ada.get("/account").text
    ada.send("/account", PROFILE | {"time_zone": "Asia/Tokyo", "language": "en-GB"})
    assert 'title="2025-01-31 23:30:05 UTC">1 Feb 2025</time>' in ada.get("/account").text


def test_a_time_zone_that_this_machine_does_not_know_breaks_no_page(app: Flask, ada: Visitor) -> None:
    change(app, update(User).values(time_zone="Mars/Olympus", language="zz"))
    assert ada.get("/account/sessions").status_code == 200


def test_the_theme_is_switched_from_any_page_and_one_is_back_there(ada: Visitor) -> None:
    answer = ada.send(
        "/account/theme", {"theme": "dark", "next": "/admin/users?role=admin"}, on="/admin/users?role=admin"
    )
    assert answer.headers["Location"] == "/admin/users?role=admin"
    assert 'data-theme="dark" data-bs-theme="dark"' in ada.get("/admin/users").text


def test_an_unknown_theme_changes_nothing(app: Flask, ada: Visitor) -> None:
    ada.send("/account/theme", {"theme": "pink"}, on="/account")
    with app.app_context():
        assert db.session.scalars(select(User.theme)).one() == "system"


def test_the_sessions_page_marks_this_one_and_ends_others(app: Flask, ada: Visitor) -> None:
    elsewhere = Visitor(app, "ada@example.org")
    page = ada.get("/account/sessions").text
    assert page.count("This one") == 1
    assert elsewhere.get("/account").status_code == 200
    ada.send("/account/sessions/end-others", on="/account/sessions")
    assert elsewhere.get("/account").status_code == 302
    assert ada.get("/account").status_code == 200


def test_nobody_ends_somebody_elses_session(app: Flask, ada: Visitor) -> None:
    new_person(app, "eve@example.org")
    eve = Visitor(app, "eve@example.org")
    with app.app_context():
        session_id = db.session.scalars(select(Session.id).where(Session.kind == "browser", Session.user_id == 1)).one()
    assert eve.send(f"/account/sessions/{session_id}/end", on="/account/sessions").status_code == 404
    assert ada.get("/account").status_code == 200
    assert deeds(app, of="session.end") == []


def test_a_key_is_shown_once_works_and_is_revoked(app: Flask, ada: Visitor) -> None:
    made = ada.send("/account/keys/new", {"name": "Nightly import", "days": "30", "scopes": "users:read"})
    found = re.search(r'<output id="key-secret">(cw_[\w-]+)</output>', made.text)
    assert found is not None
    headers = {"Authorization": f"Bearer {found[1]}"}
    assert app.test_client().get("/api/v1/users", headers=headers).status_code == 200
    listed = ada.get("/account/keys").text
    assert "Nightly import" in listed
    assert found[1] not in listed
    with app.app_context():
        key_id = db.session.scalars(select(ApiKey.id)).one()
    assert ada.send(f"/account/keys/{key_id}/revoke", on="/account/keys").status_code == 302
    assert app.test_client().get("/api/v1/users", headers=headers).status_code == 401


def test_nobody_makes_a_key_that_may_do_more_than_they(app: Flask) -> None:
    new_person(app, "olga@example.org", role="farm operator")
    olga = Visitor(app, "olga@example.org")
    page = olga.get("/account/keys/new").text
    assert re.search(r'value="users:read"[^>]*disabled', page)
    assert not re.search(r'value="jobs:write"[^>]*disabled', page)
    answer = olga.send("/account/keys/new", {"name": "x", "days": "30", "scopes": ["jobs:write", "users:read"]})
    assert answer.status_code == 403
    assert "users:read" in answer.text
    with app.app_context():
        assert db.session.scalar(select(ApiKey.id)) is None


def test_a_key_without_scopes_is_refused_beside_them(app: Flask, ada: Visitor) -> None:
    answer = ada.send("/account/keys/new", {"name": "x", "days": "30"})
    assert answer.status_code == 422
    assert "Must name at least one permission." in answer.text
    with app.app_context():
        assert db.session.scalar(select(ApiKey.id)) is None


def test_what_is_kept_comes_as_a_file_without_secrets(ada: Visitor) -> None:
    answer = ada.send("/account/privacy/export", on="/account/privacy")
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert answer.get_json()["auth"]["profile"]["email"] == "ada@example.org"
    assert "argon2" not in answer.text


def test_an_account_is_erased_only_by_who_is_sure_and_then_it_is_gone(app: Flask, ada: Visitor) -> None:
    new_person(app, "eve@example.org")
    eve = Visitor(app, "eve@example.org")
    assert eve.send("/account/privacy/erase").status_code == 422
    assert eve.get("/account").status_code == 200
    answer = eve.send("/account/privacy/erase", {"is_sure": "y"})
    assert answer.headers["Location"] == "/login"
    assert eve.get("/account").status_code == 302
    assert "eve@example.org" not in ada.get("/admin/users").text


def test_the_last_administrator_cannot_erase_themselves(app: Flask, ada: Visitor) -> None:
    answer = ada.send("/account/privacy/erase", {"is_sure": "y"})
    assert answer.status_code == 422
    assert "last administrator" in answer.text
    with app.app_context():
        assert db.session.scalars(select(User.email)).one() == "ada@example.org"


@pytest.mark.parametrize(
    "path", ["/account/keys/new", "/account/privacy/erase", "/admin/roles/new", "/admin/users/new"]
)
def test_sensitive_pages_ask_who_one_is_when_the_login_is_long_ago(app: Flask, ada: Visitor, path: str) -> None:
    change(app, update(Session).values(authenticated_at=utc_now().replace(year=2025)))
    forget(app)
    answer = ada.get(path)
    assert (answer.status_code, answer.headers["Location"]) == (302, f"/confirm?next={path}")
    confirmed = ada.send(answer.headers["Location"], {"password": "correct horse battery staple"})
    assert confirmed.headers["Location"] == path
    assert ada.get(path).status_code == 200


def forget(app: Flask) -> None:
    """Let no cache hide what was changed behind the application's back."""
    from app.auth.services import access

    with app.app_context():
        access.forget([f"s:{sid}" for sid in db.session.scalars(select(Session.sid))])
