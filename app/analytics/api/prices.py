"""The API of the price index: our prices beside those of storefronts."""

from __future__ import annotations

from typing import Any

from flask.views import MethodView

from app.analytics.queries import price_differences, price_history, price_index
from app.analytics.schemas import prices as schemas
from app.core.api import ApiBlueprint, current_principal
from app.core.orm import utc_now

blp = ApiBlueprint("prices", __name__, description="Our prices beside those of storefronts")


@blp.route("/price-index")
class PriceIndex(MethodView):
    """Every storefront's index."""

    @blp.requires("jobs:read")
    @blp.arguments(schemas.PriceIndexArguments, location="query")
    @blp.answers(200, schemas.PriceIndexSchema)
    def get(self, which: dict[str, Any]) -> Any:
        """Compare every storefront's prices with ours, now or as they were at the end of a day."""
        return price_index.get_price_index(**which)


@blp.route("/price-index/series")
class PriceIndexSeries(MethodView):
    """The index over time."""

    @blp.requires("jobs:read")
    @blp.arguments(schemas.PriceSeriesArguments, location="query")
    @blp.answers(200, schemas.PriceIndexSeriesSchema)
    def get(self, which: dict[str, Any]) -> Any:
        """Show the index of storefronts, or of one, day by day."""
        return price_index.get_price_index_series(**which)


@blp.route("/price-index/differences")
class PriceDifferences(MethodView):
    """Where prices are apart."""

    @blp.requires("jobs:read")
    @blp.arguments(schemas.DifferenceArguments, location="query")
    @blp.answers(200, schemas.PriceDifferencePage)
    def get(self, which: dict[str, Any]) -> Any:
        """List products that storefronts sell at another price than we do, the largest difference first.

        With a brand or a category a page looks at 10,000 prices at most in each direction: it may be short, or empty,
        and still have a next one.
        """
        shows_master = current_principal().may("products:read")
        return price_differences.list_price_differences(shows_master=shows_master, **which)


@blp.route("/products/<string:asin>/price-history")
class PriceHistory(MethodView):
    """A product's prices."""

    @blp.requires("jobs:read")
    @blp.arguments(schemas.PriceHistoryArguments, location="query")
    @blp.answers(200, schemas.PriceHistorySchema)
    def get(self, which: dict[str, Any], asin: str) -> Any:
        """Show what every storefront asked for a product day by day, and what we asked."""
        shows_master = current_principal().may("products:read")
        return price_history.get_price_history(asin.upper(), shows_master=shows_master, now=utc_now(), **which)
