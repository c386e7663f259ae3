"""Who may enter is written on every door."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.core.permissions import CATALOGUE
from tests.servers import on_sqlite

OPEN: Final = {
    "/",
    "/login",
    "/login/code",
    "/login/passkey",
    "/login/with/<code>",
    "/login/with/<code>/callback",
    "/register",
    "/register/done",
    "/resend-verification",
    "/verify-email",
    "/forgot-password",
    "/forgot-password/done",
    "/reset-password",
    "/change-email",
    "/dev/mail",
    "/dev/mail/<name>",
    "/dev/mail/<name>/html",
    "/api/v1/auth/login",
    "/api/v1/auth/refresh",
    "/api/v1/auth/providers",
    "/api/v1/auth/passkeys/options",
    "/api/v1/auth/passkeys/login",
    "/api/v1/auth/register",
    "/api/v1/auth/resend-verification",
    "/api/v1/auth/verify-email",
    "/api/v1/auth/forgot-password",
    "/api/v1/auth/reset-password",
    "/api/v1/auth/change-email",
    "/track/<token>",
    "/api/v1/tracking",
    "/api/v1/cart",
    "/api/v1/payments/<provider>/webhook",
    "/healthz",
    "/readyz",
    "/docs",
    "/redoc",
    "/openapi.json",
    "/static/<path:filename>",
    "/static/bokeh/<of_version>/bokeh.min.js",
    "/bootstrap/static/<path:filename>",
}


def doors(app: Flask) -> Iterator[tuple[str, str, Any]]:
    """Every (path, method, function that answers) of the application."""
    for rule in app.url_map.iter_rules():
        view = app.view_functions[rule.endpoint]
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            of_class = getattr(view, "view_class", None)
            yield rule.rule, method, getattr(of_class, method.lower()) if of_class else view


@on_sqlite
def test_every_route_says_who_may_enter(app: Flask) -> None:
    known = {*CATALOGUE, "public", "authenticated", "shopper"}
    silent = [(path, method) for path, method, view in doors(app) if getattr(view, "access", None) not in known]
    assert silent == []


@on_sqlite
def test_only_what_comes_before_a_login_health_and_documentation_are_open(app: Flask) -> None:
    assert {path for path, _method, view in doors(app) if view.access == "public"} == OPEN


ASKING: Final = {
    "/api/v1/exports",
    "/api/v1/jobs/estimate",
    "/api/v1/job-schedules/preview",
    "/api/v1/alert-rules/preview",
    "/api/v1/reports/preview",
    "/api/v1/analytics/tickets",
}
"""What is sent for, but all it does is read."""


@on_sqlite
def test_reading_needs_a_permission_to_read_and_the_rest_one_to_write(app: Flask) -> None:
    guarded = [(method, view) for path, method, view in doors(app) if view.access in CATALOGUE and path not in ASKING]
    assert len(guarded) > 10
    for method, view in guarded:
        if method == "GET" and is_page(view):  # the form of a change is as much as the change
            continue
        assert view.access.endswith(":read" if method == "GET" else ":write")


@on_sqlite
def test_nobody_gets_through_a_guarded_door_without_a_token(app: Flask, client: FlaskClient) -> None:
    for path, method, view in doors(app):
        if view.access != "public" and not is_page(view):
            answer = client.open(_filled(path), method=method)
            assert (path, answer.status_code) == (path, 401)
            assert answer.headers["WWW-Authenticate"] == "Bearer"
            assert answer.mimetype == "application/problem+json"


@on_sqlite
def test_a_guarded_page_sends_strangers_to_the_login_and_takes_no_form_of_theirs(
    app: Flask, client: FlaskClient
) -> None:
    pages = [(path, method) for path, method, view in doors(app) if is_page(view)]
    assert pages
    for path, method in pages:
        answer = client.open(_filled(path), method=method)
        if method == "GET":
            assert (path, answer.status_code) == (path, 302)
            assert answer.headers["Location"].startswith("/login?next=/")
        else:
            assert (path, answer.status_code, answer.get_json()["code"]) == (path, 400, "CSRF_REFUSED")


@on_sqlite
@pytest.mark.parametrize("token", ["", "x", "a.b.c", "eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0."])
def test_a_token_nobody_signed_opens_nothing(client: FlaskClient, token: str) -> None:
    answer = client.get("/api/v1/products", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 401
    assert answer.get_json()["code"] in {"TOKEN_REFUSED", "UNAUTHENTICATED"}


def is_page(view: Any) -> bool:
    """Whether this is a guarded page, for people with a browser."""
    return getattr(view, "is_page", False)


def _filled(path: str) -> str:
    """The path with 1 for every variable in it."""
    return re.sub(r"<[^>]+>", "1", path)
