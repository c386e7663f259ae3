"""What staff were asked to look at, for when they have."""

from __future__ import annotations

from typing import Any

from flask.views import MethodView

from app.core.api import ApiBlueprint, current_principal, if_match
from app.core.orm import utc_now
from app.orders.queries.owning import find_order
from app.orders.schemas.orders_desk import DeskOrderSchema
from app.orders.services.attending import dismiss

blp = ApiBlueprint("attention", __name__, description="Orders that staff should look at")


@blp.route("/admin/orders/<number>/attention")
class DeskOrderAttention(MethodView):
    """Why staff should look at an order."""

    @blp.requires("orders:write")
    @blp.answers(200, DeskOrderSchema, etag=True)
    @blp.alt_response(412, description="The order has changed since: look at it again")
    def delete(self, number: str) -> Any:
        """Say that you have dealt with what an order was shown for; If-Match is its version."""
        which: dict[str, Any] = {"order_id": find_order(number), "expected_version": if_match()}
        return dismiss(actor=current_principal(), now=utc_now(), **which)
