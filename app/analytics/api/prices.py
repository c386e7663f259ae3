"""The API of the price index: our prices beside those of storefronts."""

from __future__ import annotations

from typing import Any, Final

from flask.views import MethodView

from app.analytics.api import price_tables as tables
from app.analytics.api.formats import FORMATS, in_format
from app.analytics.api.price_charts import chart_of_history, chart_of_indexes, chart_of_series
from app.analytics.queries import price_differences, price_history, price_index
from app.analytics.schemas import prices as schemas
from app.analytics.schemas.formats import CSV
from app.core.api import ApiBlueprint, current_principal
from app.core.orm import utc_now

blp = ApiBlueprint("prices", __name__, description="Our prices beside those of storefronts")


MOST_IN_FILE: Final = 5_000


@blp.route("/price-index")
class PriceIndex(MethodView):
    """Every storefront's index."""

    @blp.requires("jobs:read")
    @blp.arguments(schemas.PriceIndexArguments, location="query")
    @blp.doc(responses=FORMATS)
    @blp.answers(200, schemas.PriceIndexSchema)
    def get(self, which: dict[str, Any]) -> Any:
        """Compare every storefront's prices with ours, now or as they were at the end of a day."""
        found = price_index.get_price_index(on=which["on"])
        return in_format(
            which["format"], found, table=tables.table_of_indexes, name="price-index", chart=chart_of_indexes
        )


@blp.route("/price-index/series")
class PriceIndexSeries(MethodView):
    """The index over time."""

    @blp.requires("jobs:read")
    @blp.arguments(schemas.PriceSeriesArguments, location="query")
    @blp.doc(responses=FORMATS)
    @blp.answers(200, schemas.PriceIndexSeriesSchema)
    def get(self, which: dict[str, Any]) -> Any:
        """Show the index of storefronts, or of one, day by day."""
        kind = which.pop("format")
        found = price_index.get_price_index_series(**which)
        return in_format(kind, found, table=tables.table_of_series, name="price-index-series", chart=chart_of_series)


@blp.route("/price-index/differences")
class PriceDifferences(MethodView):
    """Where prices are apart."""

    @blp.requires("jobs:read")
    @blp.arguments(schemas.DifferenceArguments, location="query")
    @blp.doc(responses=FORMATS)
    @blp.answers(200, schemas.PriceDifferencePage)
    def get(self, which: dict[str, Any]) -> Any:
        """List products that storefronts sell at another price than we do, the largest difference first.

        With a brand or a category a page looks at 10,000 prices at most in each direction: it may be short, or empty,
        and still have a next one. A file has the first 5,000 behind the cursor, whatever the limit.
        """
        kind, shows_master = which.pop("format"), current_principal().may("products:read")
        rows = {"limit": MOST_IN_FILE} if kind == CSV else {}
        found = price_differences.list_price_differences(shows_master=shows_master, **(which | rows))
        return in_format(kind, found, table=tables.table_of_differences, name="price-differences")


@blp.route("/products/<string:asin>/price-history")
class PriceHistory(MethodView):
    """A product's prices."""

    @blp.requires("jobs:read")
    @blp.arguments(schemas.PriceHistoryArguments, location="query")
    @blp.doc(responses=FORMATS)
    @blp.answers(200, schemas.PriceHistorySchema)
    def get(self, which: dict[str, Any], asin: str) -> Any:
        """Show what every storefront asked for a product day by day, and what we asked."""
        shows_master = current_principal().may("products:read")
        about = {"period": which["period"], "shows_master": shows_master, "now": utc_now()}
        found = price_history.get_price_history(asin.upper(), **about)
        return in_format(
            which["format"],
            found,
            table=tables.table_of_history,
            name=f"prices-of-{found['asin']}",
            chart=chart_of_history,
        )
