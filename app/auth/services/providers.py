"""Creating, changing and deleting OAuth providers."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, Final

from sqlalchemy import delete, func, select
from sqlalchemy.exc import IntegrityError

from app.auth.errors import ProviderCodeTaken, ProviderInUse, ProviderNotFound, ProviderStale, TooManyProviders
from app.auth.models import OauthIdentity, OauthProvider
from app.auth.providers import GITHUB, GOOGLE, GOOGLE_ISSUER, MAX_PROVIDERS, PRESETS, is_safe_address
from app.auth.queries.providers import count_identities
from app.core import audit
from app.core.errors import FieldError, Invalid
from app.core.extensions import db
from app.core.permissions import CATALOGUE, Principal
from app.core.transactions import in_transaction

CODE: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?")


@in_transaction
def create_provider(
    *,
    actor: Principal,
    now: datetime,
    code: str,
    name: str,
    preset: str,
    client_id: str,
    client_secret: str,
    loopback: bool,
    issuer: str | None = None,
    is_enabled: bool = True,
) -> OauthProvider:
    """Add a provider; ``loopback`` allows an issuer on this machine without TLS.

    Raises Invalid, ProviderCodeTaken, TooManyProviders, and PermissionMissing unless the actor may do everything.
    """
    _require_power(actor)
    if preset not in PRESETS:
        raise Invalid.field("/preset", f"must be one of {', '.join(PRESETS)}.")
    if not CODE.fullmatch(code):
        raise Invalid.field("/code", "must be lower case letters, digits and hyphens inside.")
    session = db.session()
    if (session.scalar(select(func.count()).select_from(OauthProvider)) or 0) >= MAX_PROVIDERS:
        raise TooManyProviders(f"There are {MAX_PROVIDERS} providers, which is as many as there may be.")
    row = OauthProvider(
        code=code, name=name, preset=preset, issuer=_issuer(preset, issuer, loopback=loopback), client_id=client_id,
        client_secret=client_secret, is_enabled=is_enabled, version=1, created_at=now, updated_at=now,
    )  # fmt: skip
    try:
        with session.begin_nested():
            session.add(row)
    except IntegrityError:
        raise ProviderCodeTaken.at("/code", f"A provider with the code {code} exists.") from None
    audit.record(actor=actor, action="provider.create", subject=("provider", row.id), after=_audited(row))
    return row


@in_transaction
def update_provider(
    *,
    actor: Principal,
    now: datetime,
    provider_id: int,
    expected_version: int,
    name: str,
    client_id: str,
    loopback: bool,
    client_secret: str | None = None,
    issuer: str | None = None,
    is_enabled: bool = True,
) -> OauthProvider:
    """Replace a provider's settings; without ``client_secret`` it keeps the one it has.

    Raises ProviderNotFound, ProviderStale, Invalid, PermissionMissing unless the actor may do everything, or
    ProviderInUse for another issuer than the one that people's identities come from: the same subject there may be
    somebody else.
    """
    _require_power(actor)
    row = _locked(provider_id, expected_version)
    wanted = _issuer(row.preset, issuer, loopback=loopback)
    if wanted != row.issuer and (count := count_identities(row.id)):
        detail = f"cannot change while {count} people log in by the present one; make another provider."
        raise ProviderInUse(f"The issuer {detail}", errors=(FieldError("/issuer", detail),))
    before = _audited(row)
    row.name, row.client_id, row.issuer, row.is_enabled = name, client_id, wanted, is_enabled
    row.version, row.updated_at = row.version + 1, now
    if client_secret is not None:
        row.client_secret = client_secret
    after = _audited(row) | ({"client_secret": "changed"} if client_secret is not None else {})
    audit.record(actor=actor, action="provider.update", subject=("provider", row.id), before=before, after=after)
    return row


@in_transaction
def delete_provider(*, actor: Principal, provider_id: int, expected_version: int, with_identities: bool = False) -> int:
    """Delete a provider; returns how many identities of people went with it.

    Raises ProviderNotFound, ProviderStale, and ProviderInUse, which names their number, where there are some and
    ``with_identities`` does not say that they may go.
    """
    row = _locked(provider_id, expected_version)
    count = count_identities(row.id)
    if count and not with_identities:
        raise ProviderInUse(
            f"{count} people log in by {row.name}. Switch it off instead, or say with_identities to disconnect them."
        )
    session = db.session()
    session.execute(delete(OauthIdentity).where(OauthIdentity.provider_id == row.id))
    audit.record(
        actor=actor,
        action="provider.delete",
        subject=("provider", row.id),
        before=_audited(row) | {"identities": count},
    )
    session.delete(row)
    return count


def _require_power(actor: Principal) -> None:
    """Raise PermissionMissing unless the actor may do everything, as may whoever a provider says that somebody is."""
    actor.require_all(frozenset(CATALOGUE), to="say who else vouches for people")


def _issuer(preset: str, issuer: str | None, *, loopback: bool) -> str | None:
    fixed = {GOOGLE: GOOGLE_ISSUER, GITHUB: None}
    if preset in fixed:
        if issuer not in {None, fixed[preset]}:
            raise Invalid.field("/issuer", f"is known for the preset {preset}; leave it out.")
        return fixed[preset]
    if issuer is None:
        raise Invalid.field("/issuer", "is needed for the preset oidc.")
    if not is_safe_address(issuer, loopback=loopback) or "?" in issuer:
        raise Invalid.field("/issuer", "must be an https address without query, such as https://login.example.org.")
    return issuer


def _locked(provider_id: int, expected_version: int) -> OauthProvider:
    row = db.session.scalar(select(OauthProvider).where(OauthProvider.id == provider_id).with_for_update())
    if row is None:
        raise ProviderNotFound(f"There is no OAuth provider {provider_id}.")
    if row.version != expected_version:
        raise ProviderStale(f"The provider is at version {row.version}, not {expected_version}; read it again.")
    return row


def _audited(row: OauthProvider) -> dict[str, Any]:
    """All but the secret."""
    return {"code": row.code, "name": row.name, "preset": row.preset, "issuer": row.issuer,
            "client_id": row.client_id, "is_enabled": row.is_enabled, "version": row.version}  # fmt: skip
