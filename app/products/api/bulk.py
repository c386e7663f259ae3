"""The API of bulk actions: one change for many products, and taking it back."""

from __future__ import annotations

from typing import Any

from flask import url_for
from flask.views import MethodView

from app.core.api import ApiBlueprint, current_principal
from app.core.fields import PageArguments
from app.core.orm import utc_now
from app.products.queries import bulk as queries
from app.products.schemas import bulk as schemas
from app.products.services.bulk import actions, undoing

blp = ApiBlueprint("bulk", __name__, description="Bulk actions: one change for many products, and taking it back")


def _location(shown: queries.BulkAction) -> str:
    return url_for("bulk.BulkAction", bulk_id=shown.operation.id)


@blp.route("/bulk-actions")
class BulkActions(MethodView):
    """All bulk actions."""

    @blp.requires("products:read")
    @blp.arguments(PageArguments, location="query")
    @blp.answers(200, schemas.BulkPage)
    def get(self, page: dict[str, Any]) -> Any:
        """List bulk actions and undos, newest first; samples and rows only in each of them."""
        return queries.list_bulk(**page, now=utc_now())

    @blp.requires("products:write")
    @blp.arguments(schemas.BulkIn, example=schemas.BULK_IN)
    @blp.answers(201, schemas.BulkSchema, location=_location)
    @blp.alt_response(409, description="Another number of products fits the filter than was expected")
    def post(self, sent: dict[str, Any]) -> Any:
        """Do something to many products.

        Up to 500 products are done at once, in one transaction: `state` is COMPLETED (or COMPLETED_WITH_ERRORS, where
        some were refused) and `rows` has each of them. More are left to a background worker, which takes them by
        ascending id up to the highest id there is now, some hundred in a transaction, one operation after the other.
        Whether a product fits a filter is looked at when its turn comes; a product that begins to fit because its price
        was changed by this is not changed again.
        """
        return actions.submit_bulk(actor=current_principal(), now=utc_now(), **sent)


@blp.route("/bulk-actions/<int:bulk_id>")
class BulkAction(MethodView):
    """One bulk action."""

    @blp.requires("products:read")
    @blp.answers(200, schemas.BulkSchema)
    def get(self, bulk_id: int) -> Any:
        """Get a bulk action or an undo, with how far it is."""
        return queries.get_bulk(bulk_id, now=utc_now())


@blp.route("/bulk-actions/<int:bulk_id>/rows")
class BulkRows(MethodView):
    """What became of each product."""

    @blp.requires("products:read")
    @blp.arguments(schemas.RowArguments, location="query")
    @blp.answers(200, schemas.BulkRowPage)
    def get(self, which: dict[str, Any], bulk_id: int) -> Any:
        """List the products that were changed, or refused, in the order in which that happened."""
        return queries.list_rows(bulk_id, **which)


@blp.route("/bulk-actions/<int:bulk_id>/cancel")
class BulkCancellation(MethodView):
    """Stopping a bulk action."""

    @blp.requires("products:write")
    @blp.answers(202, schemas.BulkSchema)
    @blp.alt_response(409, description="It has ended")
    def post(self, bulk_id: int) -> Any:
        """Stop a bulk action or an undo: what it has changed stays, and can be undone; nothing more is changed."""
        return actions.cancel_bulk(actor=current_principal(), now=utc_now(), operation_id=bulk_id)


@blp.route("/bulk-actions/<int:bulk_id>/undo")
class BulkUndo(MethodView):
    """Taking a bulk action back."""

    @blp.requires("products:write")
    @blp.arguments(schemas.UndoIn)
    @blp.answers(201, schemas.BulkSchema, location=_location)
    @blp.alt_response(409, description="It has not ended, changed nothing, or was undone")
    def post(self, sent: dict[str, Any], bulk_id: int) -> Any:
        """Give every product that it changed its value back; undoing the undo does it again.

        A product that somebody has changed since is refused by name and stays as it is. Up to 500 changes are taken
        back at once, more by a background worker.
        """
        return undoing.submit_undo(actor=current_principal(), now=utc_now(), operation_id=bulk_id, **sent)


@blp.route("/imports/<int:import_id>/undo")
class ImportUndo(MethodView):
    """Taking an import back."""

    @blp.requires("products:write")
    @blp.arguments(schemas.UndoIn)
    @blp.answers(201, schemas.BulkSchema, location=_location)
    @blp.alt_response(409, description="It has not ended, changed nothing, or was undone")
    def post(self, sent: dict[str, Any], import_id: int) -> Any:
        """Give every product that an import changed its values back, and delete those that it added or brought back.

        The answer is a bulk action of the kind `undo`, which can be undone. A product that somebody has changed since
        is refused by name, value by value. One that was added or brought back is not deleted, and refused with the
        reason, where anything of it was changed since, its stock has moved, or some is on hand or promised.
        """
        return undoing.submit_undo(
            actor=current_principal(), now=utc_now(), operation_id=import_id, of=undoing.IMPORTS, **sent
        )
