"""Creating, changing and deleting storefronts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError

from app.core import audit
from app.core.extensions import db
from app.core.permissions import Principal
from app.core.transactions import in_transaction
from app.rpa.errors import MasterFollowsAnother, StorefrontCodeTaken, StorefrontInUse
from app.rpa.models.cart_options import CartOptions
from app.rpa.models.jobs import Job
from app.rpa.models.robots import RobotsFile
from app.rpa.models.storefronts import ProfileVersion, Storefront
from app.rpa.profiles.profile import Profile
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
    politeness: Mapping[str, Any] | None = None,
    changes: Mapping[str, bool] | None = None,
) -> Storefront:
    """Add a storefront from a checked profile document, its version 1.

    Raises StorefrontCodeTaken, MasterFollowsAnother, and AddressRefused for hosts that are not on the internet.
    """
    pace = Profile.from_document(profile).pace
    row = Storefront(
        code=code, name=name, profile=profile, profile_version=0, is_active=is_active, version=1,
        gap_ms=pace.gap_ms, concurrency=pace.concurrency, next_start_at=now,
    )  # fmt: skip
    if politeness is not None:
        _set_politeness(row, politeness, actor, now)
    session = db.session()
    try:
        with session.begin_nested():
            session.add(row)
    except IntegrityError:
        raise StorefrontCodeTaken.at("/code", f"A storefront with the code {code} exists.") from None
    if changes is not None:
        _set_changes(row, changes)
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
    politeness: Mapping[str, Any] | None = None,
    changes: Mapping[str, bool] | None = None,
) -> Storefront:
    """Replace a storefront's name and profile; another profile is a new version and holds from the next claim on.

    ``politeness`` replaces all that is said of hours, cap and robots.txt, ``changes`` what happens with the changes
    that are seen on it; None leaves either as it is. Raises StorefrontNotFound, MasterFollowsAnother, AddressRefused
    for hosts that are not on the internet, or StorefrontStale when it is no longer at ``expected_version``.
    """
    row = lock_storefront(storefront_id, expected_version)
    before = _audited(row)
    give_profile(actor=actor, now=now, shop=row, profile=profile, note=note)
    row.name, row.is_active, row.version, row.updated_at = name, is_active, row.version + 1, now
    if politeness is not None:
        _set_politeness(row, politeness, actor, now)
    if changes is not None:
        _set_changes(row, changes)
    audit.record(
        actor=actor, action="storefront.update", subject=("storefront", row.id), before=before, after=_audited(row)
    )
    return row


@in_transaction
def set_politeness(
    *, actor: Principal, now: datetime, storefront_id: int, expected_version: int, politeness: Mapping[str, Any]
) -> Storefront:
    """Replace what is said of a storefront's hours, cap and robots.txt; raises what ``update_storefront`` raises."""
    row = lock_storefront(storefront_id, expected_version)
    before = _audited(row)
    _set_politeness(row, politeness, actor, now)
    row.version, row.updated_at = row.version + 1, now
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
    for of_it in (CartOptions, ProfileVersion, RobotsFile):
        session.execute(delete(of_it).where(of_it.storefront_id == row.id))
    session.delete(row)


def _set_politeness(row: Storefront, wanted: Mapping[str, Any], actor: Principal, now: datetime) -> None:
    row.timezone, row.hours, row.daily_cap = wanted["timezone"], wanted["hours"] or None, wanted["daily_cap"]
    row.obeys_robots = wanted["obeys_robots"]
    reason = wanted["override_reason"]
    if reason != row.override_reason:
        row.override_reason = reason
        row.overridden_by, row.overridden_at = (actor.key, now) if reason else (None, None)


def _set_changes(row: Storefront, wanted: Mapping[str, bool]) -> None:
    """Say what happens with its changes; the database lets one storefront at most update the master."""
    try:
        with db.session.begin_nested():
            row.reviews_jumps = wanted["review_jumps"]
            row.updates_master = True if wanted["update_master"] else None
    except IntegrityError:
        detail = "Another storefront updates the products; they follow one at most."
        raise MasterFollowsAnother.at("/changes/update_master", detail) from None


def _audited(row: Storefront) -> dict[str, Any]:
    return {"code": row.code, "name": row.name, "is_active": row.is_active, "version": row.version,
            "profile_version": row.profile_version, "profile": row.profile, "politeness": row.politeness,
            "changes": row.changes}  # fmt: skip
