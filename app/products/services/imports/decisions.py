"""What people decide about imports: a file is sent, its columns are mapped, what the dry run showed is meant."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from app.core import audit
from app.core.errors import FieldError, Invalid
from app.core.permissions import Principal
from app.core.transactions import in_transaction
from app.operations.errors import OperationNotReady
from app.operations.models import Operation, OperationState
from app.operations.services import operations
from app.products import kinds
from app.products.columns import ATTRIBUTE, TARGETS, THRESHOLD, is_target

UPLOAD: Final = "upload"
_FOR_THRESHOLDS: Final = "stock:write"


@in_transaction
def create_import(
    *,
    actor: Principal,
    now: datetime,
    folder: str,
    filename: str,
    size: int,
    limit: int,
    run: bool = False,
    create_categories: bool = False,
    format: str | None = None,  # noqa: A002  # it is what it is called everywhere
    encoding: str | None = None,
    delimiter: str | None = None,
    ring: bool = True,
) -> Operation:
    """Begin to import the file ``upload`` in a folder of the file store.

    It is read, its columns are guessed, and a dry run says what it would change; with ``run`` it is done unasked.
    ``limit`` is how many bytes an upload may have. Without ``ring`` the caller does the work itself. For an actor who
    may not set thresholds no column is guessed to be one.
    """
    arguments = {
        "filename": filename, "size": size, "limit": limit, "run": run, "create_categories": create_categories,
        "format": format, "encoding": encoding, "delimiter": delimiter,
        "may_set_thresholds": actor.may(_FOR_THRESHOLDS),
    }  # fmt: skip
    operation = operations.add_operation(
        actor=actor,
        now=now,
        kind=kinds.IMPORT,
        state=OperationState.READING,
        arguments=arguments,
        cursor={"upload": f"{folder}/{UPLOAD}"},
        folder=folder,
        ring=ring,
    )
    audit.record(actor=actor, action="import.create", subject=("operation", operation.id), after=arguments)
    return operation


@in_transaction
def map_columns(
    *, actor: Principal, now: datetime, import_id: int, expected_version: int, targets: Sequence[str | None]
) -> Operation:
    """Say which attribute each column has, in the order of the columns (None: it is left out), and check anew.

    Raises OperationNotFound, OperationNotReady, OperationChanged, Invalid, and PermissionMissing for a column of
    thresholds and an actor who may not set them.
    """
    operation = operations.get_for_decision(import_id, kinds.IMPORT)
    if operation.state not in {OperationState.MAPPING_NEEDED, OperationState.CHECKED}:
        raise OperationNotReady(f"The columns of an import that is {operation.state} cannot be mapped.")
    operations.require_version(operation, expected_version)
    columns: list[dict[str, Any]] = operation.report["columns"]
    _check_targets(columns, targets)
    _check_permission(actor, targets)
    before = [column["target"] for column in columns]
    mapped = [
        column | ({} if column["target"] == target else {"target": target, "guessed_by": None})
        for column, target in zip(columns, targets, strict=True)
    ]
    operation.report = {name: operation.report[name] for name in ("format", "encoding", "delimiter")} | {
        "columns": mapped
    }
    operation.cursor = {name: operation.cursor[name] for name in ("upload", "staged")}
    for name in operations.COUNTS:
        setattr(operation, f"{name}_count", 0)
    operations.enter(operation, OperationState.CHECKING, now)
    operation.version += 1
    operations.ring_for(operation)
    audit.record(
        actor=actor,
        action="import.map",
        subject=("operation", operation.id),
        before={"targets": before},
        after={"targets": list(targets)},
    )
    return operation


@in_transaction
def start_import(
    *, actor: Principal, now: datetime, import_id: int, expected_version: int | None = None, ring: bool = True
) -> Operation:
    """Write to the catalogue what the dry run showed, as soon as no other operation writes.

    What has changed in the catalogue meanwhile is compared again. ``expected_version`` is the one that was looked at
    (None: whichever there is). Raises OperationNotFound, OperationNotReady, OperationChanged, and PermissionMissing
    where thresholds would be set by an actor who may not.
    """
    operation = operations.get_for_decision(import_id, kinds.IMPORT)
    if expected_version is not None:
        operations.require_version(operation, expected_version)
    if operation.state != OperationState.CHECKED:
        raise OperationNotReady(f"The import is {operation.state}; it can be run when it is CHECKED.")
    _check_permission(actor, [column["target"] for column in operation.report["columns"]])
    operations.enter(operation, OperationState.QUEUED, now)
    operation.version += 1
    if ring:
        operations.ring_for(operation)
    audit.record(
        actor=actor,
        action="import.run",
        subject=("operation", operation.id),
        before={"state": OperationState.CHECKED},
        after={"state": operation.state},
    )
    return operation


def _check_permission(actor: Principal, targets: Sequence[str | None]) -> None:
    """Raise PermissionMissing where thresholds would be set by somebody who may not set them otherwise."""
    if THRESHOLD in targets:
        actor.require(_FOR_THRESHOLDS)


def _check_targets(columns: Sequence[dict[str, Any]], targets: Sequence[str | None]) -> None:
    if len(targets) != len(columns):
        raise Invalid.field("/targets", f"must name {len(columns)} targets, one for each column.")
    errors = [
        FieldError(f"/targets/{at}", f"must be null, {', '.join(TARGETS)} or {ATTRIBUTE} and a name.")
        for at, target in enumerate(targets)
        if target is not None and not is_target(target)
    ]
    named = [target for target in targets if target is not None]
    errors += [
        FieldError(f"/targets/{at}", f"{target} is the target of another column already.")
        for at, target in enumerate(targets)
        if target is not None and target in targets[:at]
    ]
    if "asin" not in named:
        errors.append(FieldError("/targets", "must name the column that is the asin."))
    if errors:
        raise Invalid("The request breaks a rule.", errors=tuple(errors))
