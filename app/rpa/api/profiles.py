"""The API of the versions of a storefront's profile."""

from __future__ import annotations

from typing import Any

from flask import url_for
from flask.views import MethodView

from app.core.api import ApiBlueprint, current_principal, if_match
from app.core.fields import PageArguments
from app.core.orm import utc_now
from app.rpa.queries.profiles import diff_versions, get_version, list_versions
from app.rpa.queries.replays import get_replay
from app.rpa.schemas.profiles import (
    DiffArguments,
    ProfileActivationIn,
    ProfileActivationSchema,
    ProfileDiffSchema,
    ProfileVersionDetailSchema,
    ProfileVersionIn,
    ProfileVersionPage,
)
from app.rpa.schemas.replays import ReplaySchema
from app.rpa.services import profiles
from app.rpa.services.replays import submit_replay

blp = ApiBlueprint("profiles", __name__, description="Versions of storefronts' profiles")


def _url_of(row: Any) -> str:
    return url_for("profiles.Version", storefront_id=row.storefront_id, version_no=row.number)


def _replay_url(row: Any) -> str:
    return url_for("profiles.VersionReplay", storefront_id=row.storefront_id, version_no=row.profile_version)


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

    @blp.unversioned
    @blp.requires("storefronts:write")
    @blp.answers(204)
    @blp.alt_response(409, description="The version is or was active")
    def delete(self, storefront_id: int, version_no: int) -> Any:
        """Delete a draft; a version that is or was ever active stays, and no number is given twice."""
        profiles.delete_draft(actor=current_principal(), storefront_id=storefront_id, number=version_no)


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
    @blp.answers(200, ProfileActivationSchema)
    @blp.alt_response(409, description="It is active, or not confirmed though it loses values or was not replayed")
    def post(self, sent: dict[str, Any], storefront_id: int, version_no: int) -> Any:
        """Let a version hold from the next task on; an earlier one comes back as a new version.

        If-Match names the storefront's version that this is based on. A version whose replay against the active one
        lost values needs confirm (PROFILE_VERSION_LOSES), and so does a draft that was not replayed against it while
        pages are kept (PROFILE_VERSION_NOT_REPLAYED). What was active before needs no replay.
        """
        return profiles.activate_version(
            actor=current_principal(), now=utc_now(), storefront_id=storefront_id, expected_version=if_match(),
            number=version_no, **sent,
        )  # fmt: skip


@blp.route("/storefronts/<int:storefront_id>/profile-versions/<int:version_no>/replay")
class VersionReplay(MethodView):
    """A version on pages that are kept."""

    @blp.requires("storefronts:read")
    @blp.answers(200, ReplaySchema)
    def get(self, storefront_id: int, version_no: int) -> Any:
        """Get the newest replay of a version: what it would have read otherwise than the active one."""
        return get_replay(storefront_id, version_no)

    @blp.requires("storefronts:write")
    @blp.answers(202, ReplaySchema, location=_replay_url)
    def post(self, storefront_id: int, version_no: int) -> Any:
        """Read the newest kept pages of the storefront, 50 at most, by this version and by the active one.

        A worker does it without visiting anything; ask for its result at Location.
        """
        return submit_replay(actor=current_principal(), storefront_id=storefront_id, number=version_no)
