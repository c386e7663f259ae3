"""The API of storefronts' robots.txt."""

from __future__ import annotations

from typing import Any

from flask.views import MethodView

from app.core.api import ApiBlueprint, current_principal
from app.rpa.queries.robots import get_robots
from app.rpa.schemas.robots import RobotsArguments, RobotsSchema
from app.rpa.services.robots import request_refresh

blp = ApiBlueprint("robots", __name__, description="What shops let robots visit")


@blp.route("/storefronts/<int:storefront_id>/robots")
class Robots(MethodView):
    """The robots.txt of a storefront."""

    @blp.requires("storefronts:read")
    @blp.arguments(RobotsArguments, location="query")
    @blp.answers(200, RobotsSchema)
    def get(self, which: dict[str, Any], storefront_id: int) -> Any:
        """Say what was read of a storefront's robots.txt, when, and whether a product's pages are allowed."""
        return get_robots(storefront_id, **which)


@blp.route("/storefronts/<int:storefront_id>/robots/refresh")
class RobotsRefresh(MethodView):
    """Reading it again."""

    @blp.requires("storefronts:write")
    @blp.answers(202, RobotsSchema)
    def post(self, storefront_id: int) -> Any:
        """Have a storefront's robots.txt read again within seconds; until then what was read before counts."""
        request_refresh(actor=current_principal(), storefront_id=storefront_id)
        return get_robots(storefront_id)
