"""The API of storefronts."""

from __future__ import annotations

from typing import Any

from flask import url_for
from flask.views import MethodView

from app.core.api import ApiBlueprint, current_principal, if_match
from app.core.fields import PageArguments
from app.core.orm import utc_now
from app.rpa.queries.storefronts import get_storefront, list_storefronts, with_standing
from app.rpa.schemas.storefronts import StorefrontChange, StorefrontIn, StorefrontPage, StorefrontSchema
from app.rpa.services import storefronts

blp = ApiBlueprint("storefronts", __name__, description="Shops that the farm visits")


@blp.route("/storefronts")
class Storefronts(MethodView):
    """All storefronts."""

    @blp.requires("storefronts:read")
    @blp.arguments(PageArguments, location="query")
    @blp.answers(200, StorefrontPage)
    def get(self, page: dict[str, Any]) -> Any:
        """List storefronts."""
        return list_storefronts(**page)

    @blp.requires("storefronts:write")
    @blp.arguments(StorefrontIn)
    @blp.answers(
        201,
        StorefrontSchema,
        location=lambda row: url_for("storefronts.Storefront", storefront_id=row.id),
        etag=True,
    )
    def post(self, sent: dict[str, Any]) -> Any:
        """Add a storefront from its profile."""
        return with_standing(storefronts.create_storefront(actor=current_principal(), now=utc_now(), **sent))


@blp.route("/storefronts/<int:storefront_id>")
class Storefront(MethodView):
    """One storefront."""

    @blp.requires("storefronts:read")
    @blp.answers(200, StorefrontSchema, etag=True)
    def get(self, storefront_id: int) -> Any:
        """Get a storefront."""
        return with_standing(get_storefront(storefront_id))

    @blp.requires("storefronts:write")
    @blp.arguments(StorefrontChange)
    @blp.answers(200, StorefrontSchema, etag=True)
    def put(self, sent: dict[str, Any], storefront_id: int) -> Any:
        """Replace a storefront's name and profile; If-Match names the version it is based on."""
        version = if_match()
        row = storefronts.update_storefront(
            actor=current_principal(), now=utc_now(), storefront_id=storefront_id, expected_version=version, **sent
        )
        return with_standing(row)

    @blp.requires("storefronts:write")
    @blp.answers(204)
    def delete(self, storefront_id: int) -> Any:
        """Delete a storefront that no job refers to; If-Match names its version."""
        storefronts.delete_storefront(
            actor=current_principal(), storefront_id=storefront_id, expected_version=if_match()
        )
