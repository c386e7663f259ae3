"""The products' API: the product master and its update history."""

from __future__ import annotations

from typing import Any

from flask import url_for
from flask.views import MethodView

from app.core.api import ApiBlueprint, current_principal, if_match, unless_known
from app.core.fields import PageArguments
from app.core.orm import utc_now
from app.products.queries import products as queries
from app.products.schemas import products as schemas
from app.products.services import products as services

blp = ApiBlueprint("products", __name__, description="The product master and its update history")


@blp.route("/products")
class Products(MethodView):
    """All products."""

    @blp.requires("products:read")
    @blp.arguments(schemas.ProductArguments, location="query")
    @blp.answers(200, schemas.ProductPage)
    def get(self, which: dict[str, Any]) -> Any:
        """List products, oldest first."""
        return queries.list_products(**which)

    @blp.requires("products:write")
    @blp.arguments(schemas.ProductIn)
    @blp.answers(
        201, schemas.ProductSchema, location=lambda row: url_for("products.Product", product_id=row.id), etag=True
    )
    @blp.alt_response(409, description="Another product has this ASIN")
    def post(self, sent: dict[str, Any]) -> Any:
        """Add a product; one that was deleted with the same ASIN comes back with its id and its history."""
        return services.create_product(actor=current_principal(), now=utc_now(), **sent)


@blp.route("/products/<int:product_id>")
class Product(MethodView):
    """One product."""

    @blp.requires("products:read")
    @blp.answers(200, schemas.ProductSchema, etag=True)
    @blp.alt_response(304, description="If-None-Match names the version it has", success=True)
    def get(self, product_id: int) -> Any:
        """Get a product."""
        return unless_known(queries.get_product(product_id))

    @blp.requires("products:write")
    @blp.arguments(schemas.ProductIn)
    @blp.answers(200, schemas.ProductSchema, etag=True)
    @blp.alt_response(412, description="The product has changed since")
    def put(self, sent: dict[str, Any], product_id: int) -> Any:
        """Replace a product; If-Match names the version that the change is based on."""
        return services.update_product(
            actor=current_principal(), now=utc_now(), product_id=product_id, expected_version=if_match(), **sent
        )

    @blp.requires("products:write")
    @blp.answers(204)
    @blp.alt_response(412, description="The product has changed since")
    def delete(self, product_id: int) -> Any:
        """Delete a product; If-Match names its version. Its history stays."""
        services.delete_product(
            actor=current_principal(), now=utc_now(), product_id=product_id, expected_version=if_match()
        )


@blp.route("/products/<int:product_id>/history")
class ProductHistory(MethodView):
    """What became of one product."""

    @blp.requires("products:read")
    @blp.arguments(PageArguments, location="query")
    @blp.answers(200, schemas.ProductUpdatePage)
    def get(self, page: dict[str, Any], product_id: int) -> Any:
        """List the changes of one product, newest first."""
        return queries.list_history(product_id, **page)


@blp.route("/product-updates")
class ProductUpdates(MethodView):
    """What became of all products."""

    @blp.requires("products:read")
    @blp.arguments(schemas.UpdateArguments, location="query")
    @blp.answers(200, schemas.ProductUpdatePage)
    def get(self, which: dict[str, Any]) -> Any:
        """List the changes of all products, newest first."""
        return queries.list_updates(**which)
