"""The inventory's API: how much there is of each product, and the ledger that says why."""

from __future__ import annotations

from typing import Any

from flask.views import MethodView

from app.core.api import ApiBlueprint, current_principal
from app.core.fields import PageArguments
from app.core.orm import utc_now
from app.products.models.stock import MovementKind
from app.products.queries import inventory, stock
from app.products.schemas import stock as schemas
from app.products.services import stock as services
from app.products.services.stock import Shortfall

blp = ApiBlueprint("inventory", __name__, description="How much there is of each product, and why")


@blp.route("/inventory")
class Inventory(MethodView):
    """The stock of all products."""

    @blp.requires("stock:read")
    @blp.arguments(schemas.StockArguments, location="query")
    @blp.answers(200, schemas.StockPage)
    def get(self, which: dict[str, Any]) -> Any:
        """List the stock of products, by product id.

        Where hardly any of very many products fit, a page may have fewer rows than asked for, even none, and still a
        cursor: go on until it is null.
        """
        return inventory.list_stock(**which)


@blp.route("/inventory/low-stock")
class LowStock(MethodView):
    """Products that are low."""

    @blp.requires("stock:read")
    @blp.arguments(PageArguments, location="query")
    @blp.answers(200, schemas.StockPage)
    def get(self, page: dict[str, Any]) -> Any:
        """List the products of which no more is available than their threshold, by product id."""
        return inventory.list_stock(is_low=True, **page)


@blp.route("/inventory/<int:product_id>")
class Stock(MethodView):
    """The stock of one product."""

    @blp.requires("stock:read")
    @blp.answers(200, schemas.StockSchema)
    def get(self, product_id: int) -> Any:
        """Get the stock of a product."""
        return inventory.get_stock(product_id)

    @blp.unversioned
    @blp.requires("stock:write")
    @blp.arguments(schemas.StockChangeIn, example={"kind": "received", "delta": 24})
    @blp.answers(200, schemas.StockSchema, once=True)
    @blp.alt_response(409, schema=schemas.StockProblemSchema, description="It does not fit what there is now")
    def put(self, sent: dict[str, Any], product_id: int) -> Any:
        """Change what is on hand: by a delta, or to what was counted, based on what it was.

        With a delta send an Idempotency-Key, so that the same delivery is not booked twice when an answer is lost. A
        count is safe to repeat: it is based on a number that it changes.
        """
        which = {"actor": current_principal(), "now": utc_now(), "product_id": product_id, "reason": sent["reason"]}
        which["shortfall"] = Shortfall(sent["shortfall"])
        if "delta" in sent:
            return services.change_stock(kind=MovementKind(sent["kind"]), delta=sent["delta"], **which)
        return services.set_stock(quantity=sent["set_to"], based_on=sent["based_on"], **which)

    @blp.unversioned
    @blp.requires("stock:write")
    @blp.arguments(schemas.ThresholdIn)
    @blp.answers(200, schemas.StockSchema)
    def patch(self, sent: dict[str, Any], product_id: int) -> Any:
        """Say at how much available a product is low. It stands in the product's history; nobody is alerted by it."""
        return services.set_threshold(actor=current_principal(), now=utc_now(), product_id=product_id, **sent)


@blp.route("/inventory/changes/<int:product_id>")
class Ledger(MethodView):
    """Why there is as much of a product as there is."""

    @blp.requires("stock:read")
    @blp.arguments(PageArguments, location="query")
    @blp.answers(200, schemas.MovementPage)
    def get(self, page: dict[str, Any], product_id: int) -> Any:
        """List the ledger of a product, newest first, with what there was after each movement."""
        return stock.list_movements(product_id, **page)
