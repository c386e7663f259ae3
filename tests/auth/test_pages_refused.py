"""What people are shown when something is refused or fails."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from flask import Flask

from app import create_app
from app.config import Settings
from app.core.extensions import db
from app.core.requests import MAX_BODY_BYTES
from tests.auth.people import new_person
from tests.browsing import Visitor
from tests.servers import on_sqlite

pytestmark = [pytest.mark.usefixtures("database"), on_sqlite]


@contextmanager
def another_app(settings: Settings, **changes: Any) -> Iterator[Flask]:
    other = create_app(dataclasses.replace(settings, **changes))
    try:
        yield other
    finally:
        with other.app_context():
            db.engine.dispose()


def test_a_page_that_is_not_there_says_so_with_the_requests_id(app: Flask) -> None:
    answer = Visitor(app).get("/nothing/here")
    assert answer.status_code == 404
    assert "There is nothing here" in answer.text
    assert answer.headers["X-Request-Id"] in answer.text


def test_too_many_tries_are_told_when_to_come_back(app: Flask, settings: Settings) -> None:
    with another_app(settings, rates=dataclasses.replace(settings.rates, login="2 per minute")) as strict:
        ada = Visitor(strict)
        for _ in range(2):
            assert ada.send("/login", {"email": "ada@example.org", "password": "wrong"}).status_code == 422
        answer = ada.send("/login", {"email": "ada@example.org", "password": "wrong"})
    assert answer.status_code == 429
    told = re.search(r"Try again in <strong>(\d+) seconds?</strong>", answer.text)
    assert told is not None
    assert abs(int(told[1]) - int(answer.headers["Retry-After"])) <= 1


def test_a_failure_tells_its_number_and_nothing_else(app: Flask, settings: Settings) -> None:
    def boom() -> str:
        raise RuntimeError("the password is swordfish")

    with another_app(settings) as broken:
        broken.add_url_rule("/boom", "boom", boom)
        answer = Visitor(broken).get("/boom")
    assert answer.status_code == 500
    assert "swordfish" not in answer.text
    assert answer.headers["X-Request-Id"] in answer.text


def test_a_database_that_is_away_still_gives_people_a_page(app: Flask, settings: Settings) -> None:
    new_person(app, "ada@example.org", role="admin")
    ada = Visitor(app, "ada@example.org")
    assert ada.get("/admin/users").status_code == 200
    cookie = ada.client.get_cookie("cartwright")
    assert cookie is not None
    with another_app(settings, database_url="sqlite:////nowhere/at/all.db") as broken:
        visitor = Visitor(broken)
        visitor.client.set_cookie("cartwright", cookie.value)
        answer = visitor.get("/admin/users")
    assert answer.status_code >= 500
    assert "<h1>" in answer.text
    assert answer.headers["X-Request-Id"] in answer.text


def test_a_form_that_is_too_large_is_refused_on_a_page(app: Flask) -> None:
    answer = Visitor(app).post("/login", {"email": "x" * (MAX_BODY_BYTES + 1)})
    assert answer.status_code == 413
    assert "<h1>" in answer.text


def test_programs_get_problems_and_people_get_pages(app: Flask) -> None:
    client = app.test_client()
    assert client.get("/nothing", headers={"Accept": "*/*"}).mimetype == "application/problem+json"
    assert client.get("/nothing", headers={"Accept": "text/html"}).mimetype == "text/html"
    assert client.get("/api/v1/nothing", headers={"Accept": "text/html"}).mimetype == "application/problem+json"
