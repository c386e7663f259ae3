"""The API of the order funnel: how many carts become orders that are paid."""

from __future__ import annotations

from typing import Any

from flask.views import MethodView

from app.analytics.queries.funnel import get_funnel
from app.analytics.schemas.funnel import FunnelSchema
from app.analytics.schemas.periods import PeriodArguments
from app.core.api import ApiBlueprint

blp = ApiBlueprint("funnel", __name__, description="How many carts become orders")


@blp.route("/sales/funnel")
class Funnel(MethodView):
    """From carts to deliveries."""

    @blp.requires("sales:read")
    @blp.arguments(PeriodArguments, location="query")
    @blp.answers(200, FunnelSchema)
    def get(self, which: dict[str, Any]) -> Any:
        """Count carts begun, checkouts begun, orders placed, paid and delivered, each on the day it happened."""
        return get_funnel(**which)
