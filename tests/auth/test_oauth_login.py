"""Logging in by OAuth providers that lie, stumble or are away: nobody gets in, nothing changes, nothing breaks."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import json
import re
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey
from sqlalchemy import func, select, update
from werkzeug.test import TestResponse

from app.auth.models import Challenge, OauthIdentity, OauthProvider, User
from app.auth.models import Session as SessionRow
from app.auth.services import oauth_client, oauth_http, providers
from app.core.extensions import db
from app.core.orm import utc_now
from app.core.permissions import system
from app.core.transactions import in_transaction
from tests.auth.oidc import CLIENT_ID, SECRET, Claims, HostileProvider
from tests.conftest import Admin
from tests.servers import on_sqlite

pytestmark = [pytest.mark.usefixtures("database"), on_sqlite]

START: Final = "/login/with/acme"


@pytest.fixture
def provider() -> Iterator[HostileProvider]:
    oauth_client.forget_descriptions()
    with HostileProvider().running() as running:
        yield running


@pytest.fixture
def acme(app: Flask, provider: HostileProvider) -> int:
    """The id of the provider, as an administrator has added it."""
    return add_provider(app, provider.issuer)


def add_provider(app: Flask, issuer: str | None, **values: Any) -> int:
    with app.app_context():
        row = providers.create_provider(
            actor=system(), now=utc_now(), loopback=True,
            **({"code": "acme", "name": "Acme ID", "preset": "oidc", "issuer": issuer, "client_id": CLIENT_ID,
                "client_secret": SECRET} | values),
        )  # fmt: skip
        return row.id


def begin(client: FlaskClient, path: str = START) -> str:
    """Start a log-in; the address at the provider that the browser is sent to."""
    answer = client.get(path)
    assert answer.status_code == 302
    return answer.headers["Location"]


def log_in(client: FlaskClient, provider: HostileProvider, path: str = START) -> TestResponse:
    """A whole log-in whose person agrees to everything."""
    return client.get(provider.visit(begin(client, path)))


def count(app: Flask, table: Any) -> int:
    with app.app_context():
        return db.session.scalar(select(func.count()).select_from(table)) or 0


def who(client: FlaskClient) -> str | None:
    """The address of the person who is logged in."""
    found: str | None = client.get("/api/v1/me").get_json().get("email")
    return found


def message(client: FlaskClient, answer: TestResponse) -> str:
    """What the page says that an answer leads to."""
    assert (answer.status_code, urlsplit(answer.headers["Location"]).path) == (302, "/login")
    page = client.get(answer.headers["Location"])
    assert page.status_code == 200
    found = re.search(r'role="status">(.*?)</div>', page.text, re.DOTALL)
    assert found is not None
    return re.sub(r"<[^>]*>", "", found[1]).strip()


def refused(app: Flask, client: FlaskClient, answer: TestResponse) -> str:
    """Fail unless nobody got in and nothing was made; what the person is told."""
    told = message(client, answer)
    assert who(client) is None
    assert (count(app, User), count(app, OauthIdentity), count(app, SessionRow)) == (0, 0, 0)
    return told


UNCONFIRMED: Final = "Acme ID did not confirm who you are. Try again, or log in another way."
AWAY: Final = "Acme ID cannot be reached at the moment. Log in another way, or try again in a while."
FOREIGN: Final = "That was not begun in this browser, took too long, or was used before. Try again."


@pytest.mark.usefixtures("acme")
def test_somebody_new_gets_an_account_without_a_password(
    app: Flask, client: FlaskClient, provider: HostileProvider
) -> None:
    answer = log_in(client, provider, f"{START}?next=/account/connections")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/account/connections")
    assert who(client) == "ada@example.org"
    with app.app_context():
        user = db.session.scalars(select(User)).one()
        assert (user.name, user.password_hash, user.is_active) == ("Ada L.", "", True)
        assert user.email_verified_at is not None
        assert db.session.scalars(select(SessionRow.via)).one() == "oauth:acme"
    assert client.get("/api/v1/me").get_json()["roles"] == ["customer"]


@pytest.mark.usefixtures("acme")
def test_the_browser_is_sent_with_state_nonce_and_pkce_to_our_registered_address(
    client: FlaskClient, provider: HostileProvider
) -> None:
    url = begin(client)
    asked = dict(parse_qsl(urlsplit(url).query))
    assert url.startswith(f"{provider.issuer}/authorize?")
    assert (asked["response_type"], asked["client_id"], asked["scope"]) == ("code", CLIENT_ID, "openid email profile")
    assert asked["redirect_uri"] == "http://localhost:8000/login/with/acme/callback"
    assert (asked["code_challenge_method"], len(asked["code_challenge"])) == ("S256", 43)
    assert len(asked["state"]) >= 32
    assert len(asked["nonce"]) >= 22
    again = dict(parse_qsl(urlsplit(begin(client)).query))
    assert not {asked[name] for name in ("state", "nonce", "code_challenge")} & set(again.values())


@pytest.mark.usefixtures("acme")
def test_the_redirect_address_does_not_come_from_the_request(client: FlaskClient) -> None:
    answer = client.get(START, headers={"Host": "evil.example", "X-Forwarded-Host": "evil.example"})
    assert "evil" not in answer.headers["Location"]


@pytest.mark.usefixtures("acme")
def test_the_provider_gets_the_verifier_that_fits_and_the_code_works_once(
    client: FlaskClient, provider: HostileProvider
) -> None:
    challenge = parse_qs(urlsplit(url := begin(client)).query)["code_challenge"][0]
    client.get(provider.visit(url))
    (sent,) = provider.token_requests
    assert len(sent["code_verifier"]) == 43
    assert challenge != sent["code_verifier"]
    assert sent["Authorization"].startswith("Basic ")
    assert who(client) == "ada@example.org"


@pytest.mark.usefixtures("acme")
def test_a_verifier_that_does_not_fit_gets_no_token(
    app: Flask, client: FlaskClient, provider: HostileProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    back = provider.visit(begin(client))
    fetch = oauth_http.ProviderSession.fetch_token
    monkeypatch.setattr(
        oauth_http.ProviderSession,
        "fetch_token",
        lambda self, url, **sent: fetch(self, url, **(sent | {"code_verifier": "x" * 43})),
    )
    assert refused(app, client, client.get(back)) == UNCONFIRMED


@pytest.mark.usefixtures("acme")
@pytest.mark.parametrize("state", [None, "", "0" * 32, "x"])
def test_an_answer_without_our_state_is_refused_before_the_provider_is_asked(
    app: Flask, client: FlaskClient, provider: HostileProvider, state: str | None
) -> None:
    provider.brought = {"state": state}
    assert refused(app, client, log_in(client, provider)) == FOREIGN
    assert provider.token_requests == []


@pytest.mark.usefixtures("acme")
def test_an_answer_that_another_browser_began_is_refused(
    app: Flask, client: FlaskClient, provider: HostileProvider
) -> None:
    attackers = provider.visit(begin(app.test_client()))
    assert refused(app, client, client.get(attackers)) == FOREIGN
    begin(client)
    assert refused(app, client, client.get(attackers)) == FOREIGN
    assert provider.token_requests == []


@pytest.mark.usefixtures("acme")
def test_an_answer_works_once_also_with_the_cookie_of_before(
    app: Flask, client: FlaskClient, provider: HostileProvider
) -> None:
    back = provider.visit(begin(client))
    kept = client.get_cookie("cartwright")
    assert kept is not None
    client.get(back)
    assert who(client) == "ada@example.org"
    thief = app.test_client()
    thief.set_cookie("cartwright", kept.value)
    assert message(thief, thief.get(back)) == "That took too long, or was used before. Try again."
    assert who(thief) is None
    assert len(provider.token_requests) == 1
    assert message(client, client.get(back)) == FOREIGN


@pytest.mark.usefixtures("acme")
def test_an_answer_comes_too_late_after_ten_minutes(
    app: Flask, client: FlaskClient, provider: HostileProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = utc_now() + timedelta(minutes=10, seconds=1)
    back = provider.visit(begin(client))
    with monkeypatch.context() as patch:
        patch.setattr("app.auth.views.oauth.utc_now", lambda: late)
        answer = client.get(back)
    assert refused(app, client, answer) == FOREIGN
    assert provider.token_requests == []


def test_the_database_knows_that_ten_minutes_are_over(
    app: Flask, client: FlaskClient, provider: HostileProvider, acme: int
) -> None:
    back = provider.visit(begin(client))
    change(app, update(Challenge).values(expires_at=utc_now()))
    assert refused(app, client, client.get(back)) == "That took too long, or was used before. Try again."
    assert provider.token_requests == []
    begin(client)
    assert count(app, Challenge) == 1  # the old one is gone


@pytest.mark.usefixtures("acme")
def test_log_ins_in_several_windows_do_not_disturb_each_other(client: FlaskClient, provider: HostileProvider) -> None:
    first, second, third = (begin(client) for _ in range(3))
    begin(client, f"{START}?next=/{'x' * 1000}")  # the oldest makes room
    assert message(client, client.get(provider.visit(first))) == FOREIGN
    assert client.get(provider.visit(second)).headers["Location"] == "/"
    assert who(client) == "ada@example.org"
    assert third


def with_alg_none(claims: Claims) -> str:
    parts = [{"alg": "none"}, claims]
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts) + "."


MINTS: Final[dict[str, Any]] = {
    "without a signature": lambda provider: with_alg_none,
    "signed with the public key as a shared secret": lambda provider: (
        lambda claims: jwt.encode(
            {"alg": "HS256", "kid": "first"}, claims, OctKey.import_key(provider.key.as_pem(private=False)), ["HS256"]
        )
    ),
    "signed with our client secret": lambda provider: (
        lambda claims: jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(SECRET), ["HS256"])
    ),
    "signed with somebody else's key of the same name": lambda provider: (
        lambda claims: jwt.encode({"alg": "RS256", "kid": "first"}, claims, RSAKey.generate_key(2048))
    ),
    "with a key of its own in its header": lambda provider: signed_with_own_key,
    "tampered with": lambda provider: lambda claims: tampered(provider.sign(claims)),
    "that is no token": lambda provider: lambda claims: "x.y.z",
    "that is empty": lambda provider: lambda claims: "",
    "that is a list": lambda provider: lambda claims: [claims],
}


def signed_with_own_key(claims: Claims) -> str:
    key = RSAKey.generate_key(2048)
    return jwt.encode({"alg": "RS256", "jwk": key.as_dict(private=False)}, claims, key)


def tampered(token: str) -> str:
    header, body, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    claims["sub"] = "somebody else"
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"{header}.{body}.{signature}"


@pytest.mark.usefixtures("acme")
@pytest.mark.parametrize("how", MINTS)
def test_an_id_token_is_refused(app: Flask, client: FlaskClient, provider: HostileProvider, how: str) -> None:
    provider.description = {"id_token_signing_alg_values_supported": ["RS256", "HS256", "none"]}
    provider.mint = MINTS[how](provider)
    assert refused(app, client, log_in(client, provider)) in {UNCONFIRMED, AWAY}
    assert len(provider.token_requests) == 1
    provider.mint = provider.sign
    log_in(client, provider)
    assert who(client) == "ada@example.org"


CLAIMS: Final[dict[str, Claims]] = {
    "another nonce": {"nonce": "another"},
    "no nonce": {"nonce": None},
    "another issuer": {"iss": "https://accounts.google.com"},
    "no issuer": {"iss": None},
    "another audience": {"aud": "another-client"},
    "another audience, but made for us": {"aud": ["another-client"], "azp": CLIENT_ID},
    "our audience, but made for another": {"aud": [CLIENT_ID, "another-client"], "azp": "another-client"},
    "no audience": {"aud": None},
    "a time that is over": {"exp": int(time.time()) - 120},
    "no end": {"exp": None},
    "an end that is no number": {"exp": "tomorrow"},
    "a beginning in the future": {"iat": int(time.time()) + 3600},
    "no subject": {"sub": None},
    "an empty subject": {"sub": ""},
    "a subject that is a number": {"sub": 7},
    "a subject with a space behind it": {"sub": "ada "},
    "a subject that is too long": {"sub": "x" * 256},
    "another access token": {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"},
}


@pytest.mark.usefixtures("acme")
@pytest.mark.parametrize("what", CLAIMS)
def test_an_id_token_with_wrong_claims_is_refused(
    app: Flask, client: FlaskClient, provider: HostileProvider, what: str
) -> None:
    provider.claims = CLAIMS[what]
    assert refused(app, client, log_in(client, provider)) in {UNCONFIRMED, AWAY}
    assert len(provider.token_requests) == 1


@pytest.mark.usefixtures("acme")
def test_a_clock_that_is_a_little_off_keeps_nobody_out(client: FlaskClient, provider: HostileProvider) -> None:
    provider.claims = {"exp": int(time.time()) - 30, "iat": int(time.time()) + 30}
    log_in(client, provider)
    assert who(client) == "ada@example.org"


@pytest.mark.usefixtures("acme")
def test_new_keys_of_the_provider_are_asked_for_when_they_are_met(
    client: FlaskClient, provider: HostileProvider
) -> None:
    log_in(client, provider)
    provider.key = RSAKey.generate_key(2048, {"kid": "second", "use": "sig"})
    client.delete_cookie("cartwright")
    log_in(client, provider)
    assert who(client) == "ada@example.org"
    assert provider.asked.count("/jwks") == 2
    assert provider.asked.count("/.well-known/openid-configuration") == 1


@pytest.mark.usefixtures("acme")
@pytest.mark.parametrize(
    ("description", "issuer", "gets_in"),
    [
        ({}, "https://mixed-up.example", False),
        ({}, "", False),
        ({}, None, True),
        ({"authorization_response_iss_parameter_supported": True}, None, False),
        ({"authorization_response_iss_parameter_supported": True}, "own", True),
    ],
)
def test_an_answer_of_another_issuer_is_refused(
    app: Flask, client: FlaskClient, provider: HostileProvider, description: Claims, issuer: str | None, gets_in: bool
) -> None:
    provider.description = description
    provider.brought = {"iss": provider.issuer if issuer == "own" else issuer}
    answer = log_in(client, provider)
    if gets_in:
        assert who(client) == "ada@example.org"
    else:
        assert refused(app, client, answer) == UNCONFIRMED
        assert provider.token_requests == []


@pytest.mark.usefixtures("acme")
@pytest.mark.parametrize(
    ("error", "told"),
    [
        ("access_denied", "You did not agree at Acme ID, or it did not let you in."),
        ("<script>alert(1)</script>", UNCONFIRMED),
        ("server_error", UNCONFIRMED),
    ],
)
def test_an_error_of_the_provider_is_told_in_our_words(
    app: Flask, client: FlaskClient, provider: HostileProvider, error: str, told: str
) -> None:
    provider.brought = {"code": None, "error": error, "error_description": "Call 0900-EVIL"}
    answer = log_in(client, provider)
    assert refused(app, client, answer) == told
    assert provider.token_requests == []


@pytest.mark.usefixtures("acme")
def test_an_answer_without_a_code_is_refused(app: Flask, client: FlaskClient, provider: HostileProvider) -> None:
    provider.brought = {"code": None}
    assert refused(app, client, log_in(client, provider)) == UNCONFIRMED


@pytest.mark.usefixtures("acme")
@pytest.mark.parametrize("target", ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)"])
def test_nobody_is_sent_to_another_site_afterwards(client: FlaskClient, provider: HostileProvider, target: str) -> None:
    answer = log_in(client, provider, f"{START}?next={target}")
    assert answer.headers["Location"] == "/"
    assert who(client) == "ada@example.org"


NO_EMAIL: Final[list[Claims]] = [
    {"email_verified": False},
    {"email_verified": None},
    {"email_verified": "false"},
    {"email_verified": 1},
    {"email_verified": ["yes"]},
    {"email": None},
    {"email": ""},
    {"email": "no address"},
    {"email": "a@b"},
    {"email": ["ada@example.org"]},
    {"email": "a@b\r\nBcc: c@d"},
    {"email": f"{'a' * 250}@example.org"},
]


@pytest.mark.usefixtures("acme")
@pytest.mark.parametrize("claims", NO_EMAIL)
def test_somebody_whose_address_the_provider_has_not_verified_is_told_what_to_do(
    app: Flask, client: FlaskClient, provider: HostileProvider, claims: Claims, admin: Admin
) -> None:
    provider.person["email"] = admin.email
    provider.claims = claims
    provider.replies["/userinfo"] = lambda handler: handler.reply({"sub": "ada"})
    answer = log_in(client, provider)
    assert answer.status_code == 403
    assert "Acme ID has not verified your email address" in answer.text
    assert (count(app, User), count(app, OauthIdentity), count(app, SessionRow)) == (1, 0, 0)
    assert who(client) is None


@pytest.mark.usefixtures("acme")
def test_a_verified_address_of_an_account_here_connects_the_two(
    app: Flask, client: FlaskClient, provider: HostileProvider, admin: Admin
) -> None:
    provider.person["email"] = admin.email.upper()
    log_in(client, provider)
    assert who(client) == admin.email
    assert count(app, User) == 1
    provider.person |= {"email": "new@example.org", "email_verified": False}
    client.delete_cookie("cartwright")
    log_in(client, provider)
    assert who(client) == admin.email  # it is the subject that counts from now on


@pytest.mark.usefixtures("acme")
def test_claims_that_the_id_token_lacks_are_asked_for(client: FlaskClient, provider: HostileProvider) -> None:
    provider.claims = {"email": None, "email_verified": None}
    log_in(client, provider)
    assert who(client) == "ada@example.org"
    assert "/userinfo" in provider.asked


@pytest.mark.usefixtures("acme")
def test_user_info_about_somebody_else_is_refused(app: Flask, client: FlaskClient, provider: HostileProvider) -> None:
    provider.claims = {"email": None, "sub": "mallory"}
    assert refused(app, client, log_in(client, provider)) == UNCONFIRMED


def slow(handler: Any) -> None:
    time.sleep(3)
    handler.reply({})


def trickle(handler: Any) -> None:
    handler.send_response(200)
    handler.end_headers()
    for _ in range(300):
        handler.wfile.write(b" ")
        handler.wfile.flush()
        time.sleep(0.01)


def trickle_headers(handler: Any) -> None:
    handler.wfile.write(b"HTTP/1.0 200 OK\r\nX: ")
    for _ in range(300):
        handler.wfile.write(b"x")
        handler.wfile.flush()
        time.sleep(0.01)


def elsewhere(handler: Any) -> None:
    handler.send_response(302)
    handler.send_header("Location", "http://169.254.169.254/latest/meta-data/")
    handler.end_headers()


def close(handler: Any) -> None:
    handler.connection.close()


REPLIES: Final[dict[str, Any]] = {
    "an error": lambda handler: handler.reply({}, status=500),
    "no JSON": lambda handler: handler.send_text("<html>"),
    "a list": lambda handler: handler.reply([1]),
    "a text": lambda handler: handler.reply("x"),
    "nothing of what it should": lambda handler: handler.reply({}),
    "nested nonsense": lambda handler: handler.send_text("[" * 100_000),
    "wrong kinds": lambda handler: handler.reply(
        {"issuer": 7, "keys": "x", "access_token": {}, "token_type": [], "id_token": 1, "expires_in": "x"}
    ),
    "too much": lambda handler: handler.send_text(json.dumps({"x": "x" * 600_000})),
    "another place": elsewhere,
    "a closed connection": close,
    "silence": slow,
    "one byte at a time": trickle,
    "one byte of a header at a time": trickle_headers,
}


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real time limits, scaled down."""
    monkeypatch.setattr(oauth_http, "WAIT_S", 0.5)
    monkeypatch.setattr(oauth_http.ProviderSession.__init__, "__kwdefaults__", {"deadline_s": 1.0})


@pytest.mark.usefixtures("acme", "impatient")
@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/token", "/jwks"])
@pytest.mark.parametrize("what", REPLIES)
def test_a_provider_that_does_not_answer_as_it_should_is_said_to_be_away(
    app: Flask, client: FlaskClient, provider: HostileProvider, path: str, what: str
) -> None:
    provider.replies[path] = REPLIES[what]
    began = time.monotonic()
    answer = client.get(START)
    if path != "/.well-known/openid-configuration":
        answer = client.get(provider.visit(answer.headers["Location"]))
    assert time.monotonic() - began < 2.5
    assert refused(app, client, answer) in {AWAY, UNCONFIRMED}
    del provider.replies[path]
    oauth_client.forget_descriptions()
    log_in(client, provider)
    assert who(client) == "ada@example.org"


@pytest.mark.usefixtures("acme")
def test_a_description_that_is_right_but_too_large_is_not_read(
    app: Flask, client: FlaskClient, provider: HostileProvider
) -> None:
    provider.description = {"x": "x" * 600_000}
    assert refused(app, client, client.get(START)) == AWAY


@pytest.mark.usefixtures("acme")
def test_a_description_in_a_chunk_of_negative_size_is_not_read(
    app: Flask, client: FlaskClient, provider: HostileProvider
) -> None:
    sent = 0

    def flood(handler: Any) -> None:
        nonlocal sent
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n")
        with contextlib.suppress(OSError):
            for _ in range(512):
                sent += handler.wfile.write(b"x" * 2**16)

    provider.replies["/.well-known/openid-configuration"] = flood
    assert refused(app, client, client.get(START)) == AWAY
    assert sent < 16 * 2**20  # what the buffers of two sockets hold


@pytest.mark.usefixtures("acme")
def test_nobody_is_followed_to_another_place(app: Flask, client: FlaskClient, provider: HostileProvider) -> None:
    def move(handler: Any) -> None:
        handler.send_text(json.dumps(honest), 302, Location="/moved")

    honest = {"issuer": provider.issuer, "authorization_endpoint": f"{provider.issuer}/authorize"}
    provider.replies["/moved"] = lambda handler: handler.reply(honest)
    provider.replies["/.well-known/openid-configuration"] = move
    assert refused(app, client, client.get(START)) == AWAY
    assert "/moved" not in provider.asked


@pytest.mark.usefixtures("acme")
def test_silence_is_not_waited_for(
    app: Flask, client: FlaskClient, provider: HostileProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(oauth_http, "WAIT_S", 0.3)
    provider.replies["/.well-known/openid-configuration"] = slow
    began = time.monotonic()
    assert refused(app, client, client.get(START)) == AWAY
    assert time.monotonic() - began < 2.5


def test_a_provider_that_is_down_is_said_to_be_away(app: Flask, client: FlaskClient) -> None:
    add_provider(app, "http://127.0.0.1:9")
    assert refused(app, client, client.get(f"{START}?next=/account/connections")) == AWAY


@pytest.mark.usefixtures("acme")
@pytest.mark.parametrize(
    "description",
    [
        {"issuer": "http://127.0.0.1:1"},
        {"issuer": None},
        {"authorization_endpoint": "http://login.example.org/authorize"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"authorization_endpoint": None},
    ],
)
def test_a_description_of_another_issuer_or_without_safe_addresses_is_not_believed(
    app: Flask, client: FlaskClient, provider: HostileProvider, description: Claims
) -> None:
    provider.description = description
    assert refused(app, client, client.get(START)) == AWAY


@pytest.mark.usefixtures("acme")
@pytest.mark.parametrize("endpoint", ["token_endpoint", "jwks_uri"])
def test_no_secret_is_sent_to_an_address_without_tls(
    app: Flask, client: FlaskClient, provider: HostileProvider, endpoint: str
) -> None:
    provider.description = {endpoint: "http://login.example.org/"}
    assert refused(app, client, log_in(client, provider)) == AWAY


@pytest.mark.usefixtures("acme")
def test_this_machine_is_no_provider_in_production(
    app: Flask, client: FlaskClient, provider: HostileProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = dataclasses.replace(app.extensions["settings"], production=True)
    monkeypatch.setitem(app.extensions, "settings", settings)
    assert refused(app, client, client.get(START)) == AWAY
    assert provider.asked == []


def test_a_provider_that_is_unknown_switched_off_or_deleted_is_not_offered(
    app: Flask, client: FlaskClient, provider: HostileProvider, acme: int
) -> None:
    gone = "This way to log in is not offered here."
    assert refused(app, client, client.get("/login/with/other")) == gone
    back = provider.visit(begin(client))
    change(app, update(OauthProvider).values(is_enabled=False))
    assert refused(app, client, client.get(back)) == gone
    assert refused(app, client, client.get(START)) == gone
    assert "Acme ID" not in client.get("/login").text
    change(app, update(OauthProvider).values(is_enabled=True))
    assert "Continue with Acme ID" in client.get("/login").text
    back = provider.visit(begin(client))
    with app.app_context():
        providers.delete_provider(actor=system(), provider_id=acme, expected_version=1)
    assert refused(app, client, client.get(back)) == gone
    assert provider.token_requests == []


def test_an_answer_for_a_provider_that_was_replaced_is_refused(
    app: Flask, client: FlaskClient, provider: HostileProvider, acme: int
) -> None:
    add_provider(app, provider.issuer, code="keeps-the-number")
    back = provider.visit(begin(client))
    with app.app_context():
        providers.delete_provider(actor=system(), provider_id=acme, expected_version=1)
    add_provider(app, provider.issuer)
    assert refused(app, client, client.get(back)) == "This way to log in was changed meanwhile. Try again."
    assert provider.token_requests == []


@pytest.mark.usefixtures("acme")
def test_a_closed_account_stays_closed(app: Flask, client: FlaskClient, provider: HostileProvider) -> None:
    log_in(client, provider)
    change(app, update(User).values(is_active=False))
    other = app.test_client()
    assert message(other, log_in(other, provider)).startswith("Your account here is closed.")
    assert count(app, SessionRow) == 1


@pytest.mark.usefixtures("acme")
def test_nobody_new_gets_in_while_registration_is_closed(
    app: Flask, client: FlaskClient, provider: HostileProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = app.extensions["settings"]
    closed = dataclasses.replace(settings, accounts=dataclasses.replace(settings.accounts, registration_open=False))
    monkeypatch.setitem(app.extensions, "settings", closed)
    assert "nobody may register" in refused(app, client, log_in(client, provider))


@pytest.mark.usefixtures("acme")
def test_a_browser_session_can_be_turned_into_tokens(client: FlaskClient, provider: HostileProvider) -> None:
    log_in(client, provider)
    token = page_token(client, "/account/connections")
    tokens = client.post("/api/v1/auth/token", json={}, headers={"X-CSRFToken": token}).get_json()
    other = client.application.test_client()
    me = other.get("/api/v1/me", headers={"Authorization": f"Bearer {tokens['access_token']}"}).get_json()
    assert me["email"] == "ada@example.org"


def page_token(client: FlaskClient, path: str) -> str:
    """The CSRF token of a page."""
    found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', client.get(path).text)
    assert found is not None
    return found[1]


def change(app: Flask, statement: Any) -> None:
    @in_transaction
    def run() -> None:
        db.session.execute(statement)

    with app.app_context():
        run()


@pytest.mark.usefixtures("acme")
def test_an_address_that_only_becomes_that_of_an_account_is_not_taken_for_it(
    app: Flask, client: FlaskClient, provider: HostileProvider, admin: Admin
) -> None:
    provider.person["email"] = "mi\N{KELVIN SIGN}e@example.org"
    change(app, update(User).values(email="mike@example.org"))
    assert log_in(client, provider).status_code == 403
    assert who(client) is None
    assert (count(app, OauthIdentity), count(app, SessionRow)) == (0, 0)


def test_what_stands_in_the_address_of_a_log_in_adds_no_line_to_the_log(
    client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    assert client.get("/login/with/a%0aFAKE").status_code == 302
    assert [record.getMessage() for record in caplog.records if "FAKE" in record.getMessage()]
    assert not [record for record in caplog.records if "\n" in record.getMessage()]
