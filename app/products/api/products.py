"""The products' API: the product master."""

from __future__ import annotations

from typing import Any

from flask import url_for
from flask.views import MethodView

from app.core.api import ApiBlueprint, current_principal, if_match, unless_known
from app.core.fields import PageArguments
from app.core.orm import utc_now
from app.products.cache import of_list, of_product
from app.products.queries import deleted
from app.products.queries.listing import list_products, read_product
from app.products.schemas import products as schemas
from app.products.schemas.listing import ProductArguments
from app.products.search.pages import search_products
from app.products.services import products as services

blp = ApiBlueprint("products", __name__, description="The product master")


@blp.route("/products")
class Products(MethodView):
    """All products."""

    @blp.requires("products:read")
    @blp.keeps(of_list, unless=frozenset({"in_stock", "q"}))
    @blp.arguments(ProductArguments, location="query")
    @blp.answers(200, schemas.ProductPage)
    def get(self, which: dict[str, Any]) -> Any:
        """List products: those that fit every filter, in the order asked for; with q those that are found by it."""
        return search_products(**which) if "q" in which else list_products(**which)

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
    @blp.keeps(of_product)
    @blp.answers(200, schemas.ProductSchema, etag=True)
    def get(self, product_id: int) -> Any:
        """Get a product."""
        return unless_known(read_product(product_id))

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
    @blp.arguments(schemas.ProductPatch)
    @blp.answers(200, schemas.ProductSchema, etag=True)
    @blp.alt_response(412, description="The product has changed since")
    def patch(self, sent: dict[str, Any], product_id: int) -> Any:
        """Change some fields of a product by JSON Merge Patch (RFC 7396); If-Match names its version.

        What is left out stays; null is what a PUT without the field makes of it. `attributes` are merged, null takes
        one of them away. `application/merge-patch+json` is taken, too.
        """
        return services.patch_product(
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


@blp.route("/products/<int:product_id>/restore")
class ProductRestoration(MethodView):
    """Bringing a product back."""

    @blp.requires("products:write")
    @blp.answers(200, schemas.ProductSchema, etag=True)
    @blp.alt_response(409, description="The product is not deleted")
    def post(self, product_id: int) -> Any:
        """Bring a deleted product back as it was; it needs no If-Match."""
        return services.restore_product(actor=current_principal(), now=utc_now(), product_id=product_id)


@blp.route("/products/deleted")
class DeletedProducts(MethodView):
    """Products that can be brought back."""

    @blp.requires("products:read")
    @blp.arguments(PageArguments, location="query")
    @blp.answers(200, schemas.DeletedProductPage)
    def get(self, page: dict[str, Any]) -> Any:
        """List the products that were deleted, those that were deleted last first."""
        return deleted.list_deleted(**page)
