"""Reads of OAuth providers and of the identities that people have there."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import exists, func, or_, select
from sqlalchemy.orm import defer

from app.auth.errors import ProviderNotFound
from app.auth.models import OauthIdentity, OauthProvider, Passkey, User
from app.auth.providers import MAX_PROVIDERS, Provider
from app.core.extensions import db
from app.core.pagination import Page, fetch_page


@dataclass(frozen=True, slots=True)
class Offer:
    """A provider as everybody may see it."""

    code: str
    name: str


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody's account at a provider."""

    id: int
    provider: str
    provider_name: str
    email: str
    created_at: datetime
    last_used_at: datetime


def list_providers(*, limit: int, cursor: str | None) -> Page[OauthProvider]:
    """One page of all providers, oldest first."""
    all_of_them = select(OauthProvider).options(defer(OauthProvider.client_secret))
    return fetch_page(all_of_them, keys=[(OauthProvider.id, False)], limit=limit, cursor=cursor)


def get_provider(provider_id: int) -> OauthProvider:
    """One provider; raises ProviderNotFound."""
    row = db.session.get(OauthProvider, provider_id)
    if row is None:
        raise ProviderNotFound(f"There is no OAuth provider {provider_id}.")
    return row


def get_provider_by_code(code: str) -> OauthProvider:
    """The provider with this code, also one that is switched off; raises ProviderNotFound."""
    row = db.session.scalar(select(OauthProvider).where(OauthProvider.code == code))
    if row is None:
        raise ProviderNotFound(f"There is no OAuth provider {code}.")
    return row


def offered_providers() -> list[Offer]:
    """Every provider that people may log in by, by name."""
    enabled = select(OauthProvider.code, OauthProvider.name).where(OauthProvider.is_enabled.is_(True))
    rows = db.session.execute(enabled.order_by(OauthProvider.name, OauthProvider.id).limit(MAX_PROVIDERS))
    return [Offer(row.code, row.name) for row in rows]


def provider_to_use(code: str) -> Provider:
    """The provider with this code, its secret included, if people may log in by it; raises ProviderNotFound."""
    row = db.session.scalar(select(OauthProvider).where(OauthProvider.code == code, OauthProvider.is_enabled.is_(True)))
    if row is None:
        raise ProviderNotFound("This way to log in is not offered here.")
    return Provider(row.id, row.code, row.name, row.preset, row.issuer or "", row.client_id, row.client_secret)


def count_identities(provider_id: int) -> int:
    """How many accounts of people are connected to a provider."""
    counted = select(func.count()).select_from(OauthIdentity).where(OauthIdentity.provider_id == provider_id)
    return db.session.scalar(counted) or 0


def list_identities(user_id: int, *, limit: int, cursor: str | None) -> Page[Identity]:
    """One page of a user's identities, oldest first."""
    page = fetch_page(
        _identities().where(OauthIdentity.user_id == user_id),
        keys=[(OauthIdentity.id, False)],
        limit=limit,
        cursor=cursor,
        scalars=False,
    )
    return Page([_identity(row) for row in page.items], page.next_cursor)


def has_other_way_in(user_id: int, *, but_identity: int) -> bool:
    """Whether a user could log in without this identity: by password, passkey or another enabled provider."""
    passkey = exists().where(Passkey.user_id == User.id)
    identity = exists().where(
        OauthIdentity.user_id == User.id,
        OauthIdentity.id != but_identity,
        OauthProvider.id == OauthIdentity.provider_id,
        OauthProvider.is_enabled.is_(True),
    )
    found = select(User.id).where(User.id == user_id, or_(User.password_hash != "", passkey, identity))
    return db.session.scalar(found) is not None


def _identities() -> Any:
    return select(
        OauthIdentity.id,
        OauthProvider.code,
        OauthProvider.name,
        OauthIdentity.email,
        OauthIdentity.created_at,
        OauthIdentity.last_used_at,
    ).join(OauthProvider, OauthProvider.id == OauthIdentity.provider_id)


def _identity(row: Any) -> Identity:
    return Identity(row.id, row.code, row.name, row.email, row.created_at, row.last_used_at)
