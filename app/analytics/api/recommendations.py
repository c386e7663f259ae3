"""The API of recommendations."""

from __future__ import annotations

from typing import Any

from flask.views import MethodView

from app.analytics.queries import recommendations as queries
from app.analytics.rules.recommendations import Kind
from app.analytics.schemas import recommendations as schemas
from app.core.api import ApiBlueprint

blp = ApiBlueprint("recommendations", __name__, description="What to show beside a product")


@blp.route("/products/<string:asin>/recommendations")
class Recommendations(MethodView):
    """Products that go with one product."""

    @blp.requires("products:read")
    @blp.arguments(schemas.RecommendationArguments, location="query")
    @blp.answers(200, schemas.RecommendationsSchema)
    def get(self, which: dict[str, Any], asin: str) -> Any:
        """Recommend products with one, each with the reason: only such as are active and available now.

        Where too little is known (a new product), best sellers of its categories, of its brand and then of the shop
        follow, marked as `fallback`. What is bought together is counted every few minutes, best sellers every hour.
        """
        kind = Kind(which["kind"])
        found = queries.recommend_with(asin.upper(), kind=kind, limit=which["limit"])
        return {"asin": asin.upper(), "kind": kind, "recommended": found}
