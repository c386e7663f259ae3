"""Nobody learns from an answer or from its time whether an address has an account: both ways do the same work."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from argon2 import PasswordHasher
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event, func, select
from werkzeug.test import TestResponse

from app.auth import passwords
from app.auth.models import User
from app.core.extensions import db
from app.core.outbox import Outbox
from tests.auth.people import Person, new_person
from tests.servers import on_sqlite

ADA, NOBODY = "ada@example.org", "nobody@example.org"


class CountingHasher(PasswordHasher):
    """Argon2 with today's parameters that counts what it is asked for."""

    def __init__(self) -> None:
        super().__init__(time_cost=2, memory_cost=19_456, parallelism=1)
        self.asked = 0

    def hash(self, *args: Any, **kwargs: Any) -> str:
        self.asked += 1
        return super().hash(*args, **kwargs)

    def verify(self, *args: Any, **kwargs: Any) -> Any:
        self.asked += 1
        return super().verify(*args, **kwargs)


@pytest.fixture
def hasher(monkeypatch: pytest.MonkeyPatch) -> CountingHasher:
    passwords._nobodys_hash()  # made once in a process, before anybody comes
    counting = CountingHasher()
    monkeypatch.setattr(passwords, "_HASHER", counting)
    return counting


@pytest.fixture
def ada(app: Flask) -> Person:
    return new_person(app, ADA)


@contextmanager
def statements(app: Flask) -> Iterator[list[str]]:
    """What is asked of the database in this block."""
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        seen.append(statement)

    with app.app_context():
        engine = db.engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", note)


def enqueued(app: Flask) -> int:
    with app.app_context():
        return db.session.scalar(select(func.count()).select_from(Outbox)) or 0


def same(answers: list[TestResponse]) -> None:
    """Two answers that differ in nothing but what every two answers differ in."""
    first, second = ((answer.status_code, answer.get_json() | {"request_id": ""}) for answer in answers)
    assert first == second
    ignored = {"X-Request-Id", "Date", "RateLimit-Remaining", "RateLimit-Reset"}
    headers = [{name: value for name, value in answer.headers if name not in ignored} for answer in answers]
    assert headers[0] == headers[1]


@pytest.mark.parametrize("password", ["wrong password", "ｗｒｏｎｇ　ｐａｓｓｗｏｒｄ"])
def test_a_login_costs_as_many_checks_for_a_known_as_for_an_unknown_address(
    client: FlaskClient, ada: Person, hasher: CountingHasher, password: str
) -> None:
    answers, costs = [], []
    for email in (ADA, NOBODY):
        before = hasher.asked
        answers.append(client.post("/api/v1/auth/login", json={"email": email, "password": password}))
        costs.append(hasher.asked - before)
    same(answers)
    assert costs == ([1, 1] if password.isascii() else [2, 2])


def test_a_registration_costs_one_hash_and_one_mail_for_a_known_and_an_unknown_address(
    app: Flask, client: FlaskClient, ada: Person, hasher: CountingHasher
) -> None:
    answers, costs, asked = [], [], []
    for email in (ADA, NOBODY):
        before = (hasher.asked, enqueued(app))
        body = {"email": email, "name": "Ada", "password": "note G on Bernoulli"}
        with statements(app) as seen:
            answers.append(client.post("/api/v1/auth/register", json=body))
        costs.append((hasher.asked - before[0], enqueued(app) - before[1]))
        asked.append(seen)
    same(answers)
    assert costs == [(1, 1), (1, 1)]
    assert asked[0] == asked[1]
    assert not [statement for statement in asked[0] if User.__tablename__ in re.findall(r"\w+", statement)]


@pytest.mark.parametrize("path", ["forgot-password", "resend-verification"])
def test_asking_for_a_mail_costs_one_mail_for_a_known_and_an_unknown_address(
    app: Flask, client: FlaskClient, ada: Person, hasher: CountingHasher, path: str
) -> None:
    answers, costs, asked = [], [], []
    for email in (ADA, NOBODY):
        before = (hasher.asked, enqueued(app))
        with statements(app) as seen:
            answers.append(client.post(f"/api/v1/auth/{path}", json={"email": email}))
        costs.append((hasher.asked - before[0], enqueued(app) - before[1]))
        asked.append(seen)
    same(answers)
    assert costs == [(0, 1), (0, 1)]
    assert asked[0] == asked[1]
    assert not [statement for statement in asked[0] if User.__tablename__ in re.findall(r"\w+", statement)]


def test_asking_for_another_address_does_the_same_whether_it_is_taken(app: Flask, ada: Person) -> None:
    new_person(app, "bob@example.org")
    ada.get("/me")  # what the token allows is remembered from now on
    answers, asked = [], []
    for email in ("bob@example.org", NOBODY):
        with statements(app) as seen:
            answers.append(ada.post("/me/email", {"email": email, "password": "correct horse battery staple"}))
        asked.append(seen)
    same(answers)
    assert asked[0] == asked[1]


@on_sqlite
@pytest.mark.parametrize("path", ["/register", "/forgot-password", "/resend-verification"])
def test_pages_answer_the_same_for_a_known_and_an_unknown_address(
    app: Flask, ada: Person, path: str, page: Callable[..., TestResponse]
) -> None:
    filled = {"name": "Ada", "password": "note G on Bernoulli"} if path == "/register" else {}
    known, unknown = (page(path, filled | {"email": email}) for email in (ADA, NOBODY))
    assert (known.status_code, known.location, known.data) == (unknown.status_code, unknown.location, unknown.data)
    assert known.status_code == 302
