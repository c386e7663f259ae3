"""The API of inventory insights, as docs/metrics.md defines them."""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from typing import Any, Final

from flask.views import MethodView

from app.analytics.api.formats import FORMATS, Table, in_format, money
from app.analytics.charts.item import chart_item
from app.analytics.charts.shares import MOST_USED_UP, StockCover, stock_cover
from app.analytics.queries import inventory_insights as queries
from app.analytics.queries.inventory_insights import Insight, InsightPage, Sort, Status
from app.analytics.queries.known_categories import check_categories
from app.analytics.schemas import inventory as schemas
from app.analytics.schemas.formats import CHART, CSV
from app.core.api import ApiBlueprint
from app.core.orm import utc_now
from app.orders.services.sales import day_of

blp = ApiBlueprint("inventory_insights", __name__, description="How long stock lasts, and what to buy again")

MOST_LINES: Final = 10_000
"""Of one file."""
MOST_BARS: Final = 100
"""Products that a chart is made of, which draws some of them."""
_WHOLE: Final[dict[str, dict[str, Any]]] = {
    CSV: {"limit": MOST_LINES},
    CHART: {"limit": MOST_BARS, "sort": Sort.COVER, "cursor": None, "is_left": True},
}
"""What is read instead of a page for a file, and for a chart of what ends first."""
_COLUMNS: Final = (
    "product_id", "asin", "name", "brand", "on_hand", "allocated", "available", "units_sold", "units_per_day",
    "days_of_cover", "last_sold_on", "is_dead", "price", "currency", "value", "reorder_point", "is_to_reorder",
    "order_quantity",
)  # fmt: skip
_FLAG: Final = {True: "true", False: "false"}


@blp.route("/inventory/insights")
class InventoryInsights(MethodView):
    """All products."""

    @blp.requires("stock:read")
    @blp.arguments(schemas.InsightArguments, location="query")
    @blp.doc(responses=FORMATS)
    @blp.answers(200, schemas.InsightListSchema)
    def get(self, which: dict[str, Any]) -> Any:
        """List how long the stock of products lasts, which nobody buys, and what to buy again and how much of it.

        The demand is that of the `days` before today, returns taken off. Nothing is known of deliveries that are on
        their way. Of 7, 30, 90 and 365 days it is kept, with the order of products, and brought up to date every minute
        (`as_of`); stock and prices are always those of now. Of other numbers of days it is summed up for the answer,
        which is slow where there are many sales, and may be refused.

        A page may be short and still say where it goes on. Stock moves while pages are read: a product may then be on
        two of them, or on none. A file has the first 10,000 products of what was asked for, whatever `limit` is, and a
        chart has those that end first.
        """
        kind, status = which.pop("format"), which.pop("status", None)
        which |= {"sort": Sort(which["sort"]), "status": None if status is None else Status(status)}
        which |= _WHOLE.get(kind, {})
        which |= {"today": day_of(utc_now())}
        check_categories(category=which.get("category"))
        found = queries.list_insights(**which)
        return in_format(kind, found, table=_table, name="inventory-insights", chart=partial(_chart, which))


def _table(found: InsightPage) -> Table:
    return Table(_COLUMNS, map(_line, found.items))


def _chart(which: dict[str, Any], found: InsightPage) -> dict[str, Any]:
    rows = [
        StockCover(
            each.row.asin,
            each.row.name,
            None if each.days_of_cover is None else Decimal(each.days_of_cover),
            each.row.available,
        )
        for each in found.items
    ]
    low_days, has_more = which["policy"].lead_days, found.next_cursor is not None
    return chart_item(stock_cover(rows, low_days=low_days, has_more=has_more, used_up=_used_up(which)))


def _used_up(which: dict[str, Any]) -> int:
    """How many of what was asked for are used up; dead stock never is."""
    if which["status"] == Status.DEAD:
        return 0
    gone = which | {"status": Status.USED_UP, "is_left": False, "limit": MOST_USED_UP}
    found = queries.list_insights(**gone)
    return len(found.items) + (found.next_cursor is not None)


def _line(found: Insight) -> tuple[Any, ...]:
    row, cover = found.row, found.days_of_cover
    stock = (row.on_hand, row.allocated, row.available, found.demand.units)
    lasts = (
        Decimal(found.units_per_day),
        None if cover is None else Decimal(cover),
        found.last_sold_on,
        _FLAG[found.is_dead],
    )
    worth = (money(row.price_minor, row.currency), row.currency, money(found.value_minor, row.currency))
    order = (found.reorder_point, _FLAG[found.is_to_reorder], found.order_quantity)
    return (row.id, row.asin, row.name, row.brand, *stock, *lasts, *worth, *order)
