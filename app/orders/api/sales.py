"""The API of sales: facts as docs/metrics.md defines them, and their sums."""

from __future__ import annotations

from typing import Any

from flask.views import MethodView

from app.core.api import ApiBlueprint
from app.orders.queries import sales as queries
from app.orders.schemas import sales as schemas

blp = ApiBlueprint("sales", __name__, description="Sales: what was paid for which product, and what was paid back")


@blp.route("/sales")
class Sales(MethodView):
    """All facts."""

    @blp.requires("sales:read")
    @blp.arguments(schemas.SaleArguments, location="query")
    @blp.answers(200, schemas.SalePage)
    def get(self, which: dict[str, Any]) -> Any:
        """List sales and refunds, a row for every line that was paid and for every part that was paid back."""
        return queries.list_sales(**which)


@blp.route("/sales/totals")
class SaleTotals(MethodView):
    """Sums of facts."""

    @blp.requires("sales:read")
    @blp.arguments(schemas.TotalsArguments, location="query")
    @blp.answers(200, schemas.TotalsSchema)
    def get(self, which: dict[str, Any]) -> Any:
        """Sum sales and refunds by currency. A refund counts on its own day, not on the sale's.

        Of one order or import (`order_number`, `operation_id`) all there are unless days are given; else of at most 366
        days, by itself of the last 30.
        """
        return queries.sum_sales(**which)
