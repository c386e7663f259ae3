"""API keys: some of their owner's permissions, for programs. The secret is shown once and kept as a hash."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from sqlalchemy import select

from app.auth.errors import KeyChanged, KeyNotFound, TooManyKeys
from app.auth.models import ApiKey, User
from app.auth.queries.credentials import count_keys
from app.auth.services import access
from app.auth.services.second_factor import hash_of
from app.core import audit
from app.core.errors import FieldError, Invalid
from app.core.extensions import db
from app.core.permissions import CATALOGUE, Principal
from app.core.transactions import after_commit, in_transaction

PREFIX: Final = "cw_"
"""Every key begins with this, so that it can be told from a token, and found in places where none should be."""
MAX_KEYS: Final = 50
LONGEST: Final = timedelta(days=366)
USUAL: Final = timedelta(days=365)

_SHOWN: Final = 10
"""Characters of the secret that are kept to tell keys apart; 216 bits stay unknown."""


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that was just made, with its secret, which exists nowhere else."""

    key: ApiKey
    secret: str


@in_transaction
def create_key(
    *, actor: Principal, now: datetime, name: str, scopes: Sequence[str], expires_at: datetime | None = None
) -> NewKey:
    """Make an API key for the person who is logged in; without ``expires_at`` it works for 365 days.

    What its owner may no longer do, the key may not do either. Raises NotForKeys, Invalid for unknown scopes or an
    expiry that is past or more than 366 days away, PermissionMissing for scopes that the actor does not hold,
    TooManyKeys beyond 50 that work.
    """
    owner = actor.require_person()
    actor.require_complete_login()
    granted = _checked(scopes)
    actor.require_all(granted, to="make a key with these scopes")
    ends = now + USUAL if expires_at is None else expires_at
    if not now < ends <= now + LONGEST:
        raise Invalid.field("/expires_at", f"must lie in the next {LONGEST.days} days.")
    session = db.session()
    session.execute(select(User.id).where(User.id == owner).with_for_update())  # two at once count one after the other
    if count_keys(owner, now=now) >= MAX_KEYS:
        raise TooManyKeys(f"You have {MAX_KEYS} API keys; revoke one first.")
    secret = PREFIX + secrets.token_urlsafe(32)
    key = ApiKey(
        user_id=owner,
        name=name,
        prefix=secret[:_SHOWN],
        secret_hash=hash_of(secret),
        scopes=sorted(granted),
        created_at=now,
        expires_at=ends,
    )
    session.add(key)
    session.flush()
    audit.record(
        actor=actor,
        action="key.create",
        subject=("key", key.id),
        after={"user": owner, "name": name, "scopes": key.scopes, "expires_at": ends.isoformat()},
    )
    return NewKey(key, secret)


@in_transaction
def rename_key(*, actor: Principal, user_id: int, key_id: int, expected_version: int, name: str) -> ApiKey:
    """Give an API key another name; raises KeyNotFound, KeyChanged."""
    key = _lock(user_id, key_id)
    if key.version != expected_version:
        raise KeyChanged(f"The key has version {key.version}; this was based on {expected_version}.")
    if name != key.name:
        audit.record(
            actor=actor, action="key.update", subject=("key", key.id), before={"name": key.name}, after={"name": name}
        )
        key.name = name
        key.version += 1
    return key


@in_transaction
def revoke_key(*, actor: Principal, user_id: int, key_id: int, now: datetime) -> None:
    """Let an API key never work again; raises KeyNotFound, also for one that was revoked before."""
    key = _lock(user_id, key_id)
    key.revoked_at = now
    key.version += 1
    audit.record(actor=actor, action="key.revoke", subject=("key", key.id), before={"user": user_id, "name": key.name})
    after_commit(partial(access.forget, [f"k:{key.secret_hash}"]))


def _lock(user_id: int, key_id: int) -> ApiKey:
    key = db.session().get(ApiKey, key_id, with_for_update=True)
    if key is None or key.user_id != user_id or key.revoked_at is not None:
        raise KeyNotFound(f"There is no API key {key_id}.")
    return key


def _checked(scopes: Sequence[str]) -> frozenset[str]:
    unknown = [at for at, name in enumerate(scopes) if name not in CATALOGUE]
    if unknown:
        errors = tuple(FieldError(f"/scopes/{at}", "is no permission of the catalogue.") for at in unknown)
        raise Invalid("The request breaks a rule.", errors=errors)
    if not scopes:
        raise Invalid.field("/scopes", "must name at least one permission.")
    return frozenset(scopes)
