"""The categories' API: a tree that products are put into."""

from __future__ import annotations

from typing import Any

from flask import Response, request, url_for
from flask.views import MethodView

from app.core.api import ApiBlueprint, current_principal, if_match, unless_known
from app.core.orm import utc_now
from app.products.queries import categories as queries
from app.products.schemas import categories as schemas
from app.products.services import categories as services

blp = ApiBlueprint("categories", __name__, description="Categories: a tree that products are put into")

_NO_PLACE = "The name or the slug is taken, the tree would be too deep, or there are as many categories as may be"


@blp.route("/categories")
class Categories(MethodView):
    """All categories, page by page."""

    @blp.requires("products:read")
    @blp.arguments(schemas.CategoryArguments, location="query")
    @blp.answers(200, schemas.CategoryPage)
    def get(self, which: dict[str, Any]) -> Any:
        """List categories as they were made, or those below one in their order."""
        return queries.list_categories(**which)

    @blp.requires("products:write")
    @blp.arguments(schemas.CategoryIn)
    @blp.answers(
        201, schemas.CategorySchema, location=lambda row: url_for("categories.Category", category_id=row.id), etag=True
    )
    @blp.alt_response(409, description=_NO_PLACE)
    def post(self, sent: dict[str, Any]) -> Any:
        """Make a category; without a position it is behind its siblings."""
        return services.create_category(actor=current_principal(), now=utc_now(), **sent)


@blp.route("/categories/tree")
class CategoryTree(MethodView):
    """All categories at once."""

    @blp.requires("products:read")
    @blp.answers(200, schemas.CategoryTreeSchema, etag=True)
    @blp.alt_response(304, description="If-None-Match names the tree as it is", success=True)
    def get(self) -> Any:
        """Get the whole tree, which has at most 10,000 categories."""
        stamp = queries.tree_stamp()
        headers = {"ETag": f'"{stamp}"'}
        if request.if_none_match.contains_weak(stamp):
            return Response(status=304, headers=headers)
        return Response(queries.tree_document(stamp), mimetype="application/json", headers=headers)


@blp.route("/categories/<int:category_id>")
class Category(MethodView):
    """One category."""

    @blp.requires("products:read")
    @blp.answers(200, schemas.CategorySchema, etag=True)
    @blp.alt_response(304, description="If-None-Match names the version it has", success=True)
    def get(self, category_id: int) -> Any:
        """Get a category with what is above it."""
        return unless_known(queries.get_category(category_id))

    @blp.requires("products:write")
    @blp.arguments(schemas.CategoryChange)
    @blp.answers(200, schemas.CategorySchema, etag=True)
    @blp.alt_response(409, description=f"{_NO_PLACE}; or it would be below itself")
    @blp.alt_response(412, description="The category, or what is above it, has changed since")
    def patch(self, sent: dict[str, Any], category_id: int) -> Any:
        """Rename, move or reorder a category.

        Another `parent_id` moves it with all below it, `position` puts it elsewhere among its siblings. The products
        in it are found below the new parents at once. Versions of the categories below count up with its own.
        """
        return services.update_category(
            actor=current_principal(), now=utc_now(), category_id=category_id, expected_version=if_match(), **sent
        )

    @blp.requires("products:write")
    @blp.answers(204)
    @blp.alt_response(409, description="There are categories or products in it; the answer says how many")
    @blp.alt_response(412, description="The category, or what is above it, has changed since")
    def delete(self, category_id: int) -> None:
        """Delete a category that is empty; If-Match names its version."""
        services.delete_category(
            actor=current_principal(), now=utc_now(), category_id=category_id, expected_version=if_match()
        )
