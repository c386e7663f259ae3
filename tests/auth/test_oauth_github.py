"""The preset for GitHub, against a double of GitHub's endpoints: who one is comes from two pages, not from a token."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from app.auth.models import OauthIdentity
from app.auth.providers import GITHUB_ENDPOINTS
from app.core.extensions import db
from tests.auth.oidc import CLIENT_ID, SECRET, GithubDouble
from tests.auth.test_oauth_login import add_provider, begin, count, log_in, refused, who
from tests.servers import on_sqlite

pytestmark = [pytest.mark.usefixtures("database"), on_sqlite]


@pytest.fixture
def github(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[GithubDouble]:
    with GithubDouble().running() as double:
        assert isinstance(double, GithubDouble)
        for name, url in double.endpoints().items():
            monkeypatch.setitem(GITHUB_ENDPOINTS, name, url)
        add_provider(app, None, preset="github", code="acme", name="Acme ID")
        yield double


def test_the_primary_verified_address_counts_and_the_number_is_the_subject(
    app: Flask, client: FlaskClient, github: GithubDouble
) -> None:
    url = begin(client)
    assert "nonce=" not in url
    assert "scope=read%3Auser+user%3Aemail" in url
    client.get(github.visit(url))
    assert who(client) == "octo@example.org"
    (sent,) = github.token_requests
    assert (sent["client_id"], sent["client_secret"], len(sent["code_verifier"])) == (CLIENT_ID, SECRET, 43)
    with app.app_context():
        assert db.session.scalars(select(OauthIdentity.subject)).one() == "583231"
    client.delete_cookie("cartwright")
    github.user |= {"login": "renamed", "name": None}
    log_in(client, github)
    assert who(client) == "octo@example.org"
    assert count(app, OauthIdentity) == 1


@pytest.mark.parametrize(
    "emails",
    [
        [],
        [{"email": "a@example.org", "verified": False, "primary": True}],
        [{"email": "a@example.org", "verified": True, "primary": False}],
        [{"email": "a@example.org", "verified": "yes", "primary": True}],
        {"email": "a@example.org", "verified": True, "primary": True},
        ["a@example.org"],
    ],
)
def test_without_a_verified_primary_address_nobody_gets_in(
    app: Flask, client: FlaskClient, github: GithubDouble, emails: Any
) -> None:
    github.emails = emails
    answer = log_in(client, github)
    assert answer.status_code == 403
    assert "has not verified your email address" in answer.text
    assert (who(client), count(app, OauthIdentity)) == (None, 0)


@pytest.mark.parametrize("user", [{}, {"id": "583231"}, {"id": True}, {"id": None}, []])
def test_somebody_without_a_number_is_nobody(app: Flask, client: FlaskClient, github: GithubDouble, user: Any) -> None:
    github.user = user
    refused(app, client, log_in(client, github))


def test_an_error_that_github_sends_with_status_200_is_refused(
    app: Flask, client: FlaskClient, github: GithubDouble
) -> None:
    github.replies["/token"] = lambda handler: handler.reply({"error": "bad_verification_code"})
    refused(app, client, log_in(client, github))
    assert "/user" not in github.asked


@pytest.mark.parametrize(
    ("issuer", "gets_in"), [("https://github.com/login/oauth", True), ("https://x.example", False)]
)
def test_an_answer_that_names_its_issuer_must_name_github(
    app: Flask, client: FlaskClient, github: GithubDouble, issuer: str, gets_in: bool
) -> None:
    github.brought = {"iss": issuer}
    answer = log_in(client, github)
    if gets_in:
        assert who(client) == "octo@example.org"
    else:
        refused(app, client, answer)
