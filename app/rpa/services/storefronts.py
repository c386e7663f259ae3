"""Creating, changing and deleting storefronts."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from app.core import audit
from app.core.extensions import db
from app.core.permissions import Principal
from app.core.transactions import in_transaction
from app.rpa.errors import StorefrontCodeTaken, StorefrontInUse, StorefrontNotFound, StorefrontStale
from app.rpa.models.jobs import Job
from app.rpa.models.storefronts import Storefront
from app.rpa.profile import Profile


@in_transaction
def create_storefront(
    *, actor: Principal, now: datetime, code: str, name: str, profile: dict[str, Any], is_active: bool = True
) -> Storefront:
    """Add a storefront from a checked profile document; raises StorefrontCodeTaken."""
    pace = Profile.from_document(profile).pace
    row = Storefront(
        code=code, name=name, profile=profile, is_active=is_active, version=1,
        gap_ms=pace.gap_ms, concurrency=pace.concurrency, next_start_at=now,
    )  # fmt: skip
    session = db.session()
    try:
        with session.begin_nested():
            session.add(row)
    except IntegrityError:
        raise StorefrontCodeTaken.at("/code", f"A storefront with the code {code} exists.") from None
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
) -> Storefront:
    """Replace a storefront's name and profile; the new pace and rules hold from the next claim on.

    Raises StorefrontNotFound, or StorefrontStale when it is no longer at ``expected_version``.
    """
    row = _locked(storefront_id, expected_version)
    before = _audited(row)
    pace = Profile.from_document(profile).pace
    row.name, row.profile, row.is_active = name, profile, is_active
    row.gap_ms, row.concurrency, row.version = pace.gap_ms, pace.concurrency, row.version + 1
    row.updated_at = now
    audit.record(
        actor=actor, action="storefront.update", subject=("storefront", row.id), before=before, after=_audited(row)
    )
    return row


@in_transaction
def delete_storefront(*, actor: Principal, storefront_id: int, expected_version: int) -> None:
    """Delete a storefront that no job refers to; raises StorefrontInUse otherwise (deactivate it instead)."""
    row = _locked(storefront_id, expected_version)
    session = db.session()
    if session.scalar(select(Job.id).where(Job.storefront_id == row.id).limit(1)) is not None:
        raise StorefrontInUse("Jobs refer to this storefront; set is_active to false instead of deleting it.")
    audit.record(actor=actor, action="storefront.delete", subject=("storefront", row.id), before=_audited(row))
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


def _locked(storefront_id: int, expected_version: int) -> Storefront:
    row = db.session.scalar(select(Storefront).where(Storefront.id == storefront_id).with_for_update())
    if row is None:
        raise StorefrontNotFound("There is no such storefront.")
    if row.version != expected_version:
        raise StorefrontStale(f"The storefront is at version {row.version}, not {expected_version}; read it again.")
    return row


def _audited(row: Storefront) -> dict[str, Any]:
    return {"code": row.code, "name": row.name, "is_active": row.is_active, "version": row.version,
            "profile": row.profile}  # fmt: skip
