"""The API of imports: a file is sent, its columns are mapped, a dry run shows what it would change, then it runs."""

from __future__ import annotations

from typing import Any, Final

from flask import request, url_for
from flask.views import MethodView

from app.core.api import ApiBlueprint, current_principal, if_match
from app.core.orm import utc_now
from app.core.uploads import Upload
from app.operations import queries
from app.operations.api.files import RUN, download, form, read_fields, receiving, upload_limit
from app.operations.models import Operation, OperationState
from app.products import kinds
from app.products.schemas import files as schemas
from app.products.services.imports import decisions as services

blp = ApiBlueprint("imports", __name__, description="Importing products from CSV, TSV, XLSX and JSON Lines")

_FILE: Final = (
    "CSV, TSV, XLSX or JSON Lines; the first line names the columns. At most UPLOAD_MAX_MB. "
    "Attributes that have no column (in JSON Lines: no member) stay as they are. An empty cell (null) clears: "
    "no brand, description, GTIN, images, categories, attributes or low-stock threshold. The row is refused "
    "where the ASIN, name or price is empty; an empty is_active or currency says nothing"
)
_MAKES_CATEGORIES: Final = {
    "type": "boolean", "default": False, "description": "Make categories that are missing"
}  # fmt: skip
_RUN_IF_MATCH: Final = (
    "ETag of the import as you saw it: 412 when its columns were mapped anew since. Without it, it runs as it is now"
)
_BODY: Final = form(_FILE, **RUN, create_categories=_MAKES_CATEGORIES)


def _shown(operation: Operation) -> Any:
    """An import as its schema shows it."""
    operation.waits_for = queries.find_writer(kinds.CATALOGUE) if operation.state == OperationState.QUEUED else None  # type: ignore[attr-defined]
    return operation


@blp.route("/imports")
class Imports(MethodView):
    """All imports."""

    is_streamed = True

    @blp.requires("products:write")
    @receiving
    @blp.doc(requestBody=_BODY)
    @blp.answers(202, schemas.ImportSchema, location=lambda row: url_for("imports.Import", import_id=row.id), etag=True)
    @blp.alt_response(413, description="The file is larger than UPLOAD_MAX_MB")
    @blp.alt_response(415, description="The body is no multipart/form-data")
    @blp.alt_response(503, description="There is no room for the file, or too many are being sent")
    def post(self, folder: str, upload: Upload) -> Any:
        """Send a file of products. It is read and checked in the background: nothing is changed before it runs.

        Everybody with products:read sees the first values of its columns, the rows that a dry run shows and the rows
        that are refused. A column of low-stock thresholds is left out unless you have stock:write.

        With an Idempotency-Key, a file is the same when its name, its bytes and what is said of it are.
        """
        return services.create_import(
            actor=current_principal(),
            now=utc_now(),
            folder=folder,
            filename=upload.filename[-200:],
            size=upload.size,
            limit=upload_limit(),
            **read_fields(upload, schemas.ImportFields()),
        )


@blp.route("/imports/<int:import_id>")
class Import(MethodView):
    """One import."""

    @blp.requires("products:read")
    @blp.answers(200, schemas.ImportSchema, etag=True)
    def get(self, import_id: int) -> Any:
        """Get an import: how far it is, its columns with what they are taken for, and what it changes.

        With samples of the file's values, for everybody with products:read, whoever sent it.
        """
        return _shown(queries.get_operation(import_id, kinds.IMPORT))


@blp.route("/imports/<int:import_id>/mapping")
class ImportMapping(MethodView):
    """Which attribute each column has."""

    @blp.requires("products:write")
    @blp.arguments(schemas.MappingIn)
    @blp.answers(200, schemas.ImportSchema, etag=True)
    @blp.alt_response(409, description="The import is not MAPPING_NEEDED or CHECKED")
    @blp.alt_response(412, description="Somebody else has decided meanwhile")
    def put(self, sent: dict[str, Any], import_id: int) -> Any:
        """Say which attribute each column has; the import is checked again. low_stock_threshold needs stock:write."""
        return services.map_columns(
            actor=current_principal(), now=utc_now(), import_id=import_id, expected_version=if_match(), **sent
        )


@blp.route("/imports/<int:import_id>/run")
class ImportRun(MethodView):
    """Doing what the dry run showed."""

    @blp.requires("products:write")
    @blp.answers(202, schemas.ImportSchema, etag=True)
    @blp.takes_header("If-Match", _RUN_IF_MATCH, '"v1"')
    @blp.alt_response(409, description="The import is not CHECKED")
    @blp.alt_response(412, description="Somebody else has decided meanwhile")
    def post(self, import_id: int) -> Any:
        """Run an import that is CHECKED. One operation writes to the catalogue at a time: until then it is QUEUED.

        Where it sets low-stock thresholds, it needs stock:write as well.
        """
        version = if_match() if "If-Match" in request.headers else None
        started = services.start_import(
            actor=current_principal(), now=utc_now(), import_id=import_id, expected_version=version
        )
        return _shown(started)


@blp.route("/imports/<int:import_id>/refused-rows")
class RefusedRows(MethodView):
    """The rows that were refused."""

    @blp.requires("products:read")
    @blp.doc(responses={"200": {"description": "The rows, in the format of the upload", "content": {"text/csv": {}}}})
    @blp.alt_response(404, description="There is no such import, or its files were deleted")
    def get(self, import_id: int) -> Any:
        """Download the rows that were refused, with the reason as first column: mend them and send the file again.

        Everybody with products:read may, whoever sent the file.
        """
        operation, pieces = queries.refused_rows(import_id, kinds.IMPORT)
        return download(pieces, operation.report["format"], f"import-{import_id}-refused")
