"""Sessions that lack the second factor which a role needs do nothing but help to set one up, by page and by API."""

from __future__ import annotations

import re
from typing import Any, Final

import pytest
from flask import Flask

from app.config import Settings
from tests.auth.conftest import send_form
from tests.auth.people import PASSWORD, new_person, strict_app
from tests.browsing import hidden_fields
from tests.servers import on_sqlite
from tests.test_access import doors, is_page
from tests.test_access_matrix import Browser, everything

pytestmark = [pytest.mark.usefixtures("database"), on_sqlite]

PAGES: Final = {
    "/confirm",
    "/confirm/passkey",
    "/logout",
    "/account/second-factor",
    "/account/second-factor/app",
    "/account/second-factor/app/off",
    "/account/second-factor/app/start",
    "/account/second-factor/codes",
    "/account/second-factor/devices/<int:device_id>/forget",
    "/account/second-factor/devices/forget-all",
    "/account/passkeys",
    "/account/passkeys/<int:passkey_id>/remove",
    "/account/passkeys/<int:passkey_id>/rename",
}
"""Pages of setting it up; what else stands below the same address is refused by what is behind it."""
API: Final = {
    ("POST", "/auth/token"),
    ("POST", "/auth/logout"),
    ("POST", "/auth/logout-everywhere"),
    ("POST", "/auth/confirm"),
    ("POST", "/auth/passkeys/confirm"),
    ("GET", "/me"),
    ("GET", "/me/second-factor"),
    ("POST", "/me/totp"),
    ("POST", "/me/totp/confirm"),
    ("POST", "/me/totp/disable"),
    ("POST", "/me/recovery-codes"),
    ("GET", "/me/passkeys"),
    ("POST", "/me/passkeys"),
    ("POST", "/me/passkeys/options"),
    ("DELETE", "/me/passkeys/<int:passkey_id>"),
}


@pytest.fixture
def withheld(app: Flask, settings: Settings) -> Any:
    """A browser of an administrator where every role of staff needs a second factor that there is not."""
    new_person(app, "ada@example.org", role="admin")
    with strict_app(settings) as strict:
        browser = Browser(strict, None)
        send_form(browser.client, "/login", {"email": "ada@example.org", "password": PASSWORD})
        browser.csrf = hidden_fields(browser.client.get("/account/second-factor").text)["csrf_token"]
        yield browser


def test_pages_send_them_to_set_it_up_and_change_nothing(app: Flask, withheld: Browser) -> None:
    before = everything(app)
    guarded = {(path, method) for path, method, view in doors(app) if is_page(view)}
    assert {path for path, _ in guarded} > PAGES
    for path, method in sorted(guarded):
        if path in PAGES:
            continue
        answer = withheld.open(method, re.sub(r"<[^>]+>", "1", path), with_token=True)
        assert (path, answer.status_code) == (path, 302)
        assert (path, answer.headers["Location"].partition("?")[0]) == (path, "/account/second-factor")
        assert (path, everything(app)) == (path, before)


@pytest.mark.parametrize("path", ["devices/1/forget", "devices/forget-all"])
def test_they_forget_no_devices(app: Flask, withheld: Browser, path: str) -> None:
    before = everything(app)
    assert withheld.open("POST", f"/account/second-factor/{path}", with_token=True).status_code == 403
    assert everything(app) == before


def test_the_api_refuses_them_and_changes_nothing(app: Flask, withheld: Browser) -> None:
    before = everything(app)
    guarded = [
        (method, path.removeprefix("/api/v1"))
        for path, method, view in doors(app)
        if path.startswith("/api/") and view.access != "public"
    ]
    assert {*guarded} > API
    for method, path in guarded:
        if (method, path) in API:
            continue
        answer = withheld.client.open(
            "/api/v1" + re.sub(r"<[^>]+>", "1", path), method=method, headers={"X-CSRFToken": withheld.csrf}
        )
        code = answer.get_json()["code"]
        assert (method, path, answer.status_code, code) == (method, path, 403, "SECOND_FACTOR_SETUP_REQUIRED")
    assert everything(app) == before
