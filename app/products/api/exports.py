"""The API of exports: the products of any filtered list as a file, at once or written in the background."""

from __future__ import annotations

from typing import Any

from flask import url_for
from flask.views import MethodView

from app.core.api import ApiBlueprint, current_principal
from app.core.orm import utc_now
from app.operations import queries
from app.operations.api.files import download
from app.operations.files.writing import writer_for, written
from app.products import kinds
from app.products.schemas import files as schemas
from app.products.services.exports import rows as exporting
from app.products.services.exports import writing as services

blp = ApiBlueprint("exports", __name__, description="Exporting products as CSV, TSV, XLSX and JSON Lines")

_FILE = {"description": "The file, in the format that was asked for", "content": {"text/csv": {}}}


@blp.route("/exports")
class Exports(MethodView):
    """All exports."""

    @blp.requires("products:read")
    @blp.arguments(schemas.ExportIn)
    @blp.answers(202, schemas.ExportSchema, location=lambda row: url_for("exports.Export", export_id=row.id), etag=True)
    def post(self, sent: dict[str, Any]) -> Any:
        """Write the products that fit a filter into a file, in the background. Searches (`q`) are not exported.

        The file has low-stock thresholds where you have stock:read; only those can download it then who have it too.
        """
        return services.create_export(actor=current_principal(), now=utc_now(), **sent)


@blp.route("/exports/<int:export_id>")
class Export(MethodView):
    """One export."""

    @blp.requires("products:read")
    @blp.answers(200, schemas.ExportSchema, etag=True)
    def get(self, export_id: int) -> Any:
        """Get an export: how far it is."""
        return queries.get_operation(export_id, kinds.EXPORT)


@blp.route("/exports/<int:export_id>/file")
class ExportFile(MethodView):
    """The file of an export."""

    @blp.requires("products:read")
    @blp.doc(responses={"200": _FILE})
    @blp.alt_response(404, description="There is no such export, it is not COMPLETED, or its file was deleted")
    def get(self, export_id: int) -> Any:
        """Download the file of an export that is COMPLETED; needs stock:read as well where it has thresholds."""
        operation, pieces = queries.result_file(export_id, kinds.EXPORT)
        if services.has_stock(operation.arguments):
            current_principal().require(exporting.FOR_STOCK)
        return download(pieces, operation.arguments["format"], f"products-{export_id}", operation.result_bytes)


@blp.route("/products/export")
class ProductExport(MethodView):
    """The list of products as a file."""

    @blp.requires("products:read")
    @blp.arguments(schemas.StreamArguments, location="query")
    @blp.doc(responses={"200": _FILE})
    def get(self, which: dict[str, Any]) -> Any:
        """Download the products that fit a filter, by ascending id, while they are read. Searches are not exported.

        Each product is as it was when its turn came: what changes meanwhile may be in the file or not, nothing is in it
        twice. Low-stock thresholds are in it where you have stock:read. Cells that a spreadsheet would run as formulas
        begin with an apostrophe, which an import takes off again.
        """
        kind = which.pop("format")
        services.check_size(kind, which)
        with_stock = current_principal().may(exporting.FOR_STOCK)
        rows = (chunk.rows for chunk in exporting.chunks(which, format=kind, with_stock=with_stock))
        return download(written(writer_for(kind, exporting.columns(with_stock=with_stock)), rows), kind, "products")
