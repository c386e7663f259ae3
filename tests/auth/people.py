"""People who log in, for tests of accounts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pyotp
from flask import Flask
from sqlalchemy import select
from werkzeug.test import TestResponse

from app import create_app
from app.auth.models import Role, User, UserRole
from app.auth.services.accounts import create_administrator
from app.config import Accounts, Settings
from app.core.audit import AuditEvent
from app.core.extensions import db
from app.core.orm import utc_now
from app.core.permissions import system
from app.core.transactions import in_transaction

API = "/api/v1"
PASSWORD = "correct horse battery staple"


@dataclass
class Person:
    """Somebody with an account, a client of the API and perhaps a phone."""

    app: Flask
    id: int
    email: str
    token: str = ""
    secret: str = field(default="", repr=False)
    codes: list[str] = field(default_factory=list, repr=False)
    used: str = ""
    """The code that finished the set-up of the app."""

    def __post_init__(self) -> None:
        self.client = self.app.test_client()

    def call(self, method: str, path: str, body: Any = None) -> TestResponse:
        """Send a request with the access token."""
        headers = {"Authorization": f"Bearer {self.token}"}
        return self.client.open(API + path, method=method, json=body, headers=headers)

    def post(self, path: str, body: Any = None) -> TestResponse:
        return self.call("POST", path, body)

    def get(self, path: str) -> Any:
        return self.call("GET", path).get_json()

    def log_in(self, **more: Any) -> TestResponse:
        """Log in; the token is that of the new session from now on."""
        answer = self.client.post(f"{API}/auth/login", json={"email": self.email, "password": PASSWORD, **more})
        self.token = answer.get_json().get("access_token", self.token)
        return answer

    def code(self, *, steps: int = 0) -> str:
        """What the phone shows now, or would show some steps of 30 seconds later."""
        return pyotp.TOTP(self.secret).at(utc_now(), counter_offset=steps)

    def set_up_app(self) -> None:
        """Set up an authenticator app; the code of the present step is used up by that."""
        self.secret = self.post("/me/totp").get_json()["secret"]
        self.used = self.code()
        answer = self.post("/me/totp/confirm", {"code": self.used})
        assert answer.status_code == 200, answer.text
        self.codes = answer.get_json()["codes"]


def new_person(app: Flask, email: str, *, role: str = "customer") -> Person:
    """Somebody who is logged in by password, with one role."""
    with app.app_context():
        user_id = create_administrator(
            actor=system(), email=email, name=email.partition("@")[0].title(), password=PASSWORD, now=utc_now()
        )
        _give(user_id=user_id, role=role)
    person = Person(app, user_id, email)
    assert person.log_in().status_code == 200
    return person


@in_transaction
def _give(*, user_id: int, role: str) -> None:
    session = db.session()
    held = session.scalars(select(UserRole).where(UserRole.user_id == user_id)).one()
    held.role_id = session.scalars(select(Role.id).where(Role.name == role)).one()


@contextmanager
def strict_app(settings: Settings) -> Iterator[Flask]:
    """The application where every role of staff needs a second factor, as in production."""
    other = create_app(replace(settings, accounts=Accounts(staff_second_factor=True)))
    try:
        yield other
    finally:
        with other.app_context():
            db.engine.dispose()


def deeds(app: Flask, *, of: str = "") -> list[str]:
    """The actions in the audit log that begin with ``of``, oldest first."""
    with app.app_context():
        return [
            one for one in db.session.scalars(select(AuditEvent.action).order_by(AuditEvent.id)) if one.startswith(of)
        ]


def change(app: Flask, statement: Any) -> None:
    """Change something behind the application's back."""

    @in_transaction
    def run() -> None:
        db.session.execute(statement)

    with app.app_context():
        run()


def deactivate(app: Flask, user_id: int) -> None:
    @in_transaction
    def run() -> None:
        db.session.get_one(User, user_id).is_active = False

    with app.app_context():
        run()
