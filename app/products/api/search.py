"""The facets' API: how many products there are of each kind. Searching itself is ``q`` of the products' list."""

from __future__ import annotations

from typing import Any

from flask.views import MethodView

from app.core.api import ApiBlueprint
from app.products.schemas.search import FacetArguments, FacetsSchema
from app.products.search.facets import count_facets

blp = ApiBlueprint("facets", __name__, description="The product master")


@blp.route("/products/facets")
class ProductFacets(MethodView):
    """What could be chosen next."""

    @blp.requires("products:read")
    @blp.arguments(FacetArguments, location="query")
    @blp.answers(200, FacetsSchema)
    def get(self, which: dict[str, Any]) -> Any:
        """Count the products that fit, by brand, category, price, stock and whether they are active."""
        return count_facets(**which)
