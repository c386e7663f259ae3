"""API keys: shown once, no more than their owner may, and dead when they or their owner are."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update

from app.auth.models import ApiKey, Session, User
from app.auth.services import access
from app.auth.services.api_keys import MAX_KEYS
from app.auth.services.second_factor import hash_of
from app.core.extensions import db
from app.core.fields import utc_text
from app.core.orm import utc_now
from tests.auth.people import change
from tests.auth.staff import Member, hire, logged, pointers, refusal
from tests.calls import HERE, add_key
from tests.concurrency import at_once
from tests.servers import on_sqlite

KEY: dict[str, Any] = {"name": "nightly import", "scopes": ["products:read"]}


@pytest.fixture
def owner(app: Flask) -> Member:
    """Somebody who keeps the product master."""
    return hire(app, "owner", role="catalogue manager")


def made(owner: Member, **more: Any) -> Member:
    """A new key, as a client that uses it."""
    answer = owner.post("/me/keys", KEY | more)
    assert answer.status_code == 201, answer.text
    return Member(owner.app, answer.get_json()["key"]["id"], "", answer.get_json()["secret"])


def age(app: Flask, **values: Any) -> None:
    """Change the keys behind the application's back, and let it forget what it remembers of them."""
    change(app, update(ApiKey).values(**values))
    forget(app)


def forget(app: Flask) -> None:
    """What happens by itself within a minute."""
    with app.app_context():
        access.forget([f"k:{found}" for found in db.session.scalars(select(ApiKey.secret_hash))])


def test_a_key_is_shown_once_and_only_its_hash_is_kept(app: Flask, owner: Member) -> None:
    answer = owner.post("/me/keys", KEY)
    secret, key = answer.get_json()["secret"], answer.get_json()["key"]
    assert answer.headers["Location"] == f"/api/v1/me/keys/{key['id']}"
    assert (secret[:3], len(secret)) == ("cw_", 46)  # 43 characters of base64url are 256 bits
    assert (key["prefix"], key["scopes"], key["last_used_at"]) == (secret[:10], ["products:read"], None)
    with app.app_context():
        row = db.session.scalars(select(ApiKey)).one()
        kept = {column.key: getattr(row, column.key) for column in row.__table__.columns}
    assert secret not in str(kept)
    for shown in (owner.get("/me/keys"), owner.get(f"/me/keys/{key['id']}"), logged(app, "key.create")):
        assert secret[10:] not in str(shown)
    ((_, _, after),) = logged(app, "key.create")
    assert after is not None
    assert (after["user"], after["scopes"]) == (owner.id, ["products:read"])


def test_a_key_opens_what_its_scopes_say_and_says_when_and_from_where_it_was_used(app: Flask, owner: Member) -> None:
    key = made(owner)
    headers = {"Authorization": f"Bearer {key.token}"}
    used = app.test_client().get("/api/v1/products", headers=headers, environ_base={"REMOTE_ADDR": "192.0.2.99"})
    assert used.status_code == 200
    assert refusal(key.post("/products", {})) == (403, "PERMISSION_MISSING")
    assert key.get("/me")["permissions"] == ["products:read"]
    shown = owner.get(f"/me/keys/{key.id}")
    assert (shown["last_used_address"], shown["last_used_at"][:10]) == ("192.0.2.99", f"{utc_now():%Y-%m-%d}")


def test_a_key_may_not_do_what_its_owner_may_not(app: Flask, owner: Member) -> None:
    refused = owner.post("/me/keys", KEY | {"scopes": ["products:read", "jobs:read", "users:write"]})
    assert refusal(refused) == (403, "PERMISSION_MISSING")
    assert all(name in refused.get_json()["detail"] for name in ("jobs:read", "users:write"))
    assert owner.get("/me/keys")["items"] == []
    key = made(owner, scopes=["products:read", "products:write"])
    root = hire(app, "root", role="admin")
    assert root.patch(f"/users/{owner.id}", {"roles": ["analyst"]}, 1).status_code == 200
    assert key.get("/me")["permissions"] == ["products:read"]
    assert refusal(key.post("/products", {})) == (403, "PERMISSION_MISSING")
    assert key.call("GET", "/jobs").status_code == 403  # what the owner has now was never given to the key


@pytest.mark.parametrize(
    "values", [{"expires_at": utc_now() - timedelta(seconds=1)}, {"revoked_at": utc_now()}, {"secret_hash": "x" * 64}]
)
@on_sqlite
def test_a_key_that_expired_was_revoked_or_is_unknown_opens_nothing(
    app: Flask, owner: Member, values: dict[str, Any]
) -> None:
    key = made(owner)
    assert key.call("GET", "/products").status_code == 200
    forget(app)
    age(app, **values)
    assert refusal(key.call("GET", "/products")) == (401, "TOKEN_REFUSED")


def test_a_key_expires_although_it_was_just_remembered_to_be_valid(app: Flask, owner: Member) -> None:
    key = made(owner)
    change(app, update(ApiKey).values(expires_at=utc_now() + timedelta(seconds=1)))
    assert key.call("GET", "/products").status_code == 200
    later = utc_now() + timedelta(seconds=2)
    with app.app_context():
        assert access.of_key(hash_of(key.token), now=later, address=HERE.address) is None


def test_a_revoked_key_is_dead_at_once(app: Flask, owner: Member) -> None:
    key = made(owner)
    assert key.call("GET", "/products").status_code == 200
    assert owner.delete(f"/me/keys/{key.id}").status_code == 204
    assert refusal(key.call("GET", "/products")) == (401, "TOKEN_REFUSED")
    assert refusal(owner.delete(f"/me/keys/{key.id}")) == (404, "KEY_NOT_FOUND")
    assert len(logged(app, "key.revoke")) == 1


def test_a_key_of_a_closed_account_is_dead_within_a_minute_wherever_it_was_closed(app: Flask, owner: Member) -> None:
    key = made(owner)
    assert key.call("GET", "/products").status_code == 200
    change(app, update(User).where(User.id == owner.id).values(is_active=False))  # as another process would
    assert access.IN_PROCESS_S + access.IN_REDIS_S < 60
    forget(app)
    assert refusal(key.call("GET", "/products")) == (401, "TOKEN_REFUSED")


def test_a_key_is_renamed_by_its_version_and_never_widened(app: Flask, owner: Member) -> None:
    key = made(owner)
    path = f"/me/keys/{key.id}"
    assert refusal(owner.call("PATCH", path, {"name": "x"})) == (428, "VERSION_REQUIRED")
    renamed = owner.patch(path, {"name": "weekly"}, 1)
    assert (renamed.get_json()["name"], renamed.headers["ETag"]) == ("weekly", '"v2"')
    assert refusal(owner.patch(path, {"name": "x"}, 1)) == (412, "STALE_VERSION")
    widened = owner.patch(path, {"name": "x", "scopes": ["products:write"], "expires_at": None, "user_id": 1}, 2)
    assert (widened.status_code, pointers(widened)) == (422, ["/expires_at", "/scopes", "/user_id"])
    assert owner.get(path)["scopes"] == ["products:read"]


@on_sqlite
@pytest.mark.parametrize(
    ("sent", "where"),
    [
        ({}, ["/name", "/scopes"]),
        ({"name": "k", "scopes": []}, ["/scopes"]),
        ({"name": "k", "scopes": ["products:read", "products:read"]}, ["/scopes"]),
        ({"name": "k", "scopes": ["products:read", "*"]}, ["/scopes/1"]),
        ({"name": "k", "scopes": ["products:read"], "expires_at": "2020-01-01T00:00:00Z"}, ["/expires_at"]),
        ({"name": "k", "scopes": ["products:read"], "expires_at": "2999-01-01T00:00:00Z"}, ["/expires_at"]),
        ({"name": "k", "scopes": ["products:read"], "expires_at": "soon"}, ["/expires_at"]),
        ({"name": "k", "scopes": ["products:read"], "secret": "cw_mine", "user_id": 1}, ["/secret", "/user_id"]),
    ],
)
def test_a_malformed_key_is_refused_by_field(owner: Member, sent: dict[str, Any], where: list[str]) -> None:
    refused = owner.post("/me/keys", sent)
    assert (refused.status_code, pointers(refused)) == (422, where)
    assert owner.get("/me/keys")["items"] == []


@on_sqlite
def test_a_key_ends_when_it_was_said_to_and_after_a_year_when_nothing_was_said(owner: Member) -> None:
    soon = utc_text(utc_now() + timedelta(days=7))
    assert owner.get(f"/me/keys/{made(owner, expires_at=soon).id}")["expires_at"] == soon
    ends = owner.get(f"/me/keys/{made(owner).id}")["expires_at"]
    assert ends[:10] == f"{utc_now() + timedelta(days=365):%Y-%m-%d}"


@on_sqlite
def test_making_a_key_needs_a_fresh_login(app: Flask, owner: Member) -> None:
    change(app, update(Session).values(authenticated_at=utc_now() - timedelta(minutes=16)))
    refused = owner.post("/me/keys", KEY)
    assert refusal(refused) == (401, "FRESH_LOGIN_REQUIRED")
    assert owner.get("/me/keys")["items"] == []


def test_of_several_at_once_for_one_place_one_is_made(app: Flask, owner: Member) -> None:
    with app.app_context():
        for at in range(MAX_KEYS - 1):
            add_key(user_id=owner.id, secret=f"cw_{at}", scopes=["products:read"])
    assert owner.call("GET", "/me").status_code == 200  # its use is noted: from here on only the keys are written
    answers = at_once(app, *(lambda: owner.post("/me/keys", KEY).status_code for _ in range(6)))
    assert sorted(answers) == [201, *[409] * 5]
    refused = owner.post("/me/keys", KEY)
    assert refusal(refused) == (409, "TOO_MANY_KEYS")
    first = owner.get("/me/keys?limit=1")["items"][0]["id"]
    assert owner.delete(f"/me/keys/{first}").status_code == 204
    assert owner.post("/me/keys", KEY).status_code == 201


@on_sqlite
def test_a_key_that_was_asked_for_twice_is_made_once_and_its_secret_is_not_stored(app: Flask, owner: Member) -> None:
    headers = {"Authorization": f"Bearer {owner.token}", "Idempotency-Key": "k-1"}
    first, second = (app.test_client().post("/api/v1/me/keys", json=KEY, headers=headers) for _ in range(2))
    assert first.status_code == 201
    assert refusal(second) == (409, "IDEMPOTENCY_ANSWER_NOT_STORED")
    assert len(owner.get("/me/keys")["items"]) == 1
