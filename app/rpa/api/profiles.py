"""The API of the versions of a storefront's profile."""

from __future__ import annotations

from typing import Any

from flask import url_for
from flask.views import MethodView

from app.core.api import ApiBlueprint, current_principal, if_match
from app.core.fields import PageArguments
from app.core.orm import utc_now
from app.rpa.queries.profiles import diff_versions, get_version, list_versions
from app.rpa.schemas.profiles import (
    DiffArguments,
    ProfileActivationIn,
    ProfileDiffSchema,
    ProfileVersionDetailSchema,
    ProfileVersionIn,
    ProfileVersionPage,
)
from app.rpa.services import profiles

blp = ApiBlueprint("profiles", __name__, description="Versions of storefronts' profiles")


def _url_of(row: Any) -> str:
    return url_for("profiles.Version", storefront_id=row.storefront_id, version_no=row.number)


@blp.route("/storefronts/<int:storefront_id>/profile-versions")
class Versions(MethodView):
    """All versions of one profile."""

    @blp.requires("storefronts:read")
    @blp.arguments(PageArguments, location="query")
    @blp.answers(200, ProfileVersionPage)
    def get(self, page: dict[str, Any], storefront_id: int) -> Any:
        """List the versions of a storefront's profile, the newest first."""
        return list_versions(storefront_id, **page)

    @blp.requires("storefronts:write")
    @blp.arguments(ProfileVersionIn)
    @blp.answers(201, ProfileVersionDetailSchema, location=_url_of)
    def post(self, sent: dict[str, Any], storefront_id: int) -> Any:
        """Keep a profile as a draft: nothing is visited by it until it is activated."""
        return profiles.draft_version(actor=current_principal(), now=utc_now(), storefront_id=storefront_id, **sent)


@blp.route("/storefronts/<int:storefront_id>/profile-versions/<int:version_no>")
class Version(MethodView):
    """One version."""

    @blp.requires("storefronts:read")
    @blp.answers(200, ProfileVersionDetailSchema)
    def get(self, storefront_id: int, version_no: int) -> Any:
        """Get a version of a storefront's profile."""
        return get_version(storefront_id, version_no)


@blp.route("/storefronts/<int:storefront_id>/profile-versions/<int:version_no>/diff")
class VersionDiff(MethodView):
    """Two versions side by side."""

    @blp.requires("storefronts:read")
    @blp.arguments(DiffArguments, location="query")
    @blp.answers(200, ProfileDiffSchema)
    def get(self, which: dict[str, Any], storefront_id: int, version_no: int) -> Any:
        """Say what changes from this version to another one: every place with its value before and after."""
        return diff_versions(storefront_id, version_no, **which)


@blp.route("/storefronts/<int:storefront_id>/profile-versions/<int:version_no>/activate")
class VersionActivation(MethodView):
    """The change to another version."""

    @blp.versioned
    @blp.requires("storefronts:write")
    @blp.arguments(ProfileActivationIn)
    @blp.answers(200, ProfileVersionDetailSchema)
    def post(self, sent: dict[str, Any], storefront_id: int, version_no: int) -> Any:
        """Let a version hold from the next task on; an earlier one comes back as a new version.

        If-Match names the storefront's version that this is based on.
        """
        return profiles.activate_version(
            actor=current_principal(), now=utc_now(), storefront_id=storefront_id, expected_version=if_match(),
            number=version_no, **sent,
        )  # fmt: skip
