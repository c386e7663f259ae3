"""The API of products' options on storefronts."""

from __future__ import annotations

from typing import Any, Final

from flask import request
from flask.views import MethodView

from app.core.api import ApiBlueprint, current_principal, if_match
from app.core.fields import PageArguments
from app.core.orm import utc_now
from app.rpa.queries.cart_options import get_cart_options, list_of_product, list_of_storefront
from app.rpa.schemas.cart_options import (
    CartOptionsChanged,
    CartOptionsIn,
    CartOptionsPage,
    CartOptionsSchema,
    ManyCartOptionsIn,
)
from app.rpa.services import cart_options

blp = ApiBlueprint("cart_options", __name__, description="Which variants go into carts where jobs do not say it")

_IF_MATCH: Final = (
    "ETag of the options as you last read them: 428 without it where there are some already, 412 when they have "
    "changed since or there are none. The first ones need none"
)


@blp.route("/products/<int:product_id>/cart-options")
class CartOptionsOfProduct(MethodView):
    """A product on all storefronts."""

    @blp.requires("jobs:read")
    @blp.arguments(PageArguments, location="query")
    @blp.answers(200, CartOptionsPage)
    def get(self, page: dict[str, Any], product_id: int) -> Any:
        """List a product's options, storefront by storefront."""
        return list_of_product(product_id, **page)


@blp.route("/products/<int:product_id>/cart-options/<int:storefront_id>")
class CartOptions(MethodView):
    """A product on one storefront."""

    @blp.requires("jobs:read")
    @blp.answers(200, CartOptionsSchema, etag=True)
    def get(self, product_id: int, storefront_id: int) -> Any:
        """Get a product's options on a storefront."""
        return get_cart_options(product_id, storefront_id)

    @blp.unversioned
    @blp.requires("jobs:write")
    @blp.arguments(CartOptionsIn)
    @blp.answers(200, CartOptionsSchema, etag=True)
    @blp.takes_header("If-Match", _IF_MATCH, '"v1795341600000000"')
    @blp.alt_response(412, description="They have changed since, or there are none any more")
    @blp.alt_response(428, description="There are some already, and If-Match does not say which")
    def put(self, sent: dict[str, Any], product_id: int, storefront_id: int) -> Any:
        """Say which variant goes into the cart where a job names no options; it holds from the next visit on."""
        return cart_options.put_cart_options(
            actor=current_principal(), now=utc_now(), product_id=product_id, storefront_id=storefront_id,
            expected_version=if_match() if "If-Match" in request.headers else None, **sent,
        )  # fmt: skip

    @blp.requires("jobs:write")
    @blp.answers(204)
    def delete(self, product_id: int, storefront_id: int) -> Any:
        """Remove a product's options on a storefront."""
        cart_options.delete_cart_options(
            actor=current_principal(), now=utc_now(), product_id=product_id, storefront_id=storefront_id,
            expected_version=if_match(),
        )  # fmt: skip


@blp.route("/storefronts/<int:storefront_id>/cart-options")
class CartOptionsOfStorefront(MethodView):
    """All products on a storefront."""

    @blp.requires("jobs:read")
    @blp.arguments(PageArguments, location="query")
    @blp.answers(200, CartOptionsPage)
    def get(self, page: dict[str, Any], storefront_id: int) -> Any:
        """List the options on a storefront, product by product."""
        return list_of_storefront(storefront_id, **page)

    @blp.requires("jobs:write")
    @blp.arguments(ManyCartOptionsIn)
    @blp.answers(200, CartOptionsChanged)
    def post(self, sent: dict[str, Any], storefront_id: int) -> Any:
        """Write the options of up to 500 products, all or none; options of null remove them."""
        return cart_options.put_many_cart_options(
            actor=current_principal(), storefront_id=storefront_id, now=utc_now(), **sent
        )
