"""The API of inventory insights, as docs/metrics.md defines them."""

from __future__ import annotations

from typing import Any

from flask.views import MethodView

from app.analytics.queries import inventory_insights as queries
from app.analytics.queries.inventory_insights import Sort, Status
from app.analytics.schemas import inventory as schemas
from app.core.api import ApiBlueprint
from app.core.orm import utc_now
from app.orders.services.sales import day_of

blp = ApiBlueprint("inventory_insights", __name__, description="How long stock lasts, and what to buy again")


@blp.route("/inventory/insights")
class InventoryInsights(MethodView):
    """All products."""

    @blp.requires("stock:read")
    @blp.arguments(schemas.InsightArguments, location="query")
    @blp.answers(200, schemas.InsightPage)
    def get(self, which: dict[str, Any]) -> Any:
        """List how long the stock of products lasts, which nobody buys, and what to buy again and how much of it.

        The demand is that of the `days` before today, returns taken off. Nothing is known of deliveries that are on
        their way. Stock moves while pages are read: a product may then be on two of them, or on none.
        """
        status = which.pop("status", None)
        which |= {"sort": Sort(which["sort"]), "status": None if status is None else Status(status)}
        return queries.list_insights(today=day_of(utc_now()), **which)
