"""Access tokens: which of them open the API, and all the ways in which one may be wrong."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from typing import Any, Final

import jwt
import pytest
import redis
from cachetools import TTLCache
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from flask import Flask
from flask.testing import FlaskClient
from flask.views import MethodView
from sqlalchemy import event, func, select, update

from app.auth.jwt import AUDIENCE, ISSUER, LEEWAY_S, key_id
from app.auth.models import Session, User
from app.auth.services import access
from app.config import Settings
from app.core.api import ApiBlueprint
from app.core.extensions import db
from app.core.orm import utc_now
from app.core.transactions import in_transaction
from app.products.models.products import Product
from tests.auth.people import PASSWORD, Person, change, new_person
from tests.conftest import AppWith
from tests.servers import on_sqlite

ME: Final = "/api/v1/me"
PRODUCTS: Final = "/api/v1/products"
PRODUCT: Final = {"asin": "B0CW1A0001", "name": "Kettle", "price": "1.00"}
NEW_KEY: Final = "a new signing key, which is long enough"


@pytest.fixture
def ada(app: Flask) -> Person:
    """An administrator who is logged in."""
    return new_person(app, "ada@example.org", role="admin")


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def claims_of(token: str) -> dict[str, Any]:
    found: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return found


def signed(claims: dict[str, Any], key: str, *, header: dict[str, Any] | None = None, algorithm: str = "HS256") -> str:
    return jwt.encode(claims, key, algorithm=algorithm, headers={"kid": key_id(key)} if header is None else header)


def by_hand(header: dict[str, Any], claims: dict[str, Any], key: bytes) -> str:
    """A token as no library would make it, with a right HS256 signature."""
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (header, claims)]
    signature = hmac.new(key, b".".join(parts), hashlib.sha256).digest()
    return b".".join([*parts, base64.urlsafe_b64encode(signature).rstrip(b"=")]).decode()


def expect_refused(client: FlaskClient, token: str) -> None:
    """Fail unless a token opens nothing and changes nothing."""
    for answer in (
        client.get(ME, headers=bearer(token)),
        client.post(PRODUCTS, json=PRODUCT, headers=bearer(token)),
    ):
        assert (answer.status_code, answer.get_json()["code"]) == (401, "TOKEN_REFUSED")
        assert answer.headers["WWW-Authenticate"] == "Bearer"
    with client.application.app_context():
        assert db.session.scalar(select(func.count()).select_from(Product)) == 0


def test_a_token_names_nothing_but_its_user_and_session(ada: Person, settings: Settings) -> None:
    claims = claims_of(ada.token)
    assert set(claims) == {"sub", "sid", "jti", "type", "fresh", "iat", "nbf", "exp", "aud", "iss", "csrf"}
    assert (claims["sub"], claims["aud"], claims["iss"], claims["type"]) == (str(ada.id), AUDIENCE, ISSUER, "access")
    assert claims["exp"] - claims["iat"] == 15 * 60
    header = jwt.get_unverified_header(ada.token)
    assert header == {"alg": "HS256", "typ": "JWT", "kid": key_id(settings.jwt_secret_key)}
    assert ada.client.post(PRODUCTS, json=PRODUCT, headers=bearer(ada.token)).status_code == 201


@on_sqlite
def test_the_tests_own_signature_is_right_or_they_would_prove_nothing(ada: Person, settings: Settings) -> None:
    key = settings.jwt_secret_key
    claims = claims_of(ada.token)
    header = {"alg": "HS256", "typ": "JWT", "kid": key_id(key)}
    for token in (signed(claims, key), by_hand(header, claims, key.encode())):
        assert ada.client.get(ME, headers=bearer(token)).status_code == 200


@on_sqlite
def test_a_token_without_a_signature_is_refused(ada: Person, settings: Settings) -> None:
    claims, kid = claims_of(ada.token), key_id(settings.jwt_secret_key)
    for algorithm in ("none", "None", "NONE", "nOnE", ""):
        token = by_hand({"alg": algorithm, "typ": "JWT", "kid": kid}, claims, settings.jwt_secret_key.encode())
        expect_refused(ada.client, token)
        expect_refused(ada.client, token.rpartition(".")[0] + ".")
    expect_refused(ada.client, jwt.encode(claims, "", algorithm="none", headers={"kid": kid}))


@on_sqlite
@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
def test_another_algorithm_is_refused_although_the_key_is_right(
    ada: Person, settings: Settings, algorithm: str
) -> None:
    key = settings.jwt_secret_key
    expect_refused(ada.client, signed(claims_of(ada.token), key, algorithm=algorithm))
    claimed = {"alg": algorithm, "typ": "JWT", "kid": key_id(key)}
    expect_refused(ada.client, by_hand(claimed, claims_of(ada.token), key.encode()))


@on_sqlite
def test_a_public_key_signs_nothing(ada: Person, settings: Settings) -> None:
    pair = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = pair.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    public = pair.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    kid = {"kid": key_id(settings.jwt_secret_key)}
    expect_refused(ada.client, signed(claims_of(ada.token), private, header=kid, algorithm="RS256"))
    for algorithm in ("RS256", "HS256"):
        expect_refused(ada.client, by_hand({"alg": algorithm, **kid}, claims_of(ada.token), public))


@on_sqlite
def test_a_key_that_comes_with_the_token_is_not_asked(ada: Person) -> None:
    own = "a key that the attacker has made up"
    jwk = {"kty": "oct", "k": base64.urlsafe_b64encode(own.encode()).decode()}
    for extra in ({"jwk": jwk}, {"jku": "https://evil.example/keys"}, {"x5u": "https://evil.example/cert"}, {}):
        header = {"alg": "HS256", "kid": key_id(own), **extra}
        expect_refused(ada.client, by_hand(header, claims_of(ada.token), own.encode()))


@on_sqlite
@pytest.mark.parametrize(
    "kid", [None, 7, True, [], {}, "", "unknown", "../../etc/passwd", "' OR 1=1 --", "x" * 5000, "\u0000"]
)
def test_a_key_id_that_is_not_ours_is_refused(ada: Person, settings: Settings, kid: Any) -> None:
    header = {"alg": "HS256", "typ": "JWT", "kid": kid}
    expect_refused(ada.client, by_hand(header, claims_of(ada.token), settings.jwt_secret_key.encode()))
    del header["kid"]
    expect_refused(ada.client, by_hand(header, claims_of(ada.token), settings.jwt_secret_key.encode()))


@on_sqlite
@pytest.mark.parametrize(
    "changed",
    [
        {"aud": "another-api"},
        {"aud": None},
        {"aud": []},
        {"iss": "somebody else"},
        {"iss": None},
        {"type": "refresh"},
        {"type": "session"},
        {"sid": "0" * 32},
        {"sid": None},
        {"sid": 7},
        {"sid": ["x"]},
        {"sub": "999"},
        {"sub": "nobody"},
        {"sub": None},
        {"sub": 1},
        {"exp": None},
        {"exp": "tomorrow"},
        {"exp": 0},
        {"nbf": 4_000_000_000},
        {"iat": 4_000_000_000},
    ],
    ids=str,
)
def test_a_token_of_ours_that_says_something_else_is_refused(
    ada: Person, settings: Settings, changed: dict[str, Any]
) -> None:
    claims = {name: value for name, value in (claims_of(ada.token) | changed).items() if value is not None}
    header = {"alg": "HS256", "typ": "JWT", "kid": key_id(settings.jwt_secret_key)}
    expect_refused(ada.client, by_hand(header, claims, settings.jwt_secret_key.encode()))


@on_sqlite
def test_a_token_that_was_tampered_with_is_refused(ada: Person, app: Flask) -> None:
    bob = new_person(app, "bob@example.org")
    head, _, tail = ada.token.split(".")
    body = ada.token.split(".")[1]
    expect_refused(ada.client, f"{head}.{bob.token.split('.')[1]}.{tail}")
    other = claims_of(ada.token) | {"sub": str(bob.id)}
    expect_refused(ada.client, f"{head}.{base64.urlsafe_b64encode(json.dumps(other).encode()).decode()}.{tail}")
    expect_refused(ada.client, f"{head}.{body}.{'A' if tail[0] != 'A' else 'B'}{tail[1:]}")
    expect_refused(ada.client, f"{head}.{body}.{tail[:-4]}")
    expect_refused(ada.client, f"{head}.{body}")
    expect_refused(ada.client, ada.token + ".x")


@on_sqlite
def test_a_token_of_one_user_with_the_session_of_another_is_refused(
    ada: Person, app: Flask, settings: Settings
) -> None:
    bob = new_person(app, "bob@example.org")
    mixed = claims_of(bob.token) | {"sid": claims_of(ada.token)["sid"]}
    expect_refused(bob.client, signed(mixed, settings.jwt_secret_key))


@on_sqlite
def test_a_token_dies_at_its_time_give_or_take_the_difference_of_two_clocks(ada: Person, settings: Settings) -> None:
    now = int(utc_now().timestamp())
    claims = claims_of(ada.token)
    just = signed(claims | {"exp": now - LEEWAY_S + 3}, settings.jwt_secret_key)
    assert ada.client.get(ME, headers=bearer(just)).status_code == 200
    expect_refused(ada.client, signed(claims | {"exp": now - LEEWAY_S - 1}, settings.jwt_secret_key))


def test_a_token_dies_with_its_session(ada: Person) -> None:
    other = ada.token
    assert ada.log_in().status_code == 200
    assert ada.post("/auth/logout").status_code == 204
    expect_refused(ada.client, ada.token)
    assert ada.client.get(ME, headers=bearer(other)).status_code == 200
    assert ada.client.post("/api/v1/auth/logout-everywhere", headers=bearer(other)).status_code == 204
    expect_refused(ada.client, other)


@on_sqlite
def test_an_access_token_gets_no_refresh_tokens(app: Flask, ada: Person) -> None:
    refused = ada.post("/auth/token", {})
    assert (refused.status_code, refused.get_json()["code"]) == (403, "BROWSER_SESSION_NEEDED")
    with app.app_context():
        assert db.session.scalar(select(func.count()).select_from(Session)) == 1


def test_a_token_is_taken_from_the_header_only(ada: Person) -> None:
    stranger = ada.app.test_client()
    for sent in ({"query_string": {"jwt": ada.token}}, {"json": {"access_token": ada.token}}):
        assert stranger.get(ME, **sent).status_code == 401
    stranger.set_cookie("access_token_cookie", ada.token)
    assert stranger.get(ME).status_code == 401


class Clock:
    """A clock that goes on when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock by which this process forgets who may come in."""
    clock = Clock()
    memory: TTLCache[str, Any] = TTLCache(maxsize=100, ttl=access.IN_PROCESS_S, timer=clock)
    monkeypatch.setattr(access, "_remembered", memory)
    return clock


def test_a_deactivated_users_token_works_less_than_a_minute_longer_even_if_nobody_is_told(
    ada: Person, clock: Clock, settings: Settings
) -> None:
    assert access.IN_PROCESS_S + access.IN_REDIS_S <= 60

    def code() -> int:
        return ada.client.get(ME, headers=bearer(ada.token)).status_code

    assert code() == 200
    change(ada.app, update(User).values(is_active=False))
    clock.now += access.IN_PROCESS_S + 0.1
    with redis.Redis.from_url(settings.redis_cache_url) as cache:
        (name,) = cache.keys("access:s:*")
        cache.pexpire(name, 5_000)  # 25 s have gone by there
        assert code() == 200
        assert cache.pttl(name) <= 5_000  # reading keeps it no longer
        cache.delete(name)  # what Redis does 5 s later
    clock.now += access.IN_PROCESS_S - 0.1
    assert code() == 200
    clock.now += 0.2
    assert code() == 401
    expect_refused(ada.client, ada.token)


def test_where_a_user_is_deactivated_the_token_dies_at_once_and_elsewhere_with_the_memory_of_a_process(
    ada: Person, clock: Clock
) -> None:
    assert ada.client.get(ME, headers=bearer(ada.token)).status_code == 200
    elsewhere = dict(access._remembered)
    assert elsewhere

    @in_transaction
    def deactivate() -> None:
        db.session.get_one(User, ada.id).is_active = False
        access.forget_users([ada.id])

    with ada.app.app_context():
        deactivate()
    expect_refused(ada.client, ada.token)
    access._remembered.update(elsewhere)  # as another process still has it
    assert ada.client.get(ME, headers=bearer(ada.token)).status_code == 200
    clock.now += access.IN_PROCESS_S + 0.1
    expect_refused(ada.client, ada.token)


def test_a_flushed_redis_logs_nobody_out(ada: Person, clock: Clock, settings: Settings) -> None:
    assert ada.client.get(ME, headers=bearer(ada.token)).status_code == 200
    with redis.Redis.from_url(settings.redis_cache_url) as cache:
        cache.flushall()
    clock.now += access.IN_PROCESS_S + 0.1
    assert ada.client.get(ME, headers=bearer(ada.token)).status_code == 200


doors = ApiBlueprint("doors", __name__)


@doors.route("/guarded")
class Guarded(MethodView):
    """A door behind which there is nothing."""

    @doors.requires("products:read")
    @doors.answers(204)
    def get(self) -> None:
        """Let in."""


@pytest.mark.parametrize("credential", ["token", "session"])
def test_whoever_is_known_is_let_in_without_a_question_to_the_database(
    ada: Person, app_with: AppWith, credential: str
) -> None:
    guarded = app_with()
    guarded.register_blueprint(doors)
    asked: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        asked.append(statement)

    client = guarded.test_client()
    headers = bearer(ada.token) if credential == "token" else {}
    if credential == "session":
        client.set_cookie("cartwright", cookie_of(client, ada))
    with guarded.app_context():
        event.listen(db.engine, "before_cursor_execute", note)
    assert client.get("/guarded", headers=headers).status_code == 204
    asked.clear()
    assert [client.get("/guarded", headers=headers).status_code for _ in range(5)] == [204] * 5
    assert asked == []
    access._remembered.clear()  # as a process that has not seen this one yet, beside others that have
    assert client.get("/guarded", headers=headers).status_code == 204
    assert asked == []


def cookie_of(browser: FlaskClient, person: Person) -> str:
    """The cookie of a browser in which somebody has logged in."""
    found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', browser.get("/login").text)
    assert found
    form = {"csrf_token": found[1], "email": person.email, "password": PASSWORD}
    assert browser.post("/login", data=form).status_code == 302
    cookie = browser.get_cookie("cartwright")
    assert cookie
    return cookie.value


def test_the_signing_key_can_be_changed_and_nobody_is_logged_out(
    ada: Person, app_with: AppWith, settings: Settings
) -> None:
    both = app_with(jwt_secret_key=NEW_KEY, old_jwt_secret_keys=(settings.jwt_secret_key,)).test_client()
    login = {"email": ada.email, "password": PASSWORD}
    old = ada.client.post("/api/v1/auth/login", json=login).get_json()
    assert both.get(ME, headers=bearer(old["access_token"])).status_code == 200
    fresh = both.post("/api/v1/auth/refresh", json={"refresh_token": old["refresh_token"]}).get_json()
    for token in (fresh["access_token"], fresh["refresh_token"]):
        assert jwt.get_unverified_header(token)["kid"] == key_id(NEW_KEY)
    only_new = app_with(jwt_secret_key=NEW_KEY).test_client()
    assert only_new.get(ME, headers=bearer(fresh["access_token"])).status_code == 200
    expect_refused(only_new, old["access_token"])
    refused = only_new.post("/api/v1/auth/refresh", json={"refresh_token": old["refresh_token"]})
    assert (refused.status_code, refused.get_json()["code"]) == (401, "TOKEN_REFUSED")
    with ada.app.app_context():
        assert db.session.scalar(select(func.count()).where(Session.end_reason.is_not(None))) == 0


def test_the_key_of_cookies_can_be_changed_and_nobody_is_logged_out(
    ada: Person, app_with: AppWith, settings: Settings
) -> None:
    new, cookie = "a new key of cookies, which is long enough", cookie_of(ada.app.test_client(), ada)

    def status(**keys: Any) -> int:
        other = app_with(**keys).test_client()
        other.set_cookie("cartwright", cookie)
        return other.get(ME).status_code

    assert status(secret_key=new, old_secret_keys=(settings.secret_key,)) == 200
    assert status(secret_key=new) == 401
