"""A login that is under way while the password changes or the user is deactivated: it ends with all the others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import pytest
import sqlalchemy as sa
from argon2 import PasswordHasher
from flask import Flask

from app.auth import passwords
from app.auth.models import Session, User
from app.core.extensions import db
from tests.auth.people import PASSWORD, Person, change, deactivate, new_person
from tests.browsing import Visitor

NEW: Final = "another good password"


@pytest.fixture
def ada(app: Flask) -> Person:
    return new_person(app, "ada@example.org")


def change_password(ada: Person) -> None:
    assert ada.post("/me/password", {"current_password": PASSWORD, "new_password": NEW}).status_code == 204


def open_sessions(app: Flask) -> int:
    with app.app_context():
        return db.session.scalar(sa.select(sa.func.count()).where(Session.ended_at.is_(None))) or 0


def after_the_check(monkeypatch: pytest.MonkeyPatch, name: str, deed: Callable[[], None]) -> None:
    """Let something happen as soon as the real function of this name has done its work, the first time."""
    real, left = getattr(passwords, name), [deed]

    def then(*args: Any, **kwargs: Any) -> Any:
        found = real(*args, **kwargs)
        if left:
            left.pop()()
        return found

    monkeypatch.setattr(passwords, name, then)


def test_a_code_completes_no_login_by_a_password_of_the_past(app: Flask, ada: Person) -> None:
    ada.set_up_app()
    thief = Visitor(app)
    assert thief.log_in(ada.email).headers["Location"].startswith("/login/code")
    change_password(ada)
    refused = thief.send("/login/code", {"code": ada.code(steps=1)})
    assert (refused.status_code, "changed meanwhile" in refused.text) == (422, True)
    assert (thief.client.get("/api/v1/me").status_code, open_sessions(app)) == (401, 1)


@pytest.mark.parametrize("deed", ["change", "deactivate"])
def test_who_had_the_right_password_a_moment_ago_gets_no_session(
    app: Flask, ada: Person, monkeypatch: pytest.MonkeyPatch, deed: str
) -> None:
    deeds = {"change": lambda: change_password(ada), "deactivate": lambda: deactivate(app, ada.id)}
    after_the_check(monkeypatch, "is_correct", deeds[deed])
    thief = Person(app, ada.id, ada.email)
    refused = thief.log_in()
    assert (refused.status_code, refused.get_json()["code"]) == (401, "LOGIN_REFUSED")
    assert open_sessions(app) == 1


def test_a_hash_is_renewed_but_never_over_a_new_password(
    app: Flask, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    weak = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash(PASSWORD)
    change(app, sa.update(User).values(password_hash=weak))
    after_the_check(monkeypatch, "hash_again", lambda: change_password(ada))
    refused = Person(app, ada.id, ada.email).log_in()
    assert (refused.status_code, open_sessions(app)) == (401, 1)
    assert ada.log_in().status_code == 401, "the password of the past is not back"
    assert ada.log_in(password=NEW).status_code == 200
