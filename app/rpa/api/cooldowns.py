"""The API of storefronts' cool-downs."""

from __future__ import annotations

from typing import Any

from flask.views import MethodView

from app.core.api import ApiBlueprint, current_principal
from app.rpa.queries.storefronts import with_standing
from app.rpa.schemas.storefronts import StorefrontSchema
from app.rpa.services.cooldowns import end_cooldown

blp = ApiBlueprint("cooldowns", __name__, description="Shops that are left alone because they block us")


@blp.route("/storefronts/<int:storefront_id>/end-cooldown")
class CooldownEnd(MethodView):
    """The end of a cool-down."""

    @blp.requires("storefronts:write")
    @blp.answers(200, StorefrontSchema, etag=True)
    @blp.alt_response(409, description="The storefront does not cool down")
    def post(self, storefront_id: int) -> Any:
        """Wait no longer for a storefront that blocks us: its next task probes, and what it sees decides."""
        return with_standing(end_cooldown(actor=current_principal(), storefront_id=storefront_id))
