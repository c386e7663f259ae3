"""The API of long-running work, whatever its kind: what there is, and stopping it."""

from __future__ import annotations

from typing import Any

from flask.views import MethodView

from app.core.api import ApiBlueprint, current_principal
from app.core.orm import utc_now
from app.operations import queries
from app.operations.kinds import KINDS
from app.operations.schemas import operations as schemas
from app.operations.services import operations as services

blp = ApiBlueprint("operations", __name__, description="Long-running work on the catalogue")


@blp.route("/operations")
class Operations(MethodView):
    """All operations."""

    @blp.requires("products:read")
    @blp.arguments(schemas.OperationArguments, location="query")
    @blp.answers(200, schemas.OperationPage)
    def get(self, which: dict[str, Any]) -> Any:
        """List imports, exports, bulk actions and undos, newest first."""
        return queries.list_operations(kinds=_readable(which.pop("kind", None)), **which)


@blp.route("/operations/<int:operation_id>")
class Operation(MethodView):
    """One operation."""

    @blp.requires("products:read")
    @blp.answers(200, schemas.OperationSchema, etag=True)
    def get(self, operation_id: int) -> Any:
        """Get an operation: how far it is."""
        operation = queries.get_operation(operation_id)
        current_principal().require(KINDS[operation.kind].reads)
        return operation


@blp.route("/operations/<int:operation_id>/cancel")
class OperationCancel(MethodView):
    """Stopping an operation."""

    @blp.requires("products:write")
    @blp.answers(202, schemas.OperationSchema, etag=True)
    @blp.alt_response(409, description="The operation has ended")
    def post(self, operation_id: int) -> Any:
        """Stop an operation: what it has written stays, and nothing more is written."""
        return services.cancel_operation(actor=current_principal(), now=utc_now(), operation_id=operation_id)


def _readable(kind: str | None) -> list[str]:
    """The kinds to be listed: of all that one may see, or the one that was asked for. Raises PermissionMissing."""
    principal = current_principal()
    if kind is None:
        return [each.name for each in KINDS.values() if principal.may(each.reads)]
    principal.require(KINDS[kind].reads)
    return [kind]
