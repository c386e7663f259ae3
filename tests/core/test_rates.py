"""How often something may be asked for, by whom that is counted, and what answers say about it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from app.config import Rates
from app.core.audit import AuditEvent
from app.core.extensions import db, limiter
from tests.auth.people import new_person
from tests.conftest import Admin, AppWith
from tests.servers import on_sqlite

pytestmark = on_sqlite

LOGIN = "/api/v1/auth/login"
PRODUCTS = "/api/v1/products"
MANY = "1000 per minute"


@pytest.fixture
def strict(app_with: AppWith) -> Flask:
    """An application that takes three writes a minute from each."""
    return app_with(rates=Rates(login=MANY, write="3 per minute"))


def rates(answer: TestResponse) -> tuple[int, int, int]:
    """Limit, what remains of it, and seconds until it is whole again."""
    limit, remaining, reset = (int(answer.headers[f"RateLimit-{name}"]) for name in ("Limit", "Remaining", "Reset"))
    return limit, remaining, reset


def at(address: str) -> dict[str, Any]:
    return {"environ_base": {"REMOTE_ADDR": address}}


def test_all_writes_of_one_user_share_a_limit_and_reads_have_none(strict: Flask, auth_headers: dict[str, str]) -> None:
    client = strict.test_client()
    sent = [
        client.post(PRODUCTS, json={}, headers=auth_headers),
        client.put(f"{PRODUCTS}/1", json={}, headers=auth_headers),
        client.delete(f"{PRODUCTS}/1", headers=auth_headers),
    ]
    assert [rates(answer)[:2] for answer in sent] == [(3, 2), (3, 1), (3, 0)]
    assert 429 not in {answer.status_code for answer in sent}
    assert not any("Retry-After" in answer.headers for answer in sent)
    refused = client.post(PRODUCTS, json={"asin": "B0CW1A0001", "name": "X", "price": "1.00"}, headers=auth_headers)
    assert (refused.status_code, refused.mimetype) == (429, "application/problem+json")
    assert refused.get_json()["code"] == "RATE_LIMITED"
    limit, remaining, reset = rates(refused)
    assert (limit, remaining) == (3, 0)
    assert int(refused.headers["Retry-After"]) == reset
    assert 0 < reset <= 60
    reads = [client.get(PRODUCTS, headers=auth_headers) for _ in range(5)]
    assert {answer.status_code for answer in reads} == {200}
    assert not any("RateLimit-Limit" in answer.headers for answer in reads)
    assert reads[0].get_json()["items"] == []


def test_writes_are_counted_by_principal_wherever_they_come_from(strict: Flask) -> None:
    ada, bob = new_person(strict, "ada@example.org"), new_person(strict, "bob@example.org")
    client = strict.test_client()

    def write(token: str, address: str) -> int:
        answer = client.post(
            "/api/v1/auth/confirm", json={}, headers={"Authorization": f"Bearer {token}"}, **at(address)
        )
        return answer.status_code

    assert [write(ada.token, f"192.0.2.{number}") for number in range(4)] == [422, 422, 422, 429]
    assert write(bob.token, "192.0.2.0") == 422
    assert write("nonsense", "192.0.2.0") == 401


def test_writes_of_nobody_are_counted_by_address(strict: Flask) -> None:
    client = strict.test_client()

    def write(address: str) -> int:
        return client.post(PRODUCTS, json={}, **at(address)).status_code

    assert [write("192.0.2.1") for _ in range(4)] == [401, 401, 401, 429]
    assert write("192.0.2.2") == 401
    assert [write(f"2001:db8:1:2::{number}") for number in range(4)] == [401, 401, 401, 429]
    assert write("2001:db8:1:3::1") == 401


def test_forms_of_pages_count_as_writes_and_are_refused_on_a_page(strict: Flask) -> None:
    client = strict.test_client()
    answers = [client.post("/logout", headers={"Accept": "text/html"}) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [400, 400, 400, 429]
    assert answers[-1].mimetype == "text/html"
    assert 0 < int(answers[-1].headers["Retry-After"]) <= 60
    assert client.get("/login").status_code == 200


def test_a_limit_of_its_own_counts_besides_that_of_all_writes(app_with: AppWith) -> None:
    wrong = {"email": "nobody@example.org", "password": "wrong password"}

    def codes(configured: Rates) -> list[tuple[int, str]]:
        client = app_with(rates=configured).test_client()
        answers = [client.post(LOGIN, json=wrong | {"email": f"{number}@example.org"}) for number in range(4)]
        return [(answer.status_code, answer.headers["RateLimit-Limit"]) for answer in answers]

    assert codes(Rates(login="2 per minute", write=MANY)) == [(401, "2"), (401, "2"), (429, "2"), (429, "2")]
    assert codes(Rates(login=MANY, write="7 per minute"))[-1] == (401, "1000")
    assert codes(Rates(login=MANY, write="3 per minute"))[-1] == (429, "3")


def test_showing_a_form_is_not_counted_and_sending_it_is(app_with: AppWith) -> None:
    client = app_with(rates=Rates(login="2 per minute")).test_client()
    shown = [client.get("/login") for _ in range(5)]
    assert {answer.status_code for answer in shown} == {200}
    found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', shown[-1].text)
    assert found
    form = {"csrf_token": found[1], "email": "nobody@example.org", "password": "wrong password"}
    assert [client.post("/login", data=form).status_code for _ in range(3)] == [422, 422, 429]


def test_a_write_that_cannot_be_attributed_is_no_failure_of_redis(
    app: Flask, admin: Admin, client: FlaskClient
) -> None:
    found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', client.get("/login").text)
    assert found
    form = {"csrf_token": found[1], "email": admin.email, "password": admin.password}
    assert client.post("/login", data=form).status_code == 302
    without_token = client.post("/api/v1/products", json={})
    assert (without_token.status_code, without_token.get_json()["code"]) == (400, "CSRF_REFUSED")
    assert not limiter._storage_dead


SPOOFED = "203.0.113.1, 203.0.113.2, 203.0.113.3"


@pytest.mark.parametrize(
    ("proxies", "sent", "counted"),
    [
        (0, SPOOFED, "127.0.0.1"),
        (1, SPOOFED, "203.0.113.3"),
        (2, SPOOFED, "203.0.113.2"),
        (1, None, "127.0.0.1"),
        (2, "203.0.113.3", "127.0.0.1"),
        (1, "203.0.113.1, 2001:db8::1", "2001:db8::1"),
        (1, "203.0.113.1, unknown", "127.0.0.1"),
        (1, "203.0.113.1, ' OR 1=1 --", "127.0.0.1"),
        (1, "203.0.113.1, " + "9" * 4000, "127.0.0.1"),
    ],
)
def test_only_configured_proxies_say_where_a_login_came_from(
    app_with: AppWith, admin: Admin, proxies: int, sent: str | None, counted: str
) -> None:
    behind = app_with(trusted_proxies=proxies)
    login = {"email": admin.email, "password": "wrong password"}
    headers = {} if sent is None else {"X-Forwarded-For": sent}
    assert behind.test_client().post(LOGIN, json=login, headers=headers).status_code == 401
    with behind.app_context():
        refused = select(AuditEvent.address).where(AuditEvent.action == "user.log_in_refused")
        assert db.session.scalars(refused).all() == [counted]


@pytest.mark.parametrize(("proxies", "codes"), [(0, [401, 401, 429, 429]), (1, [401, 401, 429, 429])])
def test_made_up_addresses_do_not_dodge_a_limit(app_with: AppWith, proxies: int, codes: list[int]) -> None:
    client = app_with(trusted_proxies=proxies, rates=Rates(login="2 per minute")).test_client()
    answers = []
    for number in range(4):
        forwarded = f"203.0.113.{number}, 198.51.100.7" if proxies else f"203.0.113.{number}"
        wrong = {"email": f"{number}@example.org", "password": "wrong password"}
        answers.append(client.post(LOGIN, json=wrong, headers={"X-Forwarded-For": forwarded}).status_code)
    assert answers == codes
