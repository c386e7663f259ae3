"""The API of the order funnel: how many carts become orders that are paid."""

from __future__ import annotations

from typing import Any

from flask.views import MethodView

from app.analytics.api.formats import FORMATS, in_format
from app.analytics.api.price_charts import chart_of_funnel
from app.analytics.api.price_tables import table_of_funnel
from app.analytics.queries.funnel import get_funnel
from app.analytics.schemas.funnel import FunnelArguments, FunnelSchema
from app.core.api import ApiBlueprint

blp = ApiBlueprint("funnel", __name__, description="How many carts become orders")


@blp.route("/sales/funnel")
class Funnel(MethodView):
    """From carts to deliveries."""

    @blp.requires("sales:read")
    @blp.arguments(FunnelArguments, location="query")
    @blp.doc(responses=FORMATS)
    @blp.answers(200, FunnelSchema)
    def get(self, which: dict[str, Any]) -> Any:
        """Count carts begun, checkouts begun, orders placed, paid and delivered, each on the day it happened."""
        found = get_funnel(period=which["period"])
        return in_format(which["format"], found, table=table_of_funnel, name="order-funnel", chart=chart_of_funnel)
