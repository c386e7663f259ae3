"""The API of the update history: read per product and for all, followed, and taken back."""

from __future__ import annotations

from typing import Any

from flask import url_for
from flask.views import MethodView

from app.core.api import ApiBlueprint, current_principal
from app.core.fields import PageArguments
from app.core.orm import utc_now
from app.products.queries import updates as queries
from app.products.schemas import updates as schemas
from app.products.services import reverting

blp = ApiBlueprint("product_updates", __name__, description="The update history: who changed which attribute, and when")


@blp.route("/products/<int:product_id>/history")
class ProductHistory(MethodView):
    """What became of one product."""

    @blp.requires("products:read")
    @blp.arguments(PageArguments, location="query")
    @blp.answers(200, schemas.ProductUpdatePage)
    def get(self, page: dict[str, Any], product_id: int) -> Any:
        """List the changes of one product, newest first, also of a deleted one."""
        return queries.list_history(product_id, **page)


@blp.route("/product-updates")
class ProductUpdates(MethodView):
    """What became of all products."""

    @blp.requires("products:read")
    @blp.arguments(schemas.UpdateArguments, location="query")
    @blp.answers(200, schemas.ProductUpdatePage)
    def get(self, which: dict[str, Any]) -> Any:
        """List the changes of all products, newest first.

        `asin` names the product that has it now. With several filters, or a time, a page looks at 10,000 rows at most:
        it may have fewer items than `limit`, or none, and goes on from `next_cursor` all the same.
        """
        return queries.list_updates(**which)


@blp.route("/product-updates/feed")
class ProductUpdateFeed(MethodView):
    """What becomes of products, for who follows it."""

    @blp.requires("products:read")
    @blp.arguments(schemas.FeedArguments, location="query")
    @blp.answers(200, schemas.ProductUpdateFeed)
    def get(self, which: dict[str, Any]) -> Any:
        """Follow the changes in their order: who goes on from `next_after_id` each time misses none.

        An answer goes through 5,000 rows at most and may be empty in the middle; go on until `is_end`, then ask again
        later. A transaction that is still being written holds up those with higher numbers, one that failed for a
        minute.
        """
        return queries.list_following(**which)


@blp.route("/product-updates/<int:update_id>")
class ProductUpdate(MethodView):
    """One change."""

    @blp.requires("products:read")
    @blp.answers(200, schemas.ProductUpdateSchema)
    def get(self, update_id: int) -> Any:
        """Get one row of the update history."""
        return queries.get_update(update_id)


@blp.route("/product-updates/<int:update_id>/revert")
class ProductUpdateReversion(MethodView):
    """Taking a change back."""

    @blp.requires("products:write")
    @blp.answers(
        201,
        schemas.ProductUpdateSchema,
        location=lambda row: url_for("product_updates.ProductUpdate", update_id=row.id),
    )
    @blp.alt_response(409, description="The product has another value by now, or the row is none that can be reverted")
    def post(self, update_id: int) -> Any:
        """Give the attribute the value back that it had before this change; answers with the new row of the history.

        Refused when the product no longer has the value that this change gave it: `current` and `given` name both.
        Reverting a deletion restores the product. What the farm saw and the creation of a product cannot be reverted.
        """
        return reverting.revert_update(actor=current_principal(), now=utc_now(), update_id=update_id)
