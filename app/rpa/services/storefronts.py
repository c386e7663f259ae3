"""Creating, changing and deleting storefronts."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError

from app.core import audit
from app.core.extensions import db
from app.core.permissions import Principal
from app.core.transactions import in_transaction
from app.rpa.errors import StorefrontCodeTaken, StorefrontInUse
from app.rpa.models.jobs import Job
from app.rpa.models.storefronts import ProfileVersion, Storefront
from app.rpa.profile import Profile
from app.rpa.services.profiles import give_profile, lock_storefront


@in_transaction
def create_storefront(
    *,
    actor: Principal,
    now: datetime,
    code: str,
    name: str,
    profile: dict[str, Any],
    is_active: bool = True,
    note: str | None = None,
) -> Storefront:
    """Add a storefront from a checked profile document, its version 1; raises StorefrontCodeTaken."""
    pace = Profile.from_document(profile).pace
    row = Storefront(
        code=code, name=name, profile=profile, profile_version=0, is_active=is_active, version=1,
        gap_ms=pace.gap_ms, concurrency=pace.concurrency, next_start_at=now,
    )  # fmt: skip
    session = db.session()
    try:
        with session.begin_nested():
            session.add(row)
    except IntegrityError:
        raise StorefrontCodeTaken.at("/code", f"A storefront with the code {code} exists.") from None
    give_profile(actor=actor, now=now, shop=row, profile=profile, note=note)
    audit.record(actor=actor, action="storefront.create", subject=("storefront", row.id), after=_audited(row))
    return row


@in_transaction
def update_storefront(
    *,
    actor: Principal,
    now: datetime,
    storefront_id: int,
    expected_version: int,
    name: str,
    profile: dict[str, Any],
    is_active: bool,
    note: str | None = None,
) -> Storefront:
    """Replace a storefront's name and profile; another profile is a new version and holds from the next claim on.

    Raises StorefrontNotFound, or StorefrontStale when it is no longer at ``expected_version``.
    """
    row = lock_storefront(storefront_id, expected_version)
    before = _audited(row)
    give_profile(actor=actor, now=now, shop=row, profile=profile, note=note)
    row.name, row.is_active, row.version, row.updated_at = name, is_active, row.version + 1, now
    audit.record(
        actor=actor, action="storefront.update", subject=("storefront", row.id), before=before, after=_audited(row)
    )
    return row


@in_transaction
def delete_storefront(*, actor: Principal, storefront_id: int, expected_version: int) -> None:
    """Delete a storefront that no job refers to; raises StorefrontInUse otherwise (deactivate it instead)."""
    row = lock_storefront(storefront_id, expected_version)
    session = db.session()
    if session.scalar(select(Job.id).where(Job.storefront_id == row.id).limit(1)) is not None:
        raise StorefrontInUse("Jobs refer to this storefront; set is_active to false instead of deleting it.")
    audit.record(actor=actor, action="storefront.delete", subject=("storefront", row.id), before=_audited(row))
    session.execute(delete(ProfileVersion).where(ProfileVersion.storefront_id == row.id))
    session.delete(row)


def pause_storefront(storefront_id: int, until: datetime) -> None:
    """Start no task on this storefront before ``until``; joins the open transaction, never shortens a pause."""
    db.session.execute(
        update(Storefront)
        .where(Storefront.id == storefront_id)
        .where((Storefront.paused_until.is_(None)) | (Storefront.paused_until < until))
        .values(paused_until=until)
        .execution_options(synchronize_session=False)
    )


def _audited(row: Storefront) -> dict[str, Any]:
    return {"code": row.code, "name": row.name, "is_active": row.is_active, "version": row.version,
            "profile_version": row.profile_version, "profile": row.profile}  # fmt: skip
