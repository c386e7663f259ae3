"""The page of insights into stock: how long it lasts, what nobody buys, and what to buy again."""

from __future__ import annotations

from typing import Any, Final

from flask import render_template, request

from app.analytics.queries.inventory_insights import list_insights
from app.analytics.views.stock_parts import POLICY, SORTS, STATUSES, StockForm
from app.core.orm import utc_now
from app.core.pages import PageBlueprint
from app.orders.services.sales import day_of

pages = PageBlueprint("stock_pages", __name__, url_prefix="/admin/stock")

MEANINGS: Final = (
    ("available", "Available", "What is on hand less what is promised to orders."),
    ("sold", "Sold", "Units of the last full days up to yesterday, less those that came back."),
    ("cover", "Lasts", "Available ÷ units a day. Of what is not sold it cannot be said."),
    ("value", "Worth", "On hand × the product's present price, not what was paid for it."),
    (
        "reorder",
        "Reorder point",
        "What the days until a delivery will take at most, with the probability chosen above.",
    ),
    (
        "buy",
        "Buy",
        "What lasts until the delivery after the next one, less what is available; nothing above the point.",
    ),
    ("dead", "Dead stock", "On hand, not new, and without a sale for the days chosen above."),
)


@pages.get("")
@pages.requires("stock:read")
def index() -> Any:
    """List products by how long their stock lasts, by the filters of the address."""
    form = StockForm(request.args)
    page = list_insights(today=day_of(utc_now()), **form.which)
    words = {"sorts": SORTS, "statuses": STATUSES, "policy": POLICY, "meanings_of": MEANINGS}
    return render_template("analytics/stock.html", form=form, page=page, **words), form.status()
