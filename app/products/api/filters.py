"""The API of saved filters."""

from __future__ import annotations

from typing import Any

from flask import url_for
from flask.views import MethodView

from app.core.api import ApiBlueprint, current_principal, if_match
from app.core.fields import PageArguments
from app.core.orm import utc_now
from app.products.queries.filters import get_filter, list_filters
from app.products.schemas.filters import SavedFilterIn, SavedFilterPage, SavedFilterSchema
from app.products.services import filters

blp = ApiBlueprint("filters", __name__, description="Filters of products that are kept under a name")


@blp.route("/product-filters")
class Filters(MethodView):
    """All saved filters."""

    @blp.requires("products:read")
    @blp.arguments(PageArguments, location="query")
    @blp.answers(200, SavedFilterPage)
    def get(self, page: dict[str, Any]) -> Any:
        """List the saved filters by their names."""
        return list_filters(**page)

    @blp.requires("products:write")
    @blp.arguments(SavedFilterIn)
    @blp.answers(201, SavedFilterSchema, location=lambda row: url_for("filters.Filter", filter_id=row.id), etag=True)
    @blp.alt_response(409, description="Another filter has this name")
    def post(self, sent: dict[str, Any]) -> Any:
        """Keep a filter of products under a name, for jobs."""
        return filters.create_filter(actor=current_principal(), now=utc_now(), **sent)


@blp.route("/product-filters/<int:filter_id>")
class Filter(MethodView):
    """One saved filter."""

    @blp.requires("products:read")
    @blp.answers(200, SavedFilterSchema, etag=True)
    def get(self, filter_id: int) -> Any:
        """Get a saved filter."""
        return get_filter(filter_id)

    @blp.requires("products:write")
    @blp.arguments(SavedFilterIn)
    @blp.answers(200, SavedFilterSchema, etag=True)
    @blp.alt_response(409, description="Another filter has this name")
    def put(self, sent: dict[str, Any], filter_id: int) -> Any:
        """Replace a saved filter; jobs that were submitted over it stay as they are."""
        return filters.update_filter(
            actor=current_principal(), now=utc_now(), filter_id=filter_id, expected_version=if_match(), **sent
        )

    @blp.requires("products:write")
    @blp.answers(204)
    def delete(self, filter_id: int) -> Any:
        """Delete a saved filter; who goes on naming it is refused."""
        filters.delete_filter(actor=current_principal(), filter_id=filter_id, expected_version=if_match())
