"""The API of imports of sales: a file is sent, its columns are mapped, a dry run shows what it would add, it runs."""

from __future__ import annotations

from typing import Any, Final

from flask import request, url_for
from flask.views import MethodView

from app.core.api import ApiBlueprint, current_principal, if_match
from app.core.orm import utc_now
from app.core.uploads import Upload
from app.operations.api.files import RUN, download, form, read_fields, receiving, upload_limit
from app.operations.models import Operation, OperationState
from app.operations.queries import find_writer, refused_rows
from app.operations.services.operations import cancel_operation
from app.orders.kinds import SALES, SALES_IMPORT
from app.orders.queries import sales_imports as queries
from app.orders.sales_columns import NEEDED
from app.orders.schemas import sales_imports as schemas
from app.orders.services.sales_imports import decisions as services
from app.orders.services.sales_imports.undoing import submit_undo

blp = ApiBlueprint("sales_imports", __name__, description="Importing sales of the past")

_FILE: Final = (
    "CSV, TSV, XLSX or JSON Lines; the first line names the columns. At most UPLOAD_MAX_MB. Needed are "
    f"{', '.join(NEEDED)}. external_id names the row for good: what was imported under it is not imported again. "
    "sold_at is an instant with its zone, or a day, which counts as the shop's noon of it. asin may be that of no "
    "product; then name is needed. kind is sale or refund; a refund may also be said by a quantity and amounts that "
    "are negative. gross, discount, tax, shipping, net and total are decimals in the shop's currency, exact to the "
    "minor unit; what is missing of discount, tax and shipping is 0, net and total are computed and, where they "
    "are given, compared"
)
_BODY: Final = form(
    _FILE,
    **RUN,
    tax_included={
        "type": "boolean",
        "description": "Whether gross and discount contain tax; as the shop's prices do now where it is not said",
    },
)
_RUN_IF_MATCH: Final = (
    "ETag of the import as you saw it: 412 when its columns were mapped anew since. Without it, it runs as it is now"
)


def _shown(operation: Operation) -> Any:
    """An import as its schema shows it."""
    operation.waits_for = find_writer(SALES) if operation.state == OperationState.QUEUED else None  # type: ignore[attr-defined]
    return operation


def _location(operation: Operation) -> str:
    return url_for("sales_imports.SaleImport", import_id=operation.id)


@blp.route("/sales/imports")
class SaleImports(MethodView):
    """All imports of sales."""

    is_streamed = True

    @blp.requires("sales:read")
    @blp.arguments(schemas.SaleImportArguments, location="query")
    @blp.answers(200, schemas.SaleImportPage)
    def get(self, which: dict[str, Any]) -> Any:
        """List imports of sales and undos of such, newest first; columns and samples only in each of them."""
        return queries.list_imports(**which)

    @blp.requires("sales:write")
    @receiving
    @blp.doc(requestBody=_BODY)
    @blp.answers(202, schemas.SaleImportSchema, location=_location, etag=True)
    @blp.alt_response(413, description="The file is larger than UPLOAD_MAX_MB")
    @blp.alt_response(415, description="The body is no multipart/form-data")
    @blp.alt_response(503, description="There is no room for the file, or too many are being sent")
    def post(self, folder: str, upload: Upload) -> Any:
        """Send a file of sales. It is read and checked in the background: nothing is added before it runs.

        Everybody with sales:read sees the first values of its columns, the rows that a dry run shows and the rows that
        are refused. With an Idempotency-Key, a file is the same when its name, its bytes and what is said of it are.
        """
        return services.create_import(
            actor=current_principal(),
            now=utc_now(),
            folder=folder,
            filename=upload.filename[-200:],
            size=upload.size,
            limit=upload_limit(),
            **read_fields(upload, schemas.SaleImportFields()),
        )


@blp.route("/sales/imports/<int:import_id>")
class SaleImport(MethodView):
    """One import of sales."""

    @blp.requires("sales:read")
    @blp.answers(200, schemas.SaleImportSchema, etag=True)
    def get(self, import_id: int) -> Any:
        """Get an import of sales or an undo: how far it is, its columns with what they are taken for, what it adds."""
        return _shown(queries.get_import(import_id))


@blp.route("/sales/imports/<int:import_id>/mapping")
class SaleImportMapping(MethodView):
    """What each column is."""

    @blp.requires("sales:write")
    @blp.arguments(schemas.SaleMappingIn)
    @blp.answers(200, schemas.SaleImportSchema, etag=True)
    @blp.alt_response(409, description="The import is not MAPPING_NEEDED or CHECKED")
    @blp.alt_response(412, description="Somebody else has decided meanwhile")
    def put(self, sent: dict[str, Any], import_id: int) -> Any:
        """Say what each column is; the import is checked again."""
        return services.map_columns(
            actor=current_principal(), now=utc_now(), import_id=import_id, expected_version=if_match(), **sent
        )


@blp.route("/sales/imports/<int:import_id>/run")
class SaleImportRun(MethodView):
    """Doing what the dry run showed."""

    @blp.requires("sales:write")
    @blp.answers(202, schemas.SaleImportSchema, etag=True)
    @blp.takes_header("If-Match", _RUN_IF_MATCH, '"v1"')
    @blp.alt_response(409, description="The import is not CHECKED")
    @blp.alt_response(412, description="Somebody else has decided meanwhile")
    def post(self, import_id: int) -> Any:
        """Run an import that is CHECKED. One import or undo of sales runs at a time: until then it is QUEUED."""
        version = if_match() if "If-Match" in request.headers else None
        started = services.start_import(
            actor=current_principal(), now=utc_now(), import_id=import_id, expected_version=version
        )
        return _shown(started)


@blp.route("/sales/imports/<int:import_id>/cancel")
class SaleImportCancellation(MethodView):
    """Stopping an import of sales."""

    @blp.requires("sales:write")
    @blp.answers(202, schemas.SaleImportSchema, etag=True)
    @blp.alt_response(409, description="It has ended")
    def post(self, import_id: int) -> Any:
        """Stop an import of sales or an undo: what it has added, or taken back, stays so, and nothing more is done."""
        queries.get_import(import_id)
        return cancel_operation(actor=current_principal(), now=utc_now(), operation_id=import_id)


@blp.route("/sales/imports/<int:import_id>/undo")
class SaleImportUndo(MethodView):
    """Taking an import of sales back."""

    @blp.requires("sales:write")
    @blp.answers(202, schemas.SaleImportSchema, location=_location, etag=True)
    @blp.alt_response(409, description="It has not ended, added nothing, or was undone")
    def post(self, import_id: int) -> Any:
        """Delete exactly the sales that an import has added, in the background. The file can be imported again then.

        The answer is an operation of the kind `sales_undo`, whose count `changed` is how many were deleted.
        """
        return submit_undo(actor=current_principal(), now=utc_now(), import_id=import_id)


@blp.route("/sales/imports/<int:import_id>/refused-rows")
class SaleRefusedRows(MethodView):
    """The rows that were refused."""

    @blp.requires("sales:read")
    @blp.doc(responses={"200": {"description": "The rows, in the format of the upload", "content": {"text/csv": {}}}})
    @blp.alt_response(404, description="There is no such import, or its files were deleted")
    def get(self, import_id: int) -> Any:
        """Download the rows that were refused, with the reason as first column: mend them and send the file again."""
        operation, pieces = refused_rows(import_id, SALES_IMPORT)
        return download(pieces, operation.report["format"], f"sales-import-{import_id}-refused")
