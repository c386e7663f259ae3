"""The API of sales figures, as docs/metrics.md defines them: as JSON, as a file, or as a chart."""

from __future__ import annotations

from typing import Any

from flask.views import MethodView

from app.analytics.api.formats import FORMATS, in_format
from app.analytics.api.sales_charts import chart_of_comparison, chart_of_parts
from app.analytics.api.sales_tables import table_of_comparison, table_of_parts
from app.analytics.queries import sales_analytics as queries
from app.analytics.queries.known_categories import check_categories
from app.analytics.queries.sales_sources import Dimension
from app.analytics.schemas import sales as schemas
from app.core.api import ApiBlueprint

blp = ApiBlueprint("sales_figures", __name__, description="Figures of sales: any period, cut and compared")


@blp.route("/sales/analytics")
class SalesAnalytics(MethodView):
    """Any period."""

    @blp.requires("sales:read")
    @blp.arguments(schemas.AnalyticsArguments, location="query")
    @blp.doc(responses=FORMATS)
    @blp.answers(200, schemas.AnalyticsSchema)
    def get(self, which: dict[str, Any]) -> Any:
        """Figures of a period: altogether, and by day, week, month, category, brand or product.

        What one of these filters decides is exact and quick for any period; where several are combined, and the facts
        would have to be read for too long, 422 PERIOD_TOO_WIDE names a narrower period.
        """
        kind, period, filters = which.pop("format"), which.pop("period"), which.pop("filters")
        check_categories(category_id=filters.category_id)
        found = queries.analyse(period, filters, **which)
        return in_format(kind, found, table=table_of_parts, name="sales", chart=chart_of_parts)


@blp.route("/sales/revenue/comparison")
class RevenueComparison(MethodView):
    """Two periods."""

    @blp.requires("sales:read")
    @blp.arguments(schemas.ComparisonArguments, location="query")
    @blp.doc(responses=FORMATS)
    @blp.answers(200, schemas.ComparisonSchema)
    def get(self, which: dict[str, Any]) -> Any:
        """Every figure of a period beside that of the equally long period before it, and how far it has grown."""
        check_categories(category_id=which["filters"].category_id)
        found = queries.compared_with_before(which["period"], which["filters"])
        return in_format(
            which["format"], found, table=table_of_comparison, name="revenue-comparison", chart=chart_of_comparison
        )


@blp.route("/sales/by-category")
class SalesByCategory(MethodView):
    """Categories."""

    @blp.requires("sales:read")
    @blp.arguments(schemas.CategoryArguments, location="query")
    @blp.doc(responses=FORMATS)
    @blp.answers(200, schemas.SharesSchema)
    def get(self, which: dict[str, Any]) -> Any:
        """What the categories at the top brought, or those below one; each with all that is below it.

        A product counts once in each of its categories, so rows may add up to more than the totals. Sales count in
        the categories that the product was in when they were counted, which is seconds after they were recorded.
        """
        kind, period, filters = which.pop("format"), which.pop("period"), which.pop("filters")
        check_categories(category_id=filters.category_id, parent_id=which["parent_id"])
        found = queries.cut(Dimension.CATEGORY, period, filters, **which)
        return in_format(kind, found, table=table_of_parts, name="sales-by-category", chart=chart_of_parts)


@blp.route("/sales/top-products")
class TopProducts(MethodView):
    """Products."""

    @blp.requires("sales:read")
    @blp.arguments(schemas.TopArguments, location="query")
    @blp.doc(responses=FORMATS)
    @blp.answers(200, schemas.SharesSchema)
    def get(self, which: dict[str, Any]) -> Any:
        """The products that sold best in a period, by net or by units, with their figures.

        The last 7, 30, 90 and 365 days are answered from a ranking that is made every few minutes of many more than
        are shown; the figures themselves are exact as of now.
        """
        kind, period, filters = which.pop("format"), which.pop("period"), which.pop("filters")
        check_categories(category_id=filters.category_id)
        found = queries.cut(Dimension.PRODUCT, period, filters, **which)
        return in_format(kind, found, table=table_of_parts, name="top-products", chart=chart_of_parts)
