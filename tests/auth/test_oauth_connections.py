"""Connecting accounts at OAuth providers on the pages, and the second factor that a provider does not replace."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

import pyotp
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, update
from werkzeug.test import TestResponse

from app.auth.models import OauthIdentity, Session, Totp
from app.auth.services import access, oauth_client
from app.core.extensions import db
from app.core.orm import utc_now
from app.core.transactions import in_transaction
from tests.auth.oidc import HostileProvider
from tests.auth.test_oauth_login import START, add_provider, change, count, log_in, page_token, who
from tests.conftest import Admin
from tests.servers import on_sqlite

pytestmark = [pytest.mark.usefixtures("database", "acme"), on_sqlite]

CONNECTIONS: Final = "/account/connections"


@pytest.fixture
def provider() -> Iterator[HostileProvider]:
    oauth_client.forget_descriptions()
    with HostileProvider().running() as running:
        running.person |= {"sub": "ada-at-work", "email": "work@example.org", "email_verified": False}
        yield running


@pytest.fixture
def acme(app: Flask, provider: HostileProvider) -> int:
    return add_provider(app, provider.issuer)


@pytest.fixture
def ada(client: FlaskClient, admin: Admin) -> FlaskClient:
    """A browser in which the administrator is logged in by password."""
    password_log_in(client, admin)
    return client


def password_log_in(client: FlaskClient, admin: Admin) -> None:
    sent = {"email": admin.email, "password": admin.password, "csrf_token": page_token(client, "/login")}
    assert client.post("/login", data=sent).status_code == 302
    assert who(client) == admin.email


def connect(client: FlaskClient, code: str = "acme") -> TestResponse:
    """Press the button; the page that leads on to the provider."""
    return client.post(f"{CONNECTIONS}/{code}/connect", data={"csrf_token": page_token(client, CONNECTIONS)})


def leave(client: FlaskClient) -> str:
    """Press the button and follow the page; the address at the provider."""
    page = connect(client)
    assert page.status_code == 200, page.headers
    found = page.text.split('id="continue"')[0].rsplit('href="', 1)[1].split('"', 1)[0]
    return found.replace("&amp;", "&")


def owners(app: Flask) -> list[int]:
    with app.app_context():
        return list(db.session.scalars(select(OauthIdentity.user_id)))


def test_an_account_is_connected_and_opens_the_door_from_then_on(
    app: Flask, ada: FlaskClient, provider: HostileProvider, admin: Admin
) -> None:
    back = ada.get(provider.visit(leave(ada)))
    assert (back.status_code, back.headers["Location"]) == (302, CONNECTIONS)
    page = ada.get(CONNECTIONS)
    assert "Your account at Acme ID is connected" in page.text
    assert owners(app) == [admin.id]
    other = app.test_client()
    log_in(other, provider)
    assert who(other) == admin.email


def test_it_is_disconnected_again(app: Flask, ada: FlaskClient, provider: HostileProvider, admin: Admin) -> None:
    ada.get(provider.visit(leave(ada)))
    with app.app_context():
        mine = db.session.scalars(select(OauthIdentity.id)).one()
    ada.post(f"{CONNECTIONS}/{mine}/disconnect", data={"csrf_token": page_token(ada, CONNECTIONS)})
    assert owners(app) == []


def test_the_only_way_in_is_kept_and_the_page_says_why(
    app: Flask, client: FlaskClient, provider: HostileProvider
) -> None:
    provider.person["email_verified"] = True
    log_in(client, provider)
    with app.app_context():
        mine = db.session.scalars(select(OauthIdentity.id)).one()
    client.post(f"{CONNECTIONS}/{mine}/disconnect", data={"csrf_token": page_token(client, CONNECTIONS)})
    assert "You could not log in any more." in client.get(CONNECTIONS).text
    assert len(owners(app)) == 1


def test_connecting_begins_only_with_a_form_of_ours(app: Flask, ada: FlaskClient, provider: HostileProvider) -> None:
    assert ada.post(f"{CONNECTIONS}/acme/connect").status_code == 400
    assert ada.post(f"{CONNECTIONS}/1/disconnect").status_code == 400
    assert ada.get(f"{CONNECTIONS}/acme/connect").status_code == 405
    assert "/authorize" not in provider.asked


def test_a_log_in_that_somebody_began_elsewhere_connects_nothing(
    app: Flask, ada: FlaskClient, provider: HostileProvider, admin: Admin
) -> None:
    attackers = provider.visit(app.test_client().get(START).headers["Location"])
    assert ada.get(attackers).headers["Location"].startswith("/login")
    assert owners(app) == []


def test_an_account_is_connected_only_in_the_session_that_began_it(
    app: Flask, ada: FlaskClient, provider: HostileProvider, admin: Admin
) -> None:
    back = provider.visit(leave(ada))
    with app.app_context():
        sid = db.session.scalars(select(Session.sid).order_by(Session.id.desc())).first()
    change(app, update(Session).values(ended_at=utc_now()))
    with app.app_context():
        access.forget([f"s:{sid}"])
    ada.get(back)
    assert owners(app) == []
    assert provider.token_requests == []


def test_a_session_of_somebody_else_in_the_same_browser_gets_nothing(
    app: Flask, ada: FlaskClient, provider: HostileProvider, admin: Admin
) -> None:
    back = provider.visit(leave(ada))
    with ada.session_transaction() as cookie:
        kept = dict(cookie)["oauth"]
    password_log_in(ada, admin)  # another session, of whomever
    with ada.session_transaction() as cookie:
        cookie["oauth"] = kept
    ada.get(back)
    assert owners(app) == []
    assert provider.token_requests == []


def test_an_account_of_another_user_is_not_connected(
    app: Flask, ada: FlaskClient, provider: HostileProvider, admin: Admin
) -> None:
    provider.person["email_verified"] = True
    log_in(app.test_client(), provider)
    first = owners(app)
    ada.get(provider.visit(leave(ada)))
    assert "is connected to another account here" in ada.get(CONNECTIONS).text
    assert owners(app) == first != [admin.id]


def test_connecting_needs_a_recent_proof_of_who_one_is(
    app: Flask, ada: FlaskClient, provider: HostileProvider, admin: Admin
) -> None:
    token = page_token(ada, CONNECTIONS)
    change(app, update(Session).values(authenticated_at=utc_now() - timedelta(hours=1)))
    with app.app_context():
        access.forget([f"s:{sid}" for sid in db.session.scalars(select(Session.sid))])
    for path in (f"{CONNECTIONS}/acme/connect", f"{CONNECTIONS}/1/disconnect"):
        answer = ada.post(path, data={"csrf_token": token})
        assert answer.headers["Location"].startswith("/confirm")
    assert "/authorize" not in provider.asked
    assert ada.get(CONNECTIONS).status_code == 200


def test_a_provider_that_is_away_or_gone_is_said_to_be_on_the_same_page(
    ada: FlaskClient, provider: HostileProvider
) -> None:
    provider.replies["/.well-known/openid-configuration"] = lambda handler: handler.reply({}, status=500)
    assert connect(ada).headers["Location"] == CONNECTIONS
    assert "Acme ID cannot be reached" in ada.get(CONNECTIONS).text
    assert connect(ada, "other").headers["Location"] == CONNECTIONS
    assert "not offered here" in ada.get(CONNECTIONS).text


def test_a_provider_does_not_replace_the_second_factor(
    app: Flask, client: FlaskClient, provider: HostileProvider, admin: Admin
) -> None:
    secret, now = pyotp.random_base32(), utc_now()

    @in_transaction
    def set_up() -> None:
        db.session.add(Totp(user_id=admin.id, secret=secret, created_at=now, confirmed_at=now))

    with app.app_context():
        set_up()
    provider.person |= {"email": admin.email, "email_verified": True}
    answer = log_in(client, provider, f"{START}?next={CONNECTIONS}")
    assert answer.headers["Location"].startswith("/login/code?next=")
    assert (who(client), count(app, Session)) == (None, 0)
    asked = answer.headers["Location"]
    sent = {"code": pyotp.TOTP(secret).now(), "csrf_token": page_token(client, asked)}
    assert client.post(asked, data=sent).headers["Location"] == CONNECTIONS
    assert who(client) == admin.email
    with app.app_context():
        row = db.session.scalars(select(Session)).one()
        assert (row.via, row.second_factor_at is not None) == ("oauth:acme", True)
