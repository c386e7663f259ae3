"""The versions of a storefront's profile: every one that was ever active stays, and a new one may wait as a draft."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import delete, select, update

from app.core import audit
from app.core.extensions import db
from app.core.orm import count_changed, json_text
from app.core.permissions import Principal
from app.core.transactions import in_transaction
from app.rpa.errors import (
    ProfileVersionActive,
    ProfileVersionLoses,
    ProfileVersionNotReplayed,
    ProfileVersionUsed,
    StorefrontNotFound,
    StorefrontStale,
)
from app.rpa.models.storefronts import ProfileVersion, Storefront, VersionState
from app.rpa.profiles.profile import Profile
from app.rpa.queries.profiles import get_version
from app.rpa.queries.replays import Foresight, foresee
from app.rpa.services.profile_gate import check_hosts


@in_transaction
def draft_version(
    *, actor: Principal, now: datetime, storefront_id: int, profile: dict[str, Any], note: str | None = None
) -> ProfileVersion:
    """Keep a checked profile document as the storefront's next version without visiting anything by it yet.

    Raises StorefrontNotFound, and AddressRefused as ``check_hosts`` does.
    """
    shop = lock_storefront(storefront_id)
    check_hosts(profile)
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
    confirm: bool = False,
) -> ProfileVersion:
    """Let a draft hold from the next claim on, or bring an earlier version back as a new one; gives the active version.

    Raises StorefrontNotFound, ProfileVersionNotFound, StorefrontStale when the storefront is no longer at
    ``expected_version``, ProfileVersionActive, and, without ``confirm``, ProfileVersionLoses where its newest replay
    against the active version has shown that values would be lost, and ProfileVersionNotReplayed for a draft without
    such a replay where pages are kept that one could read.
    """
    shop = lock_storefront(storefront_id, expected_version)
    row = get_version(storefront_id, number)
    if row.state == VersionState.ACTIVE:
        raise ProfileVersionActive(f"Version {number} is the active one.")
    before = shop.profile_version
    foreseen = foresee(storefront_id, number, before)
    if not confirm:
        _require_harmless(row, foreseen)
    replayed = foreseen.said
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


@in_transaction
def delete_draft(*, actor: Principal, storefront_id: int, number: int) -> None:
    """Delete a version that was never active; its number is not given again, and replays of it go with time.

    Raises StorefrontNotFound, ProfileVersionNotFound, and ProfileVersionUsed for one that is or was active.
    """
    shop = lock_storefront(storefront_id)
    row = get_version(storefront_id, number)
    mine = delete(ProfileVersion).where(ProfileVersion.id == row.id, ProfileVersion.state == VersionState.DRAFT)
    if count_changed(db.session(), mine) != 1:
        raise ProfileVersionUsed(f"Version {number} is or was active; only drafts can be deleted.")
    audit.record(actor=actor, action="profile_version.delete", subject=("storefront", shop.id), before=_audited(row))


def give_profile(
    *, actor: Principal, now: datetime, shop: Storefront, profile: dict[str, Any], note: str | None = None
) -> None:
    """Give a locked (or new) storefront a profile as its next, active version; the same profile again makes none.

    Joins the open transaction; the storefront's own version is the caller's to count. Raises AddressRefused as
    ``check_hosts`` does.
    """
    if shop.profile_version and json_text(shop.profile) == json_text(profile):
        return
    check_hosts(profile)
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
    shop.versions_made += 1
    row = ProfileVersion(
        storefront_id=shop.id, number=shop.versions_made, state=state, profile=profile, note=note, copy_of=copy_of,
        created_at=now, activated_at=now if state is VersionState.ACTIVE else None, **actor.attribution(),
    )  # fmt: skip
    session.add(row)
    session.flush()
    return row


def _require_harmless(row: ProfileVersion, foreseen: Foresight) -> None:
    """Refuse a version that loses values, and a draft of which that could be known; what was active needs no replay."""
    if foreseen.lost:
        raise ProfileVersionLoses(_told(foreseen))
    if foreseen.could_be_replayed and row.state == VersionState.DRAFT:
        replay = f"Replay it first (POST .../profile-versions/{row.number}/replay)"
        raise ProfileVersionNotReplayed(f"{foreseen.said} {replay}, or send confirm: true to activate it unseen.")


def _told(foreseen: Foresight) -> str:
    """What a version loses, by field, and how to activate it all the same."""
    pages = foreseen.lost.get("code", 0)
    lost = [f"{field} on {count}" for field, count in foreseen.lost.items() if field != "code"]
    lost += [f"whole pages: {pages}"] if pages else []
    return (
        f"{foreseen.said} It would no longer read: {', '.join(lost)}. Send confirm: true to activate it all the same."
    )


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
