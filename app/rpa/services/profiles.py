"""The versions of a storefront's profile: every one that was ever active stays, and a new one may wait as a draft."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import func, select, update

from app.core import audit
from app.core.extensions import db
from app.core.orm import count_changed, json_text
from app.core.permissions import Principal
from app.core.transactions import in_transaction
from app.rpa.errors import ProfileVersionActive, StorefrontNotFound, StorefrontStale
from app.rpa.models.storefronts import ProfileVersion, Storefront, VersionState
from app.rpa.profile import Profile
from app.rpa.queries.profiles import get_version
from app.rpa.queries.replays import describe_replay


@in_transaction
def draft_version(
    *, actor: Principal, now: datetime, storefront_id: int, profile: dict[str, Any], note: str | None = None
) -> ProfileVersion:
    """Keep a checked profile document as the storefront's next version without visiting anything by it yet.

    Raises StorefrontNotFound.
    """
    shop = lock_storefront(storefront_id)
    row = _add(actor, now, shop, profile, VersionState.DRAFT, note=note)
    audit.record(actor=actor, action="profile_version.draft", subject=("storefront", shop.id), after=_audited(row))
    return row


@in_transaction
def activate_version(
    *,
    actor: Principal,
    now: datetime,
    storefront_id: int,
    expected_version: int,
    number: int,
    note: str | None = None,
) -> ProfileVersion:
    """Let a draft hold from the next claim on, or bring an earlier version back as a new one; gives the active version.

    Raises StorefrontNotFound, ProfileVersionNotFound, StorefrontStale when the storefront is no longer at
    ``expected_version``, and ProfileVersionActive.
    """
    shop = lock_storefront(storefront_id, expected_version)
    row = get_version(storefront_id, number)
    if row.state == VersionState.ACTIVE:
        raise ProfileVersionActive(f"Version {number} is the active one.")
    before = shop.profile_version
    replayed = describe_replay(storefront_id, number, before)
    if row.state == VersionState.DRAFT:
        _take_active(shop)
        row.state, row.activated_at, row.note = VersionState.ACTIVE, now, note or row.note
    else:
        _take_active(shop)
        row = _add(actor, now, shop, row.profile, VersionState.ACTIVE, note=note, copy_of=number)
    _hold(shop, row)
    shop.version, shop.updated_at = shop.version + 1, now
    audit.record(
        actor=actor, action="profile_version.activate", subject=("storefront", shop.id),
        before={"number": before}, after=_audited(row) | {"replayed": replayed},
    )  # fmt: skip
    row.replayed = replayed  # type: ignore[misc]  # of this answer alone, not of the record
    return row


def give_profile(
    *, actor: Principal, now: datetime, shop: Storefront, profile: dict[str, Any], note: str | None = None
) -> None:
    """Give a locked (or new) storefront a profile as its next, active version; the same profile again makes none.

    Joins the open transaction; the storefront's own version is the caller's to count.
    """
    if shop.profile_version and json_text(shop.profile) == json_text(profile):
        return
    _take_active(shop)
    _hold(shop, _add(actor, now, shop, profile, VersionState.ACTIVE, note=note))


def lock_storefront(storefront_id: int, expected_version: int | None = None) -> Storefront:
    """The storefront, locked in the open transaction; raises StorefrontNotFound and StorefrontStale."""
    row = db.session.scalar(select(Storefront).where(Storefront.id == storefront_id).with_for_update())
    if row is None:
        raise StorefrontNotFound("There is no such storefront.")
    if expected_version is not None and row.version != expected_version:
        raise StorefrontStale(f"The storefront is at version {row.version}, not {expected_version}; read it again.")
    return row


def _add(
    actor: Principal,
    now: datetime,
    shop: Storefront,
    profile: dict[str, Any],
    state: VersionState,
    *,
    note: str | None = None,
    copy_of: int | None = None,
) -> ProfileVersion:
    session = db.session()
    last = session.scalar(select(func.max(ProfileVersion.number)).where(ProfileVersion.storefront_id == shop.id)) or 0
    row = ProfileVersion(
        storefront_id=shop.id, number=last + 1, state=state, profile=profile, note=note, copy_of=copy_of,
        created_at=now, activated_at=now if state is VersionState.ACTIVE else None, **actor.attribution(),
    )  # fmt: skip
    session.add(row)
    session.flush()
    return row


def _take_active(shop: Storefront) -> None:
    active = update(ProfileVersion).where(
        ProfileVersion.storefront_id == shop.id, ProfileVersion.state == VersionState.ACTIVE
    )
    count_changed(db.session(), active.values(state=VersionState.PAST))


def _hold(shop: Storefront, row: ProfileVersion) -> None:
    """Let what the farm reads of the storefront be this version's."""
    pace = Profile.from_document(row.profile).pace
    shop.profile, shop.profile_version = row.profile, row.number
    shop.gap_ms, shop.concurrency = pace.gap_ms, pace.concurrency
    shop.robots_retry_at = None  # it may be about another server now


def _audited(row: ProfileVersion) -> dict[str, Any]:
    return {"number": row.number, "note": row.note, "copy_of": row.copy_of, "profile": row.profile}
