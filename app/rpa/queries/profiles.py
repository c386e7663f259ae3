"""Reads of the versions of a storefront's profile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import defer

from app.core.extensions import db
from app.core.pagination import Page, fetch_page
from app.rpa.errors import ProfileVersionNotFound
from app.rpa.models.storefronts import ProfileVersion
from app.rpa.profiles.diff import Difference, differences
from app.rpa.queries.storefronts import get_storefront


@dataclass(frozen=True, slots=True)
class VersionDiff:
    """What differs between two versions of a profile."""

    before: int
    after: int
    differences: list[Difference]


def list_versions(storefront_id: int, *, limit: int, cursor: str | None) -> Page[ProfileVersion]:
    """A storefront's versions without their documents, the newest first; raises StorefrontNotFound."""
    get_storefront(storefront_id)
    query = select(ProfileVersion).where(ProfileVersion.storefront_id == storefront_id)
    listed = query.options(defer(ProfileVersion.profile, raiseload=True))
    return fetch_page(listed, keys=[(ProfileVersion.number, True)], limit=limit, cursor=cursor)


def get_version(storefront_id: int, number: int) -> ProfileVersion:
    """One version; raises StorefrontNotFound and ProfileVersionNotFound."""
    get_storefront(storefront_id)
    query = select(ProfileVersion).where(ProfileVersion.storefront_id == storefront_id, ProfileVersion.number == number)
    row = db.session.scalar(query)
    if row is None:
        raise ProfileVersionNotFound(f"The storefront has no version {number} of its profile.")
    return row


def diff_versions(storefront_id: int, number: int, to: int | None) -> VersionDiff:
    """What changes from one version to another, the active one when not said; raises like ``get_version``."""
    before = get_version(storefront_id, number)
    after = get_version(storefront_id, get_storefront(storefront_id).profile_version if to is None else to)
    return VersionDiff(before.number, after.number, list(differences(_of(before), _of(after))))


def _of(row: ProfileVersion) -> Mapping[str, Any]:
    return row.profile
